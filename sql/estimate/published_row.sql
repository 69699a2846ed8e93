/* model
grain = "one row per row of estimate.cloud_emissions"
kind  = "view"
*/
-- What a row adds to the published sums: the internet part stands apart unless the tenant includes it (method point 7).
SELECT
    e.*,
    -- By way of the month's first day, so that tables per month are grouped by months and not by days.
    substr(CAST(CAST(date_trunc('month', e.charge_date) AS DATE) AS VARCHAR), 1, 7) AS month,
    (e.component = 'network_internet') AS is_internet,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.it_kwh END AS counted_it_kwh,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.facility_kwh END
        AS counted_facility_kwh,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.location_gco2e END
        AS counted_location_gco2e,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.market_gco2e END
        AS counted_market_gco2e,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.low_gco2e END AS counted_low_gco2e,
    CASE WHEN t.include_internet_transfer OR e.component <> 'network_internet' THEN e.high_gco2e END
        AS counted_high_gco2e,
    -- Coverage looks at usage with a cost of zero or more (method point 13).
    CASE WHEN e.has_energy AND e.carried_effective_cost >= 0 THEN e.carried_effective_cost END AS covered_effective_cost
FROM estimate.cloud_emissions AS e
LEFT JOIN settings.tenant AS t ON t.tenant = e.tenant

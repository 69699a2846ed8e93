/* model
grain = "one row per row of rollup.usage_daily, with its cost, and one per row of estimate.cloud_emissions, with its emissions"
kind  = "view"
*/
-- What publish.emissions_by_* fold, each under its own key: costs and emissions stand in rows of their own, so that they
-- add up in one pass and nothing fans out.
SELECT
    tenant, provider_name, billing_account_id, sub_account_id, service_name, service_category, region_id,
    charge_date, substr(CAST(CAST(date_trunc('month', charge_date) AS DATE) AS VARCHAR), 1, 7) AS month, billing_currency /*{tag_columns}*/,
    CAST(NULL AS DECIMAL(38, 12)) AS it_kwh,
    CAST(NULL AS DECIMAL(38, 12)) AS facility_kwh,
    CAST(NULL AS DECIMAL(38, 9)) AS location_gco2e,
    CAST(NULL AS DECIMAL(38, 9)) AS market_gco2e,
    CAST(NULL AS DECIMAL(38, 9)) AS embodied_gco2e,
    CAST(NULL AS DECIMAL(38, 12)) AS internet_kwh,
    CAST(NULL AS DECIMAL(38, 9)) AS internet_gco2e,
    CAST(NULL AS DECIMAL(38, 9)) AS low_gco2e,
    CAST(NULL AS DECIMAL(38, 9)) AS high_gco2e,
    billed_cost,
    effective_cost,
    CAST(NULL AS DECIMAL(38, 24)) AS covered_cost,
    line_count
FROM rollup.usage_daily
UNION ALL
SELECT
    tenant, provider_name, billing_account_id, sub_account_id, service_name, service_category, region_id,
    charge_date, month, billing_currency /*{tag_columns}*/,
    counted_it_kwh,
    counted_facility_kwh,
    counted_location_gco2e,
    counted_market_gco2e,
    embodied_gco2e,
    CASE WHEN is_internet THEN facility_kwh END,
    CASE WHEN is_internet THEN location_gco2e END,
    counted_low_gco2e,
    counted_high_gco2e,
    NULL,
    NULL,
    covered_effective_cost,
    NULL
FROM estimate.published_row

/* model
grain     = "one row per tenant, provider, billing account, sub account, charge month and currency"
kind      = "incremental"
partition = ["tenant", "month"]
audits    = ["unique(tenant, provider_name, billing_account_id, sub_account_id, month, billing_currency)",
             "sum_preserved(rollup.usage_daily.billed_cost)",
             "sum_preserved(rollup.usage_daily.effective_cost)",
             "not_null(tenant, billing_currency)", "one_source_per_account_period(rollup.usage_daily)"]
*/
-- Sums are exact; money is rounded once, per row.
SELECT
    tenant, provider_name, billing_account_id, sub_account_id, month, billing_currency,
    sum(it_kwh) AS it_kwh,
    sum(facility_kwh) AS facility_kwh,
    sum(location_gco2e) AS location_gco2e,
    sum(market_gco2e) AS market_gco2e,
    sum(embodied_gco2e) AS embodied_gco2e,
    COALESCE(sum(location_gco2e) + sum(embodied_gco2e), sum(location_gco2e), sum(embodied_gco2e)) AS total_location_gco2e,
    COALESCE(sum(market_gco2e) + sum(embodied_gco2e), sum(market_gco2e), sum(embodied_gco2e)) AS total_market_gco2e,
    sum(internet_kwh) AS internet_kwh,
    sum(internet_gco2e) AS internet_gco2e,
    sum(low_gco2e) AS low_gco2e,
    sum(high_gco2e) AS high_gco2e,
    CAST(sum(billed_cost) AS DECIMAL(38, 10)) AS billed_cost,
    CAST(sum(effective_cost) AS DECIMAL(38, 10)) AS effective_cost,
    CAST(COALESCE(sum(covered_cost), 0) AS DECIMAL(38, 10)) AS covered_cost,
    CAST(sum(line_count) AS BIGINT) AS line_count
FROM estimate.cost_and_emission
GROUP BY
    tenant, provider_name, billing_account_id, sub_account_id, month, billing_currency

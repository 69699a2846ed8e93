/* model
grain     = "one row per tenant, allocation tag, tag value, provider, charge month and currency; untagged is a row"
kind      = "incremental"
partition = ["tenant", "month"]
audits    = ["unique(tenant, tag_key, tag_value, provider_name, month, billing_currency)",
             "sum_preserved_per_tag(rollup.usage_daily.billed_cost)",
             "not_null(tenant, tag_key, billing_currency)"]
*/
-- Every allocation tag of a tenant splits the whole bill: tag_value is null for what is not tagged. Sums are exact; money
-- is rounded once, per row.
SELECT
    tenant, allocation_key AS tag_key, allocation_value AS tag_value, provider_name, month, billing_currency,
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
FROM (
    -- Names of their own: tags named `key` and `value` are the columns tag_key and tag_value.
    SELECT c.*, a.tag_key AS allocation_key, CASE a.tag_column /*{tag_cases:c}*/ END AS allocation_value
    FROM estimate.cost_and_emission AS c
    JOIN settings.allocation_tag AS a ON a.tenant = c.tenant
) AS tagged
GROUP BY
    tenant, allocation_key, allocation_value, provider_name, month, billing_currency

/* model
grain     = "one row per tenant, provider, service, region, day and currency"
kind      = "incremental"
partition = ["tenant", "month"]
audits    = ["unique(tenant, provider_name, service_name, service_category, region_id, charge_date, billing_currency)",
             "sum_preserved(rollup.usage_daily.billed_cost)",
             "sum_preserved(rollup.usage_daily.effective_cost)",
             "not_null(tenant, billing_currency)"]
*/
-- Costs and emissions are summed apart, each exactly, and then set side by side: nothing fans out. Money is rounded once.
WITH costs AS (
    SELECT
        tenant, provider_name, service_name, service_category, region_id, charge_date, billing_currency,
        sum(billed_cost) AS billed_cost,
        sum(effective_cost) AS effective_cost,
        sum(line_count) AS line_count
    FROM rollup.usage_daily
    GROUP BY
        tenant, provider_name, service_name, service_category, region_id, charge_date, billing_currency
),
emissions AS (
    SELECT
        tenant, provider_name, service_name, service_category, region_id, charge_date, billing_currency,
        sum(counted_it_kwh) AS it_kwh,
        sum(counted_facility_kwh) AS facility_kwh,
        sum(counted_location_gco2e) AS location_gco2e,
        sum(counted_market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        sum(CASE WHEN is_internet THEN facility_kwh END) AS internet_kwh,
        sum(CASE WHEN is_internet THEN location_gco2e END) AS internet_gco2e,
        sum(counted_low_gco2e) AS low_gco2e,
        sum(counted_high_gco2e) AS high_gco2e,
        sum(covered_effective_cost) AS covered_cost
    FROM estimate.published_row
    GROUP BY
        tenant, provider_name, service_name, service_category, region_id, charge_date, billing_currency
)
SELECT
    c.tenant, c.provider_name, c.service_name, c.service_category, c.region_id, c.charge_date, c.billing_currency,
    e.it_kwh,
    e.facility_kwh,
    e.location_gco2e,
    e.market_gco2e,
    e.embodied_gco2e,
    COALESCE(e.location_gco2e + e.embodied_gco2e, e.location_gco2e, e.embodied_gco2e) AS total_location_gco2e,
    COALESCE(e.market_gco2e + e.embodied_gco2e, e.market_gco2e, e.embodied_gco2e) AS total_market_gco2e,
    e.internet_kwh,
    e.internet_gco2e,
    e.low_gco2e,
    e.high_gco2e,
    CAST(c.billed_cost AS DECIMAL(38, 10)) AS billed_cost,
    CAST(c.effective_cost AS DECIMAL(38, 10)) AS effective_cost,
    CAST(COALESCE(e.covered_cost, 0) AS DECIMAL(38, 10)) AS covered_cost,
    CAST(c.line_count AS BIGINT) AS line_count,
    substr(CAST(c.charge_date AS VARCHAR), 1, 7) AS month
FROM costs AS c
LEFT JOIN emissions AS e
  ON (e.tenant IS NOT DISTINCT FROM c.tenant)
 AND (e.provider_name IS NOT DISTINCT FROM c.provider_name)
 AND (e.service_name IS NOT DISTINCT FROM c.service_name)
 AND (e.service_category IS NOT DISTINCT FROM c.service_category)
 AND (e.region_id IS NOT DISTINCT FROM c.region_id)
 AND (e.charge_date IS NOT DISTINCT FROM c.charge_date)
 AND (e.billing_currency IS NOT DISTINCT FROM c.billing_currency)

/* model
grain     = "one row per tenant, allocation tag, tag value, provider, charge month and currency; untagged is a row"
kind      = "incremental"
partition = ["tenant", "month"]
audits    = ["unique(tenant, tag_key, tag_value, provider_name, month, billing_currency)",
             "sum_preserved_per_tag(rollup.usage_daily.billed_cost)",
             "not_null(tenant, tag_key, billing_currency)"]
*/
-- Every allocation tag of a tenant splits the whole bill: tag_value is null for what is not tagged.
-- Costs and emissions are summed apart, each exactly, and then set side by side: nothing fans out. Money is rounded once.
WITH costs AS (
    SELECT
        tenant, tag_key, tag_value, provider_name, month, billing_currency,
        sum(billed_cost) AS billed_cost,
        sum(effective_cost) AS effective_cost,
        sum(line_count) AS line_count
    FROM (
        SELECT
            r.*,
            a.tag_key,
            CASE a.tag_column /*{tag_cases:r}*/ END AS tag_value,
            substr(CAST(r.charge_date AS VARCHAR), 1, 7) AS month
        FROM rollup.usage_daily AS r
        JOIN settings.allocation_tag AS a ON a.tenant = r.tenant
    ) AS billed
    GROUP BY
        tenant, tag_key, tag_value, provider_name, month, billing_currency
),
emissions AS (
    SELECT
        tenant, tag_key, tag_value, provider_name, month, billing_currency,
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
    FROM (
        SELECT p.*, a.tag_key, CASE a.tag_column /*{tag_cases:p}*/ END AS tag_value
        FROM estimate.published_row AS p
        JOIN settings.allocation_tag AS a ON a.tenant = p.tenant
    ) AS tagged
    GROUP BY
        tenant, tag_key, tag_value, provider_name, month, billing_currency
)
SELECT
    c.tenant, c.tag_key, c.tag_value, c.provider_name, c.month, c.billing_currency,
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
    CAST(c.line_count AS BIGINT) AS line_count
FROM costs AS c
LEFT JOIN emissions AS e
  ON (e.tenant IS NOT DISTINCT FROM c.tenant)
 AND (e.tag_key IS NOT DISTINCT FROM c.tag_key)
 AND (e.tag_value IS NOT DISTINCT FROM c.tag_value)
 AND (e.provider_name IS NOT DISTINCT FROM c.provider_name)
 AND (e.month IS NOT DISTINCT FROM c.month)
 AND (e.billing_currency IS NOT DISTINCT FROM c.billing_currency)

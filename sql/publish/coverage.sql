/* model
grain  = "one row per tenant, provider, service, region, charge month and currency of usage"
kind   = "full"
audits = ["unique(tenant, provider_name, service_name, region_id, month, billing_currency)",
          "not_null(tenant, month, row_share)"]
*/
-- How much of the usage has energy (method point 13): by effective cost, of usage with a cost of zero or more, and by
-- lines. uncovered_reason names why the rest has none, the costliest reason first.
WITH usage_rows AS (
    SELECT *, carried_effective_cost >= 0 AS is_charged
    FROM estimate.published_row
    WHERE carried_line_count IS NOT NULL
),
shares AS (
    SELECT
        tenant, provider_name, service_name, region_id, month, billing_currency,
        sum(CASE WHEN is_charged THEN carried_effective_cost END) AS effective_cost,
        sum(covered_effective_cost) AS covered_cost,
        sum(carried_line_count) AS line_count,
        sum(CASE WHEN has_energy THEN carried_line_count END) AS covered_lines
    FROM usage_rows
    GROUP BY tenant, provider_name, service_name, region_id, month, billing_currency
),
reasons AS (
    SELECT
        tenant, provider_name, service_name, region_id, month, billing_currency,
        uncovered_reason,
        sum(CASE WHEN is_charged THEN carried_effective_cost END) AS uncovered_cost
    FROM usage_rows
    WHERE NOT has_energy
    GROUP BY tenant, provider_name, service_name, region_id, month, billing_currency, uncovered_reason
),
worst AS (
    SELECT
        tenant, provider_name, service_name, region_id, month, billing_currency,
        string_agg(uncovered_reason, ', ' ORDER BY uncovered_cost DESC NULLS LAST, uncovered_reason) AS uncovered_reason
    FROM reasons
    GROUP BY tenant, provider_name, service_name, region_id, month, billing_currency
)
SELECT
    s.tenant,
    s.provider_name,
    s.service_name,
    s.region_id,
    s.month,
    s.billing_currency,
    CAST(COALESCE(s.effective_cost, 0) AS DECIMAL(38, 10)) AS effective_cost,
    CAST(COALESCE(s.covered_cost, 0) AS DECIMAL(38, 10)) AS covered_cost,
    CASE WHEN s.effective_cost > 0
         THEN CAST(COALESCE(s.covered_cost, 0) AS DOUBLE) / CAST(s.effective_cost AS DOUBLE) END AS cost_share,
    CAST(s.line_count AS BIGINT) AS line_count,
    CAST(COALESCE(s.covered_lines, 0) AS BIGINT) AS covered_lines,
    CAST(COALESCE(s.covered_lines, 0) AS DOUBLE) / CAST(s.line_count AS DOUBLE) AS row_share,
    w.uncovered_reason
FROM shares AS s
LEFT JOIN worst AS w
  ON (w.tenant IS NOT DISTINCT FROM s.tenant)
 AND (w.provider_name IS NOT DISTINCT FROM s.provider_name)
 AND (w.service_name IS NOT DISTINCT FROM s.service_name)
 AND (w.region_id IS NOT DISTINCT FROM s.region_id)
 AND (w.month IS NOT DISTINCT FROM s.month)
 AND (w.billing_currency IS NOT DISTINCT FROM s.billing_currency)

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
-- Of usage with energy the reason is null: one fold has both, what is covered and why the rest is not.
reasons AS (
    SELECT
        tenant, provider_name, service_name, region_id, month, billing_currency,
        CASE WHEN NOT has_energy THEN uncovered_reason END AS uncovered_reason,
        sum(CASE WHEN is_charged THEN carried_effective_cost END) AS effective_cost,
        sum(covered_effective_cost) AS covered_cost,
        sum(carried_line_count) AS line_count,
        sum(CASE WHEN has_energy THEN carried_line_count END) AS covered_lines
    FROM usage_rows
    GROUP BY
        tenant, provider_name, service_name, region_id, month, billing_currency,
        CASE WHEN NOT has_energy THEN uncovered_reason END
),
shares AS (
    SELECT
        tenant, provider_name, service_name, region_id, month, billing_currency,
        sum(effective_cost) AS effective_cost,
        sum(covered_cost) AS covered_cost,
        sum(line_count) AS line_count,
        sum(covered_lines) AS covered_lines,
        string_agg(uncovered_reason, ', ' ORDER BY effective_cost DESC NULLS LAST, uncovered_reason) AS uncovered_reason
    FROM reasons
    GROUP BY tenant, provider_name, service_name, region_id, month, billing_currency
)
SELECT
    tenant,
    provider_name,
    service_name,
    region_id,
    month,
    billing_currency,
    CAST(COALESCE(effective_cost, 0) AS DECIMAL(38, 10)) AS effective_cost,
    CAST(COALESCE(covered_cost, 0) AS DECIMAL(38, 10)) AS covered_cost,
    CASE WHEN effective_cost > 0
         THEN CAST(COALESCE(covered_cost, 0) AS DOUBLE) / CAST(effective_cost AS DOUBLE) END AS cost_share,
    CAST(line_count AS BIGINT) AS line_count,
    CAST(COALESCE(covered_lines, 0) AS BIGINT) AS covered_lines,
    CAST(COALESCE(covered_lines, 0) AS DOUBLE) / CAST(line_count AS DOUBLE) AS row_share,
    uncovered_reason
FROM shares

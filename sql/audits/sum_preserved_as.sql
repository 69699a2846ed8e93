-- Guards money where the table calls it otherwise: sum_preserved_as(table.column, column here, currency column here).
WITH given AS (
    SELECT tenant, billing_currency, sum({{arg1_column}}) AS given_sum
    FROM {{arg1_table}}
    GROUP BY tenant, billing_currency
),
kept AS (
    SELECT tenant, "{{arg3}}" AS billing_currency, sum("{{arg2}}") AS kept_sum, count(*) AS kept_rows
    FROM {{table}}
    GROUP BY tenant, "{{arg3}}"
)
SELECT
    COALESCE(g.tenant, k.tenant) AS tenant,
    COALESCE(g.billing_currency, k.billing_currency) AS billing_currency,
    g.given_sum,
    k.kept_sum,
    k.kept_rows
FROM given AS g
FULL JOIN kept AS k
  ON (k.tenant IS NOT DISTINCT FROM g.tenant)
 AND (k.billing_currency IS NOT DISTINCT FROM g.billing_currency)
WHERE abs(COALESCE(g.given_sum, 0) - COALESCE(k.kept_sum, 0))
    > CAST(COALESCE(k.kept_rows, 0) AS DECIMAL(18, 0)) * CAST(0.00000000005 AS DECIMAL(14, 11))

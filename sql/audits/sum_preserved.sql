-- Guards money on its way: per tenant and currency the sum of a column is that of the named column of another table. A
-- published row is rounded once to ten digits, so each may be off by half of the last digit and the sum by that per row.
WITH given AS (
    SELECT tenant, billing_currency, sum({{arg1_column}}) AS given_sum
    FROM {{arg1_table}}
    GROUP BY tenant, billing_currency
),
kept AS (
    SELECT tenant, billing_currency, sum({{arg1_column}}) AS kept_sum, count(*) AS kept_rows
    FROM {{table}}
    GROUP BY tenant, billing_currency
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

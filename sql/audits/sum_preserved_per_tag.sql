-- Guards the split by tag: every allocation tag of a tenant, untagged rows included, adds up to the whole bill.
WITH given AS (
    SELECT r.tenant, a.tag_key, r.billing_currency, sum(r.{{arg1_column}}) AS given_sum
    FROM {{arg1_table}} AS r
    JOIN settings.allocation_tag AS a ON a.tenant = r.tenant
    GROUP BY r.tenant, a.tag_key, r.billing_currency
),
kept AS (
    SELECT tenant, tag_key, billing_currency, sum({{arg1_column}}) AS kept_sum, count(*) AS kept_rows
    FROM {{table}}
    GROUP BY tenant, tag_key, billing_currency
)
SELECT
    COALESCE(g.tenant, k.tenant) AS tenant,
    COALESCE(g.tag_key, k.tag_key) AS tag_key,
    COALESCE(g.billing_currency, k.billing_currency) AS billing_currency,
    g.given_sum,
    k.kept_sum
FROM given AS g
FULL JOIN kept AS k
  ON (k.tenant IS NOT DISTINCT FROM g.tenant)
 AND (k.tag_key IS NOT DISTINCT FROM g.tag_key)
 AND (k.billing_currency IS NOT DISTINCT FROM g.billing_currency)
WHERE abs(COALESCE(g.given_sum, 0) - COALESCE(k.kept_sum, 0))
    > CAST(COALESCE(k.kept_rows, 0) AS DECIMAL(18, 0)) * CAST(0.00000000005 AS DECIMAL(14, 11))

-- Guards both sides: per tenant and provider, every gram of the estimate and of the provider's figures stands in the
-- reconciliation once. Sums are exact.
WITH given AS (
    SELECT
        tenant, provider_name,
        COALESCE(counted_location_gco2e, 0) + COALESCE(embodied_gco2e, 0) AS estimate_location,
        COALESCE(counted_market_gco2e, 0) + COALESCE(embodied_gco2e, 0) AS estimate_market,
        CAST(0 AS DECIMAL(38, 9)) AS provider_location,
        CAST(0 AS DECIMAL(38, 9)) AS provider_market
    FROM estimate.published_row
    UNION ALL
    SELECT tenant, provider_name, 0, 0, COALESCE(location_gco2e, 0), COALESCE(market_gco2e, 0)
    FROM normalize.provider_total
),
given_sums AS (
    SELECT
        tenant, provider_name, sum(estimate_location) AS estimate_location, sum(estimate_market) AS estimate_market,
        sum(provider_location) AS provider_location, sum(provider_market) AS provider_market
    FROM given
    GROUP BY tenant, provider_name
),
kept_sums AS (
    SELECT
        tenant, provider_name,
        sum(COALESCE(estimate_location_gco2e, 0)) AS estimate_location,
        sum(COALESCE(estimate_market_gco2e, 0)) AS estimate_market,
        sum(COALESCE(provider_location_gco2e, 0)) AS provider_location,
        sum(COALESCE(provider_market_gco2e, 0)) AS provider_market
    FROM {{table}}
    GROUP BY tenant, provider_name
)
SELECT
    COALESCE(g.tenant, k.tenant) AS tenant,
    COALESCE(g.provider_name, k.provider_name) AS provider_name,
    g.estimate_location AS given_estimate_location, k.estimate_location AS kept_estimate_location,
    g.estimate_market AS given_estimate_market, k.estimate_market AS kept_estimate_market,
    g.provider_location AS given_provider_location, k.provider_location AS kept_provider_location,
    g.provider_market AS given_provider_market, k.provider_market AS kept_provider_market
FROM given_sums AS g
FULL JOIN kept_sums AS k
  ON (k.tenant IS NOT DISTINCT FROM g.tenant)
 AND (k.provider_name IS NOT DISTINCT FROM g.provider_name)
WHERE (g.estimate_location IS DISTINCT FROM k.estimate_location)
   OR (g.estimate_market IS DISTINCT FROM k.estimate_market)
   OR (g.provider_location IS DISTINCT FROM k.provider_location)
   OR (g.provider_market IS DISTINCT FROM k.provider_market)

/* model
description = "The provider's figure that counts: the newest model's total per account, month, service and region"
grain = "one row per tenant, provider, billing account, sub account, month, service and region"
kind = "view"
*/
-- A total that the provider states counts; where an account's month has none, its scopes add up, if scope 2 is among
-- them. A basis that the provider does not publish is null. Of two sources with the same account and month one is taken:
-- one that counts before one that is only compared.
WITH figures AS (
    SELECT
        e.*,
        s.role,
        dense_rank() OVER (
            PARTITION BY e.tenant, e.provider_name, e.billing_account_id, e.sub_account_id, e.month
            ORDER BY CASE s.role WHEN 'counts' THEN 0 ELSE 1 END, e.source
        ) AS choice,
        max(CASE WHEN NOT e.is_latest_model THEN e.model_order END) OVER account_month AS replaced_model_order,
        max(CASE WHEN e.is_latest_model AND e.scope = 'total_location' THEN 1 END) OVER account_month AS states_location,
        max(CASE WHEN e.is_latest_model AND e.scope = 'total_market' THEN 1 END) OVER account_month AS states_market,
        max(CASE WHEN e.is_latest_model AND e.scope = '2_location' THEN 1 END) OVER account_month AS has_scope_2_location,
        max(CASE WHEN e.is_latest_model AND e.scope = '2_market' THEN 1 END) OVER account_month AS has_scope_2_market,
        max(CASE WHEN e.is_latest_model AND e.scope = '3' THEN 1 END) OVER account_month AS has_scope_3
    FROM normalize.provider_emissions AS e
    JOIN settings.source AS s ON s.tenant = e.tenant AND s.source = e.source
    WINDOW account_month AS (
        PARTITION BY e.tenant, e.source, e.provider_name, e.billing_account_id, e.sub_account_id, e.month
    )
)
SELECT
    tenant, source, role, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, model_version,
    substr(replaced_model_order, 50) AS replaced_model_version,
    has_scope_3 IS NOT NULL AS has_scope_3,
    sum(CASE WHEN scope = 'total_location' THEN gco2e
             WHEN states_location IS NULL AND has_scope_2_location IS NOT NULL AND scope IN ('1', '2_location', '3')
             THEN gco2e END) AS location_gco2e,
    sum(CASE WHEN scope = 'total_market' THEN gco2e
             WHEN states_market IS NULL AND has_scope_2_market IS NOT NULL AND scope IN ('1', '2_market', '3')
             THEN gco2e END) AS market_gco2e,
    count(*) AS figure_count
FROM figures
WHERE is_latest_model AND choice = 1
GROUP BY
    tenant, source, role, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, model_version,
    replaced_model_order, has_scope_3

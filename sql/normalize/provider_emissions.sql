/* model
description = "Carbon figures as the providers publish them, in grams: every scope, every version of their models"
grain = "one row per delivered figure: month, account, service, region, scope and model version"
kind = "view"
*/
-- Totals and scopes are rows of their own: a sum takes the totals or the scopes, never both. A new model restates old
-- months, so of an account's month only the newest version counts (is_latest_model). Versions compare as numbers, v3.0.0
-- before v10, in model_order: four numbers of twelve digits, 0 for a preview, the version itself.
WITH figures AS (
    SELECT
        tenant, source, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, scope, gco2e,
        model_version, source_file, source_row_number
    FROM normalize.aws_carbon
    UNION ALL
    SELECT
        tenant, source, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, scope, gco2e,
        model_version, source_file, source_row_number
    FROM normalize.azure_carbon
    UNION ALL
    SELECT
        tenant, source, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, scope, gco2e,
        model_version, source_file, source_row_number
    FROM normalize.gcp_carbon
),
numbered AS (
    SELECT *, regexp_replace(model_version, '^[^0-9]*([0-9]+(\.[0-9]+)*).*$', '\1') AS numbers
    FROM figures
),
ordered AS (
    SELECT
        *,
        concat(
            lpad(split_part(numbers, '.', 1), 12, '0'), lpad(split_part(numbers, '.', 2), 12, '0'),
            lpad(split_part(numbers, '.', 3), 12, '0'), lpad(split_part(numbers, '.', 4), 12, '0'),
            CASE WHEN model_version LIKE '%-%' THEN '0' ELSE '1' END, model_version
        ) AS model_order
    FROM numbered
)
SELECT
    tenant, source, provider_name, billing_account_id, sub_account_id, month, service_name, region_id, scope, gco2e,
    model_version,
    model_order = max(model_order) OVER (
        PARTITION BY tenant, source, provider_name, billing_account_id, sub_account_id, month
    ) AS is_latest_model,
    model_order, source_file, source_row_number
FROM ordered

/* model
description = "AWS's own carbon figures (the carbon export's files and the Sustainability API) in grams, one row per figure that was delivered"
grain = "one row per delivered row and scope"
kind = "view"
*/
-- Tons of the delivered row times 1,000,000 are grams. A figure that was not delivered is no row: older exports have none by
-- the location of use. Scope 3 is delivered twice, as the two totals hold it; here it is the one of the location total, or
-- the only one there is. Landing refuses a figure in another unit than metric tons.
WITH delivered AS (
    SELECT
        tenant, source, _source_uri AS source_file, _row_number AS source_row_number,
        clean_id(payer_account_id) AS billing_account_id,
        clean_id(usage_account_id) AS sub_account_id,
        usage_timestamp(usage_period_start, _date_order) AS usage_start,
        clean_text(product_code) AS product_code,
        clean_text(region_code) AS region_code,
        lower(replace(clean_text(location), ' ', '')) AS location,
        clean_text(model_version) AS model_version,
        total_scope_1_emissions_value AS scope_1_tons,
        total_scope_2_lbm_emissions_value AS scope_2_location_tons,
        total_scope_2_mbm_emissions_value AS scope_2_market_tons,
        COALESCE(clean_text(total_scope_3_lbm_emissions_value), clean_text(total_scope_3_mbm_emissions_value)) AS scope_3_tons,
        total_lbm_emissions_value AS total_location_tons,
        total_mbm_emissions_value AS total_market_tons
    FROM raw.aws_carbon
    UNION ALL
    SELECT
        tenant, source, _source_uri, _row_number,
        clean_id(payer_account_id),
        clean_id(usage_account_id),
        usage_timestamp(usage_period_start, _date_order),
        clean_text(product_code),
        clean_text(region_code),
        lower(replace(clean_text(location), ' ', '')),
        clean_text(model_version),
        CAST(total_scope_1_emissions_value AS VARCHAR),
        CAST(total_scope_2_lbm_emissions_value AS VARCHAR),
        CAST(total_scope_2_mbm_emissions_value AS VARCHAR),
        CAST(COALESCE(total_scope_3_lbm_emissions_value, total_scope_3_mbm_emissions_value) AS VARCHAR),
        CAST(total_lbm_emissions_value AS VARCHAR),
        CAST(total_mbm_emissions_value AS VARCHAR)
    FROM raw.aws_carbon_parquet
),
figures AS (
    SELECT delivered.*, '1' AS scope, scope_1_tons AS tons FROM delivered
    UNION ALL
    SELECT delivered.*, '2_location' AS scope, scope_2_location_tons AS tons FROM delivered
    UNION ALL
    SELECT delivered.*, '2_market' AS scope, scope_2_market_tons AS tons FROM delivered
    UNION ALL
    SELECT delivered.*, '3' AS scope, scope_3_tons AS tons FROM delivered
    UNION ALL
    SELECT delivered.*, 'total_location' AS scope, total_location_tons AS tons FROM delivered
    UNION ALL
    SELECT delivered.*, 'total_market' AS scope, total_market_tons AS tons FROM delivered
),
aws_service AS (
    SELECT service_code, min(service_name) AS service_name
    FROM reference.service_names
    WHERE provider_name = 'AWS'
    GROUP BY service_code
),
aws_location AS (
    SELECT alias, min(region_id) AS region_id
    FROM reference.region_aliases
    WHERE provider_name = 'AWS'
    GROUP BY alias
)
SELECT
    tenant, source,
    'AWS' AS provider_name,
    billing_account_id,
    sub_account_id,
    to_char(usage_start, '%Y-%m') AS month,
    COALESCE(aws_service.service_name, product_code) AS service_name,
    CASE
        WHEN lower(COALESCE(region_code, location)) = 'global' THEN 'global'
        ELSE COALESCE(region_code, aws_location.region_id)
    END AS region_id,
    scope,
    CAST(canonical_quantity(tons, 1000000.0, 'false', usage_start) AS DECIMAL(38,9)) AS gco2e,
    model_version,
    source_file,
    source_row_number
FROM figures
LEFT JOIN aws_service ON aws_service.service_code = figures.product_code
LEFT JOIN aws_location ON aws_location.alias = figures.location
WHERE clean_text(tons) IS NOT NULL

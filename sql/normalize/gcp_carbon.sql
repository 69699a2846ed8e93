/* model
description = "Google Cloud's own carbon figures, every model version, in grams"
grain = "one row per landed row and scope that it has a figure for"
kind = "view"
*/
WITH figures AS (
    SELECT
        tenant, source, _source_uri AS source_file, _row_number AS source_row_number,
        clean_text(billing_account_id) AS billing_account_id,
        -- A deleted project has a number and no id.
        COALESCE(json_value(project, 'id'), json_value(project, 'number')) AS sub_account_id,
        substr(clean_text(usage_month), 1, 7) AS month,
        json_value(service, 'description') AS service_name,
        COALESCE(json_value(location, 'region'), json_value(location, 'location')) AS region_id,
        clean_text(carbon_model_version) AS model_version,
        json_value("carbon_footprint_kgCO2e", 'scope1') AS scope1_kg,
        json_value(json_value("carbon_footprint_kgCO2e", 'scope2'), 'location_based') AS scope2_location_kg,
        json_value(json_value("carbon_footprint_kgCO2e", 'scope2'), 'market_based') AS scope2_market_kg,
        json_value("carbon_footprint_kgCO2e", 'scope3') AS scope3_kg,
        json_value("carbon_footprint_total_kgCO2e", 'location_based') AS total_location_kg,
        json_value("carbon_footprint_total_kgCO2e", 'market_based') AS total_market_kg
    FROM raw.gcp_carbon
),
-- The totals hold the scopes: they are rows of their own, never to be added to them.
by_scope AS (
    SELECT *, '1' AS scope, scope1_kg AS kg FROM figures
    UNION ALL
    SELECT *, '2_location' AS scope, scope2_location_kg AS kg FROM figures
    UNION ALL
    SELECT *, '2_market' AS scope, scope2_market_kg AS kg FROM figures
    UNION ALL
    SELECT *, '3' AS scope, scope3_kg AS kg FROM figures
    UNION ALL
    SELECT *, 'total_location' AS scope, total_location_kg AS kg FROM figures
    UNION ALL
    SELECT *, 'total_market' AS scope, total_market_kg AS kg FROM figures
)
SELECT
    tenant,
    source,
    'Google Cloud' AS provider_name,
    billing_account_id,
    sub_account_id,
    month,
    service_name,
    region_id,
    scope,
    CAST(canonical_quantity(kg, 1000, 'false', CAST(NULL AS DATE)) AS DECIMAL(38, 9)) AS gco2e,
    model_version,
    source_file,
    source_row_number
FROM by_scope
WHERE kg IS NOT NULL

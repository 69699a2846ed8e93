/* model
description = "Activity data of the company's own: fuels, electricity, refrigerants, travel"
grain = "one row per delivered row"
kind = "view"
*/
WITH rows AS (
    SELECT
        tenant, source, clean_text(site) AS site, clean_text(entity) AS entity, clean_text(activity) AS activity,
        clean_text(scope) AS scope, clean_text(category) AS category, clean_text(quantity) AS quantity,
        clean_text(unit) AS unit, usage_timestamp(period_start, _date_order) AS period_start,
        usage_timestamp(period_end, _date_order) AS period_end, clean_text(country) AS country,
        clean_text(region) AS region, clean_text(method_hint) AS method_hint,
        clean_text(supplier_factor_kgco2e_per_unit) AS supplier_factor, clean_text(notes) AS notes,
        _source_uri AS source_file, _row_number AS source_row_number
    FROM raw.activity
    UNION ALL
    SELECT
        tenant, source, clean_text(site), clean_text(entity), clean_text(activity), clean_text(scope),
        clean_text(category), clean_text(CAST(quantity AS VARCHAR)), clean_text(unit),
        usage_timestamp(period_start, _date_order), usage_timestamp(period_end, _date_order), clean_text(country),
        clean_text(region), clean_text(method_hint), clean_text(CAST(supplier_factor_kgco2e_per_unit AS VARCHAR)),
        clean_text(notes), _source_uri, _row_number
    FROM raw.activity_parquet
)
SELECT
    tenant, source, site, entity, activity, scope, category,
    canonical_quantity(quantity, 1.0, 'false', period_start) AS quantity,
    unit, CAST(period_start AS DATE) AS period_start, CAST(period_end AS DATE) AS period_end, country, region,
    method_hint, canonical_quantity(supplier_factor, 1.0, 'false', period_start) AS supplier_factor_kgco2e_per_unit,
    notes, source_file, source_row_number
FROM rows

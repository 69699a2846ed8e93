/* model
grain = "one row per row of normalize.activity"
kind  = "view"
*/
-- Activity rows with their unit in canonical form (units.csv, exact definitions) and their words in comparable form.
SELECT
    a.*,
    -- The row's identity inside a tenant.
    concat_ws(chr(31), a.tenant, a.source, a.source_file, CAST(a.source_row_number AS VARCHAR)) AS activity_key,
    CAST(a.quantity AS DOUBLE) AS amount,
    -- One text for all spellings of a gas.
    COALESCE(n.gas_key, lower(trim(a.activity))) AS activity_text,
    lower(trim(a.unit)) AS unit_text,
    lower(trim(a.category)) AS category_text,
    -- Words for leaked gases, whatever the factor table calls its category of them.
    COALESCE(regexp_like(lower(a.category), 'refrigerant|fugitive|leak|f-gas'), false) AS is_leak,
    lower(trim(a.method_hint)) AS hint_text,
    upper(trim(a.country)) AS country_iso2,
    -- "1", "Scope 1" and "Scope 3 category 6": the first digit.
    substr(regexp_replace(COALESCE(a.scope, ''), '[^0-9]', '', 'g'), 1, 1) AS scope_number,
    -- "6", "category 6" and "cat. 6" are Scope 3 categories; other words name a category of the factor table.
    CASE WHEN regexp_like(lower(trim(a.category)), '^(scope 3 )?(cat(egory|[.])? *)?[0-9]{1,4}$')
         THEN CAST(regexp_replace(regexp_replace(lower(trim(a.category)), '^scope 3', ''), '[^0-9]', '', 'g') AS BIGINT)
    END AS named_scope3_category,
    CAST(extract(YEAR FROM a.period_start) AS BIGINT) AS activity_year,
    u.unit AS canonical_unit,
    u.multiplier AS canonical_multiplier,
    lower(trim(a.activity)) IN ('electricity', 'electricity: uk') AS is_electricity,
    CASE WHEN u.dimension = 'energy' THEN CAST(a.quantity AS DOUBLE) * u.multiplier END AS energy_kwh
FROM estimate.gas_name AS n
RIGHT JOIN (
    (
        SELECT unit_raw, min(unit) AS unit, min(multiplier) AS multiplier, min(dimension) AS dimension
        FROM reference.units
        WHERE provider = '*' AND dimension <> 'cloud'
        GROUP BY unit_raw
    ) AS u
    RIGHT JOIN normalize.activity AS a ON u.unit_raw = lower(trim(a.unit))
) ON n.name = a.activity

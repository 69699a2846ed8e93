/* model
grain = "one row per factor of reference.activity_factors that can be multiplied, in comparable form"
kind  = "view"
*/
-- Emission factors per unit with the chosen GWP sets still open: masses of gases where the source gives masses (EPA),
-- else the published CO2e total with its own GWP set (method point 15).
WITH units AS (
    SELECT unit_raw, min(unit) AS unit, min(multiplier) AS multiplier
    FROM reference.units
    WHERE provider = '*' AND dimension <> 'cloud'
    GROUP BY unit_raw
),
published_gwp AS (
    SELECT
        assessment_report AS gwp_set,
        max(CASE WHEN species = 'CH4' THEN gwp_kgco2e_per_kg END) AS ch4_gwp,
        max(CASE WHEN species = 'N2O' THEN gwp_kgco2e_per_kg END) AS n2o_gwp
    FROM reference.gwp
    WHERE horizon_years = 100
    GROUP BY assessment_report
)
SELECT
    f.factor_id,
    f.dataset,
    f.year AS factor_year,
    f.region AS factor_region,
    CAST(regexp_replace(f.scope, '[^0-9]', '', 'g') AS VARCHAR) AS scope_number,
    f.scope = 'Outside of Scopes' AS is_outside_of_scopes,
    f.category,
    f.subcategory,
    lower(f.category) AS category_text,
    lower(f.subcategory) AS subcategory_text,
    -- Homeworking rows name what they are in the subcategory.
    COALESCE(f.activity, f.subcategory) AS activity,
    lower(trim(COALESCE(f.activity, f.subcategory))) AS activity_text,
    -- DESNZ repeats the unit as a variant of electricity and heat.
    CASE WHEN lower(f.variant) <> lower(f.unit) THEN lower(f.variant) END AS variant_text,
    f.unit,
    lower(trim(f.unit)) AS unit_text,
    -- A plain GJ stands only for bioenergy: which calorific value it is, the table does not say.
    CASE WHEN f.unit = 'GJ' THEN 'GJ' ELSE u.unit END AS canonical_unit,
    u.multiplier AS canonical_multiplier,
    (f.co2_kg_per_unit IS NOT NULL OR f.ch4_g_per_unit IS NOT NULL OR f.n2o_g_per_unit IS NOT NULL) AS is_by_mass,
    f.kgco2e_per_unit,
    CASE
        WHEN f.co2_kg_per_unit IS NOT NULL OR f.ch4_g_per_unit IS NOT NULL OR f.n2o_g_per_unit IS NOT NULL
            THEN f.co2_kg_per_unit
        ELSE f.kgco2e_co2_per_unit
    END AS co2_kg_per_unit,
    COALESCE(f.ch4_g_per_unit / 1000, f.kgco2e_ch4_per_unit / g.ch4_gwp) AS ch4_kg_per_unit,
    COALESCE(f.n2o_g_per_unit / 1000, f.kgco2e_n2o_per_unit / g.n2o_gwp) AS n2o_kg_per_unit,
    -- Leaked refrigerants are masses of other gases themselves.
    CASE WHEN lower(f.category) LIKE 'refrigerant%' AND lower(f.activity) NOT IN ('carbon dioxide', 'methane', 'nitrous oxide')
         THEN u.multiplier END AS other_kg_per_unit,
    f.biogenic_co2_kg_per_unit,
    split_part(f.gwp_set, ' ', 1) AS gwp_set,
    CASE f.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank,
    CASE
        WHEN lower(f.category) LIKE '%business travel%' OR lower(f.category) LIKE 'hotel stay%' THEN 6
        WHEN lower(f.category) LIKE 'homeworking%' OR lower(f.category) LIKE '%commut%' THEN 7
        WHEN lower(f.category) LIKE '%freight%' OR lower(f.category) LIKE '%transportation%' THEN 4
        WHEN lower(f.category) LIKE '%waste%' OR lower(f.category) LIKE 'water treatment%' THEN 5
        WHEN lower(f.category) LIKE 'material use%' OR lower(f.category) LIKE 'water supply%' THEN 1
        WHEN lower(f.category) LIKE 'managed assets%' THEN 8
        WHEN lower(f.category) LIKE 'wtt-%' OR lower(f.category) LIKE '%transmission%' OR lower(f.category) LIKE '%t&d%'
            THEN 3
    END AS scope3_category
FROM reference.activity_factors AS f
LEFT JOIN units AS u ON u.unit_raw = lower(trim(f.unit))
LEFT JOIN published_gwp AS g ON g.gwp_set = split_part(f.gwp_set, ' ', 1)
UNION ALL
-- A leaked gas that no table of factors names: its mass times its GWP, in the set that the tenant chose.
SELECT
    factor_id, 'gwp', CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), '1', false, 'Refrigerant & other', 'GWP',
    'refrigerant & other', 'gwp', species, lower(species), CAST(NULL AS VARCHAR), 'kg', 'kg', 'kg', 1.0, false,
    gwp_kgco2e_per_kg, CAST(NULL AS DOUBLE),
    CASE WHEN species = 'CH4' THEN 1.0 END, CASE WHEN species = 'N2O' THEN 1.0 END,
    CASE WHEN species NOT IN ('CH4', 'N2O') THEN 1.0 END,
    CAST(NULL AS DOUBLE), assessment_report,
    CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END,
    CAST(NULL AS BIGINT)
FROM reference.gwp
WHERE horizon_years = 100

/* model
grain = "one row per factor of reference.activity_factors that can be multiplied, in comparable form"
kind  = "view"
small = true
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
),
-- One figure per gas and report: the user's own (overlay) before the published one.
gas AS (
    SELECT *
    FROM (
        SELECT
            factor_id,
            species,
            assessment_report AS gwp_set,
            gwp_kgco2e_per_kg,
            CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank,
            row_number() OVER (
                PARTITION BY species, assessment_report ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
            ) AS choice
        FROM reference.gwp
        WHERE horizon_years = 100
    ) AS ranked
    WHERE choice = 1
),
-- The parts of a blend that count. A blend that the user describes (overlay) is as the user describes it.
blend_part AS (
    SELECT
        factor_id,
        blend,
        component,
        mass_percent,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank
    FROM (
        SELECT *, bool_or(starts_with(factor_id, 'own/')) OVER (PARTITION BY blend) AS is_described
        FROM reference.refrigerant_blends
    ) AS described
    WHERE lower(counts) = 'yes' AND (starts_with(factor_id, 'own/') OR NOT is_described)
),
-- Mass shares times GWP, in exact decimals. Where a part that counts has no GWP in a report, the blend has none either.
blend AS (
    SELECT
        string_agg(concat(p.factor_id, '|', g.factor_id), '|' ORDER BY p.factor_id) AS factor_id,
        p.blend,
        s.gwp_set,
        CAST(sum(CAST(p.mass_percent AS DECIMAL(12, 6)) * CAST(g.gwp_kgco2e_per_kg AS DECIMAL(20, 6))) AS DOUBLE) / 100
            AS gwp_kgco2e_per_kg,
        max(greatest(p.quality_rank, g.quality_rank)) AS quality_rank
    FROM blend_part AS p
    CROSS JOIN (SELECT DISTINCT gwp_set FROM gas) AS s
    LEFT JOIN gas AS g ON g.species = p.component AND g.gwp_set = s.gwp_set
    GROUP BY p.blend, s.gwp_set
    HAVING count(*) = count(g.factor_id)
),
leaked AS (
    SELECT factor_id, species AS gas_name, gwp_set, gwp_kgco2e_per_kg, quality_rank FROM gas
    UNION ALL
    SELECT factor_id, blend, gwp_set, gwp_kgco2e_per_kg, quality_rank FROM blend
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
    COALESCE(n.gas_key, lower(trim(COALESCE(f.activity, f.subcategory)))) AS activity_text,
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
LEFT JOIN estimate.gas_name AS n ON n.name = COALESCE(f.activity, f.subcategory)
UNION ALL
-- A leaked gas or blend: its mass times its GWP, in the set that the tenant chose.
SELECT
    l.factor_id, 'gwp', CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), '1', false, 'Refrigerant & other', 'GWP',
    'refrigerant & other', 'gwp', l.gas_name, n.gas_key, CAST(NULL AS VARCHAR), 'kg', 'kg', 'kg', 1.0, false,
    l.gwp_kgco2e_per_kg, CASE WHEN l.gas_name = 'CO2' THEN 1.0 END,
    CASE WHEN l.gas_name = 'CH4' THEN 1.0 END, CASE WHEN l.gas_name = 'N2O' THEN 1.0 END,
    CASE WHEN l.gas_name NOT IN ('CO2', 'CH4', 'N2O') THEN 1.0 END,
    CAST(NULL AS DOUBLE), l.gwp_set, l.quality_rank, CAST(NULL AS BIGINT)
FROM leaked AS l
JOIN estimate.gas_name AS n ON n.name = l.gas_name

/* model
grain = "one row per activity row of own energy and upstream factor"
kind  = "view"
*/
-- Scope 3 category 3 of own energy (method point 9): well-to-tank of fuels and heat, losses and generation upstream of
-- electricity. Only where the factor itself does not hold them already: Ember's is a lifecycle factor.
WITH fuels AS (
    SELECT
        a.activity_key,
        m.factor_year AS direct_year,
        a.activity_year,
        a.amount,
        f.factor_id,
        f.factor_year,
        f.subcategory,
        f.gwp_set,
        f.co2_kg_per_unit,
        f.ch4_kg_per_unit,
        f.n2o_kg_per_unit,
        f.kgco2e_per_unit,
        greatest(f.quality_rank, m.quality_rank, CASE WHEN m.is_own_country THEN 0 ELSE 2 END) AS quality_rank,
        CASE WHEN NOT m.is_own_country THEN 'other_country' END AS flag,
        CASE WHEN f.unit_text = a.unit_text THEN 1.0 ELSE a.canonical_multiplier / f.canonical_multiplier END AS unit_ratio,
        f.category AS upstream_category,
        row_number() OVER (
            PARTITION BY a.activity_key, f.category_text
            ORDER BY CASE WHEN f.factor_year = a.activity_year THEN 1 WHEN f.factor_year < a.activity_year THEN 2 ELSE 3 END,
                abs(a.activity_year - f.factor_year), f.unit_text = a.unit_text DESC, f.subcategory, f.factor_id
        ) AS choice
    FROM estimate.activity_quantity AS a
    JOIN estimate.activity_match AS m ON m.activity_key = a.activity_key
    JOIN estimate.activity_factor AS f
      ON f.activity_text = m.activity_text AND f.factor_region = m.factor_region
    WHERE NOT m.is_ambiguous
      AND m.scope_number IN ('1', '2')
      AND f.kgco2e_per_unit IS NOT NULL
      AND f.category_text = CASE m.category_text
          WHEN 'fuels' THEN 'wtt- fuels'
          WHEN 'bioenergy' THEN 'wtt- bioenergy'
          WHEN 'heat and steam' THEN 'wtt- heat and steam'
          WHEN 'passenger vehicles' THEN 'wtt- pass vehs & travel- land'
          WHEN 'delivery vehicles' THEN 'wtt- delivery vehs & freight' END
      AND COALESCE(f.variant_text, '') = COALESCE(m.variant_text, '')
      AND (f.unit_text = a.unit_text OR f.canonical_unit = a.canonical_unit OR f.canonical_unit = m.canonical_unit)
),
electricity AS (
    SELECT
        a.activity_key,
        a.energy_kwh / f.canonical_multiplier AS amount,
        f.factor_id,
        f.factor_year,
        f.subcategory,
        f.gwp_set,
        f.co2_kg_per_unit,
        f.ch4_kg_per_unit,
        f.n2o_kg_per_unit,
        f.kgco2e_per_unit,
        f.quality_rank,
        row_number() OVER (
            PARTITION BY a.activity_key, f.subcategory_text
            ORDER BY CASE WHEN f.factor_year = a.activity_year THEN 1 WHEN f.factor_year < a.activity_year THEN 2 ELSE 3 END,
                abs(a.activity_year - f.factor_year), f.factor_id
        ) AS choice
    FROM estimate.activity_quantity AS a
    JOIN estimate.activity_factor AS f
      ON f.activity_text = 'electricity: uk' AND f.factor_region = a.country_iso2
    WHERE a.is_electricity
      AND a.scope_number <> '3'
      AND f.kgco2e_per_unit IS NOT NULL
      AND f.category_text IN ('transmission and distribution', 'wtt- uk electricity')
)
SELECT
    activity_key,
    amount * unit_ratio * kgco2e_per_unit AS co2e_kg,
    amount * unit_ratio * co2_kg_per_unit AS co2_kg,
    amount * unit_ratio * ch4_kg_per_unit AS ch4_kg,
    amount * unit_ratio * n2o_kg_per_unit AS n2o_kg,
    factor_id, factor_year, gwp_set, quality_rank, flag, subcategory AS upstream
FROM fuels
WHERE choice = 1
UNION ALL
SELECT
    activity_key,
    amount * kgco2e_per_unit,
    amount * co2_kg_per_unit,
    amount * ch4_kg_per_unit,
    amount * n2o_kg_per_unit,
    factor_id, factor_year, gwp_set, quality_rank, NULL, subcategory
FROM electricity
WHERE choice = 1
UNION ALL
-- eGRID: what is generated for a consumed kilowatt-hour is 1 / (1 - loss).
SELECT
    a.activity_key,
    a.energy_kwh * e.grid_gross_loss_fraction / (1 - e.grid_gross_loss_fraction) * e.kgco2e_per_kwh,
    NULL, NULL, NULL,
    e.factor_id, e.factor_year, e.gwp_set, e.quality_rank, e.flag, 'Grid losses'
FROM estimate.activity_quantity AS a
JOIN estimate.electricity_factor AS e ON e.activity_key = a.activity_key
WHERE a.scope_number <> '3' AND e.grid_gross_loss_fraction IS NOT NULL

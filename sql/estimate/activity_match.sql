/* model
grain = "one row per row of estimate.activity_quantity that is not electricity"
kind  = "view"
*/
-- The one factor that an activity row uses (method point 15): activity text without regard to case, narrowed by scope,
-- category and variant; the country's own factor before another country's (flagged); the year of period_start, else the
-- nearest earlier, else the nearest later (flagged). A leaked gas counts by its GWP in the chosen set, under whatever
-- name; a hint that names a published variant chooses that. Only a unit that converts exactly counts.
WITH candidates AS (
    SELECT
        a.activity_key,
        f.*,
        CASE WHEN f.unit_text = a.unit_text THEN 1.0 ELSE a.canonical_multiplier / f.canonical_multiplier END AS unit_ratio,
        (f.unit_text = a.unit_text) AS is_same_unit,
        (f.activity = trim(a.activity)) AS is_same_spelling,
        -- A GWP is the same everywhere.
        (COALESCE(f.factor_region, a.country_iso2) = a.country_iso2) AS is_own_country,
        (f.dataset = 'gwp') AS is_gas,
        a.activity_year,
        CASE WHEN f.factor_year = a.activity_year THEN 1 WHEN f.factor_year < a.activity_year THEN 2 ELSE 3 END
            AS year_rank,
        -- A hint names the variant; without one, the general variant, with radiative forcing where there is a choice.
        CASE
            WHEN a.hint_text IS NOT NULL THEN CASE
                WHEN f.variant_text = a.hint_text THEN 0
                WHEN strpos(f.variant_text, a.hint_text) > 0 AND f.variant_text LIKE '%without rf%' THEN 2
                WHEN strpos(f.variant_text, a.hint_text) > 0 THEN 1
                WHEN f.subcategory_text = a.hint_text THEN 3 END
            WHEN f.variant_text IS NULL THEN 0
            WHEN f.variant_text = 'average passenger / with rf' THEN 1
            WHEN f.variant_text = 'with rf' THEN 2
            WHEN f.variant_text = 'average laden' THEN 3
            WHEN f.variant_text IN ('unknown', 'average') THEN 4
            WHEN f.variant_text = 'emissions including only kyoto products' THEN 5
            WHEN f.variant_text = 'total emissions including non-kyoto products' THEN 6
            WHEN f.variant_text = 'co2 only' THEN 7
            ELSE 8
        END AS variant_rank
    FROM estimate.activity_quantity AS a
    JOIN estimate.activity_factor AS f ON f.activity_text = a.activity_text
    JOIN settings.tenant AS t ON t.tenant = a.tenant
    WHERE NOT a.is_electricity
      AND (f.dataset <> 'gwp' OR f.gwp_set = t.gwp_set)
      AND NOT f.is_outside_of_scopes
      AND (f.kgco2e_per_unit IS NOT NULL OR f.is_by_mass)
      AND (a.scope_number = '' OR a.scope_number = f.scope_number)
      AND (f.unit_text = a.unit_text
           OR f.canonical_unit = a.canonical_unit
           -- Plain kWh of a fuel is gross calorific value.
           OR (f.canonical_unit = 'kWh (Gross CV)' AND a.canonical_unit = 'kWh')
           OR (f.canonical_unit = 'kWh' AND a.canonical_unit = 'kWh (Gross CV)')
           OR (f.canonical_unit = 'GJ' AND a.unit_text IN ('j', 'kj', 'mj', 'gj', 'tj')))
      AND (a.category_text IS NULL
           OR a.named_scope3_category IS NOT NULL
           OR f.category_text = a.category_text
           OR f.subcategory_text = a.category_text
           OR starts_with(f.category_text, a.category_text)
           OR (a.is_leak AND f.category_text LIKE 'refrigerant%'))
      -- Upstream, reporting-only and leased rows only when the category names them.
      AND (COALESCE(f.category_text = a.category_text, false)
           OR NOT (f.category_text LIKE 'wtt-%' OR f.category_text LIKE 'secr%' OR f.category_text LIKE 'managed assets%'
                   OR f.category_text LIKE 'transmission%' OR f.category_text LIKE '%t&d%'
                   OR f.category_text LIKE '%for evs'))
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY activity_key
            ORDER BY starts_with(factor_id, 'own/') DESC, is_gas DESC, is_own_country DESC, is_same_spelling DESC,
                scope_number, variant_rank, year_rank, abs(activity_year - COALESCE(factor_year, 0)),
                is_same_unit DESC, subcategory, factor_id
        ) AS choice,
        count(DISTINCT CASE WHEN variant_rank = 8 THEN variant_text END) OVER (PARTITION BY activity_key)
            AS open_variants
    FROM candidates
    WHERE variant_rank IS NOT NULL
)
SELECT
    *,
    -- Several variants, none of them general, and no hint: nothing is guessed.
    (variant_rank = 8 AND open_variants > 1) AS is_ambiguous
FROM ranked
WHERE choice = 1

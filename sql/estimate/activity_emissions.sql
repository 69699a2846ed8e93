/* model
grain  = "one row per row of normalize.activity, scope, method, factor and instrument"
kind   = "full"
audits = ["factor_named(co2e_kg, factor_id)",
          "accepted_values(method, location, market, activity)",
          "accepted_values(quality, ok, undated, assumed, fallback)",
          "decimal_overflow(co2e_kg)"]
*/
-- Emissions of activity data (method points 9, 10 and 15). Scope 2 stands twice, location-based and market-based; a
-- total takes one of the two and all of method 'activity'. f64 per row, rounded to exact decimals before any sum.
WITH gwp AS (
    SELECT
        assessment_report AS gwp_set,
        max(CASE WHEN species = 'CH4' THEN gwp_kgco2e_per_kg END) AS ch4_gwp,
        max(CASE WHEN species = 'N2O' THEN gwp_kgco2e_per_kg END) AS n2o_gwp
    FROM reference.gwp
    WHERE horizon_years = 100
    GROUP BY assessment_report
),
tenants AS (
    SELECT t.*, g.ch4_gwp, g.n2o_gwp
    FROM settings.tenant AS t
    JOIN gwp AS g ON g.gwp_set = t.gwp_set
),
-- Fuels, refrigerants, travel, freight, waste and all else that has a factor per unit.
direct AS (
    SELECT
        a.activity_key,
        CASE WHEN a.scope_number <> '' THEN a.scope_number ELSE m.scope_number END AS scope,
        CASE WHEN m.scope_number = '3' THEN COALESCE(a.named_scope3_category, m.scope3_category) END AS scope3_category,
        m.category AS factor_category,
        CASE WHEN m.scope_number = '2' THEN 2 ELSE 1 END AS methods,
        a.amount * m.unit_ratio * m.co2_kg_per_unit AS co2_kg,
        a.amount * m.unit_ratio * m.ch4_kg_per_unit AS ch4_kg,
        a.amount * m.unit_ratio * m.n2o_kg_per_unit AS n2o_kg,
        a.amount * m.unit_ratio * m.other_kg_per_unit AS other_kg,
        CASE
            WHEN m.is_by_mass THEN a.amount * m.unit_ratio * (COALESCE(m.co2_kg_per_unit, 0.0)
                + COALESCE(m.ch4_kg_per_unit, 0.0) * t.ch4_gwp + COALESCE(m.n2o_kg_per_unit, 0.0) * t.n2o_gwp)
            ELSE a.amount * m.unit_ratio * m.kgco2e_per_unit
        END AS co2e_kg,
        a.amount * COALESCE(m.unit_ratio * m.biogenic_co2_kg_per_unit, b.biogenic_per_unit) AS biogenic_co2_kg,
        a.energy_kwh,
        greatest(m.quality_rank, CASE WHEN m.is_own_country THEN 0 ELSE 2 END) AS quality_rank,
        m.factor_id,
        CASE WHEN m.is_by_mass THEN t.gwp_set ELSE m.gwp_set END AS gwp_set,
        CASE WHEN m.scope_number = '2' THEN 'grid' END AS market_method,
        CAST(NULL AS VARCHAR) AS instrument_row,
        concat_ws(',', CASE WHEN NOT m.is_own_country THEN 'other_country' END,
            CASE WHEN m.factor_year < a.activity_year THEN 'earlier_year'
                 WHEN m.factor_year > a.activity_year THEN 'later_year' END) AS flags,
        m.factor_year
    FROM estimate.activity_quantity AS a
    JOIN estimate.activity_match AS m ON m.activity_key = a.activity_key
    JOIN tenants AS t ON t.tenant = a.tenant
    LEFT JOIN (
        SELECT
            q.activity_key,
            CASE WHEN f.unit_text = q.unit_text THEN f.biogenic_co2_kg_per_unit
                 ELSE f.biogenic_co2_kg_per_unit * q.canonical_multiplier / f.canonical_multiplier END AS biogenic_per_unit,
            row_number() OVER (
                PARTITION BY q.activity_key
                ORDER BY CASE WHEN f.factor_year <= q.activity_year THEN 1 ELSE 2 END,
                    abs(q.activity_year - f.factor_year), f.unit_text = q.unit_text DESC, f.factor_id
            ) AS choice
        FROM estimate.activity_quantity AS q
        JOIN estimate.activity_factor AS f ON f.activity_text = q.activity_text AND f.is_outside_of_scopes
        WHERE f.unit_text = q.unit_text OR f.canonical_unit = q.canonical_unit
           OR (f.canonical_unit = 'kWh' AND q.canonical_unit = 'kWh (Gross CV)')
    ) AS b ON b.activity_key = a.activity_key AND b.choice = 1 AND m.scope_number = '1'
    WHERE NOT m.is_ambiguous AND a.supplier_factor_kgco2e_per_unit IS NULL
),
-- A supplier's own factor for what it sold (all but electricity, where it belongs to the market-based figure).
supplied AS (
    SELECT
        a.activity_key,
        COALESCE(NULLIF(a.scope_number, ''), m.scope_number, '3') AS scope,
        CASE WHEN COALESCE(NULLIF(a.scope_number, ''), m.scope_number, '3') = '3'
             THEN COALESCE(a.named_scope3_category, m.scope3_category, 1) END AS scope3_category,
        a.amount * CAST(a.supplier_factor_kgco2e_per_unit AS DOUBLE) AS co2e_kg,
        a.energy_kwh
    FROM estimate.activity_quantity AS a
    LEFT JOIN estimate.activity_match AS m ON m.activity_key = a.activity_key
    WHERE NOT a.is_electricity AND a.supplier_factor_kgco2e_per_unit IS NOT NULL
),
electricity AS (
    SELECT
        a.*,
        e.factor_id, e.factor_year, e.is_by_mass, e.flag, e.quality_rank,
        CASE WHEN e.is_by_mass
             THEN e.co2_kg_per_kwh + e.ch4_kg_per_kwh * t.ch4_gwp + e.n2o_kg_per_kwh * t.n2o_gwp
             ELSE e.kgco2e_per_kwh END AS kgco2e_per_kwh,
        e.co2_kg_per_kwh, e.ch4_kg_per_kwh, e.n2o_kg_per_kwh, e.biogenic_kg_per_kwh,
        CASE WHEN e.is_by_mass THEN t.gwp_set ELSE e.gwp_set END AS gwp_set,
        e.residual_factor_id, e.residual_kgco2e_per_kwh,
        CASE WHEN a.scope_number = '3' THEN '3' ELSE '2' END AS emission_scope,
        CASE WHEN a.scope_number = '3' THEN COALESCE(a.named_scope3_category, 8) END AS emission_category,
        concat_ws(',', e.flag, CASE WHEN e.factor_year < a.activity_year THEN 'earlier_year'
                                    WHEN e.factor_year > a.activity_year THEN 'later_year' END) AS flags
    FROM estimate.activity_quantity AS a
    JOIN estimate.electricity_factor AS e ON e.activity_key = a.activity_key
    JOIN tenants AS t ON t.tenant = a.tenant
    WHERE a.energy_kwh IS NOT NULL
),
-- What no instrument covers: exact, so that covered and open parts add up to the bill.
uncovered AS (
    SELECT
        e.activity_key,
        CAST(e.energy_kwh AS DECIMAL(38, 12)) - COALESCE(c.covered_kwh, CAST(0 AS DECIMAL(38, 12))) AS open_kwh,
        c.covered_kwh IS NOT NULL AS is_partly_covered
    FROM electricity AS e
    LEFT JOIN (
        SELECT activity_key, sum(covered_kwh) AS covered_kwh FROM estimate.instrument_allocation GROUP BY activity_key
    ) AS c ON c.activity_key = e.activity_key
),
figures AS (
    SELECT
        d.activity_key, d.scope, d.scope3_category, k.method, d.co2_kg, d.ch4_kg, d.n2o_kg, d.other_kg, d.co2e_kg,
        d.biogenic_co2_kg, d.energy_kwh, d.quality_rank, d.factor_id, d.gwp_set,
        CASE WHEN k.method = 'market' THEN d.market_method END AS market_method,
        d.instrument_row, d.flags, d.factor_category AS subcategory
    FROM direct AS d
    JOIN (VALUES (1, 'activity'), (2, 'location'), (2, 'market')) AS k (methods, method) ON k.methods = d.methods
    UNION ALL
    SELECT
        activity_key, scope, scope3_category, 'activity', NULL, NULL, NULL, NULL, co2e_kg, NULL, energy_kwh, 0,
        'supplier', NULL, 'supplier', NULL, 'supplier', NULL
    FROM supplied
    UNION ALL
    SELECT
        activity_key, emission_scope, emission_category, 'location',
        energy_kwh * co2_kg_per_kwh, energy_kwh * ch4_kg_per_kwh, energy_kwh * n2o_kg_per_kwh, NULL,
        energy_kwh * kgco2e_per_kwh, energy_kwh * biogenic_kg_per_kwh, energy_kwh, quality_rank, factor_id, gwp_set,
        NULL, NULL, flags, 'Electricity'
    FROM electricity
    WHERE kgco2e_per_kwh IS NOT NULL
    UNION ALL
    SELECT
        e.activity_key, e.emission_scope, e.emission_category, 'market', NULL, NULL, NULL, NULL,
        CAST(i.covered_kwh AS DOUBLE) * COALESCE(i.factor_kgco2e_per_kwh, 0.0), NULL, CAST(i.covered_kwh AS DOUBLE),
        CASE WHEN i.factor_kgco2e_per_kwh IS NULL THEN 2 ELSE 0 END,
        concat('instrument:', i.instrument_row), NULL, i.kind, i.instrument_row, '', 'Electricity'
    FROM electricity AS e
    JOIN estimate.instrument_allocation AS i ON i.activity_key = e.activity_key
    UNION ALL
    SELECT
        e.activity_key, e.emission_scope, e.emission_category, 'market',
        CASE WHEN s.source = 'grid' THEN CAST(u.open_kwh AS DOUBLE) * e.co2_kg_per_kwh END,
        CASE WHEN s.source = 'grid' THEN CAST(u.open_kwh AS DOUBLE) * e.ch4_kg_per_kwh END,
        CASE WHEN s.source = 'grid' THEN CAST(u.open_kwh AS DOUBLE) * e.n2o_kg_per_kwh END,
        NULL,
        CAST(u.open_kwh AS DOUBLE) * CASE s.source
            WHEN 'supplier' THEN CAST(e.supplier_factor_kgco2e_per_unit AS DOUBLE) / e.canonical_multiplier
            WHEN 'residual_mix' THEN e.residual_kgco2e_per_kwh
            ELSE e.kgco2e_per_kwh END,
        CASE WHEN s.source = 'grid' THEN CAST(u.open_kwh AS DOUBLE) * e.biogenic_kg_per_kwh END,
        CAST(u.open_kwh AS DOUBLE),
        CASE s.source WHEN 'grid' THEN e.quality_rank ELSE 0 END,
        CASE s.source WHEN 'supplier' THEN 'supplier' WHEN 'residual_mix' THEN e.residual_factor_id ELSE e.factor_id END,
        CASE WHEN s.source = 'grid' THEN e.gwp_set END,
        s.source, NULL, CASE WHEN s.source = 'grid' THEN e.flags ELSE '' END, 'Electricity'
    FROM electricity AS e
    JOIN uncovered AS u ON u.activity_key = e.activity_key
    JOIN (
        SELECT activity_key,
               CASE WHEN supplier_factor_kgco2e_per_unit IS NOT NULL THEN 'supplier'
                    WHEN residual_kgco2e_per_kwh IS NOT NULL THEN 'residual_mix'
                    WHEN kgco2e_per_kwh IS NOT NULL THEN 'grid' END AS source
        FROM electricity
    ) AS s ON s.activity_key = e.activity_key
    WHERE s.source IS NOT NULL AND (u.open_kwh <> CAST(0 AS DECIMAL(38, 12)) OR NOT u.is_partly_covered)
    UNION ALL
    SELECT
        p.activity_key, '3', 3, 'activity', p.co2_kg, p.ch4_kg, p.n2o_kg, NULL, p.co2e_kg, NULL, NULL, p.quality_rank,
        p.factor_id, p.gwp_set, NULL, NULL,
        concat_ws(',', p.flag,
            CASE WHEN p.factor_year < a.activity_year THEN 'earlier_year'
                 WHEN p.factor_year > a.activity_year THEN 'later_year' END),
        p.upstream
    FROM estimate.activity_upstream AS p
    JOIN estimate.activity_quantity AS a ON a.activity_key = p.activity_key
),
graded AS (
    SELECT
        *,
        CASE quality_rank WHEN 0 THEN 'ok' WHEN 1 THEN 'undated' WHEN 2 THEN 'assumed' ELSE 'fallback' END AS grade
    FROM figures
    WHERE co2e_kg IS NOT NULL
)
-- Every activity row stands in the table, with figures or with the reason why there are none.
SELECT
    a.tenant, a.source, a.site, a.entity, a.activity, a.category, a.quantity, a.unit, a.period_start, a.period_end,
    a.country, a.region, a.source_file, a.source_row_number,
    CAST(COALESCE(g.scope, NULLIF(a.scope_number, '')) AS BIGINT) AS scope,
    CAST(g.scope3_category AS BIGINT) AS scope3_category,
    g.subcategory,
    g.method,
    CAST(g.co2_kg AS DECIMAL(38, 12)) AS co2_kg,
    CAST(g.ch4_kg AS DECIMAL(38, 12)) AS ch4_kg,
    CAST(g.n2o_kg AS DECIMAL(38, 12)) AS n2o_kg,
    CAST(g.other_kg AS DECIMAL(38, 12)) AS other_kg,
    CAST(g.co2e_kg AS DECIMAL(38, 12)) AS co2e_kg,
    CAST(g.biogenic_co2_kg AS DECIMAL(38, 12)) AS biogenic_co2_kg,
    CAST(g.energy_kwh AS DECIMAL(38, 12)) AS energy_kwh,
    CAST(g.co2e_kg * (1 - n.relative_uncertainty) AS DECIMAL(38, 12)) AS low_kg,
    CAST(g.co2e_kg * (1 + n.relative_uncertainty) AS DECIMAL(38, 12)) AS high_kg,
    g.grade AS quality,
    g.factor_id,
    g.gwp_set,
    g.market_method,
    g.instrument_row,
    -- A factor of another GWP set than the report's is a finding, not an error.
    NULLIF(concat_ws(',', NULLIF(g.flags, ''), CASE WHEN g.gwp_set <> t.gwp_set THEN 'other_gwp_set' END), '') AS flags,
    CASE
        WHEN g.co2e_kg IS NOT NULL THEN NULL
        WHEN a.amount IS NULL THEN 'no_quantity'
        WHEN a.is_electricity AND a.energy_kwh IS NULL THEN 'unknown_unit'
        WHEN a.is_electricity THEN 'no_grid_factor'
        WHEN m.is_ambiguous THEN 'ambiguous_factor'
        WHEN a.canonical_unit IS NULL THEN 'unknown_unit'
        ELSE 'no_factor'
    END AS uncovered_reason,
    t.method_version,
    t.factor_set_version
FROM settings.tenant AS t
RIGHT JOIN (
    (
        SELECT quality, max(relative_uncertainty) AS relative_uncertainty FROM reference.uncertainty GROUP BY quality
    ) AS n
    RIGHT JOIN (
        estimate.activity_match AS m
        RIGHT JOIN (
            graded AS g
            RIGHT JOIN estimate.activity_quantity AS a ON g.activity_key = a.activity_key
        ) ON m.activity_key = a.activity_key AND g.co2e_kg IS NULL
    ) ON n.quality = g.grade
) ON t.tenant = a.tenant

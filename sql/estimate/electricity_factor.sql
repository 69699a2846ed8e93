/* model
grain = "one row per electricity row of estimate.activity_quantity"
kind  = "view"
*/
-- Location-based factor of own electricity (method point 9): eGRID subregion in the US and Puerto Rico (rev2 wins; the subregion from
-- the activity, else by state, flagged approximate), DESNZ in GB, else Ember, flagged lifecycle; approximate as well for
-- a state or subregion that eGRID does not know. And the residual mix.
WITH bought AS (
    SELECT * FROM estimate.activity_quantity WHERE is_electricity
),
subregions AS (
    SELECT
        upper(subregion) AS subregion,
        data_year,
        factor_id,
        edition LIKE '%rev2%' AS is_rev2,
        co2e_ar5_kg_per_kwh,
        co2_lb_per_mwh * 0.45359237 / 1000 AS co2_kg_per_kwh,
        ch4_lb_per_mwh * 0.45359237 / 1000 AS ch4_kg_per_kwh,
        n2o_lb_per_mwh * 0.45359237 / 1000 AS n2o_kg_per_kwh,
        max(grid_gross_loss_fraction) OVER (PARTITION BY upper(subregion)) AS grid_gross_loss_fraction,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank
    FROM reference.egrid_subregion
),
states AS (
    SELECT us_state, upper(state_code) AS state_code, upper(egrid_subregion) AS subregion
    FROM reference.us_state_egrid
    WHERE upper(egrid_subregion) IN (SELECT subregion FROM subregions)
),
-- Every way to write a state, as letters alone: its name or code, with the country's before it or not (US-VA, us_va).
state_subregions AS (
    SELECT concat(p.prefix, s.place) AS place, min(s.subregion) AS subregion
    FROM (
        SELECT state_code AS place, subregion FROM states
        UNION
        SELECT regexp_replace(upper(us_state), '[^A-Z]', '', 'g') AS place, subregion FROM states
        UNION
        SELECT 'WASHINGTONDC' AS place, subregion FROM states WHERE state_code = 'DC'
    ) AS s
    CROSS JOIN (VALUES (''), ('US'), ('USA')) AS p (prefix)
    GROUP BY concat(p.prefix, s.place)
),
-- Puerto Rico is a state of this table and has a country code of its own: the same place under both.
territories AS (
    SELECT c.country_iso2, s.subregion
    FROM states AS s
    JOIN reference.countries AS c ON c.country_iso2 = s.state_code AND lower(c.country) = lower(s.us_state)
),
us_places AS (
    SELECT
        b.activity_key,
        b.activity_year,
        COALESCE(direct.subregion, by_state.subregion, territory.subregion) AS subregion,
        direct.subregion IS NULL AS is_approximate,
        -- A place is named, and no subregion is known for it: the country's figure stands in.
        COALESCE(trim(b.region), '') <> '' AND direct.subregion IS NULL AND by_state.subregion IS NULL
            AND territory.subregion IS NULL AS is_unknown
    FROM bought AS b
    LEFT JOIN (SELECT DISTINCT subregion FROM subregions) AS direct ON direct.subregion = upper(trim(b.region))
    LEFT JOIN state_subregions AS by_state
      ON b.country_iso2 = 'US' AND by_state.place = regexp_replace(upper(b.region), '[^A-Z]', '', 'g')
    LEFT JOIN territories AS territory ON territory.country_iso2 = b.country_iso2
    WHERE b.country_iso2 = 'US' OR territory.subregion IS NOT NULL
),
offered AS (
    SELECT
        p.activity_key, p.activity_year, 1 AS basis_rank, CAST(s.data_year AS BIGINT) AS factor_year, s.factor_id,
        NOT s.is_rev2 AS is_by_mass, CASE WHEN s.is_rev2 THEN 0 ELSE 1 END AS edition_rank,
        s.co2e_ar5_kg_per_kwh AS kgco2e_per_kwh, s.co2_kg_per_kwh, s.ch4_kg_per_kwh, s.n2o_kg_per_kwh,
        CAST(NULL AS DOUBLE) AS biogenic_kg_per_kwh, 'AR5' AS gwp_set,
        greatest(s.quality_rank, CASE WHEN p.is_approximate THEN 2 ELSE 0 END) AS quality_rank,
        CASE WHEN p.is_approximate THEN 'approximate' END AS flag,
        s.grid_gross_loss_fraction
    FROM us_places AS p
    JOIN subregions AS s ON s.subregion = p.subregion
    UNION ALL
    SELECT
        b.activity_key, b.activity_year, 1, f.factor_year, f.factor_id, f.is_by_mass, 0,
        f.kgco2e_per_unit / f.canonical_multiplier, f.co2_kg_per_unit / f.canonical_multiplier,
        f.ch4_kg_per_unit / f.canonical_multiplier, f.n2o_kg_per_unit / f.canonical_multiplier,
        CAST(NULL AS DOUBLE), f.gwp_set, f.quality_rank, NULL, NULL
    FROM bought AS b
    JOIN estimate.activity_factor AS f
      ON f.factor_region = b.country_iso2 AND f.category_text = 'uk electricity' AND f.activity_text = 'electricity: uk'
    UNION ALL
    SELECT
        b.activity_key, b.activity_year, 2, g.year, g.factor_id, false, 0,
        g.intensity_gco2e_per_kwh / 1000, NULL, NULL, NULL, NULL, NULL,
        greatest(
            CASE g.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END,
            CASE WHEN p.is_unknown THEN 2 ELSE 0 END
        ),
        CASE WHEN p.is_unknown THEN 'lifecycle,approximate' ELSE 'lifecycle' END, NULL
    FROM bought AS b
    JOIN reference.countries AS c ON c.country_iso2 = b.country_iso2
    JOIN reference.grid_intensity_country AS g ON g.country_iso3 = c.country_iso3
    LEFT JOIN us_places AS p ON p.activity_key = b.activity_key
    WHERE g.basis = 'average-production-lifecycle' AND g.accounting_method = 'location'
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY activity_key
            ORDER BY basis_rank,
                CASE WHEN factor_year = activity_year THEN 1 WHEN factor_year < activity_year THEN 2 ELSE 3 END,
                abs(activity_year - factor_year), starts_with(factor_id, 'own/') DESC, edition_rank, factor_id
        ) AS choice
    FROM offered
    WHERE kgco2e_per_kwh IS NOT NULL OR is_by_mass
),
biogenic AS (
    SELECT
        b.activity_key,
        f.biogenic_co2_kg_per_unit / f.canonical_multiplier AS biogenic_kg_per_kwh,
        row_number() OVER (
            PARTITION BY b.activity_key
            ORDER BY CASE WHEN f.factor_year <= b.activity_year THEN 1 ELSE 2 END, abs(b.activity_year - f.factor_year)
        ) AS choice
    FROM bought AS b
    JOIN estimate.activity_factor AS f
      ON f.factor_region = b.country_iso2 AND f.is_outside_of_scopes AND f.activity_text = 'electricity: uk'
),
-- Residual mixes come from overlays only.
residual AS (
    SELECT
        b.activity_key,
        r.factor_id AS residual_factor_id,
        r.intensity_gco2_per_kwh / 1000 AS residual_kgco2e_per_kwh,
        row_number() OVER (
            PARTITION BY b.activity_key
            ORDER BY CASE WHEN r.year = b.activity_year THEN 1 WHEN r.year < b.activity_year THEN 2 ELSE 3 END,
                abs(b.activity_year - r.year), r.factor_id
        ) AS choice
    FROM bought AS b
    JOIN reference.residual_mix AS r
      ON upper(r.area) = upper(trim(b.region)) OR upper(r.area) = b.country_iso2
)
SELECT
    b.activity_key,
    f.factor_id,
    f.factor_year,
    f.is_by_mass,
    f.kgco2e_per_kwh,
    f.co2_kg_per_kwh,
    f.ch4_kg_per_kwh,
    f.n2o_kg_per_kwh,
    g.biogenic_kg_per_kwh,
    f.gwp_set,
    f.quality_rank,
    f.flag,
    f.grid_gross_loss_fraction,
    r.residual_factor_id,
    r.residual_kgco2e_per_kwh
FROM bought AS b
LEFT JOIN ranked AS f ON f.activity_key = b.activity_key AND f.choice = 1
LEFT JOIN biogenic AS g ON g.activity_key = b.activity_key AND g.choice = 1
LEFT JOIN residual AS r ON r.activity_key = b.activity_key AND r.choice = 1

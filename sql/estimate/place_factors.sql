/* model
grain = "one row per provider_name, region_id and usage year of rollup.usage_daily"
kind  = "view"
small = true
*/
-- PUE (method point 8) and grid intensity (method point 9, location-based, Ember) of every place and year in use.
WITH places AS (
    SELECT DISTINCT
        provider_name,
        region_id,
        usage_year,
        CASE provider_name WHEN 'AWS' THEN 'aws' WHEN 'Microsoft' THEN 'azure' WHEN 'Google Cloud' THEN 'gcp' END
            AS provider
    FROM estimate.usage_row
),
pue AS (
    SELECT *, CASE WHEN match_kind = 'regex' THEN concat('^(', region, ')$') END AS region_pattern
    FROM reference.pue
    WHERE pue_ratio IS NOT NULL
),
pue_offered AS (
    SELECT
        p.provider_name,
        p.region_id,
        p.usage_year,
        q.pue_ratio,
        q.factor_id,
        q.quality,
        q.year,
        length(q.region) AS pattern_length,
        CASE
            WHEN q.match_kind = 'exact' AND q.region = p.region_id THEN
                CASE WHEN q.year IS NULL THEN 'region_undated'
                     WHEN q.year = p.usage_year THEN 'region_year'
                     WHEN q.year < p.usage_year THEN 'region_earlier_year'
                     ELSE 'region_later_year' END
            WHEN regexp_like(p.region_id, q.region_pattern) THEN 'pattern'
            WHEN q.match_kind = 'default' THEN 'provider_default'
        END AS pue_match
    FROM places AS p
    JOIN pue AS q ON q.provider = p.provider
),
pue_ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY provider_name, region_id, usage_year
            ORDER BY
                CASE pue_match WHEN 'region_year' THEN 1 WHEN 'region_earlier_year' THEN 2 WHEN 'region_undated' THEN 3
                               WHEN 'region_later_year' THEN 4 WHEN 'pattern' THEN 5 ELSE 6 END,
                abs(usage_year - COALESCE(year, usage_year)),
                starts_with(factor_id, 'own/') DESC,
                pattern_length DESC,
                pue_ratio DESC,
                factor_id
        ) AS choice
    FROM pue_offered
    WHERE pue_match IS NOT NULL
),
region_country AS (
    SELECT provider, region, max(country_iso3) AS country_iso3
    FROM (
        SELECT provider, region, country_iso3 FROM reference.regions
        UNION ALL
        SELECT provider, region, country_iso3 FROM reference.grid_intensity
    ) AS named
    GROUP BY provider, region
),
grid_offered AS (
    SELECT
        p.provider_name, p.region_id, p.usage_year,
        0 AS level,
        g.year AS grid_year,
        g.intensity_gco2e_per_kwh,
        g.factor_id,
        CASE WHEN g.year IS NULL THEN greatest(1, CASE g.quality WHEN 'assumed' THEN 2 WHEN 'fallback' THEN 3 ELSE 1 END)
             ELSE CASE g.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END END
            AS quality_rank,
        g.basis
    FROM places AS p
    JOIN reference.grid_intensity AS g ON g.provider = p.provider AND g.region = p.region_id
    WHERE g.basis = 'average-production-lifecycle' AND g.accounting_method = 'location'
    UNION ALL
    SELECT
        p.provider_name, p.region_id, p.usage_year,
        1 AS level,
        c.year AS grid_year,
        c.intensity_gco2e_per_kwh,
        c.factor_id,
        CASE c.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank,
        c.basis
    FROM places AS p
    JOIN region_country AS r ON r.provider = p.provider AND r.region = p.region_id
    JOIN reference.grid_intensity_country AS c ON c.country_iso3 = r.country_iso3
    WHERE c.basis = 'average-production-lifecycle' AND c.accounting_method = 'location'
),
-- The region's own row, dated or not; else its country in the usage year, nearest earlier, nearest later.
grid_ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY provider_name, region_id, usage_year
            ORDER BY
                level,
                CASE WHEN grid_year = usage_year THEN 1 WHEN grid_year < usage_year THEN 2 WHEN grid_year IS NULL THEN 3
                     ELSE 4 END,
                abs(usage_year - COALESCE(grid_year, usage_year)),
                starts_with(factor_id, 'own/') DESC,
                factor_id
        ) AS choice
    FROM grid_offered
    WHERE intensity_gco2e_per_kwh IS NOT NULL
)
SELECT
    p.provider_name,
    p.region_id,
    p.usage_year,
    r.country_iso3,
    u.pue_ratio,
    u.factor_id AS pue_factor_id,
    u.pue_match,
    CASE u.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS pue_quality_rank,
    g.intensity_gco2e_per_kwh,
    g.factor_id AS grid_factor_id,
    g.basis AS grid_basis,
    g.grid_year,
    CASE WHEN g.grid_year IS NOT NULL THEN p.usage_year - g.grid_year END AS factor_year_lag,
    g.quality_rank AS grid_quality_rank
FROM places AS p
LEFT JOIN region_country AS r ON r.provider = p.provider AND r.region = p.region_id
LEFT JOIN pue_ranked AS u
  ON (u.provider_name IS NOT DISTINCT FROM p.provider_name)
 AND (u.region_id IS NOT DISTINCT FROM p.region_id)
 AND (u.usage_year IS NOT DISTINCT FROM p.usage_year)
 AND (u.choice IS NOT DISTINCT FROM 1)
LEFT JOIN grid_ranked AS g
  ON (g.provider_name IS NOT DISTINCT FROM p.provider_name)
 AND (g.region_id IS NOT DISTINCT FROM p.region_id)
 AND (g.usage_year IS NOT DISTINCT FROM p.usage_year)
 AND (g.choice IS NOT DISTINCT FROM 1)

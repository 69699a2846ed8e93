/* model
grain = "one row per provider (aws, azure, gcp) and microarchitecture"
kind  = "view"
*/
-- Watts per vCPU by microarchitecture, method point 3: a row of the provider's own before another provider's, then
-- ccf-app before ccf-coefficients. Rows that the source itself calls suspect, or that carry its unit bug, never count.
WITH providers AS (
    SELECT provider FROM (VALUES ('aws'), ('azure'), ('gcp')) AS known (provider)
),
-- One spelling per microarchitecture, on both sides of every join: aliases first, then without the maker's name.
spellings AS (
    SELECT lower(trim(alias)) AS alias, min(lower(trim(microarchitecture))) AS microarchitecture
    FROM reference.microarchitecture_aliases
    GROUP BY lower(trim(alias))
),
power AS (
    SELECT
        c.*,
        regexp_replace(COALESCE(s.microarchitecture, lower(trim(c.microarchitecture))), '^(aws|amd|intel|ampere) ', '')
            AS microarchitecture_key,
        -- A row of the user's own, from an overlay, names neither dataset and comes first.
        CASE c.dataset WHEN 'ccf-app' THEN 1 WHEN 'ccf-coefficients' THEN 2 ELSE 0 END AS dataset_rank
    FROM reference.compute_power AS c
    LEFT JOIN spellings AS s ON s.alias = lower(trim(c.microarchitecture))
    WHERE c.min_watts_per_vcpu IS NOT NULL
      AND c.max_watts_per_vcpu IS NOT NULL
      AND lower(COALESCE(c.quality_note, '')) NOT LIKE '%suspect%'
      AND lower(COALESCE(c.quality_note, '')) NOT LIKE '%unit bug%'
),
offered AS (
    SELECT
        p.provider,
        w.microarchitecture_key,
        w.min_watts_per_vcpu,
        w.max_watts_per_vcpu,
        w.memory_gb_per_chip_baseline,
        w.factor_id,
        w.quality,
        w.dataset_rank,
        strpos('|' || w.provider || '|', '|' || p.provider || '|') > 0 AS is_own
    FROM providers AS p
    CROSS JOIN power AS w
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY provider, microarchitecture_key
            ORDER BY is_own DESC, dataset_rank, starts_with(factor_id, 'own/') DESC, factor_id
        ) AS choice
    FROM offered
    -- The provider's average is nobody else's, and another provider's row must be a good one.
    WHERE is_own OR (quality = 'ok' AND microarchitecture_key <> 'unknown')
)
SELECT
    provider,
    microarchitecture_key,
    min_watts_per_vcpu,
    max_watts_per_vcpu,
    memory_gb_per_chip_baseline,
    factor_id AS power_factor_id,
    CASE WHEN microarchitecture_key = 'unknown' THEN 'fallback'
         WHEN NOT is_own THEN 'assumed'
         ELSE quality END AS quality
FROM ranked
WHERE choice = 1

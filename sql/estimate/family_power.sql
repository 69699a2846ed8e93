/* model
grain = "one row per provider (aws, azure, gcp) and instance family"
kind  = "view"
small = true
*/
-- Watts per vCPU of an instance family, for types whose own row names no microarchitecture: the mean of the possible
-- microarchitectures (method point 3).
WITH spellings AS (
    SELECT lower(trim(alias)) AS alias, min(lower(trim(microarchitecture))) AS microarchitecture
    FROM reference.microarchitecture_aliases
    GROUP BY lower(trim(alias))
),
-- A family that the user describes (overlay, factor_id own/…) is what the user says.
families AS (
    SELECT
        *,
        starts_with(factor_id, 'own/') AS is_users_own,
        bool_or(starts_with(factor_id, 'own/')) OVER (PARTITION BY provider, lower(family)) AS has_users_own
    FROM reference.instance_families
),
possible AS (
    SELECT
        provider AS family_provider,
        lower(family) AS family_key,
        quality AS family_quality,
        unnest(string_to_array(microarchitecture, '|')) AS possible_microarchitecture
    FROM families
    WHERE is_users_own = has_users_own
),
spelled AS (
    SELECT DISTINCT
        p.family_provider AS provider,
        p.family_key AS family,
        p.family_quality,
        regexp_replace(
            COALESCE(s.microarchitecture, lower(trim(p.possible_microarchitecture))), '^(aws|amd|intel|ampere) ', ''
        ) AS microarchitecture_key
    FROM possible AS p
    LEFT JOIN spellings AS s ON s.alias = lower(trim(p.possible_microarchitecture))
),
weighed AS (
    SELECT
        m.*,
        s.family,
        greatest(
            CASE m.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END,
            CASE COALESCE(s.family_quality, 'ok')
                WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END
        ) AS quality_rank
    FROM spelled AS s
    JOIN estimate.microarchitecture_power AS m
      ON m.provider = s.provider AND m.microarchitecture_key = s.microarchitecture_key
    WHERE m.microarchitecture_key <> 'unknown'
)
SELECT
    provider,
    family,
    avg(min_watts_per_vcpu) AS min_watts_per_vcpu,
    avg(max_watts_per_vcpu) AS max_watts_per_vcpu,
    avg(memory_gb_per_chip_baseline) AS memory_gb_per_chip_baseline,
    string_agg(power_factor_id, '|' ORDER BY power_factor_id) AS power_factor_id,
    max(quality_rank) AS quality_rank
FROM weighed
GROUP BY provider, family

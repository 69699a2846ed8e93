/* model
grain = "one row per provider (aws, azure, gcp) and instance type key"
kind  = "view"
small = true
*/
-- What one instance type is: size, watts, the physical host, accelerators (method points 3, 4, 5 and 11).
-- Each column takes the first value that is there: ccf-app, ccf-coefficients, ccf-coefficients-2026. Platform vCPU and
-- GB come together, and so do platform vCPU and kilograms. Several rows of one dataset (one per microarchitecture) are
-- averaged. The type key is lower case; Azure's is without "Standard_", blanks and underscores.
WITH typed AS (
    SELECT
        *,
        CASE WHEN provider = 'azure'
             THEN regexp_replace(regexp_replace(lower(instance_type), '^(standard|basic)[_ ]', ''), '[^a-z0-9]', '', 'g')
             ELSE lower(trim(instance_type)) END AS type_key,
        CASE dataset WHEN 'ccf-app' THEN 1 WHEN 'ccf-coefficients' THEN 2 WHEN 'ccf-coefficients-2026' THEN 3
                     WHEN 'boavizta' THEN 4 ELSE 0 END AS dataset_rank
    FROM reference.instance_types
),
-- Two rows of one dataset may name different hosts (Azure E v5): the smaller host counts, the careful side.
hosted AS (
    SELECT
        *,
        min(CASE WHEN platform_memory_gb IS NOT NULL THEN platform_vcpu_count END)
            OVER (PARTITION BY provider, type_key, dataset_rank) AS memory_platform_vcpu_count,
        min(CASE WHEN platform_embodied_kgco2e IS NOT NULL THEN platform_vcpu_count END)
            OVER (PARTITION BY provider, type_key, dataset_rank) AS embodied_platform_vcpu_count
    FROM typed
),
per_dataset AS (
    SELECT
        provider,
        type_key,
        dataset_rank,
        max(vcpu_count) AS vcpu_count,
        max(memory_gb) AS memory_gb,
        string_agg(DISTINCT CASE WHEN lower(microarchitecture) <> 'unknown' THEN microarchitecture END, '|')
            AS microarchitectures,
        max(CASE WHEN gpu_count > 0 THEN gpu_count END) AS gpu_count,
        max(CASE WHEN gpu_count > 0 THEN gpu_model END) AS gpu_model,
        max(burstable_baseline_pct) AS burstable_baseline_pct,
        max(memory_platform_vcpu_count) AS memory_platform_vcpu_count,
        avg(CASE WHEN platform_vcpu_count = memory_platform_vcpu_count THEN platform_memory_gb END)
            AS platform_memory_gb,
        max(embodied_platform_vcpu_count) AS embodied_platform_vcpu_count,
        avg(CASE WHEN platform_vcpu_count = embodied_platform_vcpu_count THEN platform_embodied_kgco2e END)
            AS platform_embodied_kgco2e,
        string_agg(DISTINCT factor_id, '|' ORDER BY factor_id) AS factor_id,
        max(CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END) AS quality_rank
    FROM hosted
    GROUP BY provider, type_key, dataset_rank
),
-- ccf-app gives burstable types the largest of their own family as a host; their real host is in ccf-coefficients.
hosts AS (
    SELECT
        d.*,
        CASE WHEN b.type_key IS NOT NULL AND d.dataset_rank = 1 THEN 9 ELSE d.dataset_rank END AS host_rank
    FROM per_dataset AS d
    LEFT JOIN (
        SELECT DISTINCT provider, type_key
        FROM per_dataset
        WHERE burstable_baseline_pct IS NOT NULL OR (provider = 'azure' AND regexp_like(type_key, '^b[0-9]'))
    ) AS b ON b.provider = d.provider AND b.type_key = d.type_key
),
merged AS (
    SELECT
        provider,
        type_key,
        first_value(vcpu_count ORDER BY dataset_rank) FILTER (WHERE vcpu_count IS NOT NULL) AS vcpu_count,
        first_value(memory_gb ORDER BY dataset_rank) FILTER (WHERE memory_gb IS NOT NULL) AS memory_gb,
        first_value(microarchitectures ORDER BY dataset_rank) FILTER (WHERE microarchitectures <> '')
            AS microarchitectures,
        first_value(gpu_count ORDER BY dataset_rank) FILTER (WHERE gpu_model IS NOT NULL) AS gpu_count,
        first_value(gpu_model ORDER BY dataset_rank) FILTER (WHERE gpu_model IS NOT NULL) AS gpu_model,
        max(gpu_count) AS any_gpu_count,
        first_value(burstable_baseline_pct ORDER BY dataset_rank) FILTER (WHERE burstable_baseline_pct IS NOT NULL)
            AS burstable_baseline_pct,
        first_value(memory_platform_vcpu_count ORDER BY host_rank) FILTER (WHERE memory_platform_vcpu_count IS NOT NULL)
            AS memory_platform_vcpu_count,
        first_value(platform_memory_gb ORDER BY host_rank) FILTER (WHERE memory_platform_vcpu_count IS NOT NULL)
            AS platform_memory_gb,
        first_value(factor_id ORDER BY host_rank) FILTER (WHERE memory_platform_vcpu_count IS NOT NULL)
            AS memory_platform_factor_id,
        first_value(embodied_platform_vcpu_count ORDER BY host_rank)
            FILTER (WHERE embodied_platform_vcpu_count IS NOT NULL) AS embodied_platform_vcpu_count,
        first_value(platform_embodied_kgco2e ORDER BY host_rank)
            FILTER (WHERE embodied_platform_vcpu_count IS NOT NULL) AS platform_embodied_kgco2e,
        first_value(factor_id ORDER BY host_rank) FILTER (WHERE embodied_platform_vcpu_count IS NOT NULL)
            AS embodied_factor_id,
        first_value(quality_rank ORDER BY host_rank) FILTER (WHERE embodied_platform_vcpu_count IS NOT NULL)
            AS embodied_quality_rank,
        first_value(quality_rank ORDER BY host_rank) FILTER (WHERE memory_platform_vcpu_count IS NOT NULL)
            AS memory_quality_rank
    FROM hosts
    GROUP BY provider, type_key
),
spellings AS (
    SELECT lower(trim(alias)) AS alias, min(lower(trim(microarchitecture))) AS microarchitecture
    FROM reference.microarchitecture_aliases
    GROUP BY lower(trim(alias))
),
possible AS (
    SELECT
        provider,
        type_key,
        unnest(string_to_array(microarchitectures, '|')) AS possible_microarchitecture
    FROM merged
),
spelled AS (
    SELECT DISTINCT
        p.provider,
        p.type_key,
        regexp_replace(
            COALESCE(s.microarchitecture, lower(trim(p.possible_microarchitecture))), '^(aws|amd|intel|ampere) ', ''
        ) AS microarchitecture_key
    FROM possible AS p
    LEFT JOIN spellings AS s ON s.alias = lower(trim(p.possible_microarchitecture))
),
-- Several possible microarchitectures: the mean of their watts, and of the memory their watts already hold.
power AS (
    SELECT
        s.provider,
        s.type_key,
        avg(m.min_watts_per_vcpu) AS min_watts_per_vcpu,
        avg(m.max_watts_per_vcpu) AS max_watts_per_vcpu,
        avg(m.memory_gb_per_chip_baseline) AS memory_gb_per_chip_baseline,
        string_agg(m.power_factor_id, '|' ORDER BY m.power_factor_id) AS power_factor_id,
        max(CASE m.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END) AS power_quality_rank
    FROM spelled AS s
    JOIN estimate.microarchitecture_power AS m
      ON m.provider = s.provider AND m.microarchitecture_key = s.microarchitecture_key
    WHERE m.microarchitecture_key <> 'unknown'
    GROUP BY s.provider, s.type_key
)
SELECT
    m.provider,
    m.type_key,
    m.vcpu_count,
    m.memory_gb,
    m.burstable_baseline_pct,
    m.memory_platform_vcpu_count,
    m.platform_memory_gb,
    m.memory_platform_factor_id,
    m.memory_quality_rank,
    m.embodied_platform_vcpu_count,
    m.platform_embodied_kgco2e,
    m.embodied_factor_id,
    m.embodied_quality_rank,
    m.gpu_count,
    m.gpu_model,
    m.any_gpu_count,
    p.min_watts_per_vcpu,
    p.max_watts_per_vcpu,
    p.memory_gb_per_chip_baseline,
    p.power_factor_id,
    p.power_quality_rank
FROM merged AS m
LEFT JOIN power AS p ON p.provider = m.provider AND p.type_key = m.type_key

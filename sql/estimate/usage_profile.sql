/* model
grain = "one row per meter of estimate.usage_meter"
kind  = "view"
*/
-- How a meter is estimated (`method_kind`) and everything the equations need: size, watts, host, accelerators, the
-- configured utilisation, or why there is no estimate (`uncovered_reason`, method point 12).
WITH fallback AS (
    SELECT provider, min_watts_per_vcpu, max_watts_per_vcpu, memory_gb_per_chip_baseline, power_factor_id
    FROM estimate.microarchitecture_power
    WHERE microarchitecture_key = 'unknown'
),
-- Google bills accelerators as meters of their own, named after the model.
gpu_models AS (
    SELECT
        concat('%', trim(regexp_replace(lower(gpu_model), '(nvidia|tesla|amd) +', '', 'g')), ' %') AS pattern,
        min_watts_per_gpu,
        max_watts_per_gpu,
        factor_id,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank
    FROM reference.gpu_power
),
gpu_meters AS (
    SELECT
        c.*,
        g.min_watts_per_gpu AS meter_min_watts_per_gpu,
        g.max_watts_per_gpu AS meter_max_watts_per_gpu,
        g.factor_id AS meter_gpu_factor_id,
        g.quality_rank AS meter_gpu_quality_rank,
        row_number() OVER (PARTITION BY c.meter_key ORDER BY length(g.pattern) DESC NULLS LAST, g.pattern) AS gpu_choice
    FROM estimate.usage_class AS c
    LEFT JOIN gpu_models AS g
      ON c.provider = 'gcp' AND c.usage_unit = 'hour' AND c.meter_text LIKE '% gpu%' AND c.meter_text LIKE g.pattern
),
joined AS (
    SELECT
        c.*,
        COALESCE(p.vcpu_count, c.vcpus) AS vcpu_count,
        p.memory_gb,
        p.burstable_baseline_pct,
        p.memory_platform_vcpu_count,
        p.platform_memory_gb,
        p.memory_platform_factor_id,
        p.memory_quality_rank,
        p.embodied_platform_vcpu_count,
        p.platform_embodied_kgco2e,
        p.embodied_factor_id,
        p.embodied_quality_rank,
        g.gpu_count,
        g.min_watts_per_gpu,
        g.max_watts_per_gpu,
        g.gpu_factor_id,
        g.gpu_quality_rank,
        COALESCE(p.min_watts_per_vcpu, f.min_watts_per_vcpu, b.min_watts_per_vcpu) AS min_watts_per_vcpu,
        COALESCE(p.max_watts_per_vcpu, f.max_watts_per_vcpu, b.max_watts_per_vcpu) AS max_watts_per_vcpu,
        -- The memory that the watts already hold comes from the same rows as the watts.
        CASE WHEN p.min_watts_per_vcpu IS NOT NULL THEN p.memory_gb_per_chip_baseline
             WHEN f.min_watts_per_vcpu IS NOT NULL THEN f.memory_gb_per_chip_baseline
             ELSE b.memory_gb_per_chip_baseline END AS memory_gb_per_chip_baseline,
        COALESCE(p.power_factor_id, f.power_factor_id, b.power_factor_id) AS power_factor_id,
        COALESCE(p.power_quality_rank, f.quality_rank, 3) AS power_quality_rank,
        b.min_watts_per_vcpu AS average_min_watts_per_vcpu,
        b.max_watts_per_vcpu AS average_max_watts_per_vcpu,
        b.power_factor_id AS average_power_factor_id,
        COALESCE(both_set.utilisation, by_type.utilisation, by_service.utilisation, by_tenant.utilisation, 0.5)
            AS utilisation,
        (p.type_key IS NOT NULL OR f.family IS NOT NULL) AS is_known_type,
        -- Families whose types carry accelerators; a chip without watts is no_gpu_factor, not nothing.
        (g.type_key IS NOT NULL
            OR (c.provider = 'aws' AND regexp_like(c.family, '^(p|g|gr|inf|trn|dl|vt|f)[0-9]'))
            OR (c.provider = 'azure' AND regexp_like(c.family, '^n[cdgpv]'))
            OR (c.provider = 'gcp' AND regexp_like(c.family, '^(a[2-9]|g[2-9]|ct[0-9])'))) AS has_accelerator
    FROM gpu_meters AS c
    LEFT JOIN estimate.instance_profile AS p ON p.provider = c.provider AND p.type_key = c.type_key
    LEFT JOIN estimate.gpu_profile AS g ON g.provider = c.provider AND g.type_key = c.type_key
    LEFT JOIN estimate.family_power AS f ON f.provider = c.provider AND f.family = c.family
    LEFT JOIN fallback AS b ON b.provider = c.provider
    LEFT JOIN settings.method AS both_set
      ON both_set.tenant = c.tenant AND both_set.service_name = c.service_name
     AND lower(both_set.instance_type) = c.instance_text
    LEFT JOIN (SELECT * FROM settings.method WHERE service_name IS NULL) AS by_type
      ON by_type.tenant = c.tenant AND lower(by_type.instance_type) = c.instance_text
    LEFT JOIN (SELECT * FROM settings.method WHERE instance_type IS NULL) AS by_service
      ON by_service.tenant = c.tenant AND by_service.service_name = c.service_name
    LEFT JOIN (SELECT * FROM settings.method WHERE service_name IS NULL AND instance_type IS NULL) AS by_tenant
      ON by_tenant.tenant = c.tenant
    WHERE c.gpu_choice = 1
),
kinds AS (
    SELECT
        *,
        CASE
            WHEN NOT has_quantity OR provider IS NULL THEN NULL
            WHEN is_surcharge THEN NULL
            WHEN provider = 'aws' AND service_text LIKE '%lambda%' AND usage_unit IN ('gb_second', 'second')
                 AND (meter_text LIKE '%gb-second%' OR (meter_text = '' AND usage_unit = 'gb_second'))
                 AND meter_text NOT LIKE '%concurrency%' THEN 'lambda'
            WHEN provider = 'aws' AND usage_unit IN ('vcpu_hour', 'hour')
                 AND (meter_text LIKE '%fargate%vcpu-hours%' OR meter_text LIKE '%serverless%vcpuhours%')
                 THEN 'fargate_vcpu'
            WHEN provider = 'aws' AND usage_unit IN ('gb_hour', 'hour')
                 AND (meter_text LIKE '%fargate%gb-hours%' OR meter_text LIKE '%serverless%memory%gb%hours%')
                 AND meter_text NOT LIKE '%storage%' THEN 'fargate_memory'
            WHEN provider = 'aws' AND usage_unit IN ('vcpu_hour', 'hour', 'unknown')
                 AND meter_text LIKE '%aurora:serverless%usage%'
                 THEN 'aurora_serverless'
            WHEN provider = 'aws' AND usage_unit IN ('vcpu_hour', 'hour', 'unknown') AND service_text LIKE '%glue%'
                 AND meter_text LIKE '%dpu-hour%' THEN 'glue'
            WHEN provider = 'gcp' AND usage_unit = 'hour' AND meter_text LIKE '% gpu%' THEN 'gpu_meter'
            WHEN is_core_meter THEN 'instance'
            WHEN instance_text IS NOT NULL AND usage_unit IN ('hour', 'second', 'vcpu_hour')
                 AND NOT (provider = 'azure' AND watt_hours_per_tb_hour IS NOT NULL)
                 AND (usage_unit = 'vcpu_hour' OR vcpu_count IS NOT NULL)
                 AND (is_known_type OR vcpus IS NOT NULL) THEN 'instance'
            WHEN usage_unit IN ('gb_hour', 'gb_second', 'hour') AND watt_hours_per_tb_hour IS NOT NULL
                 AND stored_gb_per_unit IS NOT NULL THEN 'storage'
            WHEN usage_unit = 'gb' AND transfer_class IN ('intra-region', 'inter-region') THEN 'network'
            WHEN usage_unit = 'gb' AND transfer_class = 'internet' THEN 'network_internet'
        END AS method_kind
    FROM joined
)
SELECT
    *,
    CASE
        WHEN method_kind IS NOT NULL THEN NULL
        WHEN NOT has_quantity THEN 'no_quantity'
        WHEN provider IS NULL THEN 'unsupported_provider'
        WHEN is_surcharge THEN 'counted_with_instance'
        WHEN usage_unit IS NULL OR usage_unit = 'unknown' THEN 'unknown_unit'
        WHEN instance_text IS NOT NULL AND usage_unit IN ('hour', 'second', 'vcpu_hour') THEN 'unknown_instance_type'
        -- Gigabytes scanned or ingested are not moved.
        WHEN usage_unit = 'gb' AND (meter_text LIKE '%transfer%' OR meter_text LIKE '%egress%' OR meter_text LIKE '%ingress%'
            OR meter_text LIKE '%bytes%' OR meter_text LIKE '%download%') THEN 'no_transfer_class'
        -- Memory held while something runs is not stored.
        WHEN usage_unit IN ('gb_hour', 'gb_second') AND (meter_text LIKE '%memory%' OR meter_text LIKE '%execution%'
            OR meter_text LIKE '%duration%') THEN 'no_factor'
        WHEN usage_unit IN ('gb_hour', 'gb_second') THEN 'no_storage_class'
        ELSE 'no_factor'
    END AS uncovered_reason,
    -- Hours of one instance, and vCPU-hours, per unit of quantity.
    zone_copies * CASE WHEN is_core_meter AND usage_unit = 'second' THEN 1.0 / 3600 / vcpu_count
                       WHEN usage_unit = 'hour' THEN 1.0
                       WHEN usage_unit = 'second' THEN 1.0 / 3600
                       WHEN usage_unit = 'vcpu_hour' THEN 1.0 / vcpu_count END AS hours_per_unit,
    zone_copies * CASE WHEN is_core_meter AND usage_unit = 'second' THEN 1.0 / 3600
                       WHEN usage_unit = 'hour' THEN vcpu_count
                       WHEN usage_unit = 'second' THEN vcpu_count / 3600
                       WHEN usage_unit = 'vcpu_hour' THEN 1.0 END AS vcpu_hours_per_unit
FROM kinds

/* model
grain = "one row per meter of estimate.usage_meter and component"
kind  = "view"
small = true
*/
-- The estimate per unit of quantity: energy and embodied emissions are linear in the quantity, so the equations of
-- method points 3 to 7 and 11 are evaluated once per meter and component, and each usage row only multiplies.
-- low_ratio and high_ratio (method point 14) are set where utilisation or lifetime spans the range; null means
-- plus or minus the uncertainty of the row's quality.
WITH components AS (
    SELECT method_kind, component, component_order
    FROM (VALUES
        ('instance', 'compute', 1),
        ('instance', 'memory', 2),
        ('instance', 'gpu', 3),
        ('instance', 'embodied', 4),
        ('gpu_meter', 'gpu', 1),
        ('storage', 'storage', 1),
        ('network', 'network', 1),
        ('network_internet', 'network_internet', 1),
        ('lambda', 'serverless', 1),
        ('fargate_vcpu', 'serverless', 1),
        ('fargate_vcpu', 'embodied', 2),
        ('fargate_memory', 'serverless', 1),
        ('aurora_serverless', 'serverless', 1),
        ('glue', 'serverless', 1)
    ) AS listed (method_kind, component, component_order)
),
-- Of two rows for one thing, one of the user's own (overlay, factor_id own/…) comes first, here and below.
coefficients AS (
    SELECT
        value AS memory_kwh_per_gb_hour,
        factor_id AS memory_factor_id,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS memory_rank
    FROM reference.memory_coefficients
    WHERE method = 'ccf' AND quantity = 'memory energy'
    ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
    LIMIT 1
),
serverless_kinds AS (
    SELECT
        CASE
            WHEN service LIKE '%Lambda%' THEN 'lambda'
            WHEN service LIKE '%Aurora Serverless%' THEN 'aurora_serverless'
            WHEN service LIKE '%Glue%' THEN 'glue'
            WHEN service LIKE '%Fargate%' AND quantity = 'memory energy' THEN 'fargate_memory'
            WHEN service LIKE '%Fargate%' THEN 'fargate_vcpu'
        END AS method_kind,
        service LIKE '%ARM%' AS is_arm,
        value,
        factor_id,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank
    FROM reference.serverless_coefficients
),
serverless AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY method_kind, is_arm ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
        ) AS choice
    FROM serverless_kinds
),
-- How far plus and minus reach where the quality decides, one column per quality.
spread AS (
    SELECT
        max(CASE WHEN quality = 'ok' THEN relative_uncertainty END) AS ok_uncertainty,
        max(CASE WHEN quality = 'undated' THEN relative_uncertainty END) AS undated_uncertainty,
        max(CASE WHEN quality = 'assumed' THEN relative_uncertainty END) AS assumed_uncertainty,
        max(CASE WHEN quality = 'fallback' THEN relative_uncertainty END) AS fallback_uncertainty
    FROM reference.uncertainty
),
offered AS (
    SELECT
        p.*,
        n.ok_uncertainty,
        n.undated_uncertainty,
        n.assumed_uncertainty,
        n.fallback_uncertainty,
        -- Supplier-specific only if the tenant opted in and names its evidence (method point 10).
        c.factor_gco2e_per_kwh AS claimed_market_gco2e_per_kwh,
        CASE WHEN c.factor_gco2e_per_kwh IS NOT NULL THEN concat('claim:', c.evidence) END AS market_claim_id,
        v.claimed_gco2e_per_kwh AS provider_claim_gco2e_per_kwh,
        t.method_version,
        k.component,
        k.component_order,
        m.memory_kwh_per_gb_hour,
        m.memory_factor_id,
        m.memory_rank,
        s.value AS serverless_value,
        s.factor_id AS serverless_factor_id,
        s.quality_rank AS serverless_rank,
        ceil(p.memory_platform_vcpu_count / 96) AS platform_chips,
        p.average_min_watts_per_vcpu + p.utilisation * (p.average_max_watts_per_vcpu - p.average_min_watts_per_vcpu)
            AS average_watts_per_vcpu
    FROM estimate.usage_profile AS p
    LEFT JOIN components AS k ON k.method_kind = p.method_kind
    LEFT JOIN serverless AS s
      ON s.method_kind = p.method_kind
     AND s.choice = 1
     AND s.is_arm = (p.method_kind = 'fargate_vcpu' AND p.meter_text LIKE '%arm%')
    CROSS JOIN coefficients AS m
    CROSS JOIN spread AS n
    LEFT JOIN (
        SELECT * FROM settings.market_claim WHERE evidence IS NOT NULL AND evidence <> ''
    ) AS c ON c.tenant = p.tenant AND c.provider_name = p.provider_name
    LEFT JOIN settings.supplier_claim AS v ON v.provider_name = p.provider_name
    LEFT JOIN settings.tenant AS t ON t.tenant = p.tenant
    WHERE (k.component IS DISTINCT FROM 'gpu')
       OR p.method_kind = 'gpu_meter'
       -- Google's accelerators are meters of their own beside the cores.
       OR (p.has_accelerator AND NOT p.is_core_meter)
),
estimated AS (
    SELECT
        o.*,
        CASE
            WHEN component = 'compute' THEN
                (min_watts_per_vcpu + utilisation * (max_watts_per_vcpu - min_watts_per_vcpu)) * vcpu_hours_per_unit / 1000
                * COALESCE(burstable_baseline_pct / 50, 1.0)
            WHEN component = 'memory' THEN
                CASE WHEN platform_memory_gb - platform_chips * memory_gb_per_chip_baseline < 0 THEN 0.0
                     ELSE platform_memory_gb - platform_chips * memory_gb_per_chip_baseline END
                * memory_gb / platform_memory_gb * hours_per_unit * memory_kwh_per_gb_hour
            WHEN component = 'gpu' AND method_kind = 'gpu_meter' THEN
                (meter_min_watts_per_gpu + utilisation * (meter_max_watts_per_gpu - meter_min_watts_per_gpu)) / 1000
            WHEN component = 'gpu' THEN
                (min_watts_per_gpu + utilisation * (max_watts_per_gpu - min_watts_per_gpu))
                * gpu_count * hours_per_unit / 1000
            WHEN component = 'storage' THEN
                stored_gb_per_unit / 1000 * watt_hours_per_tb_hour * replication_ratio / 1000
            WHEN component IN ('network', 'network_internet') THEN kwh_per_gb
            WHEN method_kind IN ('fargate_vcpu', 'fargate_memory') AND component = 'serverless' THEN serverless_value
            -- A GB-second as Lambda sells it is 1024 MB for a second.
            WHEN method_kind = 'lambda' THEN average_watts_per_vcpu / 3600 * (1024 / serverless_value) / 1000
            -- Capacity and processing units that units.csv knows are vCPU-hours already.
            WHEN method_kind IN ('aurora_serverless', 'glue') THEN
                average_watts_per_vcpu * CASE WHEN usage_unit = 'vcpu_hour' THEN 1.0 ELSE serverless_value END / 1000
        END AS it_kwh_per_unit,
        CASE WHEN component = 'embodied' THEN
            platform_embodied_kgco2e * 1000 * (vcpu_hours_per_unit / 35040) / embodied_platform_vcpu_count
        END AS embodied_gco2e_per_unit,
        CASE
            WHEN component = 'compute' THEN min_watts_per_vcpu
            WHEN method_kind = 'gpu_meter' THEN meter_min_watts_per_gpu
            WHEN component = 'gpu' THEN min_watts_per_gpu
            WHEN method_kind = 'lambda' THEN average_min_watts_per_vcpu
        END AS idle_watts,
        CASE
            WHEN component = 'compute' THEN max_watts_per_vcpu
            WHEN method_kind = 'gpu_meter' THEN meter_max_watts_per_gpu
            WHEN component = 'gpu' THEN max_watts_per_gpu
            WHEN method_kind = 'lambda' THEN average_max_watts_per_vcpu
        END AS full_watts
    FROM offered AS o
)
SELECT
    meter_key,
    component,
    -- Costs and line counts ride on the first component row only, so that sums do not fan out.
    row_number() OVER (PARTITION BY meter_key ORDER BY component_order) = 1 AS is_first_component,
    max(it_kwh_per_unit) OVER (PARTITION BY meter_key) IS NOT NULL AS has_energy,
    it_kwh_per_unit,
    embodied_gco2e_per_unit,
    CASE WHEN component = 'embodied' THEN 35040.0 / 52560.0
         ELSE (idle_watts + 0.1 * (full_watts - idle_watts)) / (idle_watts + utilisation * (full_watts - idle_watts))
    END AS low_ratio,
    CASE WHEN component = 'embodied' THEN 1.0
         ELSE (idle_watts + 0.9 * (full_watts - idle_watts)) / (idle_watts + utilisation * (full_watts - idle_watts))
    END AS high_ratio,
    CASE
        WHEN component = 'compute' THEN power_quality_rank
        WHEN component = 'memory' THEN greatest(power_quality_rank, memory_quality_rank, memory_rank)
        WHEN component = 'gpu' THEN COALESCE(meter_gpu_quality_rank, gpu_quality_rank)
        WHEN component = 'storage' THEN storage_quality_rank
        WHEN component IN ('network', 'network_internet') THEN transfer_quality_rank
        WHEN method_kind IN ('lambda', 'aurora_serverless', 'glue') THEN 3
        WHEN component = 'serverless' THEN serverless_rank
        WHEN component = 'embodied' THEN embodied_quality_rank
    END AS quality_rank,
    CASE
        WHEN it_kwh_per_unit IS NULL THEN NULL
        WHEN component = 'compute' THEN power_factor_id
        WHEN component = 'memory' THEN concat_ws('|', memory_factor_id, memory_platform_factor_id, power_factor_id)
        WHEN component = 'gpu' THEN COALESCE(meter_gpu_factor_id, gpu_factor_id)
        WHEN component = 'storage' THEN storage_factor_id
        WHEN component IN ('network', 'network_internet') THEN transfer_factor_id
        WHEN method_kind IN ('lambda', 'aurora_serverless', 'glue')
            THEN concat_ws('|', serverless_factor_id, average_power_factor_id)
        WHEN component = 'serverless' THEN serverless_factor_id
    END AS power_factor_id,
    CASE WHEN embodied_gco2e_per_unit IS NOT NULL THEN embodied_factor_id END AS embodied_factor_id,
    CASE
        WHEN uncovered_reason IS NOT NULL THEN uncovered_reason
        WHEN component = 'embodied' AND embodied_gco2e_per_unit IS NULL THEN 'no_platform'
        WHEN component = 'memory' AND it_kwh_per_unit IS NULL THEN
            CASE WHEN platform_memory_gb IS NULL THEN 'no_platform'
                 WHEN memory_gb IS NULL THEN 'no_memory_size'
                 ELSE 'no_memory_baseline' END
        WHEN component = 'gpu' AND it_kwh_per_unit IS NULL THEN 'no_gpu_factor'
        WHEN component <> 'embodied' AND it_kwh_per_unit IS NULL THEN 'no_factor'
    END AS uncovered_reason,
    ok_uncertainty,
    undated_uncertainty,
    assumed_uncertainty,
    fallback_uncertainty,
    claimed_market_gco2e_per_kwh,
    market_claim_id,
    provider_claim_gco2e_per_kwh,
    method_version,
    -- The numbers of the equations, for who recomputes a figure: each where the component's equation has it.
    method_kind,
    CASE WHEN component IN ('compute', 'gpu') OR method_kind IN ('lambda', 'aurora_serverless', 'glue') THEN utilisation END
        AS utilisation,
    CASE WHEN method_kind IN ('aurora_serverless', 'glue') THEN average_min_watts_per_vcpu ELSE idle_watts END AS min_watts,
    CASE WHEN method_kind IN ('aurora_serverless', 'glue') THEN average_max_watts_per_vcpu ELSE full_watts END AS max_watts,
    CASE WHEN method_kind = 'instance' THEN vcpu_count END AS vcpu_count,
    CASE WHEN method_kind = 'instance' THEN zone_copies END AS zone_copies,
    CASE WHEN method_kind = 'instance' AND component IN ('memory', 'gpu') THEN hours_per_unit END AS hours_per_unit,
    CASE WHEN component IN ('compute', 'embodied') THEN vcpu_hours_per_unit END AS vcpu_hours_per_unit,
    CASE WHEN component = 'compute' THEN COALESCE(burstable_baseline_pct / 50, 1.0) END AS burstable_ratio,
    CASE WHEN component = 'memory' THEN memory_gb END AS memory_gb,
    CASE WHEN component = 'memory' THEN platform_memory_gb END AS platform_memory_gb,
    CASE WHEN component = 'memory' THEN platform_chips * memory_gb_per_chip_baseline END AS platform_memory_gb_in_watts,
    CASE WHEN component = 'memory' THEN memory_kwh_per_gb_hour END AS memory_kwh_per_gb_hour,
    CASE WHEN component = 'gpu' AND method_kind = 'instance' THEN gpu_count END AS gpu_count,
    CASE WHEN component = 'storage' THEN stored_gb_per_unit END AS stored_gb_per_unit,
    CASE WHEN component = 'storage' THEN watt_hours_per_tb_hour END AS watt_hours_per_tb_hour,
    CASE WHEN component = 'storage' THEN replication_ratio END AS replication_ratio,
    CASE WHEN component IN ('network', 'network_internet') THEN kwh_per_gb END AS kwh_per_gb,
    CASE WHEN component = 'serverless' THEN serverless_value END AS serverless_value,
    CASE WHEN component = 'embodied' THEN platform_embodied_kgco2e END AS platform_embodied_kgco2e,
    CASE WHEN component = 'embodied' THEN embodied_platform_vcpu_count END AS embodied_platform_vcpu_count
FROM estimated

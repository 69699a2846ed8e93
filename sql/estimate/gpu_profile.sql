/* model
grain = "one row per provider (aws, azure, gcp) and instance type key with accelerators of a known model"
kind  = "view"
small = true
*/
-- Accelerators of an instance type and their watts (method point 5). Model names match without regard to case and to
-- the words "NVIDIA", "Tesla" and "AMD", which the sources use or leave out at will. No watts: no_gpu_factor.
WITH listed AS (
    SELECT
        provider,
        CASE WHEN provider = 'azure'
             THEN regexp_replace(regexp_replace(lower(instance_type), '^(standard|basic)[_ ]', ''), '[^a-z0-9]', '', 'g')
             ELSE lower(trim(instance_type)) END AS type_key,
        gpu_count,
        gpu_model,
        CASE WHEN starts_with(factor_id, 'own/') THEN -1 ELSE 0 END AS list_rank
    FROM reference.gpu_instances
    WHERE gpu_count > 0
    UNION ALL
    SELECT provider, type_key, COALESCE(gpu_count, any_gpu_count), gpu_model, 1
    FROM estimate.instance_profile
    WHERE any_gpu_count > 0
),
models AS (
    SELECT
        *,
        trim(regexp_replace(lower(gpu_model), '(nvidia|tesla|amd) +', '', 'g')) AS model_key
    FROM listed
),
watts AS (
    SELECT
        trim(regexp_replace(lower(gpu_model), '(nvidia|tesla|amd) +', '', 'g')) AS model_key,
        min_watts_per_gpu,
        max_watts_per_gpu,
        factor_id,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank,
        row_number() OVER (
            PARTITION BY trim(regexp_replace(lower(gpu_model), '(nvidia|tesla|amd) +', '', 'g'))
            ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
        ) AS choice
    FROM reference.gpu_power
),
ranked AS (
    SELECT
        m.provider,
        m.type_key,
        m.gpu_count,
        m.gpu_model,
        w.min_watts_per_gpu,
        w.max_watts_per_gpu,
        w.factor_id AS gpu_factor_id,
        w.quality_rank AS gpu_quality_rank,
        row_number() OVER (
            PARTITION BY m.provider, m.type_key
            ORDER BY w.factor_id IS NULL, m.list_rank, m.gpu_count DESC, m.gpu_model
        ) AS choice
    FROM models AS m
    LEFT JOIN watts AS w ON w.model_key = m.model_key AND w.choice = 1
)
SELECT provider, type_key, gpu_count, gpu_model, min_watts_per_gpu, max_watts_per_gpu, gpu_factor_id, gpu_quality_rank
FROM ranked
WHERE choice = 1

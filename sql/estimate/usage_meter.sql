/* model
grain = "one row per distinct meter of rollup.usage_daily (tenant, service, usage type, instance type, unit …)"
kind  = "view"
*/
-- The distinct things that are metered, with their texts taken apart once. A year of bills has a few thousand meters;
-- every text match happens here, never per usage row.
WITH meters AS (
    SELECT DISTINCT
        tenant,
        provider_name,
        service_name,
        service_code,
        usage_type,
        operation,
        sku_meter,
        instance_type,
        vcpus,
        usage_unit,
        usage_quantity IS NOT NULL AS has_quantity,
        meter_key
    FROM estimate.usage_row
),
texts AS (
    SELECT
        *,
        CASE provider_name WHEN 'AWS' THEN 'aws' WHEN 'Microsoft' THEN 'azure' WHEN 'Google Cloud' THEN 'gcp' END
            AS provider,
        lower(COALESCE(service_code, '')) || ' ' || lower(COALESCE(service_name, '')) AS service_text,
        -- AWS names what is metered in the usage type, Azure and Google in the meter (SKU) name.
        CASE WHEN provider_name = 'AWS' THEN lower(COALESCE(usage_type, sku_meter, ''))
             ELSE lower(COALESCE(sku_meter, usage_type, '')) END AS meter_text,
        lower(trim(instance_type)) AS instance_text
    FROM meters
),
-- Google sells the cores of a machine as a SKU of their own.
named AS (
    SELECT
        *,
        provider = 'gcp' AND usage_unit IN ('vcpu_hour', 'second')
            AND (meter_text LIKE '%instance core%' OR meter_text LIKE '% core running in%') AS is_core_meter
    FROM texts
),
-- "D2s v3", "Standard_D2s_v3" and "D2 v3/D2s v3" are one size; db.r5.large, cache.r5.large, r5.large.search and
-- ml.r5.large are an r5.large.
keyed AS (
    SELECT
        *,
        CASE provider
            WHEN 'aws' THEN regexp_replace(regexp_replace(instance_text,
                '^(db|cache|ml|dms|mq|kafka)[.]', ''), '[.](search|elasticsearch)$', '')
            WHEN 'azure' THEN regexp_replace(regexp_replace(regexp_replace(
                instance_text, '( spot| low priority|/.*)$', ''), '^(standard|basic)[_ ]', ''), '[^a-z0-9]', '', 'g')
            WHEN 'gcp' THEN COALESCE(instance_text, CASE
                WHEN NOT is_core_meter THEN NULL
                WHEN meter_text LIKE '%compute optimized core%' THEN 'c2'
                WHEN regexp_like(meter_text, '^(spot preemptible |preemptible )?memory[- ]optimized') THEN 'm1'
                WHEN regexp_like(meter_text, '^(spot preemptible |preemptible )?custom') THEN 'n1'
                ELSE regexp_replace(meter_text, '^(spot preemptible |preemptible )?([a-z0-9]+) .*$', '\2')
            END)
        END AS type_key
    FROM named
)
SELECT
    *,
    CASE provider
        WHEN 'aws' THEN split_part(type_key, '.', 1)
        WHEN 'azure' THEN regexp_replace(regexp_replace(regexp_replace(
            instance_text, '( spot| low priority|/.*)$', ''), '^((standard|basic)[_ ])?([a-z]+)[0-9]+(-[0-9]+)?', '\3'),
            '[^a-z0-9]', '', 'g')
        -- A custom machine without a family is an N1.
        WHEN 'gcp' THEN CASE WHEN type_key LIKE 'custom-%' THEN 'n1' ELSE split_part(type_key, '-', 1) END
    END AS family,
    -- A standby runs what the primary runs; a Multi-AZ cluster has two readable ones.
    CASE WHEN provider <> 'aws' THEN 1.0
         WHEN meter_text LIKE '%multi-azcluster%' OR meter_text LIKE '%multi-az-cluster%' THEN 3.0
         WHEN meter_text LIKE '%multi-az%' OR meter_text LIKE '%mirror%' THEN 2.0
         ELSE 1.0 END AS zone_copies,
    -- Surcharges that name an instance whose own line counts already: licences, optimised disks, EMR on top of EC2.
    meter_text LIKE '%ebsoptimized%'
        OR meter_text LIKE '%softwareusage%'
        OR meter_text LIKE '%licens%'
        OR service_text LIKE '%licens%'
        OR meter_text LIKE '%cpucredits%'
        OR meter_text LIKE '%extendedsupport%'
        OR meter_text LIKE '%rds:proxy%'
        OR meter_text LIKE '%sole tenancy premium%'
        OR meter_text LIKE '%external ip%'
        OR meter_text LIKE '%static ip%'
        OR meter_text LIKE '%public ip%'
        OR (meter_text LIKE '%boxusage%' AND service_text LIKE '%mapreduce%')
        OR meter_text LIKE '%emr-eks-ec2%'
        OR meter_text LIKE '%ecs-ec2%'
        AS is_surcharge
FROM keyed

/* model
grain = "one row per meter of estimate.usage_meter"
kind  = "view"
*/
-- What a meter counts: stored bytes (medium, replication, provisioned size: method point 6) and moved bytes (what they
-- cross: method point 7). AWS storage: the longest matching suffix of the usage type, then the operation (S3 classes),
-- then the service. Azure and Google: the meter's words. The receiver's end of a transfer has is_usage = false already.
WITH meters AS (
    SELECT
        *,
        lower(COALESCE(operation, '')) AS operation_text
    FROM estimate.usage_meter
),
suffixes AS (
    SELECT lower(pattern) AS pattern, min(class) AS class
    FROM reference.aws_usage_type_classes
    WHERE match_field = 'usage_type_suffix' AND class IN ('HDD', 'SSD', 'UNKNOWN', 'UNSUPPORTED')
    GROUP BY lower(pattern)
),
suffix_ranked AS (
    SELECT
        m.*,
        s.class AS suffix_class,
        row_number() OVER (PARTITION BY m.meter_key ORDER BY length(s.pattern) DESC NULLS LAST, s.pattern) AS suffix_choice
    FROM meters AS m
    LEFT JOIN suffixes AS s
      ON m.provider = 'aws' AND m.usage_unit = 'gb_hour' AND ends_with(m.meter_text, s.pattern)
),
networks AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY transfer_class ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
        ) AS choice
    FROM reference.network_coefficients
),
transfers AS (
    SELECT
        c.provider_name,
        starts_with(c.factor_id, 'own/') AS is_users_own,
        c.match_field,
        lower(c.pattern) AS pattern,
        n.kwh_per_gb,
        c.transfer_class,
        n.factor_id,
        CASE n.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END AS quality_rank
    FROM reference.transfer_classes AS c
    JOIN networks AS n ON n.transfer_class = c.transfer_class AND n.choice = 1
),
transfer_ranked AS (
    SELECT
        m.*,
        t.transfer_class,
        t.kwh_per_gb,
        t.factor_id AS transfer_factor_id,
        t.quality_rank AS transfer_quality_rank,
        row_number() OVER (
            PARTITION BY m.meter_key
            ORDER BY t.is_users_own DESC NULLS LAST, t.match_field DESC, length(t.pattern) DESC NULLS LAST, t.pattern, t.transfer_class
        ) AS transfer_choice
    FROM suffix_ranked AS m
    LEFT JOIN transfers AS t
      ON t.provider_name = m.provider_name
     AND m.usage_unit = 'gb'
     AND CASE t.match_field
             WHEN 'usage_type_suffix' THEN ends_with(m.meter_text, t.pattern)
             WHEN 'operation' THEN m.operation_text = t.pattern
             WHEN 'sku_meter' THEN m.meter_text LIKE t.pattern
             ELSE false END
    WHERE m.suffix_choice = 1
),
aws_service AS (
    SELECT lower(pattern) AS service_code, min(class) AS class
    FROM reference.aws_usage_type_classes
    WHERE match_field = 'service_code_suffix'
    GROUP BY lower(pattern)
),
-- Azure disks are sold by the tier: P10 is 128 GiB, whatever is written to it.
coefficients AS (
    SELECT
        *,
        -- Of two rows for one thing, one of the user's own (overlay, factor_id own/…) comes first.
        row_number() OVER (
            PARTITION BY provider, kind, lower(key), CASE WHEN kind = 'media' THEN quantity END
            ORDER BY starts_with(factor_id, 'own/') DESC, factor_id
        ) AS choice
    FROM reference.storage_coefficients
),
disk_tiers AS (
    SELECT lower(key) AS tier, value AS capacity_gib, quantity, factor_id
    FROM coefficients
    WHERE provider = 'azure' AND kind = 'managed_disk' AND choice = 1
),
classed AS (
    SELECT
        m.*,
        CASE
            WHEN m.provider = 'aws' AND m.usage_unit = 'gb_hour' THEN
                CASE
                    WHEN m.suffix_class IS NOT NULL THEN m.suffix_class
                    WHEN (m.service_text LIKE 'amazons3%' OR m.service_text LIKE '%simple storage service%')
                        AND m.operation_text LIKE '%storage' THEN 'HDD'
                    WHEN m.meter_text LIKE '%storage%' OR m.meter_text LIKE '%bytehrs%' OR m.meter_text LIKE '%volume%'
                        OR m.meter_text LIKE '%backup%' OR m.meter_text LIKE '%snapshot%' THEN v.class
                END
            WHEN m.provider = 'azure' AND m.usage_unit = 'hour' THEN
                CASE WHEN t.quantity LIKE 'HDD%' THEN 'HDD' WHEN t.quantity LIKE 'SSD%' THEN 'SSD' END
            WHEN m.provider = 'azure' THEN
                CASE
                    WHEN m.meter_text LIKE '%memory%' OR m.meter_text LIKE '%transfer%' THEN NULL
                    WHEN m.meter_text LIKE '%premium%' OR m.meter_text LIKE '%ssd%' OR m.meter_text LIKE '%ultra%'
                        OR m.service_text LIKE '%cosmos%' OR m.service_text LIKE '%sql%' OR m.service_text LIKE '%redis%'
                        THEN 'SSD'
                    WHEN m.meter_text LIKE '%data stored%' OR m.meter_text LIKE '%snapshot%'
                        OR m.meter_text LIKE '%capacity%' OR m.meter_text LIKE '%storage%' OR m.meter_text LIKE '%lrs%'
                        OR m.meter_text LIKE '%grs%' OR m.meter_text LIKE '%zrs%' OR m.meter_text LIKE '%provisioned%'
                        OR m.meter_text LIKE '%metadata%' OR m.meter_text LIKE '%data retention%' THEN 'HDD'
                END
            WHEN m.provider = 'gcp' AND m.usage_unit IN ('gb_hour', 'gb_second') THEN
                CASE
                    WHEN m.meter_text LIKE '% ram%' OR m.meter_text LIKE '%memory%' THEN NULL
                    WHEN m.meter_text LIKE '%ssd%' OR m.meter_text LIKE '%balanced%' OR m.meter_text LIKE '%extreme%'
                        OR m.meter_text LIKE '%hyperdisk%' THEN 'SSD'
                    WHEN (m.meter_text LIKE '%storage%' OR m.meter_text LIKE '%backup%') AND (
                        m.service_text LIKE '%sql%' OR m.service_text LIKE '%spanner%' OR m.service_text LIKE '%bigtable%'
                        OR m.service_text LIKE '%firestore%' OR m.service_text LIKE '%datastore%') THEN 'SSD'
                    WHEN m.meter_text LIKE '%storage%' OR m.meter_text LIKE '%pd capacity%' OR m.meter_text LIKE '%snapshot%'
                        OR m.meter_text LIKE '%image%' OR m.meter_text LIKE '%filestore%' OR m.meter_text LIKE '%backup%'
                        THEN 'HDD'
                END
        END AS medium,
        CASE m.provider
            WHEN 'aws' THEN CASE
                WHEN m.service_text LIKE 'amazons3%' OR m.service_text LIKE '%simple storage service%' THEN CASE
                    WHEN m.meter_text LIKE '%-zia%' OR m.meter_text LIKE '%-rrs%' OR m.operation_text LIKE 'onezone%'
                        OR m.operation_text LIKE 'reducedredundancy%' THEN 'S3_ONE_ZONE_REDUCED_REDUNDANCY'
                    ELSE 'S3' END
                WHEN m.service_text LIKE 'amazonefs%' OR m.service_text LIKE '%elastic file system%' OR m.meter_text LIKE '%-efs' THEN
                    CASE WHEN m.meter_text LIKE '%zia%' OR m.meter_text LIKE '%-z-%' THEN 'EFS_ONE_ZONE' ELSE 'EFS' END
                WHEN m.service_text LIKE 'amazonrds%' OR m.service_text LIKE '%relational database%' THEN CASE
                    WHEN m.meter_text LIKE '%backupusage%' THEN 'RDS_BACKUP'
                    WHEN m.meter_text LIKE '%aurora%' THEN 'RDS_AURORA'
                    WHEN m.meter_text LIKE '%multi-az%' THEN 'RDS_MULTI_AZ' END
                WHEN m.service_text LIKE 'amazondocdb%' OR m.service_text LIKE '%documentdb%' THEN
                    CASE WHEN m.meter_text LIKE '%backupusage%' THEN 'DOCUMENT_DB_BACKUP' ELSE 'DOCUMENT_DB_STORAGE' END
                WHEN m.service_text LIKE '%dynamodb%' THEN 'DYNAMO_DB'
                WHEN m.service_text LIKE 'amazonecr%' OR m.service_text LIKE '%container registry%' THEN 'ECR_STORAGE'
                WHEN m.service_text LIKE '%elasticache%' AND m.meter_text LIKE '%backupusage%'
                    THEN 'DOCUMENT_ELASTICACHE_BACKUP'
                WHEN m.service_text LIKE '%simpledb%' THEN 'SIMPLE_DB'
                WHEN m.meter_text LIKE '%volumeusage%' THEN 'EC2_EBS_VOLUME'
                WHEN m.meter_text LIKE '%snapshotusage%' THEN 'EC2_EBS_SNAPSHOT' END
            WHEN 'azure' THEN CASE
                WHEN m.service_text LIKE '%cosmos%' THEN 'COSMOS_DB'
                WHEN m.service_text LIKE '%mysql%' THEN 'DATABASE_MYSQL'
                WHEN m.service_text LIKE '%sql database%' THEN 'SQL_DB'
                WHEN m.service_text LIKE '%redis%' THEN 'REDIS_CACHE'
                WHEN m.meter_text LIKE '%gzrs%' THEN 'STORAGE_GZRS'
                WHEN m.meter_text LIKE '%lrs%' THEN 'STORAGE_LRS'
                WHEN m.meter_text LIKE '%zrs%' THEN 'STORAGE_ZRS'
                WHEN m.meter_text LIKE '%grs%' THEN 'STORAGE_GRS'
                WHEN m.meter_text LIKE '%disk%' THEN 'STORAGE_DISKS' END
            WHEN 'gcp' THEN CASE
                WHEN m.service_text LIKE '%cloud storage%' THEN CASE
                    WHEN m.meter_text LIKE '%dual-region%' THEN 'CLOUD_STORAGE_DUAL_REGION'
                    WHEN m.meter_text LIKE '%multi-region%' THEN 'CLOUD_STORAGE_MULTI_REGION'
                    ELSE 'CLOUD_STORAGE_SINGLE_REGION' END
                WHEN m.service_text LIKE '%filestore%' THEN 'CLOUD_FILESTORE'
                WHEN m.service_text LIKE '%cloud sql%' AND (m.meter_text LIKE '%regional%' OR m.meter_text LIKE '%ha %')
                    THEN 'CLOUD_SQL_HIGH_AVAILABILITY'
                WHEN m.service_text LIKE '%spanner%' THEN
                    CASE WHEN m.meter_text LIKE '%multi%' THEN 'CLOUD_SPANNER_MULTI_REGION'
                         ELSE 'CLOUD_SPANNER_SINGLE_REGION' END
                WHEN m.service_text LIKE '%compute engine%' AND m.meter_text LIKE '%regional%'
                    THEN 'COMPUTE_ENGINE_REGIONAL_DISKS'
                WHEN m.service_text LIKE '%compute engine%'
                    AND (m.meter_text LIKE '%snapshot%' OR m.meter_text LIKE '%image%')
                    THEN 'CLOUD_STORAGE_SINGLE_REGION' END
        END AS replication_key,
        t.capacity_gib,
        t.factor_id AS tier_factor_id
    FROM transfer_ranked AS m
    LEFT JOIN aws_service AS v ON v.service_code = split_part(m.service_text, ' ', 1) AND m.provider = 'aws'
    LEFT JOIN disk_tiers AS t
      ON t.tier = CASE
             WHEN m.provider = 'azure' AND m.usage_unit = 'hour' THEN CASE
                 WHEN regexp_like(m.meter_text, '^[pes][0-9]+ ((lrs|zrs) )?(managed )?disks?$') THEN split_part(m.meter_text, ' ', 1)
                 WHEN regexp_like(m.meter_text, ' managed disks - [pes][0-9]+ (lrs|zrs)( - |$)')
                     THEN regexp_replace(m.meter_text, '^.* managed disks - ([pes][0-9]+) .*$', '\1')
             END
         END
    WHERE m.transfer_choice = 1
),
media AS (
    SELECT key AS medium, value AS watt_hours_per_tb_hour, factor_id, quality
    FROM coefficients
    WHERE kind = 'media' AND quantity = 'energy' AND choice = 1
),
copies AS (
    SELECT provider, key, value, factor_id, quality
    FROM coefficients
    WHERE kind = 'replication' AND choice = 1
)
SELECT
    c.*,
    e.watt_hours_per_tb_hour,
    r.value AS replication_ratio,
    -- Gigabyte-hours per unit of quantity: the tier's GiB for a disk-hour, a 3600th of a gigabyte-second.
    CASE c.usage_unit WHEN 'hour' THEN c.capacity_gib * 1.073741824 WHEN 'gb_second' THEN 1.0 / 3600 ELSE 1.0 END
        AS stored_gb_per_unit,
    concat_ws('|', e.factor_id, r.factor_id, c.tier_factor_id) AS storage_factor_id,
    greatest(
        CASE e.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END,
        CASE r.quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 ELSE 3 END
    ) AS storage_quality_rank
FROM classed AS c
LEFT JOIN media AS e ON e.medium = c.medium
LEFT JOIN copies AS r ON r.provider = c.provider AND r.key = COALESCE(c.replication_key, 'DEFAULT')

/* model
description = "FOCUS lines in the columns of normalize.usage, with what an estimate needs"
grain = "one row per delivered line"
kind = "view"
*/
WITH lines AS (
    SELECT
        focus.* EXCLUDE (charge_category, charge_class),
        -- Google's own view writes "usage" and "correction".
        initcap(charge_category) AS charge_category,
        initcap(charge_class) AS charge_class,
        CASE
            WHEN lower(provider_name) = 'aws' OR lower(provider_name) LIKE 'amazon%' THEN 'AWS'
            WHEN lower(provider_name) LIKE 'microsoft%' OR lower(provider_name) LIKE 'azure%' THEN 'Microsoft'
            WHEN lower(provider_name) = 'gcp' OR lower(provider_name) LIKE 'google%' THEN 'Google Cloud'
            WHEN lower(provider_name) = 'oci' OR lower(provider_name) LIKE 'oracle%' THEN 'Oracle'
            ELSE provider_name
        END AS provider
    FROM normalize.focus AS focus
),
provider_unit AS (
    SELECT provider, unit_raw, unit, multiplier, per_month FROM reference.units WHERE dimension = 'cloud'
),
-- A region is kept as delivered unless it is another spelling of one of the provider's ids.
region_alias AS (
    SELECT provider_name AS provider, alias, region_id FROM reference.region_aliases WHERE alias NOT LIKE 'prefix:%'
),
told AS (
    SELECT
        lines.* EXCLUDE (sku_meter),
        -- FOCUS 1.0 has no SkuMeter: Google and Microsoft then name the SKU in ChargeDescription.
        CASE WHEN provider IN ('Google Cloud', 'Microsoft') AND charge_category = 'Usage'
             THEN COALESCE(sku_meter, charge_description) ELSE sku_meter END AS sku_meter,
        -- AWS names what is metered in the usage type, Azure and Google in the meter (SKU) name.
        CASE WHEN provider = 'AWS' THEN COALESCE(usage_type, sku_meter)
             WHEN provider IN ('Google Cloud', 'Microsoft') THEN lower(COALESCE(sku_meter, charge_description)) END AS meter_text,
        COALESCE(told_instance_type, CASE
            WHEN usage_type LIKE '%Usage:%' OR usage_type LIKE '%Instance:%' OR usage_type LIKE '%Node:%'
                THEN split_part(usage_type, ':', 2)
            WHEN sku_meter LIKE '%Usage:%' THEN split_part(sku_meter, ':', 2)
            WHEN sku_meter NOT LIKE '% %' AND (sku_meter LIKE '%.%large' OR sku_meter LIKE '%.micro' OR sku_meter LIKE '%.small'
                OR sku_meter LIKE '%.medium' OR sku_meter LIKE '%.metal' OR sku_meter LIKE '%-standard-%'
                OR sku_meter LIKE 'Standard_%') THEN sku_meter
            -- Azure's meter of a virtual machine is its size: D4s v5, D2 v3/D2s v3.
            WHEN provider = 'Microsoft' AND service_name LIKE 'Virtual Machines%' AND sku_meter NOT LIKE '%Disk%'
                AND regexp_like(sku_meter, '^(Standard_)?[A-Z]+[0-9]') THEN sku_meter
            -- Google's own view puts the machine's system labels among the tags.
            WHEN provider = 'Google Cloud' THEN tag_value(tags, 'compute.googleapis.com/machine_spec')
        END) AS instance_type
    FROM lines
),
-- Both ends of a transfer are billed: its sender's line counts (reference.transfer_classes: direction `in`, counts
-- `sender`). What comes in from the internet counts here.
classified AS (
    SELECT
        told.*,
        -- Google bills the cores and the memory of one machine as two SKUs, cores by the vCPU-hour.
        provider = 'Google Cloud' AND (meter_text LIKE '%instance core%' OR meter_text LIKE '% core running in%') AS is_core_meter,
        CASE
            WHEN charge_category = 'Usage' THEN CASE
                WHEN lower(commitment_discount_status) = 'unused' THEN 'unused_commitment'
                WHEN provider = 'AWS' THEN CASE
                    WHEN meter_text LIKE '%EarlyDelete%' OR meter_text LIKE '%BytesDeleted%' THEN 'fee'
                    WHEN meter_text LIKE '%In-%Bytes%' THEN CASE
                        WHEN meter_text LIKE '%AWS-In-%Bytes%' OR meter_text LIKE '%AZ-In-Bytes'
                            OR meter_text LIKE '%C3DataTransfer-In-Bytes' OR meter_text LIKE '%CloudFront-In-Bytes'
                            OR meter_text LIKE '%InterRegion-%In-Bytes' OR meter_text LIKE '%Peering-In-Bytes'
                            THEN 'counted_at_sender'
                    END
                    WHEN meter_text LIKE '%DataTransfer-Regional-Bytes' THEN CASE
                        WHEN operation LIKE '%InterZone-In' OR operation LIKE '%PublicIP-In' OR operation LIKE '%VPCPeering-In'
                            THEN 'counted_at_sender'
                    END
                END
                WHEN meter_text LIKE '%early delet%' THEN 'fee'
                WHEN provider = 'Google Cloud' THEN CASE
                    -- A commitment is paid for; the machines it covers have lines of their own.
                    WHEN meter_text LIKE 'commitment %' THEN 'purchase'
                    WHEN meter_text LIKE '%instance ram%' OR meter_text LIKE '%instance memory%' OR meter_text LIKE '% ram running in%'
                        THEN 'counted_with_cores'
                    WHEN meter_text LIKE '%ingress%' OR meter_text LIKE '%data transfer in%' THEN CASE
                        WHEN regexp_like(meter_text, '(google|region|zone) (ingress|data transfer in)( |$)')
                            AND meter_text NOT LIKE '%internet%' THEN 'counted_at_sender'
                    END
                END
                WHEN provider = 'Microsoft' THEN CASE
                    WHEN meter_text LIKE '%ingress%' OR meter_text LIKE '%data transfer in%' THEN CASE
                        WHEN regexp_like(meter_text, '(region|zone|continent|peering) (ingress|data transfer in)( |$)')
                            THEN 'counted_at_sender'
                    END
                END
            END
            WHEN charge_category = 'Purchase' THEN 'purchase'
            WHEN charge_category = 'Tax' THEN 'tax'
            WHEN charge_category = 'Credit' THEN 'credit'
            WHEN charge_category = 'Adjustment' THEN 'adjustment'
            ELSE 'unknown_charge_type'
        END AS exclusion_reason
    FROM told
)
SELECT
    classified.tenant, classified.source, classified.export, classified.period,
    classified.provider AS provider_name,
    billing_account_id,
    sub_account_id,
    charge_period_start,
    charge_period_end,
    charge_category,
    charge_class,
    charge_description,
    charge_frequency,
    service_name,
    service_code,
    COALESCE(service_category, 'Other') AS service_category,
    COALESCE(region_alias.region_id, classified.region_id, CASE WHEN lower(classified.region_name) = 'global' THEN 'global' END) AS region_id,
    CASE WHEN region_alias.region_id <> classified.region_id OR (region_alias.region_id IS NOT NULL AND classified.region_id IS NULL) THEN 'alias'
         WHEN classified.region_id IS NOT NULL THEN 'column' ELSE 'unknown' END AS region_source,
    availability_zone,
    CAST(NULL AS VARCHAR) AS from_region_id,
    CAST(NULL AS VARCHAR) AS to_region_id,
    resource_id,
    sku_id,
    sku_meter,
    usage_type,
    operation,
    instance_type,
    TRY_CAST(told_vcpus AS DOUBLE) AS vcpus,
    usage_quantity_raw,
    canonical_quantity(
        usage_quantity_raw,
        COALESCE(own_unit.multiplier, any_unit.multiplier),
        COALESCE(own_unit.per_month, any_unit.per_month),
        charge_period_start
    ) AS usage_quantity,
    CASE WHEN is_core_meter AND COALESCE(own_unit.unit, any_unit.unit) = 'hour' THEN 'vcpu_hour'
         ELSE COALESCE(own_unit.unit, any_unit.unit, 'unknown') END AS usage_unit,
    consumed_unit AS usage_unit_raw,
    COALESCE(own_unit.multiplier, any_unit.multiplier) AS unit_multiplier,
    billed_cost,
    effective_cost,
    list_cost,
    billing_currency,
    invoice_id,
    tags,
    exclusion_reason IS NULL AS is_usage,
    exclusion_reason,
    invoice_issuer_name,
    publisher_name,
    commitment_discount_id,
    commitment_discount_status,
    pricing_category,
    resource_name,
    resource_type,
    service_subcategory,
    sku_price_id,
    sku_price_details,
    source_file,
    source_row_number
FROM classified
LEFT JOIN provider_unit AS own_unit ON own_unit.provider = classified.provider AND own_unit.unit_raw = lower(classified.consumed_unit)
LEFT JOIN provider_unit AS any_unit ON any_unit.provider = '*' AND any_unit.unit_raw = lower(classified.consumed_unit)
LEFT JOIN region_alias ON region_alias.provider = classified.provider AND region_alias.alias = replace(lower(COALESCE(classified.region_id, classified.region_name)), ' ', '')

/* model
description = "FOCUS lines in the columns of normalize.usage, with what an estimate needs"
grain = "one row per delivered line"
kind = "view"
*/
WITH lines AS (
    SELECT
        focus.*,
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
        lines.*,
        COALESCE(told_instance_type, CASE
            WHEN usage_type LIKE '%Usage:%' OR usage_type LIKE '%Instance:%' OR usage_type LIKE '%Node:%'
                THEN split_part(usage_type, ':', 2)
            WHEN sku_meter LIKE '%Usage:%' THEN split_part(sku_meter, ':', 2)
            WHEN sku_meter NOT LIKE '% %' AND (sku_meter LIKE '%.%large' OR sku_meter LIKE '%.micro' OR sku_meter LIKE '%.small'
                OR sku_meter LIKE '%.medium' OR sku_meter LIKE '%.metal' OR sku_meter LIKE '%-standard-%'
                OR sku_meter LIKE 'Standard_%') THEN sku_meter
        END) AS instance_type,
        CASE
            WHEN charge_category = 'Usage' THEN CASE
                WHEN commitment_discount_status = 'Unused' THEN 'unused_commitment'
                WHEN usage_type LIKE '%EarlyDelete%' OR usage_type LIKE '%BytesDeleted%' THEN 'fee'
                WHEN usage_type LIKE '%AWS-In-%Bytes' THEN 'counted_at_sender'
            END
            WHEN charge_category = 'Purchase' THEN 'purchase'
            WHEN charge_category = 'Tax' THEN 'tax'
            WHEN charge_category = 'Credit' THEN 'credit'
            WHEN charge_category = 'Adjustment' THEN 'adjustment'
            ELSE 'unknown_charge_type'
        END AS exclusion_reason
    FROM lines
)
SELECT
    told.tenant, told.source, told.export, told.period,
    told.provider AS provider_name,
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
    COALESCE(region_alias.region_id, told.region_id, CASE WHEN lower(told.region_name) = 'global' THEN 'global' END) AS region_id,
    CASE WHEN told.region_id IS NULL THEN 'unknown' WHEN region_alias.region_id IS NULL THEN 'column' ELSE 'alias' END AS region_source,
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
    COALESCE(own_unit.unit, any_unit.unit, 'unknown') AS usage_unit,
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
FROM told
LEFT JOIN provider_unit AS own_unit ON own_unit.provider = told.provider AND own_unit.unit_raw = lower(told.consumed_unit)
LEFT JOIN provider_unit AS any_unit ON any_unit.provider = '*' AND any_unit.unit_raw = lower(told.consumed_unit)
LEFT JOIN region_alias ON region_alias.provider = told.provider AND region_alias.alias = replace(lower(told.region_id), ' ', '')

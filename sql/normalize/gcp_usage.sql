/* model
description = "Google Cloud bill lines (BigQuery export and its files) in FOCUS 1.2 columns, with what an estimate needs"
grain = "one row per delivered line"
kind = "view"
*/
WITH lines AS (
    SELECT * FROM normalize.gcp_billing
    UNION ALL
    SELECT * FROM normalize.gcp_billing_files
),
gcp_unit AS (
    SELECT unit_raw, unit, multiplier, per_month
    FROM reference.units
    WHERE provider = 'Google Cloud' AND dimension = 'cloud'
    UNION ALL
    SELECT general.unit_raw, general.unit, general.multiplier, general.per_month
    FROM reference.units AS general
    LEFT ANTI JOIN reference.units AS own
        ON own.unit_raw = general.unit_raw AND own.provider = 'Google Cloud' AND own.dimension = 'cloud'
    WHERE general.provider = '*' AND general.dimension = 'cloud'
),
gcp_service AS (
    SELECT service_code, service_name, service_category FROM reference.service_names WHERE provider_name = 'Google Cloud'
),
region_alias AS (
    SELECT alias, region_id FROM reference.region_aliases WHERE provider_name = 'Google Cloud' AND alias NOT LIKE 'prefix:%'
),
told AS (
    SELECT
        lines.*,
        lower(sku_description) AS meter_text,
        -- Multi-regions and global services have a location and no region.
        COALESCE(region, location) AS place,
        -- Credits (discounts, free trials, commitments) lie nested in the line that they are for.
        cost + COALESCE(credits, CAST(0 AS DECIMAL(38, 24))) AS net_cost
    FROM lines
),
-- Both ends of a transfer are billed: its sender's line counts (reference.transfer_classes: direction `in`, counts
-- `sender`). What comes in from the internet counts here.
classified AS (
    SELECT
        told.*,
        regexp_like(place, '^[a-z]+-[a-z]+[0-9]+-[a-z]$') AS place_is_zone,
        -- Google bills the cores and the memory of one machine as two SKUs, both with the machine's labels.
        meter_text LIKE '%instance core%' OR meter_text LIKE '% core running in%' AS is_core_meter,
        CASE
            WHEN cost_type = 'regular' THEN CASE
                WHEN meter_text LIKE '%early delet%' THEN 'fee'
                -- A commitment is paid for; the machines it covers have lines of their own.
                WHEN meter_text LIKE 'commitment %' THEN 'purchase'
                WHEN meter_text LIKE '%instance ram%' OR meter_text LIKE '%instance memory%' OR meter_text LIKE '% ram running in%'
                    THEN 'counted_with_cores'
                WHEN meter_text LIKE '%ingress%' OR meter_text LIKE '%data transfer in%' THEN CASE
                    WHEN regexp_like(meter_text, '(google|region|zone) (ingress|data transfer in)( |$)')
                        AND meter_text NOT LIKE '%internet%' THEN 'counted_at_sender'
                END
            END
            WHEN cost_type = 'tax' THEN 'tax'
            WHEN cost_type IN ('adjustment', 'rounding_error') THEN 'adjustment'
            ELSE 'unknown_charge_type'
        END AS exclusion_reason
    FROM told
)
SELECT
    classified.tenant, classified.source, classified.export, classified.period,
    'Google Cloud' AS provider_name,
    billing_account_id,
    COALESCE(project_id, project_number) AS sub_account_id,
    usage_start AS charge_period_start,
    usage_end AS charge_period_end,
    CASE
        WHEN cost_type = 'regular' THEN 'Usage'
        WHEN cost_type = 'tax' THEN 'Tax'
        WHEN cost_type IS NOT NULL THEN 'Adjustment'
    END AS charge_category,
    CASE WHEN adjustment_mode IS NOT NULL THEN 'Correction' END AS charge_class,
    sku_description AS charge_description,
    CASE WHEN meter_text LIKE 'commitment %' THEN 'Recurring' ELSE 'Usage-Based' END AS charge_frequency,
    COALESCE(gcp_service.service_name, service_description) AS service_name,
    service_id AS service_code,
    COALESCE(gcp_service.service_category, 'Other') AS service_category,
    COALESCE(
        region_alias.region_id,
        CASE WHEN place_is_zone THEN substr(place, 1, character_length(place) - 2) ELSE place END
    ) AS region_id,
    CASE
        WHEN region_alias.region_id <> place THEN 'alias'
        WHEN place_is_zone THEN 'availability_zone'
        WHEN region IS NOT NULL THEN 'column'
        WHEN location IS NOT NULL THEN 'location'
        ELSE 'unknown'
    END AS region_source,
    COALESCE(zone, CASE WHEN place_is_zone THEN place END) AS availability_zone,
    CAST(NULL AS VARCHAR) AS from_region_id,
    CAST(NULL AS VARCHAR) AS to_region_id,
    COALESCE(resource_global_name, resource_name) AS resource_id,
    sku_id,
    sku_description AS sku_meter,
    CAST(NULL AS VARCHAR) AS usage_type,
    CAST(NULL AS VARCHAR) AS operation,
    tag_value(system_labels, 'compute.googleapis.com/machine_spec') AS instance_type,
    TRY_CAST(tag_value(system_labels, 'compute.googleapis.com/cores') AS DOUBLE) AS vcpus,
    usage_amount AS usage_quantity_raw,
    canonical_quantity(usage_amount, gcp_unit.multiplier, gcp_unit.per_month, usage_start) AS usage_quantity,
    -- What a core runs is sold by the core: an hour of it is a vCPU-hour.
    CASE WHEN is_core_meter AND gcp_unit.unit = 'hour' THEN 'vcpu_hour' ELSE COALESCE(gcp_unit.unit, 'unknown') END AS usage_unit,
    classified.usage_unit AS usage_unit_raw,
    gcp_unit.multiplier AS unit_multiplier,
    net_cost AS billed_cost,
    net_cost AS effective_cost,
    cost_at_list AS list_cost,
    upper(currency) AS billing_currency,
    invoice_month AS invoice_id,
    labels AS tags,
    exclusion_reason IS NULL AS is_usage,
    exclusion_reason,
    'Google Cloud' AS invoice_issuer_name,
    COALESCE(seller_name, 'Google Cloud') AS publisher_name,
    subscription_id AS commitment_discount_id,
    CAST(NULL AS VARCHAR) AS commitment_discount_status,
    CASE
        WHEN cost_type <> 'regular' THEN NULL
        WHEN meter_text LIKE 'spot %' OR meter_text LIKE '%preemptible%' THEN 'Dynamic'
        WHEN meter_text LIKE 'commitment %' THEN 'Committed'
        ELSE 'Standard'
    END AS pricing_category,
    resource_name,
    CAST(NULL AS VARCHAR) AS resource_type,
    CAST(NULL AS VARCHAR) AS service_subcategory,
    CAST(NULL AS VARCHAR) AS sku_price_id,
    CAST(NULL AS VARCHAR) AS sku_price_details,
    source_file,
    source_row_number
FROM classified
LEFT JOIN gcp_unit ON gcp_unit.unit_raw = lower(classified.usage_unit)
LEFT JOIN gcp_service ON gcp_service.service_code = classified.service_id
LEFT JOIN region_alias ON region_alias.alias = replace(lower(classified.place), ' ', '')

/* model
description = "Azure bill lines (actual and amortized exports, answers of the query API) in FOCUS 1.2 columns, with what an estimate needs"
grain = "one row per delivered line"
kind = "view"
*/
-- An export holds actual or amortized cost, and one of them counts: its amount is the billed and the effective cost. In
-- an actual export commitments cost when they are bought, in an amortized one where they are used.
WITH lines AS (
    SELECT * FROM normalize.azure_cost
    UNION ALL
    SELECT * FROM normalize.azure_cost_query
),
azure_unit AS (
    SELECT unit_raw, unit, multiplier, per_month
    FROM reference.units
    WHERE provider = 'Microsoft' AND dimension = 'cloud'
    UNION ALL
    SELECT general.unit_raw, general.unit, general.multiplier, general.per_month
    FROM reference.units AS general
    LEFT ANTI JOIN reference.units AS own
        ON own.unit_raw = general.unit_raw AND own.provider = 'Microsoft' AND own.dimension = 'cloud'
    WHERE general.provider = '*' AND general.dimension = 'cloud'
),
azure_service AS (
    SELECT lower(service_code) AS service_key, min(service_name) AS service_name, min(service_category) AS service_category
    FROM reference.service_names
    WHERE provider_name = 'Microsoft'
    GROUP BY lower(service_code)
),
region_alias AS (
    SELECT alias, region_id FROM reference.region_aliases WHERE provider_name = 'Microsoft'
),
-- AdditionalInfo is JSON, in some exports without its braces; "Unassigned" and "-2" are how a bill writes nothing.
cleaned AS (
    SELECT
        lines.* EXCLUDE (part_number, meter_category, meter_name, resource_location),
        CASE WHEN part_number NOT IN ('Unassigned', '-2') THEN part_number END AS part_number,
        CASE WHEN meter_category <> 'Unassigned' THEN meter_category END AS meter_category,
        CASE WHEN meter_name <> 'Unassigned' THEN meter_name END AS meter_name,
        CASE WHEN lower(resource_location) <> 'unassigned' THEN replace(lower(resource_location), ' ', '') END AS location_key,
        CASE WHEN additional_info LIKE '{%' THEN additional_info WHEN additional_info LIKE '"%' THEN '{' || additional_info || '}' END AS details,
        lower(COALESCE(charge_type, CASE WHEN meter_category IS NOT NULL THEN 'usage' END)) AS charge_kind,
        lower(meter_name) AS meter_text
    FROM lines
),
told AS (
    SELECT
        cleaned.*,
        json_value(details, 'UsageType') AS usage_type,
        NULLIF(TRY_CAST(json_value(details, 'VCPUs') AS DOUBLE), 0) AS vcpus,
        -- A machine's size is stated beside its meter, else the meter is it: D4s v5, D2 v3/D2s v3.
        COALESCE(
            CASE WHEN meter_category LIKE 'Virtual Machines%' OR regexp_like(json_value(details, 'ServiceType'), '^(Standard|Basic)_')
                 THEN json_value(details, 'ServiceType') END,
            CASE WHEN meter_category = 'Virtual Machines' AND meter_name NOT LIKE '%Disk%' AND regexp_like(meter_name, '^(Standard_|Basic_)?[A-Z]+[0-9]')
                 THEN meter_name END
        ) AS instance_type,
        lower(COALESCE(unit_of_measure, CASE
            WHEN json_value(details, 'UsageType') LIKE 'ComputeHR%' THEN '1 Hour'
            WHEN json_value(details, 'UsageType') LIKE 'DataTr%' THEN '1 GB'
        END)) AS unit_key
    FROM cleaned
),
-- "5 Hours" is five of "Hours": a size of block that reference.units does not list is read off the unit itself, up to the
-- seven digits that landing reckons with.
blocks AS (
    SELECT
        told.*,
        CAST(regexp_match(unit_key, '^([0-9]{1,7}) ?([^0-9].*[a-z].*|[a-z].*)$')[1] AS DECIMAL(18,0)) AS block_size,
        regexp_replace(regexp_match(unit_key, '^([0-9]{1,7}) ?([^0-9].*[a-z].*|[a-z].*)$')[2], '^/', 'units/') AS block_unit_key
    FROM told
),
classified AS (
    SELECT
        blocks.*,
        CASE charge_kind
            WHEN 'usage' THEN CASE
                WHEN meter_text LIKE '%early delet%' THEN 'fee'
                -- Both ends of a transfer are billed: its sender's line counts (reference.transfer_classes).
                WHEN meter_text LIKE '%ingress%' OR meter_text LIKE '%data transfer in%' THEN CASE
                    WHEN regexp_like(meter_text, '(region|zone|continent|peering) (ingress|data transfer in)( |$)')
                        THEN 'counted_at_sender'
                END
            END
            WHEN 'unusedreservation' THEN 'unused_commitment'
            WHEN 'unusedsavingsplan' THEN 'unused_commitment'
            WHEN 'purchase' THEN 'purchase'
            WHEN 'refund' THEN 'credit'
            WHEN 'credit' THEN 'credit'
            WHEN 'tax' THEN 'tax'
            WHEN 'roundingadjustment' THEN 'adjustment'
            WHEN 'adjustment' THEN 'adjustment'
            ELSE 'unknown_charge_type'
        END AS exclusion_reason
    FROM blocks
)
SELECT
    classified.tenant, classified.source, classified.export, classified.period,
    'Microsoft' AS provider_name,
    -- A pay-as-you-go subscription is a bill of its own.
    COALESCE(billing_account_id, sub_account_id) AS billing_account_id,
    sub_account_id,
    charge_date AS charge_period_start,
    charge_date + INTERVAL '1 day' AS charge_period_end,
    CASE charge_kind
        WHEN 'usage' THEN 'Usage'
        WHEN 'unusedreservation' THEN 'Usage'
        WHEN 'unusedsavingsplan' THEN 'Usage'
        WHEN 'purchase' THEN 'Purchase'
        WHEN 'refund' THEN 'Credit'
        WHEN 'credit' THEN 'Credit'
        WHEN 'tax' THEN 'Tax'
        ELSE CASE WHEN charge_kind IS NOT NULL THEN 'Adjustment' END
    END AS charge_category,
    CAST(NULL AS VARCHAR) AS charge_class,
    product_name AS charge_description,
    CASE frequency WHEN 'UsageBased' THEN 'Usage-Based' WHEN 'OneTime' THEN 'One-Time' ELSE frequency END AS charge_frequency,
    COALESCE(azure_service.service_name, meter_category, consumed_service, publisher_name) AS service_name,
    meter_category AS service_code,
    COALESCE(azure_service.service_category, 'Other') AS service_category,
    COALESCE(region_alias.region_id, location_key) AS region_id,
    CASE WHEN location_key IS NULL THEN 'unknown' WHEN region_alias.region_id <> location_key THEN 'alias' ELSE 'column' END AS region_source,
    availability_zone,
    CAST(NULL AS VARCHAR) AS from_region_id,
    CAST(NULL AS VARCHAR) AS to_region_id,
    -- One resource is written in several cases.
    lower(resource_id) AS resource_id,
    COALESCE(part_number, meter_id) AS sku_id,
    meter_name AS sku_meter,
    usage_type,
    CAST(NULL AS VARCHAR) AS operation,
    instance_type,
    vcpus,
    quantity_raw AS usage_quantity_raw,
    canonical_quantity(
        quantity_raw,
        COALESCE(azure_unit.multiplier, CAST(block_size * CAST(block_unit.multiplier AS DECIMAL(28,15)) AS DOUBLE)),
        COALESCE(azure_unit.per_month, block_unit.per_month),
        charge_date
    ) AS usage_quantity,
    COALESCE(azure_unit.unit, block_unit.unit, 'unknown') AS usage_unit,
    unit_of_measure AS usage_unit_raw,
    COALESCE(azure_unit.multiplier, CAST(block_size * CAST(block_unit.multiplier AS DECIMAL(28,15)) AS DOUBLE)) AS unit_multiplier,
    cost AS billed_cost,
    cost AS effective_cost,
    -- Enterprise agreements write 0 where they tell no list price.
    COALESCE(pay_as_you_go_cost, CASE
        -- A list cost that no column holds is unknown.
        WHEN (pay_as_you_go_price <> 0 OR cost = 0)
            AND abs(TRY_CAST(quantity_raw AS DOUBLE) * CAST(pay_as_you_go_price AS DOUBLE)) < 9e13
            THEN CAST(canonical_quantity(quantity_raw, CAST(pay_as_you_go_price AS DECIMAL(38,15)), NULL, charge_date) AS DECIMAL(38,24))
    END) AS list_cost,
    billing_currency,
    invoice_id,
    tags,
    exclusion_reason IS NULL AS is_usage,
    exclusion_reason,
    'Microsoft' AS invoice_issuer_name,
    COALESCE(publisher_name, CASE WHEN publisher_type = 'Azure' THEN 'Microsoft' END) AS publisher_name,
    COALESCE(benefit_id, reservation_id) AS commitment_discount_id,
    CASE
        WHEN charge_kind LIKE 'unused%' THEN 'Unused'
        WHEN charge_kind = 'usage' AND COALESCE(benefit_id, reservation_id) IS NOT NULL THEN 'Used'
    END AS commitment_discount_status,
    CASE pricing_model
        WHEN 'OnDemand' THEN 'Standard'
        WHEN 'Spot' THEN 'Dynamic'
        WHEN 'Reservation' THEN 'Committed'
        WHEN 'SavingsPlan' THEN 'Committed'
        ELSE pricing_model
    END AS pricing_category,
    resource_name,
    resource_type,
    meter_sub_category AS service_subcategory,
    CAST(NULL AS VARCHAR) AS sku_price_id,
    additional_info AS sku_price_details,
    source_file,
    source_row_number
FROM classified
LEFT JOIN azure_unit ON azure_unit.unit_raw = unit_key
LEFT JOIN azure_unit AS block_unit ON block_unit.unit_raw = block_unit_key
LEFT JOIN azure_service ON azure_service.service_key = lower(meter_category)
LEFT JOIN region_alias ON region_alias.alias = location_key

/* model
description = "Every delivered bill line of every counting source: FOCUS 1.2 in snake_case, plus usage columns"
grain = "one row per delivered line"
kind = "view"
*/
WITH lines AS (
    SELECT
        tenant, source, export, period, provider_name, billing_account_id, sub_account_id,
        charge_period_start, charge_period_end, charge_category, charge_class, charge_description,
        charge_frequency, service_name, service_code, service_category, region_id, region_source,
        availability_zone, from_region_id, to_region_id, resource_id, sku_id, sku_meter, usage_type,
        operation, instance_type, vcpus, usage_quantity_raw, usage_quantity, usage_unit, usage_unit_raw,
        unit_multiplier, billed_cost, effective_cost, list_cost, billing_currency, invoice_id, tags,
        is_usage, exclusion_reason, invoice_issuer_name, publisher_name, commitment_discount_id,
        commitment_discount_status, pricing_category, resource_name, resource_type, service_subcategory,
        sku_price_id, sku_price_details, source_file, source_row_number
    FROM normalize.aws_usage
    UNION ALL
    SELECT
        tenant, source, export, period, provider_name, billing_account_id, sub_account_id,
        charge_period_start, charge_period_end, charge_category, charge_class, charge_description,
        charge_frequency, service_name, service_code, service_category, region_id, region_source,
        availability_zone, from_region_id, to_region_id, resource_id, sku_id, sku_meter, usage_type,
        operation, instance_type, vcpus, usage_quantity_raw, usage_quantity, usage_unit, usage_unit_raw,
        unit_multiplier, billed_cost, effective_cost, list_cost, billing_currency, invoice_id, tags,
        is_usage, exclusion_reason, invoice_issuer_name, publisher_name, commitment_discount_id,
        commitment_discount_status, pricing_category, resource_name, resource_type, service_subcategory,
        sku_price_id, sku_price_details, source_file, source_row_number
    FROM normalize.azure_usage
    UNION ALL
    SELECT
        tenant, source, export, period, provider_name, billing_account_id, sub_account_id,
        charge_period_start, charge_period_end, charge_category, charge_class, charge_description,
        charge_frequency, service_name, service_code, service_category, region_id, region_source,
        availability_zone, from_region_id, to_region_id, resource_id, sku_id, sku_meter, usage_type,
        operation, instance_type, vcpus, usage_quantity_raw, usage_quantity, usage_unit, usage_unit_raw,
        unit_multiplier, billed_cost, effective_cost, list_cost, billing_currency, invoice_id, tags,
        is_usage, exclusion_reason, invoice_issuer_name, publisher_name, commitment_discount_id,
        commitment_discount_status, pricing_category, resource_name, resource_type, service_subcategory,
        sku_price_id, sku_price_details, source_file, source_row_number
    FROM normalize.gcp_usage
    UNION ALL
    SELECT
        tenant, source, export, period, provider_name, billing_account_id, sub_account_id,
        charge_period_start, charge_period_end, charge_category, charge_class, charge_description,
        charge_frequency, service_name, service_code, service_category, region_id, region_source,
        availability_zone, from_region_id, to_region_id, resource_id, sku_id, sku_meter, usage_type,
        operation, instance_type, vcpus, usage_quantity_raw, usage_quantity, usage_unit, usage_unit_raw,
        unit_multiplier, billed_cost, effective_cost, list_cost, billing_currency, invoice_id, tags,
        is_usage, exclusion_reason, invoice_issuer_name, publisher_name, commitment_discount_id,
        commitment_discount_status, pricing_category, resource_name, resource_type, service_subcategory,
        sku_price_id, sku_price_details, source_file, source_row_number
    FROM normalize.focus_usage
)
SELECT
    l.tenant, l.source, l.export, l.period, l.provider_name, l.billing_account_id, l.sub_account_id,
    l.charge_period_start, l.charge_period_end, l.charge_category, l.charge_class, l.charge_description,
    l.charge_frequency, l.service_name, l.service_code, l.service_category, l.region_id, l.region_source,
    l.availability_zone, l.from_region_id, l.to_region_id, l.resource_id, l.sku_id, l.sku_meter,
    l.usage_type, l.operation, l.instance_type,
    -- What no machine has is no number of cores.
    CASE WHEN l.vcpus BETWEEN 0 AND 100000 THEN l.vcpus END AS vcpus, l.usage_quantity_raw, l.usage_quantity,
    l.usage_unit, l.usage_unit_raw, l.unit_multiplier, l.billed_cost, l.effective_cost, l.list_cost,
    COALESCE(l.billing_currency, upper(s.currency)) AS billing_currency, l.invoice_id, l.tags, l.is_usage,
    l.exclusion_reason, l.invoice_issuer_name, l.publisher_name, l.commitment_discount_id,
    l.commitment_discount_status, l.pricing_category, l.resource_name, l.resource_type,
    l.service_subcategory, l.sku_price_id, l.sku_price_details, l.source_file, l.source_row_number
FROM lines AS l
-- A source whose role is `compare` is landed, but its bill is counted elsewhere.
JOIN settings.source AS s ON s.tenant = l.tenant AND s.source = l.source AND s.role = 'counts'

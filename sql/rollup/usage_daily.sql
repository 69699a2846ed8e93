/* model
description = "Usage and cost per day and key: the one wide scan, before any factor is joined"
grain = "one row per tenant, source, export, billing period, charge day and every column an estimate or a table needs"
kind = "incremental"
partition = ["tenant", "source", "export", "period"]
split_by = "charge_date"
audits = ["landed_preserved(normalize.landed_cost)", "decimal_overflow(billed_cost)"]
*/
WITH lines AS (
    SELECT
        tenant, source, export, period, CAST(charge_period_start AS DATE) AS charge_date, provider_name,
        billing_account_id, sub_account_id, service_name, service_code, service_category, region_id,
        from_region_id, to_region_id, sku_id, sku_meter, usage_type, operation, instance_type, vcpus,
        usage_unit, charge_category, charge_class, is_usage, exclusion_reason, billing_currency,
        usage_quantity, billed_cost, effective_cost
        /*{tag_values}*/
    FROM normalize.usage
)
SELECT
    tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id,
    service_name, service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter,
    usage_type, operation, instance_type, vcpus, usage_unit, charge_category, charge_class, is_usage,
    exclusion_reason, billing_currency/*{tag_columns}*/,
    SUM(usage_quantity) AS usage_quantity,
    SUM(billed_cost) AS billed_cost,
    SUM(effective_cost) AS effective_cost,
    COUNT(*) AS line_count
FROM lines
GROUP BY
    tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id,
    service_name, service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter,
    usage_type, operation, instance_type, vcpus, usage_unit, charge_category, charge_class, is_usage,
    exclusion_reason, billing_currency/*{tag_columns}*/

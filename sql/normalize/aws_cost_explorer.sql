/* model
description = "Cost Explorer's answers in the columns of the bill: a day's costs of an account by service and usage type, or by service and record type"
grain = "one row per day, account, service and usage type or record type"
kind = "view"
*/
-- Cost Explorer names services in words. Two of its names are parts of one service of the bill, and one is spelled its own way.
WITH told_apart AS (
    SELECT column1 AS service, column2 AS service_code
    FROM (VALUES
        ('Amazon Elastic Compute Cloud - Compute', 'AmazonEC2'),
        ('EC2 - Other', 'AmazonEC2'),
        ('Amazon Elastic Load Balancing', 'AWSELB')
    ) AS names
),
service_codes AS (
    SELECT service_name AS service, min(service_code) AS service_code
    FROM reference.service_names
    WHERE provider_name = 'AWS'
    GROUP BY service_name
    UNION ALL
    SELECT service, service_code FROM told_apart
),
-- Record types are spelled `SavingsPlanRecurringFee` or `Savings Plan Recurring Fee`, as in the console.
rows_of_days AS (
    SELECT
        *,
        clean_text(service) AS service_text,
        clean_text(usage_type) AS usage_type_text,
        replace(clean_text(record_type), ' ', '') AS record_type_text
    FROM raw.aws_cost_explorer
)
SELECT
    tenant, source, export, period, _source_uri AS source_file, _row_number AS source_row_number,
    clean_id(billing_account_id) AS payer_account_id,
    CAST(NULL AS VARCHAR) AS invoice_id,
    CAST(NULL AS VARCHAR) AS billing_entity,
    CAST(NULL AS VARCHAR) AS invoice_issuer_name,
    CAST(NULL AS VARCHAR) AS legal_entity,
    clean_id(linked_account_id) AS usage_account_id,
    CASE
        WHEN usage_type_text IS NOT NULL THEN 'Usage'
        WHEN record_type_text IN ('Recurring', 'Recurringreservationfee', 'RIFee') THEN 'RIFee'
        WHEN record_type_text IN ('Upfront', 'Upfrontreservationfee', 'Support', 'Supportfee', 'Other', 'Otherout-of-cyclecharges') THEN 'Fee'
        WHEN record_type_text = 'EnterpriseDiscountProgramDiscount' THEN 'EdpDiscount'
        ELSE record_type_text
    END AS line_item_type,
    usage_timestamp(period_start, _date_order) AS usage_start,
    usage_timestamp(period_end, _date_order) AS usage_end,
    COALESCE(service_codes.service_code, service_text) AS product_code,
    usage_type_text AS usage_type,
    CAST(NULL AS VARCHAR) AS operation,
    CAST(NULL AS VARCHAR) AS availability_zone,
    CAST(NULL AS VARCHAR) AS resource_id,
    clean_text(unblended_cost_unit) AS currency_code,
    concat_ws(', ', service_text, COALESCE(usage_type_text, clean_text(record_type))) AS description,
    service_text AS product_name,
    CAST(NULL AS VARCHAR) AS product_instance_type,
    CAST(NULL AS VARCHAR) AS product_vcpu,
    CAST(NULL AS VARCHAR) AS product_region,
    CAST(NULL AS VARCHAR) AS from_region_id,
    CAST(NULL AS VARCHAR) AS to_region_id,
    CAST(NULL AS VARCHAR) AS product_family,
    CAST(NULL AS VARCHAR) AS sku_id,
    NULLIF(clean_text(usage_quantity_unit), 'N/A') AS pricing_unit,
    CAST(NULL AS VARCHAR) AS pricing_term,
    CAST(NULL AS VARCHAR) AS reservation_arn,
    CAST(NULL AS VARCHAR) AS savings_plan_arn,
    CAST(NULL AS VARCHAR) AS split_parent_resource_id,
    money(unblended_cost) AS unblended_cost,
    CAST(NULL AS DECIMAL(38,24)) AS on_demand_cost,
    CAST(NULL AS DECIMAL(38,24)) AS reservation_effective_cost,
    CAST(NULL AS DECIMAL(38,24)) AS reservation_unused_upfront,
    CAST(NULL AS DECIMAL(38,24)) AS reservation_unused_recurring,
    CAST(NULL AS DECIMAL(38,24)) AS savings_plan_effective_cost,
    CAST(NULL AS DECIMAL(38,24)) AS savings_plan_total_commitment,
    CAST(NULL AS DECIMAL(38,24)) AS savings_plan_used_commitment,
    usage_quantity AS usage_amount_text,
    CAST(NULL AS DOUBLE) AS usage_amount_number,
    clean_tags(CAST(NULL AS VARCHAR)) AS tags,
    money(amortized_cost) AS amortized_cost
FROM rows_of_days
LEFT JOIN service_codes ON service_codes.service = service_text

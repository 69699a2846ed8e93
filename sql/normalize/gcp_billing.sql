/* model
description = "Rows of Google's billing export tables in BigQuery, standard and detailed"
grain = "one row per delivered line"
kind = "view"
*/
SELECT
    tenant, source, export, period, _source_uri AS source_file, _row_number AS source_row_number,
    clean_text(billing_account_id) AS billing_account_id,
    usage_timestamp(usage_start_time, _date_order) AS usage_start,
    usage_timestamp(usage_end_time, _date_order) AS usage_end,
    clean_text(cost_type) AS cost_type,
    clean_text(currency) AS currency,
    clean_text(seller_name) AS seller_name,
    json_value(service, 'id') AS service_id,
    json_value(service, 'description') AS service_description,
    json_value(sku, 'id') AS sku_id,
    json_value(sku, 'description') AS sku_description,
    json_value(project, 'id') AS project_id,
    json_value(project, 'number') AS project_number,
    json_value(location, 'location') AS location,
    json_value(location, 'region') AS region,
    json_value(location, 'zone') AS zone,
    json_value(resource, 'name') AS resource_name,
    json_value(resource, 'global_name') AS resource_global_name,
    json_value(adjustment_info, 'mode') AS adjustment_mode,
    json_value(subscription, 'instance_id') AS subscription_id,
    json_value(invoice, 'month') AS invoice_month,
    json_value(usage, 'amount') AS usage_amount,
    json_value(usage, 'unit') AS usage_unit,
    double_money(cost) AS cost,
    json_sum(credits, 'amount') AS credits,
    double_money(cost_at_list) AS cost_at_list,
    written_tags(labels) AS labels,
    written_tags(system_labels) AS system_labels
FROM raw.gcp_billing

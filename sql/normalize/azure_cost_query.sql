/* model
description = "Answers of Azure's cost query API, in the columns of normalize.azure_cost"
grain = "one row per day, subscription, meter, region and charge type of an answer"
kind = "view"
*/
-- The API sums over resources: what belongs to one (its id, its tags, its invoice) is in exports only.
SELECT
    tenant, source, export, period, _source_uri AS source_file, _row_number AS source_row_number,
    clean_id("BillingAccountId") AS billing_account_id,
    CAST(NULL AS VARCHAR) AS billing_account_name,
    clean_id("SubscriptionId") AS sub_account_id,
    CAST(NULL AS VARCHAR) AS sub_account_name,
    upper(clean_text("Currency")) AS billing_currency,
    usage_timestamp("UsageDate", _date_order) AS charge_date,
    clean_text("ChargeType") AS charge_type,
    clean_text("Frequency") AS frequency,
    clean_text("PricingModel") AS pricing_model,
    CAST(NULL AS VARCHAR) AS publisher_name,
    clean_text("PublisherType") AS publisher_type,
    clean_text("MeterCategory") AS meter_category,
    clean_text("MeterSubcategory") AS meter_sub_category,
    clean_text("Meter") AS meter_name,
    clean_text("MeterId") AS meter_id,
    clean_text("ServiceFamily") AS service_family,
    clean_text("Product") AS product_name,
    clean_text("PartNumber") AS part_number,
    clean_text("ResourceLocation") AS resource_location,
    CAST(NULL AS VARCHAR) AS availability_zone,
    clean_text("ConsumedService") AS consumed_service,
    CAST(NULL AS VARCHAR) AS resource_id,
    CAST(NULL AS VARCHAR) AS resource_name,
    clean_text("ResourceType") AS resource_type,
    CAST(NULL AS VARCHAR) AS additional_info,
    clean_text("UnitOfMeasure") AS unit_of_measure,
    clean_text("UsageQuantity") AS quantity_raw,
    money("Cost") AS cost,
    money(CAST(NULL AS VARCHAR)) AS pay_as_you_go_cost,
    money(CAST(NULL AS VARCHAR)) AS pay_as_you_go_price,
    clean_text("ReservationId") AS reservation_id,
    clean_text("BenefitId") AS benefit_id,
    CAST(NULL AS VARCHAR) AS invoice_id,
    clean_tags(CAST(NULL AS VARCHAR)) AS tags
FROM raw.azure_cost_query

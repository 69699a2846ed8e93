/* model
grain     = "one row per key of rollup.usage_daily, under FOCUS 1.2 names"
kind      = "incremental"
partition = ["tenant", "month"]
split_by  = "ChargePeriodStart"
audits    = ["sum_preserved_as(rollup.usage_daily.billed_cost, BilledCost, BillingCurrency)"]
*/
-- Cost and carbon side by side for tools that read FOCUS. Carbon columns are extensions (x_); a row without an estimate
-- has null, not zero.
WITH combined AS (
    -- Costs and emissions stand in rows of their own, stacked and folded: no join over two dozen nullable columns.
    SELECT
        tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id, service_name,
        service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter, usage_type, operation,
        instance_type, vcpus, usage_unit, charge_category, charge_class, is_usage, exclusion_reason, billing_currency
        /*{tag_columns}*/,
        usage_quantity, billed_cost, effective_cost, line_count,
        CAST(NULL AS DECIMAL(38, 12)) AS facility_kwh, CAST(NULL AS DECIMAL(38, 9)) AS location_gco2e,
        CAST(NULL AS DECIMAL(38, 9)) AS market_gco2e, CAST(NULL AS DECIMAL(38, 9)) AS embodied_gco2e,
        CAST(NULL AS BIGINT) AS quality_rank, CAST(NULL AS VARCHAR) AS method_version
    FROM rollup.usage_daily
    UNION ALL
    SELECT
        tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id, service_name,
        service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter, usage_type, operation,
        instance_type, vcpus, usage_unit, charge_category, charge_class, true, NULL, billing_currency /*{tag_columns}*/,
        NULL, NULL, NULL, NULL,
        counted_facility_kwh, counted_location_gco2e, counted_market_gco2e, embodied_gco2e,
        CASE quality WHEN 'ok' THEN 0 WHEN 'undated' THEN 1 WHEN 'assumed' THEN 2 WHEN 'fallback' THEN 3 END,
        method_version
    FROM estimate.published_row
)
SELECT
    tenant,
    substr(CAST(charge_date AS VARCHAR), 1, 7) AS month,
    period AS "x_BillingPeriod",
    charge_date AS "ChargePeriodStart",
    CAST(charge_date + INTERVAL '1 day' AS DATE) AS "ChargePeriodEnd",
    provider_name AS "ProviderName",
    billing_account_id AS "BillingAccountId",
    sub_account_id AS "SubAccountId",
    service_name AS "ServiceName",
    service_category AS "ServiceCategory",
    region_id AS "RegionId",
    sku_id AS "SkuId",
    sku_meter AS "SkuMeter",
    charge_category AS "ChargeCategory",
    charge_class AS "ChargeClass",
    sum(usage_quantity) AS "ConsumedQuantity",
    usage_unit AS "ConsumedUnit",
    billing_currency AS "BillingCurrency",
    CAST(sum(billed_cost) AS DECIMAL(38, 10)) AS "BilledCost",
    CAST(sum(effective_cost) AS DECIMAL(38, 10)) AS "EffectiveCost",
    source AS "x_Source",
    service_code AS "x_ServiceCode",
    usage_type AS "x_UsageType",
    operation AS "x_Operation",
    instance_type AS "x_InstanceType",
    is_usage AS "x_IsUsage",
    exclusion_reason AS "x_ExclusionReason"
    /*{tag_columns}*/,
    CAST(sum(line_count) AS BIGINT) AS "x_LineCount",
    sum(facility_kwh) AS "x_EnergyKwh",
    sum(location_gco2e) AS "x_CarbonLocationGrams",
    sum(market_gco2e) AS "x_CarbonMarketGrams",
    sum(embodied_gco2e) AS "x_CarbonEmbodiedGrams",
    CASE max(quality_rank) WHEN 0 THEN 'ok' WHEN 1 THEN 'undated' WHEN 2 THEN 'assumed' WHEN 3 THEN 'fallback' END
        AS "x_CarbonQuality",
    max(method_version) AS "x_MethodVersion"
FROM combined
GROUP BY
    tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id, service_name,
    service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter, usage_type, operation,
    instance_type, vcpus, usage_unit, charge_category, charge_class, is_usage, exclusion_reason, billing_currency
    /*{tag_columns}*/

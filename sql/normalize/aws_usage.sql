/* model
description = "AWS bill lines (legacy CUR, CUR 2.0 and Cost Explorer) in FOCUS 1.2 columns, with what an estimate needs"
grain = "one row per delivered line"
kind = "view"
*/
WITH lines AS (
    SELECT *, CAST(NULL AS DECIMAL(38,24)) AS amortized_cost FROM normalize.aws_cur
    UNION ALL
    SELECT *, CAST(NULL AS DECIMAL(38,24)) AS amortized_cost FROM normalize.aws_cur2
    UNION ALL
    SELECT * FROM normalize.aws_cost_explorer
),
aws_unit AS (
    SELECT unit_raw, unit, multiplier, per_month
    FROM reference.units
    WHERE provider = 'AWS' AND dimension = 'cloud'
    UNION ALL
    SELECT general.unit_raw, general.unit, general.multiplier, general.per_month
    FROM reference.units AS general
    LEFT ANTI JOIN reference.units AS own
        ON own.unit_raw = general.unit_raw AND own.provider = 'AWS' AND own.dimension = 'cloud'
    WHERE general.provider = '*' AND general.dimension = 'cloud'
),
aws_service AS (
    SELECT service_code, service_name, service_category FROM reference.service_names WHERE provider_name = 'AWS'
),
usage_type_region AS (
    SELECT substr(alias, 8) AS usage_type_prefix, region_id
    FROM reference.region_aliases
    WHERE provider_name = 'AWS' AND alias LIKE 'prefix:%'
),
-- What the bill leaves out is read from the usage type; the unit decides how a quantity counts.
told AS (
    SELECT
        lines.*,
        COALESCE(pricing_unit, CASE
            WHEN usage_type LIKE '%BoxUsage%' OR usage_type LIKE '%InstanceUsage%' OR usage_type LIKE '%Multi-AZUsage%' THEN 'Hrs'
            WHEN usage_type LIKE '%ByteHrs%' OR usage_type LIKE '%VolumeUsage%' THEN 'GB-Mo'
            WHEN usage_type LIKE '%-Bytes' THEN 'GB'
        END) AS usage_unit_raw,
        COALESCE(product_instance_type, CASE
            WHEN usage_type LIKE '%Usage:%' OR usage_type LIKE '%Instance:%' OR usage_type LIKE '%Node:%'
                THEN split_part(usage_type, ':', 2)
        END) AS instance_type,
        CASE
            WHEN product_region IS NOT NULL THEN 'column'
            WHEN availability_zone IS NOT NULL THEN 'availability_zone'
            WHEN usage_type IS NOT NULL AND line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') THEN 'usage_type'
        END AS told_region_source
    FROM lines
),
classified AS (
    SELECT
        told.*,
        CASE WHEN told_region_source = 'usage_type' THEN lower(split_part(usage_type, '-', 1)) END AS usage_type_prefix,
        -- Some usage types begin with the region itself: eu-central-1-KMS-Requests.
        CASE
            WHEN told_region_source = 'usage_type' AND usage_type LIKE '__-%-_-%'
                THEN regexp_replace(usage_type, '^([a-z]{2}(-[a-z]+)+-[0-9])-.*$|^.*$', '\1')
        END AS usage_type_region_text,
        CASE
            WHEN split_parent_resource_id IS NOT NULL THEN 'split_of_parent'
            WHEN line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') THEN CASE
                WHEN usage_type LIKE '%EarlyDelete%' OR usage_type LIKE '%BytesDeleted%' THEN 'fee'
                -- Both ends of a transfer are billed: its sender's line counts (reference.transfer_classes: direction `in`,
                -- counts `sender`). What comes in from the internet counts here.
                WHEN usage_type LIKE '%In-%Bytes%' THEN CASE
                    WHEN usage_type LIKE '%AWS-In-%Bytes%' OR usage_type LIKE '%AZ-In-Bytes'
                        OR usage_type LIKE '%C3DataTransfer-In-Bytes' OR usage_type LIKE '%CloudFront-In-Bytes'
                        OR usage_type LIKE '%InterRegion-%In-Bytes' OR usage_type LIKE '%Peering-In-Bytes'
                        THEN 'counted_at_sender'
                END
                WHEN usage_type LIKE '%DataTransfer-Regional-Bytes' THEN CASE
                    WHEN operation LIKE '%InterZone-In' OR operation LIKE '%PublicIP-In' OR operation LIKE '%VPCPeering-In'
                        THEN 'counted_at_sender'
                END
            END
            WHEN line_item_type IN ('Fee', 'RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee') THEN 'purchase'
            WHEN line_item_type = 'Tax' THEN 'tax'
            WHEN line_item_type IN ('Credit', 'Refund') THEN 'credit'
            WHEN line_item_type LIKE '%Discount' OR line_item_type IN ('SavingsPlanNegation', 'RoundingCorrection') THEN 'adjustment'
            ELSE 'unknown_charge_type'
        END AS exclusion_reason,
        -- What was paid once for a commitment and is paid back. The bill often leaves the commitment's columns empty and says
        -- it in words; a refund of a recurring fee or of a discount is another thing.
        line_item_type = 'Refund'
            AND ((COALESCE(savings_plan_arn, reservation_arn) IS NOT NULL
                    AND (usage_type IS NULL OR usage_type LIKE '%SP:%' OR usage_type LIKE '%HeavyUsage%'))
                OR usage_type LIKE '%SP:%Upfront'
                OR regexp_like(lower(description), 'fee for (a |the )?(savings plan|reserv)|sign up charge'))
            AND (usage_type LIKE '%NoUpfront') IS NOT TRUE
            AND regexp_like(lower(description), 'recurring|hourly|monthly|discount|private rate|(^|[^a-z])edp([^a-z]|$)') IS NOT TRUE
            AS returns_one_time_fee
    FROM told
)
SELECT
    classified.tenant, classified.source, classified.export, classified.period,
    'AWS' AS provider_name,
    payer_account_id AS billing_account_id,
    usage_account_id AS sub_account_id,
    usage_start AS charge_period_start,
    usage_end AS charge_period_end,
    CASE
        WHEN line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') THEN 'Usage'
        WHEN line_item_type IN ('Fee', 'RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee') THEN 'Purchase'
        WHEN line_item_type = 'Tax' THEN 'Tax'
        WHEN line_item_type IN ('Credit', 'Refund') THEN 'Credit'
        WHEN line_item_type IS NOT NULL THEN 'Adjustment'
    END AS charge_category,
    CAST(NULL AS VARCHAR) AS charge_class,
    description AS charge_description,
    CASE
        WHEN line_item_type IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Recurring'
        WHEN line_item_type IN ('Fee', 'SavingsPlanUpfrontFee') THEN 'One-Time'
        ELSE 'Usage-Based'
    END AS charge_frequency,
    COALESCE(aws_service.service_name, product_name, product_code) AS service_name,
    product_code AS service_code,
    COALESCE(aws_service.service_category, 'Other') AS service_category,
    CASE told_region_source
        WHEN 'column' THEN product_region
        WHEN 'availability_zone' THEN CASE
            WHEN availability_zone LIKE '%-_' THEN availability_zone
            ELSE substr(availability_zone, 1, character_length(availability_zone) - 1)
        END
        WHEN 'usage_type' THEN CASE
            WHEN usage_type_region_text <> '' THEN usage_type_region_text
            WHEN usage_type_region.region_id IS NOT NULL THEN usage_type_region.region_id
            WHEN product_code IN ('AmazonCloudFront', 'AmazonRoute53', 'AWSSupportBusiness', 'AWSSupportEnterprise', 'awswaf', 'AWSShield') THEN 'global'
            WHEN billing_entity IS DISTINCT FROM 'AWS Marketplace' THEN 'us-east-1'
        END
    END AS region_id,
    CASE
        WHEN told_region_source = 'usage_type' AND usage_type_region.region_id IS NULL AND COALESCE(usage_type_region_text, '') = ''
            THEN 'usage_type_without_prefix'
        ELSE COALESCE(told_region_source, 'unknown')
    END AS region_source,
    availability_zone,
    from_region_id,
    to_region_id,
    resource_id,
    sku_id,
    usage_type AS sku_meter,
    usage_type,
    operation,
    instance_type,
    TRY_CAST(product_vcpu AS DOUBLE) AS vcpus,
    COALESCE(usage_amount_text, CAST(usage_amount_number AS VARCHAR)) AS usage_quantity_raw,
    COALESCE(
        canonical_quantity(usage_amount_text, aws_unit.multiplier, aws_unit.per_month, CAST(usage_start AS DATE)),
        canonical_quantity(usage_amount_number, aws_unit.multiplier, aws_unit.per_month, CAST(usage_start AS DATE))
    ) AS usage_quantity,
    COALESCE(aws_unit.unit, 'unknown') AS usage_unit,
    usage_unit_raw,
    aws_unit.multiplier AS unit_multiplier,
    unblended_cost AS billed_cost,
    -- Commitments count where they are used: covered lines at their share, the unused rest at the fee. Cost Explorer says so itself.
    COALESCE(amortized_cost, CASE line_item_type
        WHEN 'SavingsPlanCoveredUsage' THEN COALESCE(savings_plan_effective_cost, unblended_cost)
        WHEN 'DiscountedUsage' THEN COALESCE(reservation_effective_cost, unblended_cost)
        WHEN 'SavingsPlanRecurringFee' THEN COALESCE(savings_plan_total_commitment - savings_plan_used_commitment, unblended_cost)
        WHEN 'RIFee' THEN COALESCE(reservation_unused_upfront + reservation_unused_recurring, unblended_cost)
        WHEN 'SavingsPlanNegation' THEN CAST(0 AS DECIMAL(38,24))
        WHEN 'SavingsPlanUpfrontFee' THEN CAST(0 AS DECIMAL(38,24))
        -- The fee costs nothing where it is bought, its return nothing where it is paid back; recurring fees count both ways.
        WHEN 'Refund' THEN CASE WHEN returns_one_time_fee THEN CAST(0 AS DECIMAL(38,24)) ELSE unblended_cost END
        WHEN 'Fee' THEN CASE WHEN reservation_arn IS NOT NULL THEN CAST(0 AS DECIMAL(38,24)) ELSE unblended_cost END
        ELSE unblended_cost
    END) AS effective_cost,
    on_demand_cost AS list_cost,
    upper(currency_code) AS billing_currency,
    invoice_id,
    tags,
    exclusion_reason IS NULL AS is_usage,
    exclusion_reason,
    invoice_issuer_name,
    legal_entity AS publisher_name,
    COALESCE(savings_plan_arn, reservation_arn) AS commitment_discount_id,
    CAST(NULL AS VARCHAR) AS commitment_discount_status,
    pricing_term AS pricing_category,
    CAST(NULL AS VARCHAR) AS resource_name,
    CAST(NULL AS VARCHAR) AS resource_type,
    product_family AS service_subcategory,
    CAST(NULL AS VARCHAR) AS sku_price_id,
    CAST(NULL AS VARCHAR) AS sku_price_details,
    source_file,
    source_row_number
FROM classified
LEFT JOIN aws_unit ON aws_unit.unit_raw = lower(classified.usage_unit_raw)
LEFT JOIN aws_service ON aws_service.service_code = classified.product_code
LEFT JOIN usage_type_region ON usage_type_region.usage_type_prefix = classified.usage_type_prefix

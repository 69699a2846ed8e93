//! What each kind of source must hold: the columns that landing checks and the pipelines read.

use datafusion::arrow::datatypes::{DataType, Field};

use crate::config::Kind;

/// How the provider of a row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The kind says it.
    Fixed(&'static str),
    /// A column says it.
    Column(&'static str),
    /// Rows that are no bill.
    None,
}

/// The contract of a kind. Columns are named by their [`plain`] name, so that every spelling of a
/// header (`lineItem/UnblendedCost`, `line_item_unblended_cost`) is the same column.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// Each must be there.
    pub required: &'static [&'static str],
    /// The amount that must be a number in every row; landing refuses a file without it.
    pub cost: &'static [&'static str],
    /// Further amounts: null or an exact number.
    pub money: &'static [&'static str],
    /// Quantities: null or a number.
    pub quantities: &'static [&'static str],
    /// Dates that every row must have.
    pub required_dates: &'static [&'static str],
    /// Dates that may be null.
    pub dates: &'static [&'static str],
    /// The billing currency.
    pub currency: &'static [&'static str],
    /// The date whose month is the period of a bare file's row: the first that is there.
    pub period: &'static [&'static str],
    /// The billing account.
    pub account: &'static [&'static str],
    /// The provider.
    pub provider: Provider,
    /// Columns that may not be null.
    pub not_null: &'static [&'static str],
    /// Columns the SQL models read, in the spelling of CSV files; they read as null where a file has none.
    pub columns: &'static [&'static str],
    /// The same for Parquet files, with their types.
    pub parquet_columns: &'static [(&'static str, ParquetType)],
}

/// The type of a column in delivered Parquet files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetType {
    /// Text.
    Text,
    /// A double.
    Double,
    /// UTC microseconds.
    Timestamp,
    /// Text to text.
    Map,
}

/// A header without case and punctuation.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

impl ParquetType {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            ParquetType::Text => DataType::Utf8,
            ParquetType::Double => DataType::Float64,
            ParquetType::Timestamp => DataType::Timestamp(
                datafusion::arrow::datatypes::TimeUnit::Microsecond,
                Some("UTC".into()),
            ),
            ParquetType::Map => crate::transform::functions::map_type(),
        }
    }
}

impl Contract {
    /// The contract of a kind.
    pub fn of(kind: Kind) -> Contract {
        match kind {
            Kind::AwsCur => AWS_CUR,
            Kind::AwsCur2 => AWS_CUR2,
            Kind::Activity => ACTIVITY,
            Kind::Instruments => INSTRUMENTS,
            _ => FOCUS,
        }
    }

    /// Fields that the models may name although no file has brought them yet.
    pub fn expected_fields(&self, parquet: bool) -> Vec<Field> {
        if parquet {
            return self
                .parquet_columns
                .iter()
                .map(|(name, kind)| Field::new(*name, kind.arrow(), true))
                .collect();
        }
        self.columns
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect()
    }

    /// The spelling the models use for a delivered header, if they know the column.
    pub fn known_spelling(&self, delivered: &str, parquet: bool) -> Option<&'static str> {
        let same = |name: &&'static str| name.eq_ignore_ascii_case(delivered);
        if parquet {
            return self.parquet_columns.iter().map(|(name, _)| *name).find(same);
        }
        self.columns.iter().copied().find(same)
    }

    /// Whether rows are a bill and carry money.
    pub fn is_bill(&self) -> bool {
        self.provider != Provider::None
    }
}

use ParquetType::{Double, Map, Text, Timestamp};

const AWS_MONEY: &[&str] = &[
    "pricingpublicondemandcost",
    "reservationeffectivecost",
    "reservationunusedamortizedupfrontfeeforbillingperiod",
    "reservationunusedrecurringfee",
    "savingsplansavingsplaneffectivecost",
    "savingsplantotalcommitmenttodate",
    "savingsplanusedcommitment",
];

const AWS_CUR: Contract = Contract {
    required: &["lineitemusagestartdate"],
    cost: &["lineitemunblendedcost"],
    money: AWS_MONEY,
    quantities: &["lineitemusageamount"],
    required_dates: &["lineitemusagestartdate"],
    dates: &[
        "lineitemusageenddate",
        "billbillingperiodstartdate",
        "billbillingperiodenddate",
    ],
    currency: &["lineitemcurrencycode"],
    period: &["billbillingperiodstartdate", "lineitemusagestartdate"],
    account: &["billpayeraccountid"],
    provider: Provider::Fixed("AWS"),
    not_null: &[],
    columns: &[
        "bill/PayerAccountId",
        "bill/InvoiceId",
        "bill/BillingEntity",
        "bill/BillType",
        "bill/InvoicingEntity",
        "lineItem/UsageAccountId",
        "lineItem/LineItemType",
        "lineItem/UsageStartDate",
        "lineItem/UsageEndDate",
        "lineItem/ProductCode",
        "lineItem/UsageType",
        "lineItem/Operation",
        "lineItem/AvailabilityZone",
        "lineItem/ResourceId",
        "lineItem/UsageAmount",
        "lineItem/CurrencyCode",
        "lineItem/UnblendedCost",
        "lineItem/LineItemDescription",
        "lineItem/LegalEntity",
        "product/ProductName",
        "product/instanceType",
        "product/vcpu",
        "product/region",
        "product/regionCode",
        "product/servicecode",
        "product/sku",
        "product/productFamily",
        "product/fromRegionCode",
        "product/toRegionCode",
        "pricing/unit",
        "pricing/term",
        "pricing/publicOnDemandCost",
        "reservation/EffectiveCost",
        "reservation/ReservationARN",
        "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
        "reservation/UnusedRecurringFee",
        "savingsPlan/SavingsPlanEffectiveCost",
        "savingsPlan/SavingsPlanARN",
        "savingsPlan/TotalCommitmentToDate",
        "savingsPlan/UsedCommitment",
        "splitLineItem/ParentResourceId",
        "bill_payer_account_id",
        "bill_invoice_id",
        "bill_billing_entity",
        "bill_bill_type",
        "bill_invoicing_entity",
        "line_item_usage_account_id",
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "line_item_product_code",
        "line_item_usage_type",
        "line_item_operation",
        "line_item_availability_zone",
        "line_item_resource_id",
        "line_item_usage_amount",
        "line_item_currency_code",
        "line_item_unblended_cost",
        "line_item_line_item_description",
        "line_item_legal_entity",
        "product_product_name",
        "product_instance_type",
        "product_vcpu",
        "product_region",
        "product_region_code",
        "product_servicecode",
        "product_sku",
        "product_product_family",
        "product_from_region_code",
        "product_to_region_code",
        "pricing_unit",
        "pricing_term",
        "pricing_public_on_demand_cost",
        "reservation_effective_cost",
        "reservation_reservation_a_r_n",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_savings_plan_a_r_n",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        "split_line_item_parent_resource_id",
    ],
    parquet_columns: &[
        ("bill_payer_account_id", Text),
        ("bill_invoice_id", Text),
        ("bill_billing_entity", Text),
        ("bill_bill_type", Text),
        ("bill_invoicing_entity", Text),
        ("line_item_usage_account_id", Text),
        ("line_item_line_item_type", Text),
        ("line_item_usage_start_date", Timestamp),
        ("line_item_usage_end_date", Timestamp),
        ("line_item_product_code", Text),
        ("line_item_usage_type", Text),
        ("line_item_operation", Text),
        ("line_item_availability_zone", Text),
        ("line_item_resource_id", Text),
        ("line_item_usage_amount", Double),
        ("line_item_currency_code", Text),
        ("line_item_unblended_cost", Double),
        ("line_item_line_item_description", Text),
        ("line_item_legal_entity", Text),
        ("product_product_name", Text),
        ("product_instance_type", Text),
        ("product_vcpu", Text),
        ("product_region", Text),
        ("product_region_code", Text),
        ("product_servicecode", Text),
        ("product_sku", Text),
        ("product_product_family", Text),
        ("product_from_region_code", Text),
        ("product_to_region_code", Text),
        ("pricing_unit", Text),
        ("pricing_term", Text),
        ("pricing_public_on_demand_cost", Double),
        ("reservation_effective_cost", Double),
        ("reservation_reservation_a_r_n", Text),
        (
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            Double,
        ),
        ("reservation_unused_recurring_fee", Double),
        ("savings_plan_savings_plan_effective_cost", Double),
        ("savings_plan_savings_plan_a_r_n", Text),
        ("savings_plan_total_commitment_to_date", Double),
        ("savings_plan_used_commitment", Double),
        ("split_line_item_parent_resource_id", Text),
    ],
};

const AWS_CUR2: Contract = Contract {
    columns: &[
        "bill_payer_account_id",
        "bill_invoice_id",
        "bill_billing_entity",
        "bill_bill_type",
        "bill_invoicing_entity",
        "line_item_usage_account_id",
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "line_item_product_code",
        "line_item_usage_type",
        "line_item_operation",
        "line_item_availability_zone",
        "line_item_resource_id",
        "line_item_usage_amount",
        "line_item_currency_code",
        "line_item_unblended_cost",
        "line_item_line_item_description",
        "line_item_legal_entity",
        "product",
        "product_product_name",
        "product_instance_type",
        "product_vcpu",
        "product_region_code",
        "product_servicecode",
        "product_sku",
        "product_product_family",
        "product_from_region_code",
        "product_to_region_code",
        "pricing_unit",
        "pricing_term",
        "pricing_public_on_demand_cost",
        "reservation_effective_cost",
        "reservation_reservation_a_r_n",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
        "resource_tags",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_savings_plan_a_r_n",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        "split_line_item_parent_resource_id",
    ],
    parquet_columns: &[
        ("bill_payer_account_id", Text),
        ("bill_invoice_id", Text),
        ("bill_billing_entity", Text),
        ("bill_bill_type", Text),
        ("bill_invoicing_entity", Text),
        ("line_item_usage_account_id", Text),
        ("line_item_line_item_type", Text),
        ("line_item_usage_start_date", Timestamp),
        ("line_item_usage_end_date", Timestamp),
        ("line_item_product_code", Text),
        ("line_item_usage_type", Text),
        ("line_item_operation", Text),
        ("line_item_availability_zone", Text),
        ("line_item_resource_id", Text),
        ("line_item_usage_amount", Double),
        ("line_item_currency_code", Text),
        ("line_item_unblended_cost", Double),
        ("line_item_line_item_description", Text),
        ("line_item_legal_entity", Text),
        ("product", Map),
        ("product_product_name", Text),
        ("product_instance_type", Text),
        ("product_vcpu", Text),
        ("product_region_code", Text),
        ("product_servicecode", Text),
        ("product_sku", Text),
        ("product_product_family", Text),
        ("product_from_region_code", Text),
        ("product_to_region_code", Text),
        ("pricing_unit", Text),
        ("pricing_term", Text),
        ("pricing_public_on_demand_cost", Double),
        ("reservation_effective_cost", Double),
        ("reservation_reservation_a_r_n", Text),
        (
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            Double,
        ),
        ("reservation_unused_recurring_fee", Double),
        ("resource_tags", Map),
        ("savings_plan_savings_plan_effective_cost", Double),
        ("savings_plan_savings_plan_a_r_n", Text),
        ("savings_plan_total_commitment_to_date", Double),
        ("savings_plan_used_commitment", Double),
        ("split_line_item_parent_resource_id", Text),
    ],
    ..AWS_CUR
};

/// The columns of FOCUS 1.2 and the provider columns the models read.
const FOCUS: Contract = Contract {
    required: &["chargeperiodstart", "chargecategory"],
    cost: &["billedcost"],
    money: &["effectivecost", "listcost", "contractedcost"],
    quantities: &[
        "consumedquantity",
        "pricingquantity",
        "commitmentdiscountquantity",
    ],
    required_dates: &["chargeperiodstart"],
    dates: &["chargeperiodend", "billingperiodstart", "billingperiodend"],
    currency: &["billingcurrency"],
    period: &["billingperiodstart", "chargeperiodstart"],
    account: &["billingaccountid"],
    provider: Provider::Column("providername"),
    not_null: &["chargecategory"],
    columns: &[
        "AvailabilityZone",
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingAccountType",
        "BillingCurrency",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "CapacityReservationId",
        "CapacityReservationStatus",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargeFrequency",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "CommitmentDiscountCategory",
        "CommitmentDiscountId",
        "CommitmentDiscountName",
        "CommitmentDiscountQuantity",
        "CommitmentDiscountStatus",
        "CommitmentDiscountType",
        "CommitmentDiscountUnit",
        "ConsumedQuantity",
        "ConsumedUnit",
        "ContractedCost",
        "ContractedUnitPrice",
        "EffectiveCost",
        "InvoiceId",
        "InvoiceIssuerName",
        "ListCost",
        "ListUnitPrice",
        "PricingCategory",
        "PricingCurrency",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ResourceType",
        "ServiceCategory",
        "ServiceName",
        "ServiceSubcategory",
        "SkuId",
        "SkuMeter",
        "SkuPriceDetails",
        "SkuPriceId",
        "SubAccountId",
        "SubAccountName",
        "SubAccountType",
        "Tags",
        "x_InstanceType",
        "x_InvoiceId",
        "x_Operation",
        "x_ServiceCode",
        "x_SkuDetails",
        "x_SkuMeterName",
        "x_UsageType",
    ],
    parquet_columns: &[
        ("AvailabilityZone", Text),
        ("BilledCost", Double),
        ("BillingAccountId", Text),
        ("BillingAccountName", Text),
        ("BillingAccountType", Text),
        ("BillingCurrency", Text),
        ("BillingPeriodEnd", Timestamp),
        ("BillingPeriodStart", Timestamp),
        ("CapacityReservationId", Text),
        ("CapacityReservationStatus", Text),
        ("ChargeCategory", Text),
        ("ChargeClass", Text),
        ("ChargeDescription", Text),
        ("ChargeFrequency", Text),
        ("ChargePeriodEnd", Timestamp),
        ("ChargePeriodStart", Timestamp),
        ("CommitmentDiscountCategory", Text),
        ("CommitmentDiscountId", Text),
        ("CommitmentDiscountName", Text),
        ("CommitmentDiscountQuantity", Double),
        ("CommitmentDiscountStatus", Text),
        ("CommitmentDiscountType", Text),
        ("CommitmentDiscountUnit", Text),
        ("ConsumedQuantity", Double),
        ("ConsumedUnit", Text),
        ("ContractedCost", Double),
        ("ContractedUnitPrice", Double),
        ("EffectiveCost", Double),
        ("InvoiceId", Text),
        ("InvoiceIssuerName", Text),
        ("ListCost", Double),
        ("ListUnitPrice", Double),
        ("PricingCategory", Text),
        ("PricingCurrency", Text),
        ("PricingCurrencyContractedUnitPrice", Double),
        ("PricingCurrencyEffectiveCost", Double),
        ("PricingCurrencyListUnitPrice", Double),
        ("PricingQuantity", Double),
        ("PricingUnit", Text),
        ("ProviderName", Text),
        ("PublisherName", Text),
        ("RegionId", Text),
        ("RegionName", Text),
        ("ResourceId", Text),
        ("ResourceName", Text),
        ("ResourceType", Text),
        ("ServiceCategory", Text),
        ("ServiceName", Text),
        ("ServiceSubcategory", Text),
        ("SkuId", Text),
        ("SkuMeter", Text),
        ("SkuPriceDetails", Text),
        ("SkuPriceId", Text),
        ("SubAccountId", Text),
        ("SubAccountName", Text),
        ("SubAccountType", Text),
        ("Tags", Text),
        ("x_InstanceType", Text),
        ("x_InvoiceId", Text),
        ("x_Operation", Text),
        ("x_ServiceCode", Text),
        ("x_SkuDetails", Text),
        ("x_SkuMeterName", Text),
        ("x_UsageType", Text),
    ],
};

const ACTIVITY: Contract = Contract {
    required: &[
        "activity",
        "quantity",
        "unit",
        "periodstart",
        "periodend",
        "country",
    ],
    cost: &[],
    money: &[],
    quantities: &["quantity", "supplierfactorkgco2eperunit"],
    required_dates: &["periodstart", "periodend"],
    dates: &[],
    currency: &[],
    period: &["periodstart"],
    account: &[],
    provider: Provider::None,
    not_null: &["activity", "quantity", "unit", "country"],
    columns: &[
        "site",
        "entity",
        "activity",
        "scope",
        "category",
        "quantity",
        "unit",
        "period_start",
        "period_end",
        "country",
        "region",
        "method_hint",
        "supplier_factor_kgco2e_per_unit",
        "notes",
    ],
    parquet_columns: &[
        ("site", Text),
        ("entity", Text),
        ("activity", Text),
        ("scope", Text),
        ("category", Text),
        ("quantity", Double),
        ("unit", Text),
        ("period_start", Timestamp),
        ("period_end", Timestamp),
        ("country", Text),
        ("region", Text),
        ("method_hint", Text),
        ("supplier_factor_kgco2e_per_unit", Double),
        ("notes", Text),
    ],
};

const INSTRUMENTS: Contract = Contract {
    required: &["kind", "market", "energykwh", "validfrom", "validto"],
    quantities: &["energykwh", "factorkgco2eperkwh"],
    required_dates: &["validfrom", "validto"],
    period: &["validfrom"],
    not_null: &["kind", "market", "energykwh"],
    columns: &[
        "kind",
        "market",
        "energy_kwh",
        "factor_kgco2e_per_kwh",
        "vintage",
        "valid_from",
        "valid_to",
        "site",
        "evidence",
    ],
    parquet_columns: &[
        ("kind", Text),
        ("market", Text),
        ("energy_kwh", Double),
        ("factor_kgco2e_per_kwh", Double),
        ("vintage", Text),
        ("valid_from", Timestamp),
        ("valid_to", Timestamp),
        ("site", Text),
        ("evidence", Text),
    ],
    ..ACTIVITY
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_column() {
        assert_eq!(plain("lineItem/UnblendedCost"), plain("line_item_unblended_cost"));
        assert_eq!(FOCUS.known_spelling("billedcost", false), Some("BilledCost"));
    }

    #[test]
    fn roles_name_known_columns() {
        for contract in [AWS_CUR, AWS_CUR2, FOCUS, ACTIVITY, INSTRUMENTS] {
            let known: Vec<String> = contract.columns.iter().map(|c| plain(c)).collect();
            for role in [
                contract.cost,
                contract.money,
                contract.quantities,
                contract.required_dates,
                contract.currency,
            ] {
                for column in role {
                    assert!(known.iter().any(|k| k == column), "{column}");
                }
            }
        }
    }
}

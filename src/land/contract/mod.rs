//! What each kind of source must hold: the columns that landing checks and the pipelines read.

mod activity;
mod aws;
mod azure;
mod focus;
mod gcp;
mod headers;
mod likeness;

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, Field};

pub use headers::Headers;
pub use likeness::refuse_other_kind;

use crate::config::SourceKind;

/// How the provider of a row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The kind says it.
    Fixed(&'static str),
    /// Columns say it: the first that a row has.
    Columns(&'static [&'static str]),
    /// Rows that are no bill.
    None,
}

impl Provider {
    /// The [`plain`] names of the columns that say it.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Provider::Columns(names) => names,
            _ => &[],
        }
    }
}

/// What is checked of a column that holds a list or an object as text. A path is `amount` or `scope2.location_based`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nested {
    /// That it is one.
    Text,
    /// And that the amounts at a path are exact.
    Money(&'static str),
    /// And that the quantities at a path are numbers.
    Quantity(&'static str),
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
    /// Pairs of amounts that the models make one of.
    pub combined: &'static [(&'static str, &'static str, Combined)],
    /// Quantities: null or a number.
    pub quantities: &'static [&'static str],
    /// Emission factors: null or a number.
    pub factors: &'static [&'static str],
    /// The unit that a row's quantities are in: the first that is there.
    pub units: &'static [&'static str],
    /// Whether units may be blocks of units: `10000 Hours`.
    pub blocks: bool,
    /// Quantities with a unit of their own: value column, unit column, and the units that a value may have.
    pub measures: &'static [Measure],
    /// Dates that every row must have.
    pub required_dates: &'static [&'static str],
    /// Dates that may be null.
    pub dates: &'static [&'static str],
    /// The billing currency.
    pub currency: &'static [&'static str],
    /// The date whose month is the period of a bare file's row: the first that is there.
    pub period: &'static [&'static str],
    /// The billing account: the first that a row has.
    pub account: &'static [&'static str],
    /// The account below it that is billed apart, where sources may hold the same bill by either; the first that a row has.
    pub sub_account: &'static [&'static str],
    /// The column that tells one cost basis from another, for kinds whose exports differ in it.
    pub cost_basis: Option<&'static str>,
    /// Headers may be translated, the original in parentheses after, and are written in any case and spacing.
    pub translated: bool,
    /// Rows without any amount are placeholders that need no cost.
    pub blank_rows: bool,
    /// The provider.
    pub provider: Provider,
    /// Columns that hold a list or an object as text, and the number in it that is checked.
    pub nested: &'static [(&'static str, Nested)],
    /// Columns of tags, in any of the shapes that are read.
    pub tags: &'static [&'static str],
    /// Amounts are doubles where they come from: as text, too, their digits beyond 24 places are noise.
    pub doubles: bool,
    /// Pairs of dates of which the second is not before the first.
    pub ordered_dates: &'static [(&'static str, &'static str)],
    /// Columns that every export of the kind usually has, in the spelling of CSV files, each with the columns that may stand
    /// in its place: a file without them lands, and the run says so.
    pub expected: &'static [&'static [&'static str]],
    /// Columns that may not be null.
    pub not_null: &'static [&'static str],
    /// Columns the SQL models read, in the spelling of CSV files; they read as null where a file has none.
    pub columns: &'static [&'static str],
    /// The same for Parquet files, with their types.
    pub parquet_columns: &'static [(&'static str, ParquetType)],
}

/// How the models make one amount of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combined {
    /// The first and the second.
    Added,
    /// The first without the second.
    Subtracted,
    /// The first times the second, which is kilograms.
    Multiplied,
}

/// A value column, its unit column, and the units that a value may have.
pub type Measure = (&'static str, &'static str, &'static [&'static str]);

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

/// Columns that the models read and group by nothing of, by their [`plain`] names: long texts are usual there.
const LONG: [&str; 17] = [
    "additionalinfo",
    "chargedescription",
    "description",
    "evidence",
    "instanceid",
    "instancename",
    "lineitemlineitemdescription",
    "lineitemresourceid",
    "notes",
    "reservationreservationarn",
    "resourceid",
    "resourcename",
    "savingsplansavingsplanarn",
    "skupricedetails",
    "splitlineitemparentresourceid",
    "xdiscounts",
    "xskudetails",
];

impl Contract {
    /// The places of the columns whose texts tell the key of a row: what the models read without tags, lists, objects,
    /// numbers, dates and long texts.
    pub fn keys(&self, headers: &[String]) -> BTreeSet<usize> {
        let read: BTreeSet<String> = self.columns.iter().map(|name| plain(name)).collect();
        let is_nested = |name: &str| self.nested.iter().any(|(nested, _)| *nested == name);
        let others = [
            self.cost,
            self.money,
            self.quantities,
            self.factors,
            self.required_dates,
            self.dates,
            &LONG,
        ];
        let is_key = |name: &String| {
            let name = plain(name);
            read.contains(&name)
                && !self.tags.contains(&name.as_str())
                && !is_nested(&name)
                && !others.iter().any(|names| names.contains(&name.as_str()))
        };
        let places = headers.iter().enumerate().filter(|(_, name)| is_key(name));
        places.map(|(place, _)| place).collect()
    }

    /// Rows without any column that is checked or read; the others are given by `..Contract::EMPTY`.
    const EMPTY: Contract = Contract {
        required: &[],
        cost: &[],
        money: &[],
        combined: &[],
        quantities: &[],
        factors: &[],
        units: &[],
        blocks: false,
        measures: &[],
        required_dates: &[],
        dates: &[],
        currency: &[],
        period: &[],
        account: &[],
        sub_account: &[],
        cost_basis: None,
        translated: false,
        blank_rows: false,
        provider: Provider::None,
        nested: &[],
        tags: &[],
        doubles: false,
        ordered_dates: &[],
        expected: &[],
        not_null: &[],
        columns: &[],
        parquet_columns: &[],
    };

    /// The contract of a kind.
    pub fn of(kind: SourceKind) -> Contract {
        match kind {
            SourceKind::AwsCur => aws::AWS_CUR,
            SourceKind::AwsCur2 => aws::AWS_CUR2,
            SourceKind::AwsCostExplorer => aws::AWS_COST_EXPLORER,
            SourceKind::AwsCarbon => aws::AWS_CARBON,
            SourceKind::AzureCost => azure::AZURE_COST,
            SourceKind::AzureCostQuery => azure::AZURE_COST_QUERY,
            SourceKind::AzureCarbon => azure::AZURE_CARBON,
            SourceKind::GcpBilling => gcp::GCP_BILLING,
            SourceKind::GcpBillingFiles => gcp::GCP_BILLING_FILES,
            SourceKind::GcpCarbon => gcp::GCP_CARBON,
            SourceKind::Focus => focus::FOCUS,
            SourceKind::Activity => activity::ACTIVITY,
            SourceKind::Instruments => activity::INSTRUMENTS,
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

    /// The type that a column of Parquet files has for the models.
    pub fn declared_type(&self, name: &str) -> Option<DataType> {
        let declared = self.parquet_columns.iter().find(|(column, _)| *column == name);
        declared.map(|(_, data_type)| data_type.arrow())
    }

    /// The names of the columns that the models read, in the spelling of the format.
    fn names(&self, parquet: bool) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let (text, typed) = match parquet {
            true => (&[][..], self.parquet_columns),
            false => (self.columns, &[][..]),
        };
        text.iter().copied().chain(typed.iter().map(|(name, _)| *name))
    }

    /// Whether rows are a bill and carry money.
    pub fn is_bill(&self) -> bool {
        self.provider != Provider::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_name_known_columns() {
        for contract in SourceKind::ALL.map(Contract::of) {
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
            for column in contract.tags {
                assert!(known.iter().any(|k| k == column), "{column}");
            }
            for (column, _) in contract.nested {
                assert!(known.iter().any(|k| k == column), "{column}");
            }
        }
    }
}

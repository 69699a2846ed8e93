//! What Cost Explorer is asked: one account's days of a month, once for usage and once for all other charges.

use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType,
};

use crate::domain::period::Period;
use crate::error::{Error, Result};

/// Record types whose quantity is physical usage. Cost Explorer's console and its API spell some of them apart; what
/// none of these names is asked for by the second query, so that the two always make the whole bill.
const USAGE_RECORDS: [&str; 5] = [
    "Usage",
    "DiscountedUsage",
    "Reservation applied usage",
    "SavingsPlanCoveredUsage",
    "Savings Plan Covered Usage",
];

/// The amounts of every row.
pub(super) const METRICS: [&str; 3] = ["UnblendedCost", "AmortizedCost", "UsageQuantity"];

/// One half of an account's bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// What was used, by usage type.
    Usage,
    /// Taxes, credits, fees and the like, by record type.
    Charges,
}

impl Half {
    /// Both halves, in the order in which they are written.
    pub(super) const ALL: [Half; 2] = [Half::Usage, Half::Charges];

    /// The dimension beside the service; two are all that Cost Explorer groups by.
    pub(super) fn dimension(self) -> &'static str {
        match self {
            Half::Usage => "USAGE_TYPE",
            Half::Charges => "RECORD_TYPE",
        }
    }

    /// The rows of this half in one account.
    pub(super) fn filter(self, account: &str) -> Expression {
        let usage = one_of(Dimension::RecordType, &USAGE_RECORDS);
        let records = match self {
            Half::Usage => usage,
            Half::Charges => Expression::builder().not(usage).build(),
        };
        let linked = one_of(Dimension::LinkedAccount, &[account]);
        Expression::builder().and(linked).and(records).build()
    }
}

/// A listing of days or months.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) interval: DateInterval,
    pub(super) granularity: Granularity,
}

impl Span {
    /// The days of a month up to tomorrow: Cost Explorer knows no later ones.
    pub(super) fn days(month: Period) -> Result<Span> {
        Self::of(month, month.next(), Granularity::Daily)
    }

    /// The months from `since` to before `until`.
    pub(super) fn months(since: Period, until: Period) -> Result<Span> {
        Self::of(since, until, Granularity::Monthly)
    }

    fn of(since: Period, until: Period, granularity: Granularity) -> Result<Span> {
        let tomorrow = chrono::Utc::now().date_naive() + chrono::Days::new(1);
        let interval = DateInterval::builder()
            .start(since.first_day().to_string())
            .end(until.first_day().min(tomorrow).to_string())
            .build()
            .map_err(|e| Error::internal("a time span is incomplete").because(e))?;
        Ok(Span {
            interval,
            granularity,
        })
    }
}

/// Groups by a dimension.
pub(super) fn group_by(dimension: &str) -> GroupDefinition {
    GroupDefinition::builder()
        .r#type(GroupDefinitionType::Dimension)
        .key(dimension)
        .build()
}

fn one_of(dimension: Dimension, values: &[&str]) -> Expression {
    let values = values.iter().map(|value| value.to_string()).collect();
    let dimensions = DimensionValues::builder()
        .key(dimension)
        .set_values(Some(values))
        .build();
    Expression::builder().dimensions(dimensions).build()
}

//! What a cost query asks, and how a page of its answer becomes rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::RowWriter;

/// What an estimate needs to know of a cost. Offers differ in what they can group by: an answer that refuses one of these
/// names those that it takes.
///
/// Not the resource: its days and meters would be thousands of pages, and exports have it.
pub const DIMENSIONS: [&str; 14] = [
    "SubscriptionId",
    "ChargeType",
    "MeterCategory",
    "MeterSubcategory",
    "Meter",
    "MeterId",
    "UnitOfMeasure",
    "ServiceFamily",
    "Product",
    "ResourceLocation",
    "ResourceType",
    "PricingModel",
    "PublisherType",
    "Frequency",
];

#[derive(Deserialize)]
struct CostPage<'a> {
    #[serde(borrow)]
    properties: Properties<'a>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
    columns: Vec<Column>,
    #[serde(borrow)]
    rows: Vec<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

/// A cell as Azure wrote it, or one of ours.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Written(&'a RawValue),
    Ours(&'a str),
}

/// The question: the costs and quantities of a month by day and these dimensions.
pub fn question(cost_type: &str, month: Period, dimensions: &[&str]) -> Vec<u8> {
    let last = month.next().first_day().pred_opt().unwrap_or_default();
    let grouping: Vec<_> = dimensions
        .iter()
        .map(|name| serde_json::json!({ "type": "Dimension", "name": name }))
        .collect();
    serde_json::json!({
        "type": cost_type,
        "timeframe": "Custom",
        "timePeriod": {
            "from": format!("{}T00:00:00+00:00", month.first_day()),
            "to": format!("{last}T23:59:59+00:00"),
        },
        "dataset": {
            "granularity": "Daily",
            "aggregation": {
                "totalCost": { "name": "Cost", "function": "Sum" },
                "totalQuantity": { "name": "UsageQuantity", "function": "Sum" },
            },
            "grouping": grouping,
        },
    })
    .to_string()
    .into_bytes()
}

/// The question of `doctor`: one row of this month, to see whether it is answered.
pub fn smallest_question(cost_type: &str) -> Vec<u8> {
    serde_json::json!({
        "type": cost_type,
        "timeframe": "MonthToDate",
        "dataset": {
            "granularity": "None",
            "aggregation": { "totalCost": { "name": "Cost", "function": "Sum" } },
        },
    })
    .to_string()
    .into_bytes()
}

/// The dimensions that remain when an answer refused one; `None` when it was about something else.
pub fn taken_dimensions(refusal: &str) -> Option<Vec<&'static str>> {
    let (_, after) = refusal.split_once("Invalid dataset grouping")?;
    let (_, valid) = after.split_once("valid values")?;
    let valid: Vec<&str> = valid.split('\'').skip(1).step_by(2).map(str::trim).collect();
    let taken: Vec<&str> = DIMENSIONS
        .into_iter()
        .filter(|name| valid.contains(name))
        .collect();
    (taken.len() < DIMENSIONS.len()).then_some(taken)
}

/// Writes the rows of a page, with cells that it does not have by itself; returns the link to the next page.
///
/// # Errors
/// External, worth another attempt: the body is damaged. Data: it is not of the documented shape, or not of this month.
pub fn write_rows(
    body: &[u8],
    month: Period,
    fixed: &[(&str, String)],
    rows: &mut RowWriter,
) -> Result<Option<String>> {
    let answer: CostPage<'_> = serde_json::from_slice(body)
        .map_err(|e| Error::external("a page of the answer cannot be read").because(e))?;
    let names: Vec<&str> = answer
        .properties
        .columns
        .iter()
        .map(|column| spelling(&column.name))
        .collect();
    for needed in ["Cost", "UsageDate", "Currency"] {
        if !names.contains(&needed) {
            return Err(Error::data(format!("the answer has no column {needed}"))
                .because(format!("it has {}", names.join(", "))));
        }
    }
    for row in &answer.properties.rows {
        if row.len() != names.len() {
            return Err(
                Error::data("a row has another number of cells than the answer has columns")
                    .because(format!("{} and {}", row.len(), names.len())),
            );
        }
        let mut day = String::new();
        let mut cells: BTreeMap<&str, Cell<'_>> = BTreeMap::new();
        for (name, cell) in names.iter().zip(row) {
            match *name {
                "UsageDate" => day = iso_day(cell.get(), month)?,
                name => drop(cells.insert(name, Cell::Written(cell))),
            }
        }
        for (name, value) in fixed {
            cells.entry(name).or_insert(Cell::Ours(value));
        }
        cells.insert("UsageDate", Cell::Ours(&day));
        rows.write(&cells)?;
    }
    Ok(answer.properties.next_link.filter(|link| !link.is_empty()))
}

/// Versions of the API name the sums by the column, its older name or the alias of the question.
fn spelling(column: &str) -> &str {
    match column {
        "PreTaxCost" | "totalCost" | "CostInBillingCurrency" => "Cost",
        "totalQuantity" => "UsageQuantity",
        "BillingCurrency" | "BillingCurrencyCode" => "Currency",
        column => column,
    }
}

/// `20261001` as `2026-10-01`.
fn iso_day(written: &str, month: Period) -> Result<String> {
    let day = chrono::NaiveDate::parse_from_str(written.trim_matches('"'), "%Y%m%d").map_err(|e| {
        Error::data(format!("`{written}` in UsageDate is no day written yyyymmdd")).because(e)
    })?;
    match Period::of(day) == month {
        true => Ok(day.to_string()),
        false => Err(Error::data(format!("the answer for {month} holds the day {day}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_dimension_leaves_those_that_are_taken() {
        let refusal = "Invalid query definition: Invalid dataset grouping: 'UnitOfMeasure'; valid values: \
                       'ResourceGroup','ResourceLocation','MeterCategory','Meter','SubscriptionId','ChargeType',''.";
        assert_eq!(
            taken_dimensions(refusal).unwrap(),
            [
                "SubscriptionId",
                "ChargeType",
                "MeterCategory",
                "Meter",
                "ResourceLocation"
            ]
        );
        assert_eq!(
            taken_dimensions("Custom time period cannot exceed 1 year(s)"),
            None
        );
    }

    #[test]
    fn days_are_of_the_month_that_was_asked_for() {
        let month = Period::new(2026, 10).unwrap();
        assert_eq!(iso_day("20261031", month).unwrap(), "2026-10-31");
        assert!(iso_day("20261101", month).is_err());
        assert!(iso_day("20261032", month).is_err());
    }

    #[test]
    fn amounts_are_kept_as_they_are_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut rows = RowWriter::new(folder.path()).unwrap();
        let body = br#"{"properties":{"nextLink":"","columns":[{"name":"UsageDate"},{"name":"PreTaxCost"},{"name":"Currency"}],
            "rows":[[20261001,0.10000000000000000001,"EUR"]]}}"#;
        let fixed = [("SubscriptionId", "s".to_string())];
        let next = write_rows(body, Period::new(2026, 10).unwrap(), &fixed, &mut rows).unwrap();
        assert_eq!(next, None);
        let written = rows.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(&written.path).unwrap(),
            "{\"Cost\":0.10000000000000000001,\"Currency\":\"EUR\",\"SubscriptionId\":\"s\",\"UsageDate\":\"2026-10-01\"}\n"
        );
    }
}

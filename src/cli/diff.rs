//! `diff`

use serde_json::json;

use super::arguments::Format;
use super::listing::{Listing, cut};
use super::output::Output;
use crate::domain::period::Period;
use crate::error::{Blame, Error, Result};
use crate::ledger::Run;
use crate::run::Workspace;
use crate::run::diff::{Difference, months, runs};

/// Prints what changed between two runs or two months.
///
/// # Errors
/// Usage: neither two runs nor two months; external when a version cannot be read any more.
pub async fn diff(
    workspace: &Workspace,
    output: &Output,
    before: &str,
    after: &str,
    limit: u32,
) -> Result<u8> {
    if matches!(output.format, Format::Csv | Format::Parquet) {
        return Err(Error::usage("`diff` prints several tables").hint("use --output json, or text"));
    }
    let parsed: (Result<Period, String>, Result<Period, String>) = (before.parse(), after.parse());
    let (title, difference) = match parsed {
        (Ok(before), Ok(after)) => {
            let (before, after) = (before.to_string(), after.to_string());
            (
                format!("Charge month {before} → {after}"),
                months(workspace, &before, &after, limit).await?,
            )
        }
        (Err(_), Err(_)) => {
            let (before, after) = (
                workspace.ledger.run(before).await?,
                workspace.ledger.run(after).await?,
            );
            let difference =
                runs(workspace, &before, &after, limit)
                    .await
                    .map_err(|error| {
                        match error.blame() {
                    Blame::Internal | Blame::External => Error::external(
                        "the tables of these runs cannot be read any more",
                    )
                    .because(error)
                    .hint("`maintain --vacuum` keeps the versions of recent runs only: compare younger runs"),
                    _ => error,
                }
                    })?;
            (
                format!("{} → {}", described(&before), described(&after)),
                difference,
            )
        }
        (month, _) => {
            let (month, other) = match month {
                Ok(_) => (before, after),
                Err(_) => (after, before),
            };
            return Err(
                    Error::usage(format!("`{month}` is a month and `{other}` is none")).hint(
                        "give two months (2026-09 2026-10) or two runs, which `offgridflow sql \"select run_id, started_at from system.runs\"` lists",
                    ),
                );
        }
    };
    let scope = match before.parse::<Period>() {
        Ok(_) => "In all",
        Err(_) => "In the partitions that differ",
    };
    print(output, &title, scope, &difference, limit)
}

fn described(run: &Run) -> String {
    let started = run.started_at.get(..16).unwrap_or_default().replace('T', " ");
    let version = |v: &Option<String>| v.clone().unwrap_or_else(|| "unknown".into());
    format!(
        "run {} ({started}, method {}, factor set {})",
        run.run_id,
        version(&run.method_version),
        version(&run.factor_set_version)
    )
}

fn print(output: &Output, title: &str, scope: &str, difference: &Difference, limit: u32) -> Result<u8> {
    let list = |rows: &crate::run::query::QueryRows| Listing::of_batches(&rows.schema, &rows.batches);
    let (mut total, mut services, mut lines) = (
        list(&difference.total)?,
        list(&difference.services)?,
        list(&difference.lines)?,
    );
    let mut activities = difference.activities.as_ref().map(list).transpose()?;
    if output.format == Format::Json {
        output.json(&json!({
            "title": title, "total": total.json(), "services": services.json(), "lines": lines.json(),
            "activities": activities.as_ref().map(Listing::json),
        }));
        return Ok(0);
    }
    output.line(title);
    output.line("");
    if activities.is_none() {
        output.line(
            "Cloud usage alone: the periods of activity data may span months. Compare two runs for them.",
        );
        output.line("");
    }
    let cloud_changed = !(services.rows().is_empty() && lines.rows().is_empty());
    if !cloud_changed && activities.as_ref().is_none_or(|rows| rows.rows().is_empty()) {
        output.line("Nothing changed: neither usage nor cost nor emissions.");
        return Ok(0);
    }
    for listing in [&mut total, &mut services, &mut lines]
        .into_iter()
        .chain(&mut activities)
    {
        listing.map_cells(
            |name| name.ends_with("_kg") || name.starts_with("kg_"),
            |cell| match cell {
                "" => "–".to_string(),
                known => rounded(known, 3),
            },
        );
        listing.map_cells(|name| name.starts_with("cost_"), |cell| rounded(cell, 2));
        listing.map_cells(|name| name.starts_with("quantity_"), |cell| rounded(cell, 4));
        listing.map_cells(
            |name| {
                [
                    "sku_meter",
                    "usage_type",
                    "operation",
                    "service_name",
                    "billing_account_id",
                    "sub_account_id",
                ]
                .contains(&name)
            },
            |cell| cut(cell, 34),
        );
    }
    let renamed = |mut listing: Listing| {
        listing.rename(|name| match name {
            "billing_currency" => "currency".to_string(),
            other => other
                .trim_end_matches("_name")
                .trim_end_matches("_id")
                .replace('_', " "),
        });
        listing
    };
    if cloud_changed {
        output.line(format!(
            "{scope}: kg CO2e of cloud usage, location-based with embodied, and why"
        ));
        output.line(renamed(without_zero_reasons(total)).text());
        output.line("");
        output.line(format!("By provider, service and region, the largest {limit}"));
        output.line(renamed(without_zero_reasons(services)).text());
        output.line("");
        output.line(format!("Lines added, removed or changed, the largest {limit}"));
        output.line(renamed(informative(lines)).text());
    }
    if let Some(activities) = activities.filter(|rows| !rows.rows().is_empty()) {
        if cloud_changed {
            output.line("");
        }
        output.line(format!(
            "Activity data: kg CO2e location-based, the largest {limit}"
        ));
        output.line(renamed(activities.without_empty_columns()).text());
    }
    Ok(0)
}

/// Columns of reasons that explain nothing here are left out.
fn without_zero_reasons(mut listing: Listing) -> Listing {
    for reason in ["factors_kg", "method_kg", "settings_kg", "coverage_kg"] {
        if let Some(column) = listing.column(reason)
            && listing
                .rows()
                .iter()
                .all(|r| r[column].parse::<f64>().unwrap_or_default() == 0.0)
        {
            listing.map_cells(|name| name == reason, |_| String::new());
        }
    }
    listing.without_empty_columns()
}

/// Columns that tell lines apart from nothing are left out: what repeats another, what is the same everywhere.
fn informative(mut listing: Listing) -> Listing {
    let repeated = [
        "tenant",
        "service_code",
        "service_category",
        "is_usage",
        "sku_id",
        "vcpus",
        "charge_class",
        "exclusion_reason",
        "operation",
    ];
    listing.map_cells(|name| repeated.contains(&name), |_| String::new());
    for column in ["charge_category", "from_region_id", "to_region_id"] {
        listing.drop_where_all(column, |cell| cell.is_empty() || cell == "Usage");
    }
    if listing
        .column("usage_type")
        .is_some_and(|c| listing.rows().iter().any(|r| !r[c].is_empty()))
    {
        listing.drop_where_equal("sku_meter", "usage_type");
    }
    listing.without_empty_columns()
}

fn rounded(cell: &str, digits: usize) -> String {
    match cell.parse::<f64>() {
        // No minus before a zero.
        Ok(value) => {
            let text = format!("{value:.digits$}");
            if text.trim_matches(['-', '0', '.']).is_empty() {
                "0".to_string()
            } else {
                text
            }
        }
        Err(_) => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn no_minus_zero() {
        assert_eq!(rounded("-0.00001", 3), "0");
        assert_eq!(rounded("12.34567", 3), "12.346");
        assert_eq!(rounded("", 3), "");
    }
}

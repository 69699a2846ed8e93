//! `explain`

use serde_json::{Value, json};

use super::arguments::Format;
use super::listing::{Listing, cut};
use super::output::Output;
use crate::error::{Error, Result};
use crate::run::Workspace;
use crate::run::explain::{Explanation, Section, explain as find_way};
use crate::run::factor_row::{Factor, split_ids};

/// Prints the way from a figure to its source rows.
///
/// # Errors
/// Usage: what cannot be explained; data when a sum does not add up.
pub async fn explain(
    workspace: &Workspace,
    output: &Output,
    table: &str,
    filter: &str,
    limit: u32,
) -> Result<u8> {
    if matches!(output.format, Format::Csv | Format::Parquet) {
        return Err(Error::usage("`explain` prints several tables").hint("use --output json, or text"));
    }
    let way = find_way(workspace, table, filter, limit).await?;
    match output.format {
        Format::Json => output.json(&as_json(&way, table, filter)?),
        _ => as_text(output, &way)?,
    }
    match way.checks.iter().find(|c| !c.equal) {
        None => Ok(0),
        Some(check) => Err(Error::data(format!(
            "{} does not add up: {} and {}",
            check.what, check.figure, check.sum
        ))
        .hint("tables of different runs may stand side by side: `offgridflow run` rebuilds what is stale")),
    }
}

fn as_json(way: &Explanation, table: &str, filter: &str) -> Result<Value> {
    let mut object = json!({ "table": table, "filter": filter });
    for section in &way.sections {
        object[section.name] = Listing::of_batches(&section.rows.schema, &section.rows.batches)?.json();
    }
    let factors = way.factors.iter().map(|f| {
        json!({ "factor_id": f.id, "table": f.table, "values": f.values, "quality": f.quality, "source": f.source, "licence": f.licence })
    });
    object["factors"] = factors.collect();
    let checks = way
        .checks
        .iter()
        .map(|c| json!({ "what": c.what, "figure": c.figure, "sum": c.sum, "equal": c.equal }));
    object["checks"] = checks.collect();
    Ok(object)
}

fn as_text(output: &Output, way: &Explanation) -> Result<()> {
    for section in &way.sections {
        if ["rollup"].contains(&section.name) {
            factors(output, &way.factors);
        }
        let mut listing = Listing::of_batches(&section.rows.schema, &section.rows.batches)?;
        listing.map_cells(
            |name| name.ends_with("factor_id") && section.name != "figure",
            |cell| numbered(cell, &way.factors),
        );
        listing.map_cells(|name| name == "source_file", file_name);
        listing.map_cells(
            |name| ["usage", "resource_id", "operation"].contains(&name),
            |cell| cut(cell, 44),
        );
        output.line(&section.title);
        let one = listing.rows().len() == 1 && section.name == "figure";
        output.line(if one {
            listing.transposed().text()
        } else {
            short_names(listing.without_empty_columns()).text()
        });
        if listing_has(section, "apart_gco2e") {
            output.line(
                "apart_gco2e: transfer over the internet, which stands in internet_gco2e and not in the sums",
            );
        }
        output.line("");
    }
    if !way.sections.iter().any(|s| s.name == "rollup") {
        factors(output, &way.factors);
    }
    if way.checks.is_empty() {
        return Ok(());
    }
    output.line("Sums");
    let mut sums = Listing::new(&["what", "#figure", "#sum", ""]);
    for check in &way.checks {
        sums.row([
            check.what.as_str(),
            &check.figure,
            &check.sum,
            if check.equal { "✓" } else { "differs" },
        ]);
    }
    output.line(sums.text());
    Ok(())
}

/// Whether a column of a section has any value.
fn listing_has(section: &Section, column: &str) -> bool {
    section
        .rows
        .batches
        .iter()
        .filter_map(|b| b.column_by_name(column))
        .any(|c| c.null_count() < c.len())
}

fn factors(output: &Output, factors: &[Factor]) {
    if factors.is_empty() {
        return;
    }
    output.line("Factors");
    for (index, factor) in factors.iter().enumerate() {
        output.line(format!("  [{}] {}", index + 1, factor.id));
        let graded = if factor.quality.is_empty() {
            String::new()
        } else {
            format!(" · quality {}", factor.quality)
        };
        let licence = if factor.licence.is_empty() {
            String::new()
        } else {
            format!(" · {}", factor.licence)
        };
        if !factor.values.is_empty() {
            output.line(format!("      {}", factor.values));
        }
        output.line(format!(
            "      {}{}{}{graded}",
            factor.source,
            licence,
            if factor.table.is_empty() {
                String::new()
            } else {
                format!(" · {}", factor.table)
            }
        ));
    }
    output.line("");
}

/// `[1] [4]` for the factors in a cell.
fn numbered(cell: &str, factors: &[Factor]) -> String {
    let places = split_ids(cell)
        .into_iter()
        .map(|id| match factors.iter().position(|f| f.id == id) {
            Some(place) => format!("[{}]", place + 1),
            None => id,
        });
    places.collect::<Vec<_>>().join(" ")
}

/// Factor columns are narrow once they hold numbers.
fn short_names(mut listing: Listing) -> Listing {
    listing.rename(|name| match name.strip_suffix("_factor_id") {
        Some(kind) => kind.to_string(),
        None => name.to_string(),
    });
    listing
}

/// The last two parts of a path: a bill's file is often called the same every month.
fn file_name(path: &str) -> String {
    let mut parts: Vec<&str> = path.rsplit('/').take(2).collect();
    parts.reverse();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_become_numbers() {
        let text = String::new;
        let factor = Factor {
            id: "b/2".into(),
            table: text(),
            values: text(),
            quality: text(),
            source: text(),
            licence: text(),
        };
        assert_eq!(numbered("b/2|x", std::slice::from_ref(&factor)), "[1] x");
        assert_eq!(
            file_name("s3://b/BILLING_PERIOD=2025-01/part.csv.gz"),
            "BILLING_PERIOD=2025-01/part.csv.gz"
        );
    }
}

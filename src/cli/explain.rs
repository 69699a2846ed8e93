//! `explain`

use serde_json::{Value, json};

use super::arguments::Format;
use super::listing::{Listing, cut};
use super::output::Output;
use crate::error::{Error, Result};
use crate::run::Workspace;
use crate::run::explain::{Explanation, Section, explain as find_way};
use crate::run::explain_activity;
use crate::run::explain_equations::is_number;
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
    let known = |number: &str| Some(number.to_string()).filter(|n| !n.is_empty());
    let checks = way.checks.iter().map(
        |c| json!({ "what": c.what, "figure": known(&c.figure), "sum": known(&c.sum), "equal": c.equal }),
    );
    object["checks"] = checks.collect();
    Ok(object)
}

fn as_text(output: &Output, way: &Explanation) -> Result<()> {
    for section in &way.sections {
        if ["rollup"].contains(&section.name) {
            factors(output, &way.factors);
        }
        let mut listing = Listing::of_batches(&section.rows.schema, &section.rows.batches)?;
        if section.name == "equations" {
            equations(output, &section.title, &listing);
            continue;
        }
        if section.name == "activity_equations" {
            activity_equations(output, &section.title, &listing);
            continue;
        }
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
        let known = |number: &'_ str| {
            if number.is_empty() {
                "–".to_string()
            } else {
                number.to_string()
            }
        };
        sums.row([
            check.what.clone(),
            known(&check.figure),
            known(&check.sum),
            if check.equal { "✓" } else { "differs" }.to_string(),
        ]);
    }
    output.line(sums.text());
    Ok(())
}

/// Each equation with its numbers, so that a reader computes the figure again.
fn equations(output: &Output, title: &str, listing: &Listing) {
    output.line(title);
    for row in listing.rows() {
        let cell = |name: &str| listing.column(name).map_or("", |column| row[column].as_str());
        let told = |names: &[&str]| {
            let cells = names
                .iter()
                .map(|name| cell(name))
                .filter(|cell| !cell.is_empty());
            cells.collect::<Vec<_>>().join(" · ")
        };
        let what = told(&["method", "usage", "instance_type", "region_id", "component"]);
        output.line(format!("  {what}"));
        output.line(format!("      {}", cell("equation")));
        let numbers = listing
            .names()
            .filter(|name| is_number(name) && !cell(name).is_empty());
        let numbers: Vec<String> = numbers.map(|name| format!("{name} {}", cell(name))).collect();
        output.line(format!(
            "      usage_quantity {} {}, {}",
            cell("usage_quantity"),
            cell("usage_unit"),
            numbers.join(", ")
        ));
        let known = |name: &str| match cell(name) {
            "" => format!("{name} –"),
            value => format!("{name} {value}"),
        };
        output.line(match cell("component") {
            "embodied" => format!("      = {}", known("embodied_gco2e")),
            component => {
                // What moves over the internet is outside the data centre.
                let pue = match component {
                    "network_internet" => String::new(),
                    _ => format!(" × {}", known("pue_ratio")),
                };
                format!(
                    "      = {}{pue} = {} × {} = {}; × {} = {}",
                    known("it_kwh"),
                    known("facility_kwh"),
                    known("location_gco2e_per_kwh"),
                    known("location_gco2e"),
                    known("market_gco2e_per_kwh"),
                    known("market_gco2e"),
                )
            }
        });
    }
    output.line("");
}

/// Each equation of an activity row with its numbers.
fn activity_equations(output: &Output, title: &str, listing: &Listing) {
    output.line(title);
    for row in listing.rows() {
        let cell = |name: &str| listing.column(name).map_or("", |column| row[column].as_str());
        let place = format!(
            "{} row {}",
            file_name(cell("source_file")),
            cell("source_row_number")
        );
        let scope = format!("scope {}", cell("scope"));
        let what = [
            cell("activity"),
            cell("subcategory"),
            &scope,
            cell("method"),
            &place,
        ];
        let what: Vec<&str> = what.into_iter().filter(|part| !part.is_empty()).collect();
        output.line(format!("  {}", what.join(" · ")));
        output.line(format!("      {}", cell("equation")));
        let numbers = listing
            .names()
            .filter(|name| explain_activity::is_number(name) && !cell(name).is_empty())
            .map(|name| format!("{name} {}", cell(name)));
        let quantity = format!("quantity {} {}", cell("quantity"), cell("unit"));
        let numbers: Vec<String> = std::iter::once(quantity).chain(numbers).collect();
        output.line(format!("      {}", numbers.join(", ")));
        output.line(format!("      = co2e_kg {}", cell("co2e_kg")));
    }
    output.line("");
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

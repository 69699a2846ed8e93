//! `factors`

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{FactorsVerb, Format};
use super::listing::{Listing, cut};
use super::output::Output;
use super::retry::counted;
use crate::error::{Error, Result};
use crate::factors::FactorSet;
use crate::factors::csv_table::CsvTable;
use crate::run::Workspace;
use crate::run::factor_changes::{changes, set_of_version};
use crate::run::gaps::{remedy, rows_without_factor};

/// Shows the factor set, what it lacks and what two sets differ in.
///
/// # Errors
/// Usage: no such table, factor or version.
pub async fn factors(workspace: &Workspace, output: &Output, verb: &FactorsVerb) -> Result<u8> {
    let set = &workspace.tables.factors;
    match verb {
        FactorsVerb::List { table: None } => list(set, output),
        FactorsVerb::List { table: Some(table) } => show(set, output, table, None),
        FactorsVerb::Show { table, search } => show(set, output, table, search.as_deref()),
        FactorsVerb::Gaps { limit } => gaps(workspace, output, *limit).await,
        FactorsVerb::Diff { before, after } => {
            let before = set_of_version(workspace, before).await?;
            let after = set_of_version(workspace, after).await?;
            diff(&before, &after, output)
        }
    }
}

fn list(set: &FactorSet, output: &Output) -> Result<u8> {
    let mut listing = Listing::new(&[
        "table",
        "#rows",
        "#own",
        "#ok",
        "#undated",
        "#assumed",
        "#fallback",
        "sources",
    ]);
    let (_, overlay) = set.texts();
    for name in set.tables() {
        let table = set.rows(name)?;
        let own = match overlay.get(name) {
            Some((file, text)) => CsvTable::parse(text, file)?.rows.len(),
            None => 0,
        };
        let cells = |column: &str| {
            let index = table.header.iter().position(|c| c == column);
            table
                .rows
                .iter()
                .filter_map(move |r| index.and_then(|i| r.get(i)))
        };
        let graded = |quality: &str| cells("quality").filter(|q| *q == quality).count().to_string();
        let sources: BTreeSet<&String> = cells("source").collect();
        let sources: Vec<&str> = sources.into_iter().map(String::as_str).collect();
        let sources = if output.format == Format::Text {
            cut(&sources.join(", "), 60)
        } else {
            sources.join(", ")
        };
        listing.row([
            name.to_string(),
            table.rows.len().to_string(),
            own.to_string(),
            graded("ok"),
            graded("undated"),
            graded("assumed"),
            graded("fallback"),
            sources,
        ]);
    }
    listing.print(output)?;
    output.note(format!(
        "Factor set {}; `own` are rows of [factors] overlay.",
        set.version()
    ));
    Ok(0)
}

fn show(set: &FactorSet, output: &Output, name: &str, search: Option<&str>) -> Result<u8> {
    let (table, search) = match set.tables().any(|t| t == name) {
        true => (set.rows(name)?, search.map(str::to_lowercase)),
        // A factor's id, as explain prints it.
        false => (table_of_factor(set, name)?, Some(name.to_lowercase())),
    };
    let header: Vec<&str> = table.header.iter().map(String::as_str).collect();
    let mut listing = Listing::new(&header);
    for row in &table.rows {
        if search
            .as_ref()
            .is_none_or(|s| row.iter().any(|cell| cell.to_lowercase().contains(s)))
        {
            listing.row(row.iter().map(|cell| {
                if output.format == Format::Text {
                    cut(cell, 60)
                } else {
                    cell.clone()
                }
            }));
        }
    }
    let count = listing.rows().len();
    match output.format {
        Format::Text if count == 1 => output.line(listing.transposed().text()),
        Format::Text => output.line(listing.without_empty_columns().text()),
        _ => listing.print(output)?,
    }
    output.note(format!(
        "{count} of {} rows, factor set {}",
        table.rows.len(),
        set.version()
    ));
    Ok(0)
}

fn table_of_factor(set: &FactorSet, id: &str) -> Result<CsvTable> {
    for name in set.tables() {
        let table = set.rows(name)?;
        let column = table.header.iter().position(|c| c == "factor_id");
        if column.is_some_and(|c| table.rows.iter().any(|r| r[c] == id)) {
            return Ok(table);
        }
    }
    Err(
        Error::usage(format!("there is neither a factor table nor a factor `{id}`"))
            .hint("`offgridflow factors list` names the tables; --search finds rows in one"),
    )
}

async fn gaps(workspace: &Workspace, output: &Output, limit: u32) -> Result<u8> {
    let rows = rows_without_factor(workspace, limit).await?;
    let mut listing = Listing::of_batches(&rows.schema, &rows.batches)?;
    if listing.rows().is_empty() && output.format == Format::Text {
        output.line(match (workspace.holds("estimate."), workspace.holds("raw.")) {
            (true, _) => "Every usage and activity row has a factor.",
            (false, true) => {
                "No usage or activity row has been estimated yet, so nothing could be checked: `offgridflow run` does it."
            }
            (false, false) => {
                "Nothing has landed yet, so nothing could be checked: `offgridflow run` lands what the sources deliver."
            }
        });
        return Ok(0);
    }
    let reasons: BTreeMap<String, &str> = listing
        .column("reason")
        .map(|c| {
            listing
                .rows()
                .iter()
                .map(|r| (r[c].clone(), remedy(&r[c])))
                .collect()
        })
        .unwrap_or_default();
    if output.format == Format::Text {
        listing.map_cells(|name| ["what", "service"].contains(&name), |cell| cut(cell, 44));
        listing.map_cells(
            |name| name == "cost",
            |cell| {
                cell.parse::<f64>()
                    .map_or(cell.to_string(), |v| format!("{v:.2}"))
            },
        );
    }
    listing.print(output)?;
    if output.format == Format::Text {
        for (reason, remedy) in reasons {
            output.line(format!("{reason:<22}{remedy}"));
        }
    }
    Ok(0)
}

fn diff(before: &FactorSet, after: &FactorSet, output: &Output) -> Result<u8> {
    let mut listing = Listing::new(&["table", "change", "factor", "column", "before", "after"]);
    let changes = changes(before, after)?;
    let count = changes.len();
    for change in changes {
        listing.row([
            change.table,
            change.what.name().to_string(),
            change.factor,
            change.column,
            change.before,
            change.after,
        ]);
    }
    if output.format == Format::Text {
        listing.map_cells(|name| name != "factor", |cell| cut(cell, 50));
        match count {
            0 => output.line("The two sets hold the same rows."),
            _ => output.line(listing.text()),
        }
    } else {
        listing.print(output)?;
    }
    output.note(format!(
        "{} → {}: {}",
        before.version(),
        after.version(),
        counted(count, "difference", "differences")
    ));
    Ok(0)
}

//! `quarantine`

use std::collections::BTreeSet;

use super::arguments::{Format, QuarantineVerb};
use super::listing::{Listing, cut};
use super::output::Output;
use super::retry::counted;
use super::run::run;
use crate::error::{Error, Result};
use crate::ledger::{QuarantineFilter, QuarantineRow};
use crate::run::again::slice_name;
use crate::run::system::quarantine_id;
use crate::run::{Request, Workspace};

/// Shows rejected rows or lands their slices again.
///
/// # Errors
/// Usage: no row of that id; otherwise those of `run`.
pub async fn quarantine(workspace: &mut Workspace, output: &Output, verb: &QuarantineVerb) -> Result<u8> {
    match verb {
        QuarantineVerb::List {
            source,
            period,
            limit,
        } => {
            let rows = rows(workspace, source.as_deref(), period.as_deref()).await?;
            list(output, &rows, *limit)
        }
        QuarantineVerb::Show { id } => {
            let rows = rows(workspace, None, None).await?;
            show(output, &rows, id)
        }
        QuarantineVerb::Retry => {
            let rows = rows(workspace, None, None).await?;
            if rows.is_empty() {
                output.line("No row lies in quarantine: there is nothing to land again.");
                return Ok(0);
            }
            let slices: BTreeSet<_> = rows.iter().map(|r| slice_name(&r.key)).collect();
            output.note(format!(
                "{} of {} to land again.",
                counted(slices.len(), "slice", "slices"),
                counted(rows.len(), "rejected row", "rejected rows")
            ));
            let request = Request {
                pipeline: "daily".into(),
                land_again: true,
                only_slices: Some(slices),
                ..Request::default()
            };
            run(workspace, output, "quarantine retry", &request).await
        }
    }
}

async fn rows(
    workspace: &Workspace,
    source: Option<&str>,
    period: Option<&str>,
) -> Result<Vec<QuarantineRow>> {
    let filter = QuarantineFilter {
        source: source.map(str::to_string),
        period: period.map(str::to_string),
        ..QuarantineFilter::default()
    };
    let chosen: BTreeSet<&str> = workspace
        .config
        .selected_tenants()
        .map(|t| t.id.as_str())
        .collect();
    let rows = workspace.ledger.quarantine(&filter).await?;
    Ok(rows
        .into_iter()
        .filter(|r| chosen.contains(r.key.tenant.as_str()))
        .collect())
}

fn list(output: &Output, rows: &[QuarantineRow], limit: usize) -> Result<u8> {
    if rows.is_empty() && output.format == Format::Text {
        output.line("No row lies in quarantine.");
        return Ok(0);
    }
    let text = output.format == Format::Text;
    let mut listing = Listing::new(&["id", "slice", "file", "#row", "column", "reason"]);
    for row in rows.iter().take(limit) {
        let file = match text {
            true => row
                .source_uri
                .rsplit('/')
                .next()
                .unwrap_or(&row.source_uri)
                .to_string(),
            false => row.source_uri.clone(),
        };
        let reason = if text {
            cut(&row.reason, 80)
        } else {
            row.reason.clone()
        };
        listing.row([
            quarantine_id(row),
            slice_text(row),
            file,
            row.row_number.to_string(),
            row.column_name.clone(),
            reason,
        ]);
    }
    listing.print(output)?;
    let more = rows.len().saturating_sub(limit);
    if more > 0 {
        output.note(format!("{more} more; --limit shows them"));
    }
    if rows.is_empty() {
        return Ok(0);
    }
    output.note("`offgridflow quarantine show ID` prints a row as it was delivered; once its file is mended, `offgridflow run` lands it.");
    Ok(0)
}

/// A bare file's slice has no period of its own.
fn slice_text(row: &QuarantineRow) -> String {
    row.key.to_string().trim_end_matches('/').to_string()
}

fn show(output: &Output, rows: &[QuarantineRow], id: &str) -> Result<u8> {
    let found: Vec<&QuarantineRow> = rows
        .iter()
        .filter(|r| quarantine_id(r).starts_with(&id.to_lowercase()))
        .collect();
    let row = match found.as_slice() {
        [row] => row,
        [] => {
            return Err(Error::usage(format!("no rejected row has the id `{id}`"))
                .hint("`offgridflow quarantine list` shows the ids"));
        }
        _ => {
            return Err(Error::usage(format!(
                "several rejected rows have an id that starts with `{id}`"
            ))
            .hint("give more of the id"));
        }
    };
    let mut listing = Listing::new(&[
        "id", "slice", "kind", "file", "#row", "column", "reason", "run", "text",
    ]);
    let number = row.row_number.to_string();
    listing.row([
        quarantine_id(row).as_str(),
        &slice_text(row),
        &row.key.kind,
        &row.source_uri,
        &number,
        &row.column_name,
        &row.reason,
        &row.run_id,
        &row.raw_text,
    ]);
    match output.format {
        Format::Text => {
            for (name, value) in listing
                .transposed()
                .rows()
                .iter()
                .filter_map(|r| Some((r.first()?, r.get(1)?)))
            {
                output.line(format!("{name:<8}{value}"));
            }
            Ok(0)
        }
        _ => listing.print(output).map(|()| 0),
    }
}

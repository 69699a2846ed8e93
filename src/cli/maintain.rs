//! `maintain`

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{Format, MaintainOptions};
use super::listing::{Listing, bytes};
use super::output::Output;
use super::retry::counted;
use crate::error::Result;
use crate::ledger::RunLock;
use crate::run::Workspace;
use crate::warehouse::Table;

/// Files this young may belong to a writer on another machine.
const MINIMUM_FILE_AGE_DAYS: u32 = 7;

/// Shows the tables' state and, with `--vacuum`, deletes what no kept version names.
///
/// # Errors
/// External when the store refuses or a run is at work.
pub async fn maintain(workspace: &Workspace, output: &Output, options: &MaintainOptions) -> Result<u8> {
    let deletes = options.vacuum && !options.dry_run;
    let _lock = match deletes {
        true => Some(RunLock::acquire(&workspace.data_folder, "maintain")?),
        false => None,
    };
    let kept = kept_versions(workspace, options.keep_days).await?;
    let age = i64::from(options.keep_days.min(MINIMUM_FILE_AGE_DAYS));
    let removed = if deletes { "#deleted" } else { "#could go" };
    let mut listing = Listing::new(&[
        "table",
        "#version",
        "#files",
        "#partitions",
        "#rows",
        "#size",
        "#kept versions",
        removed,
    ]);
    let mut total = 0;
    for (name, table) in &workspace.tables.snapshots {
        let versions: Vec<u64> = kept
            .get(name)
            .into_iter()
            .flatten()
            .copied()
            .filter(|v| *v <= table.version())
            .collect();
        let gone = removable(table, age, &versions)
            .await
            .map_err(|e| e.at(format!("table {name}")))?;
        // A vacuum writes a version of its own: none where there is nothing to delete.
        if deletes && gone > 0 {
            table
                .vacuum(age, &versions, false)
                .await
                .map_err(|e| e.at(format!("table {name}")))?;
        }
        total += gone;
        let size: u64 = table.files().iter().map(|f| f.size).sum();
        listing.row([
            name.clone(),
            table.version().to_string(),
            table.files().len().to_string(),
            table.partitions().len().to_string(),
            table.rows().to_string(),
            if output.format == Format::Text {
                bytes(size)
            } else {
                size.to_string()
            },
            versions.len().to_string(),
            gone.to_string(),
        ]);
    }
    listing.print(output)?;
    let days = options.keep_days;
    output.note(match deletes {
        true => format!("{} deleted. What runs of the last {days} days left stays readable with --as-of.", counted(total, "file", "files")),
        false if total == 0 => format!("Nothing to delete: every file belongs to a version that a run of the last {days} days left, or is young."),
        false => format!("{} could go with --vacuum: no version that a run of the last {days} days left names them.", counted(total, "file", "files")),
    });
    Ok(0)
}

/// Files that a vacuum would delete and that are still there: the log names deleted ones for a while.
async fn removable(table: &Table, age: i64, versions: &[u64]) -> Result<usize> {
    let listed = table.vacuum(age, versions, true).await?;
    if listed.is_empty() {
        return Ok(0);
    }
    let there: BTreeSet<String> = table.location.paths().await?.into_iter().collect();
    Ok(listed
        .iter()
        .filter(|path| there.contains(path.trim_start_matches('/')))
        .count())
}

/// The versions of each table that runs of the last days left.
async fn kept_versions(workspace: &Workspace, days: u32) -> Result<BTreeMap<String, BTreeSet<u64>>> {
    let oldest = chrono::Utc::now() - chrono::Duration::days(i64::from(days));
    let oldest = oldest.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let mut kept: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for run in workspace.ledger.runs(u32::MAX).await? {
        if run.started_at < oldest {
            continue;
        }
        for (table, version) in workspace.ledger.table_versions(&run.run_id).await? {
            kept.entry(table)
                .or_default()
                .insert(u64::try_from(version).unwrap_or_default());
        }
    }
    Ok(kept)
}

//! Upkeep of the tables: merge small files, delete what no kept version names, write checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Request;
use super::mirror::state_of;
use super::observer::Observer;
use super::workspace::Workspace;
use crate::error::{Error, PlaceKey, Result};
use crate::warehouse::{Merge, Table};

/// Versions that runs of so many days left stay readable, where nobody says otherwise.
pub const KEEP_DAYS: u32 = 90;
/// Files this young may belong to a writer on another machine, or be read by a query that began before.
const MINIMUM_FILE_AGE_DAYS: u32 = 7;

/// What an upkeep is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Merge small files.
    pub compact: bool,
    /// Delete files that no kept version names.
    pub vacuum: bool,
    /// Versions that runs of so many days left stay readable.
    pub keep_days: u32,
}

/// What became of one table, or, of a plan, what would.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableUpkeep {
    /// `schema.table`.
    pub table: String,
    /// Its version, after the upkeep.
    pub version: u64,
    /// Its files, after the upkeep.
    pub files: u64,
    /// Its partitions.
    pub partitions: u64,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Older versions that stay readable.
    pub versions_kept: u64,
    /// Small files that were merged into larger ones.
    pub files_merged: u64,
    /// Files deleted.
    pub files_deleted: u64,
    /// Whether a checkpoint was written.
    pub checkpoint: bool,
}

/// Looks after the chosen tables one by one; what fails with one is left for the next upkeep and reported in the end.
///
/// The caller holds the run lock.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn maintain(
    workspace: &mut Workspace,
    request: &Request,
    upkeep: &Upkeep,
    run_id: &str,
    observer: &dyn Observer,
) -> Result<(Vec<TableUpkeep>, Vec<Error>)> {
    let kept = kept_versions(workspace, upkeep.keep_days).await?;
    let chosen = chosen(workspace, request)?;
    observer.begin("maintain", "tables", chosen.len() as u64);
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for name in chosen {
        match maintain_table(workspace, &name, upkeep, &kept, run_id).await {
            Ok(Some(table)) => done.push(table),
            Ok(None) => {}
            Err(error) => failed.push(error.at_key(PlaceKey::Table, &name)),
        }
        observer.advance(0, 1);
    }
    observer.end();
    Ok((done, failed))
}

async fn maintain_table(
    workspace: &mut Workspace,
    name: &str,
    upkeep: &Upkeep,
    kept: &BTreeMap<String, BTreeSet<u64>>,
    run_id: &str,
) -> Result<Option<TableUpkeep>> {
    // Opened again: a run may have ended between the start of this process and its turn.
    let Some(mut table) = workspace.warehouse.open(name, None).await? else {
        return Ok(None);
    };
    let (before, mut merged) = (state_of(&table), 0);
    if upkeep.compact {
        for merges in table.merges().into_values() {
            table = workspace.warehouse.merge(&table, &merges, run_id).await?;
            merged += files_of(&merges);
        }
    }
    let versions = versions_of(&table, kept);
    let mut deleted = 0;
    if upkeep.vacuum {
        deleted = removable(&table, upkeep, &versions).await?;
        // A vacuum writes versions of its own: none where there is nothing to delete.
        if deleted > 0 {
            table.vacuum(file_age_days(upkeep), &versions, false).await?;
            if let Some(newest) = workspace.warehouse.open(name, None).await? {
                table = newest;
            }
        }
    }
    let checkpoint = table.wants_checkpoint().await?;
    if checkpoint {
        table.checkpoint().await?;
    }
    let mut told = told(&table, &versions);
    (told.files_merged, told.files_deleted, told.checkpoint) = (merged, deleted, checkpoint);
    if workspace.ledger.table_states().await?.get(name) == Some(&before) {
        // The same rows, made from the same: what the ledger says of them stays true.
        let states = [(name.to_string(), state_of(&table))];
        workspace.ledger.set_table_states(&states.into()).await?;
    }
    workspace.tables.replace(table);
    Ok(Some(told))
}

/// The same for a plan: nothing is written.
///
/// # Errors
/// External when ledger or store cannot be read.
pub async fn plan(workspace: &Workspace, request: &Request, upkeep: &Upkeep) -> Result<Vec<TableUpkeep>> {
    let kept = kept_versions(workspace, upkeep.keep_days).await?;
    let mut planned = Vec::new();
    for name in chosen(workspace, request)? {
        let Some(table) = workspace.tables.snapshots.get(&name) else {
            continue;
        };
        let versions = versions_of(table, &kept);
        let mut told = told(table, &versions);
        if upkeep.compact {
            told.files_merged = table.merges().values().map(|merges| files_of(merges)).sum();
        }
        if upkeep.vacuum {
            let found = removable(table, upkeep, &versions).await;
            told.files_deleted = found.map_err(|e| e.at_key(PlaceKey::Table, &name))?;
        }
        told.checkpoint = table.wants_checkpoint().await?;
        planned.push(told);
    }
    Ok(planned)
}

/// The tables that `--select` chooses; without it all, those of failed audits too.
fn chosen(workspace: &Workspace, request: &Request) -> Result<Vec<String>> {
    let there = workspace.tables.snapshots.keys();
    if request.select.is_empty() {
        return Ok(there.cloned().collect());
    }
    let selected = workspace.select(&request.select)?;
    Ok(there.filter(|name| selected.contains(*name)).cloned().collect())
}

fn told(table: &Table, versions: &[u64]) -> TableUpkeep {
    TableUpkeep {
        table: table.name.clone(),
        version: table.version(),
        files: table.files().len() as u64,
        partitions: table.partitions().len() as u64,
        rows: table.rows(),
        bytes: table.files().iter().map(|f| f.size).sum(),
        versions_kept: versions.len() as u64,
        ..TableUpkeep::default()
    }
}

fn files_of(merges: &[Merge]) -> u64 {
    merges.iter().map(|merge| merge.files.len() as u64).sum()
}

fn file_age_days(upkeep: &Upkeep) -> i64 {
    i64::from(upkeep.keep_days.min(MINIMUM_FILE_AGE_DAYS))
}

/// Files that a vacuum would delete and that are still there: the log names deleted ones for a while.
async fn removable(table: &Table, upkeep: &Upkeep, versions: &[u64]) -> Result<u64> {
    let listed = table.vacuum(file_age_days(upkeep), versions, true).await?;
    if listed.is_empty() {
        return Ok(0);
    }
    let there: BTreeSet<String> = table.location.paths().await?.into_iter().collect();
    let left = listed
        .iter()
        .filter(|path| there.contains(path.trim_start_matches('/')));
    Ok(left.count() as u64)
}

fn versions_of(table: &Table, kept: &BTreeMap<String, BTreeSet<u64>>) -> Vec<u64> {
    let versions = kept.get(&table.name).into_iter().flatten().copied();
    versions.filter(|version| *version <= table.version()).collect()
}

/// The versions of each table that runs of the last days left.
async fn kept_versions(workspace: &Workspace, days: u32) -> Result<BTreeMap<String, BTreeSet<u64>>> {
    // More days than the calendar has keep every version.
    let oldest = chrono::Utc::now()
        .checked_sub_days(chrono::Days::new(u64::from(days)))
        .unwrap_or(chrono::DateTime::UNIX_EPOCH);
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

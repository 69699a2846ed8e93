//! Removes what a source no longer stands for: the rows of an export from all raw tables, and what is noted of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::mirror;
use super::report::RunReport;
use super::workspace::Workspace;
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::land::facts::{CommitFacts, ForgottenSlices};
use crate::land::{app_id, transaction_version};
use crate::ledger::{ExportSlices, SliceKey};
use crate::warehouse::{Commit, DataFile, PartitionValues, Replaced, Table};

/// How many known names an unknown one is answered with.
const SUGGESTED: usize = 3;
/// Stands in a raw table in place of the delivery that a slice held.
const FORGOTTEN: &str = "forgotten";

/// What goes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// `raw.<kind>`.
    pub table: String,
    /// The slices it belongs to.
    pub source: String,
    /// The export.
    pub export: String,
    /// The period.
    pub period: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of its files, which stay until a vacuum.
    pub bytes: u64,
}

/// Everything that can be named: (tenant, source, export) and its periods; a bare file's slice adds none.
struct Known(BTreeMap<(String, String, String), BTreeSet<String>>);

impl Known {
    async fn of(workspace: &Workspace) -> Result<Known> {
        let mut known: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
        for SliceKey {
            tenant,
            source,
            export,
            period,
            ..
        } in workspace.ledger.noted_slices().await?
        {
            known.entry((tenant, source, export)).or_default().insert(period);
        }
        for file in raw_tables(workspace).flat_map(|table| table.files()) {
            let name = (
                value(file, "tenant"),
                value(file, "source"),
                value(file, "export"),
            );
            known.entry(name).or_default().insert(value(file, "period"));
        }
        known.values_mut().for_each(|periods| {
            periods.remove("");
        });
        Ok(Known(known))
    }

    fn find(&self, name: &str) -> Result<ExportSlices> {
        let mut parts = name.splitn(3, '/');
        let (Some(tenant), Some(source), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(self.unknown(name));
        };
        let slices = |export: &str, period: Option<&str>| {
            let key = (tenant.to_string(), source.to_string(), export.to_string());
            let periods = self.0.get(&key)?;
            // The only period of an export is the export.
            let period = match period {
                Some(period) if !periods.contains(period) => return None,
                Some(_) if periods.len() == 1 => None,
                period => period.map(str::to_string),
            };
            let (tenant, source, export) = key;
            Some(ExportSlices {
                tenant,
                source,
                export,
                period,
            })
        };
        let of_period = rest
            .rsplit_once('/')
            .and_then(|(export, period)| slices(export, Some(period)));
        of_period
            .or_else(|| slices(rest, None))
            .ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::usage(format!("`{name}` names no export that was landed"));
        let exports = self
            .0
            .keys()
            .map(|(tenant, source, export)| format!("{tenant}/{source}/{export}"));
        let exports: Vec<String> = exports.collect();
        let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
        match suggest::closest(name, &exports, SUGGESTED).as_slice() {
            [] => error.hint("nothing was landed yet; a name is TENANT/SOURCE/EXPORT or TENANT/SOURCE/EXPORT/YYYY-MM"),
            near => error.hint(format!(
                "a name is TENANT/SOURCE/EXPORT or TENANT/SOURCE/EXPORT/YYYY-MM; the nearest that are known: {}",
                near.join(", ")
            )),
        }
    }
}

/// The slices that names stand for.
///
/// # Errors
/// Usage: a name is not known; the nearest known ones are in the hint.
pub async fn find(workspace: &Workspace, names: &[String]) -> Result<Vec<ExportSlices>> {
    let mut known = Known::of(workspace).await?;
    if let Some(tenant) = &workspace.config.selected_tenant {
        let of_tenant = |name: &&String| name.split('/').next() == Some(tenant.as_str());
        if let Some(other) = names.iter().find(|name| !of_tenant(name)) {
            return Err(
                Error::usage(format!("`{other}` names no export of the tenant `{tenant}`"))
                    .hint("name exports of that tenant, or leave --tenant out"),
            );
        }
        // An unknown name is answered with the nearest: with none of another tenant.
        known.0.retain(|(owner, ..), _| owner == tenant);
    }
    let found: BTreeSet<ExportSlices> = names.iter().map(|name| known.find(name)).collect::<Result<_>>()?;
    Ok(found.into_iter().collect())
}

/// What would go with these slices.
pub fn removed(workspace: &Workspace, slices: &[ExportSlices]) -> Vec<Removed> {
    let mut removed: BTreeMap<(String, String, String, String), (u64, u64)> = BTreeMap::new();
    for table in raw_tables(workspace) {
        for file in table.files() {
            let Some(slice) = slices.iter().find(|slice| covers(slice, file)) else {
                continue;
            };
            let source = format!("{}/{}", slice.tenant, slice.source);
            let key = (
                table.name.clone(),
                source,
                slice.export.clone(),
                value(file, "period"),
            );
            let sums = removed.entry(key).or_default();
            *sums = (sums.0 + file.rows, sums.1 + file.size);
        }
    }
    let rows = removed.into_iter();
    rows.map(|((table, source, export, period), (rows, bytes))| Removed {
        table,
        source,
        export,
        period,
        rows,
        bytes,
    })
    .collect()
}

/// Those of the slices that their source still had when it was last listed.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn still_delivered(workspace: &Workspace, slices: &[ExportSlices]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for slice in slices {
        let configured = workspace.config.tenant(&slice.tenant).and_then(|tenant| {
            let mut sources = tenant.sources.iter();
            sources.find(|source| source.id == slice.source)
        });
        let Some(source) = configured else { continue };
        let listings = workspace.ledger.listings(&slice.tenant).await?;
        let is_there = listings.iter().any(|listed| {
            listed.source == slice.source
                && listed.export == slice.export
                && listed.kind == source.kind.name()
                && listed.gone_at.is_none()
        });
        if is_there {
            names.push(format!("{}/{}/{}", slice.tenant, slice.source, slice.export));
        }
    }
    Ok(names)
}

/// Removes slices; the caller holds the run lock. What is removed stays readable with `--as-of` until a vacuum.
///
/// A process that is killed on the way leaves each slice either as it was or without rows, and may be started again: which
/// delivery it holds is forgotten first, and all else that is noted of it last.
///
/// # Errors
/// External when the store or the ledger refuses.
pub async fn forget(
    workspace: &mut Workspace,
    run_id: &str,
    slices: &[ExportSlices],
) -> Result<Vec<Removed>> {
    // Opened again: a run may have ended between the start of this process and its turn.
    let names: Vec<String> = raw_tables(workspace).map(|table| table.name.clone()).collect();
    for name in names {
        if let Some(table) = workspace.warehouse.open(&name, None).await? {
            workspace.tables.replace(table);
        }
    }
    workspace.ledger.interrupt_stale_runs(run_id).await?;
    workspace.begin(run_id, "maintain", "forget").await?;
    let mut report = RunReport::new(run_id);
    let done = remove(workspace, run_id, slices).await;
    if let Err(error) = &done {
        report.fail(error);
    }
    workspace.finish(run_id, &report).await?;
    done
}

async fn remove(workspace: &mut Workspace, run_id: &str, slices: &[ExportSlices]) -> Result<Vec<Removed>> {
    let removed = removed(workspace, slices);
    let noted = workspace.ledger.noted_slices().await?;
    let agreed = mirror::read(workspace).await?.agrees();
    for slice in slices {
        workspace.ledger.forget_deliveries(slice).await?;
    }
    let forgotten = slices.iter().map(|slice| ForgottenSlices {
        tenant: slice.tenant.clone(),
        source: slice.source.clone(),
        export: slice.export.clone(),
        period: slice.period.clone(),
    });
    let facts = CommitFacts::Forgotten(forgotten.collect()).to_json()?;
    let tables: Vec<Table> = raw_tables(workspace).cloned().collect();
    for table in tables {
        let mut partitions = Vec::new();
        let mut transactions = BTreeMap::new();
        for slice in slices {
            let files: Vec<&DataFile> = table.files().iter().filter(|file| covers(slice, file)).collect();
            let kind = table.name.trim_start_matches("raw.").trim_end_matches("_parquet");
            let of_ledger = noted.iter().filter(|key| {
                key.kind == kind
                    && (&key.tenant, &key.source, &key.export)
                        == (&slice.tenant, &slice.source, &slice.export)
            });
            let mut periods: BTreeSet<String> = files.iter().map(|file| value(file, "period")).collect();
            periods.extend(of_ledger.map(|key| key.period.clone()));
            if periods.is_empty() {
                continue;
            }
            // A bare file's slice stands under no period: it is no longer held as it was delivered.
            periods.insert(String::new());
            periods.retain(|period| period.is_empty() || slice.period.as_ref().is_none_or(|p| p == period));
            let version = transaction_version(FORGOTTEN);
            transactions.extend(periods.iter().map(|period| {
                let id = app_id(&table.name, &slice.tenant, &slice.source, &slice.export, period);
                (id, version)
            }));
            partitions.push(partition(slice));
        }
        if partitions.is_empty() {
            continue;
        }
        let commit = Commit {
            table: table.name.clone(),
            schema: table.schema().clone(),
            partition_columns: table.partition_columns().to_vec(),
            replaced: Replaced::Partitions(partitions),
            added: Vec::new(),
            transactions: transactions.into_iter().collect(),
            facts: Some(facts.clone()),
            run_id: run_id.to_string(),
        };
        let table = workspace.warehouse.commit(commit).await?;
        workspace.tables.replace(table);
    }
    for slice in slices {
        workspace.ledger.forget_notes(slice).await?;
    }
    if agreed {
        // These commits are no news to the next run; what was there before them is for a run to find and to tell.
        mirror::correct(workspace).await?;
    }
    let detail = serde_json::json!({ "removed": removed });
    workspace
        .ledger
        .record_event(Some(run_id), "forget", &detail)
        .await?;
    Ok(removed)
}

fn raw_tables(workspace: &Workspace) -> impl Iterator<Item = &Table> {
    let tables = workspace.tables.snapshots.iter();
    tables
        .filter(|(name, _)| name.starts_with("raw."))
        .map(|(_, table)| table)
}

fn partition(slice: &ExportSlices) -> PartitionValues {
    let columns = [
        ("tenant", Some(&slice.tenant)),
        ("source", Some(&slice.source)),
        ("export", Some(&slice.export)),
        ("period", slice.period.as_ref()),
    ];
    let named = columns
        .into_iter()
        .filter_map(|(column, value)| Some((column, value?)));
    named
        .map(|(column, value)| (column.to_string(), Some(value.clone())))
        .collect()
}

fn covers(slice: &ExportSlices, file: &DataFile) -> bool {
    let wanted = partition(slice);
    wanted
        .iter()
        .all(|(column, value)| file.partition.get(column) == Some(value))
}

fn value(file: &DataFile, column: &str) -> String {
    file.partition.get(column).cloned().flatten().unwrap_or_default()
}

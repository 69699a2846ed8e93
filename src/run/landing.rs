//! Extract and land: what each source has, what of it is new, and landing that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use futures::StreamExt;

use super::Request;
use super::observer::Observer;
use super::report::RunReport;
use super::workspace::Workspace;
use crate::config::{Source, Tenant};
use crate::error::{Error, Result};
use crate::extract::{Delivery, Format, discover};
use crate::land::slice::transaction_version;
use crate::land::{Landed, SliceKey, SliceRequest, land_slice};
use crate::ledger::{QuarantineRow, SliceAction, SliceRecord};
use crate::warehouse::Location;

/// Slices that are landed side by side.
const PARALLEL_SLICES: usize = 2;

/// What is to be done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its period has never been landed.
    New,
    /// It replaces an older delivery of the same period.
    Replaced,
    /// It has been landed as it is.
    Current,
}

/// A delivery with what is to be done.
pub struct PlannedSlice {
    /// Where it goes.
    pub key: SliceKey,
    /// The source.
    pub source: Source,
    /// Where its files are.
    pub location: Location,
    /// The files.
    pub delivery: Delivery,
    /// What to do.
    pub action: Action,
}

/// What a look at one source gave.
pub struct SourcePlan {
    /// `tenant/source`.
    pub id: String,
    /// Its slices.
    pub slices: Vec<PlannedSlice>,
    /// Deliveries that cannot be landed, and why.
    pub failures: Vec<Error>,
    /// Files that were passed over, and the like.
    pub warnings: Vec<String>,
}

/// Lists every source and compares with what has been landed.
///
/// # Errors
/// External when the ledger cannot be read; what is wrong with a source is in its plan.
pub async fn plan_landing(workspace: &Workspace, request: &Request) -> Result<Vec<SourcePlan>> {
    let mut plans = Vec::new();
    for (tenant, source) in workspace.sources() {
        let mut plan = SourcePlan {
            id: format!("{}/{}", tenant.id, source.id),
            slices: Vec::new(),
            failures: Vec::new(),
            warnings: Vec::new(),
        };
        match discovered(workspace, &source).await {
            Ok((location, discovery)) => {
                plan.failures.extend(discovery.failures);
                plan.warnings.extend(discovery.warnings);
                for delivery in discovery.deliveries {
                    if let Some(slice) =
                        planned(workspace, request, &tenant, &source, &location, delivery).await?
                    {
                        plan.slices.push(slice);
                    }
                }
            }
            Err(error) => plan.failures.push(error.at(format!("source {}", plan.id))),
        }
        plans.push(plan);
    }
    Ok(plans)
}

async fn discovered(workspace: &Workspace, source: &Source) -> Result<(Location, crate::extract::Discovery)> {
    let location = workspace.source_location(source)?;
    let discovery = discover(&location, source.kind).await?;
    Ok((location, discovery))
}

async fn planned(
    workspace: &Workspace,
    request: &Request,
    tenant: &Tenant,
    source: &Source,
    location: &Location,
    delivery: Delivery,
) -> Result<Option<PlannedSlice>> {
    let key = SliceKey {
        tenant: tenant.id.clone(),
        source: source.id.clone(),
        kind: source.kind,
        export: delivery.export.clone(),
        period: delivery.period,
    };
    let outside = delivery
        .period
        .is_some_and(|p| request.from.is_some_and(|from| p < from) || request.to.is_some_and(|to| p >= to));
    let period = delivery.period.map(|p| p.to_string()).unwrap_or_default();
    let name = (key.tenant.clone(), key.source.clone(), key.export.clone(), period);
    if outside
        || request
            .only_slices
            .as_ref()
            .is_some_and(|only| !only.contains(&name))
    {
        return Ok(None);
    }
    let action = action(workspace, request, &key, &delivery).await?;
    Ok(Some(PlannedSlice {
        key,
        source: source.clone(),
        location: location.clone(),
        delivery,
        action,
    }))
}

async fn action(
    workspace: &Workspace,
    request: &Request,
    key: &SliceKey,
    delivery: &Delivery,
) -> Result<Action> {
    let recorded = workspace.ledger.delivery_id(&ledger_key(key)).await?;
    let mut known = recorded.is_some();
    let mut current = recorded.as_deref() == Some(delivery.delivery_id.as_str());
    let partition = key.partition();
    let tables = [Format::Csv, Format::Parquet]
        .map(|format| (format, workspace.tables.snapshots.get(&key.table(format))));
    let mut held_elsewhere = false;
    for (format, table) in tables {
        let Some(table) = table else { continue };
        let held = table
            .files()
            .iter()
            .any(|f| partition.iter().all(|(c, v)| f.partition.get(c) == Some(v)));
        known |= held;
        let delivered = delivery.files.iter().any(|f| f.format == format);
        held_elsewhere |= held && !delivered;
        if !current && (delivered || delivery.files.is_empty()) {
            // The ledger may have been lost or a run been killed behind the commit: the table itself knows.
            let version = table.transaction(&key.app_id(&table.name)).await?;
            current = version == Some(transaction_version(&delivery.delivery_id));
        }
    }
    let tables_exist = delivery.files.is_empty()
        || delivery
            .files
            .iter()
            .any(|f| workspace.tables.snapshots.contains_key(&key.table(f.format)));
    Ok(
        match (
            current && tables_exist && !held_elsewhere && !request.full_refresh && !request.land_again,
            known,
        ) {
            (true, _) => Action::Current,
            (false, true) => Action::Replaced,
            (false, false) => Action::New,
        },
    )
}

/// The slice's key in the ledger.
pub fn ledger_key(key: &SliceKey) -> crate::ledger::SliceKey {
    crate::ledger::SliceKey {
        tenant: key.tenant.clone(),
        source: key.source.clone(),
        kind: key.kind.name().to_string(),
        export: key.export.clone(),
        period: key.period.map(|p| p.to_string()).unwrap_or_default(),
    }
}

/// Lands every slice that is not current.
///
/// # Errors
/// External when the ledger cannot be written; failures of slices are in the report.
pub async fn land_all(
    workspace: &mut Workspace,
    request: &Request,
    selected: &BTreeSet<String>,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    if !selected.iter().any(|name| name.starts_with("raw.")) {
        return Ok(());
    }
    let plans = plan_landing(workspace, request).await?;
    let spool = workspace.data_folder.join("spool");
    let mut todo = Vec::new();
    for plan in plans {
        report.source(&plan.id);
        for warning in plan.warnings {
            observer.warn(&warning);
            report.warnings.push(warning);
        }
        for failure in plan.failures {
            report.source(&plan.id).error.get_or_insert(failure.to_string());
            report.fail(&failure);
        }
        for slice in plan.slices {
            let wanted = [Format::Csv, Format::Parquet]
                .iter()
                .any(|f| selected.contains(&slice.key.table(*f)));
            match slice.action {
                Action::Current => report.source(&plan.id).slices_current += 1,
                _ if wanted => todo.push((plan.id.clone(), slice)),
                _ => {}
            }
        }
    }
    if todo.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&spool).map_err(|e| Error::from(e).at(spool.display().to_string()))?;
    let bytes = todo
        .iter()
        .flat_map(|(_, s)| &s.delivery.files)
        .map(|f| f.object.size)
        .sum();
    observer.begin("land", &format!("{} slices", todo.len()), bytes);
    let units = Arc::new(known_units(workspace)?);
    let outcomes: Mutex<Vec<Outcome>> = Mutex::default();
    {
        let landing = SliceRequest {
            warehouse: &workspace.warehouse,
            run_id,
            spool,
            max_rejected: workspace.config.landing.max_rejected,
            units,
            progress: &|rows, bytes| observer.advance(rows, bytes),
        };
        futures::stream::iter(todo)
            .for_each_concurrent(PARALLEL_SLICES, |(id, slice)| {
                let (landing, outcomes) = (&landing, &outcomes);
                async move {
                    let result = land_slice(
                        landing,
                        &slice.key,
                        &slice.source,
                        &slice.location,
                        &slice.delivery,
                    )
                    .await;
                    let mut done = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    done.push(Outcome { id, slice, result });
                }
            })
            .await;
    }
    observer.end();
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by(|a, b| a.slice.key.cmp(&b.slice.key));
    for outcome in outcomes {
        record(workspace, run_id, observer, report, outcome).await?;
    }
    for name in raw_tables(workspace) {
        if let Some(table) = workspace.warehouse.open(&name, None).await? {
            workspace.tables.replace(table);
        }
    }
    Ok(())
}

struct Outcome {
    id: String,
    slice: PlannedSlice,
    result: std::result::Result<Landed, (Error, crate::land::quarantine::Quarantine)>,
}

async fn record(
    workspace: &Workspace,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
    outcome: Outcome,
) -> Result<()> {
    let Outcome { id, slice, result } = outcome;
    let key = ledger_key(&slice.key);
    let (landed, quarantine, error) = match result {
        Ok(landed) => {
            let quarantine = landed.quarantine.clone();
            (Some(landed), quarantine, None)
        }
        Err((error, quarantine)) => (None, quarantine, Some(error.at(format!("slice {}", slice.key)))),
    };
    let action = match (&error, slice.action) {
        (Some(_), _) => SliceAction::Failed,
        (None, Action::New) => SliceAction::New,
        (None, _) => SliceAction::Replaced,
    };
    let part = report.source(&id);
    part.rejected += quarantine.count;
    match &landed {
        Some(landed) => {
            part.rows += landed.rows;
            match slice.action {
                Action::New => part.slices_new += 1,
                _ => part.slices_replaced += 1,
            }
            let bills: Vec<(String, String, String)> = landed
                .bills
                .iter()
                .map(|((provider, account), period)| (provider.clone(), account.clone(), period.to_string()))
                .collect();
            workspace.ledger.replace_bills(&key, &bills).await?;
            workspace
                .ledger
                .set_delivery(&key, &slice.delivery.delivery_id)
                .await?;
        }
        None => {
            if let Some(error) = &error {
                part.error.get_or_insert(error.to_string());
            }
        }
    }
    let rows: Vec<QuarantineRow> = quarantine
        .rows
        .iter()
        .map(|r| QuarantineRow {
            run_id: run_id.to_string(),
            key: key.clone(),
            source_uri: r.source_uri.clone(),
            row_number: r.row_number,
            column_name: r.column.clone(),
            reason: r.reason.clone(),
            raw_text: r.text.clone(),
        })
        .collect();
    workspace.ledger.clear_quarantine(&key).await?;
    workspace.ledger.insert_quarantine(&rows).await?;
    let slice_record = SliceRecord {
        run_id: run_id.to_string(),
        key,
        delivery_id: slice.delivery.delivery_id.clone(),
        action,
        rows: landed.as_ref().map_or(0, |l| l.rows),
        rejected: quarantine.count,
        error: error.as_ref().map(ToString::to_string),
    };
    workspace.ledger.record_slices(&[slice_record]).await?;
    for warning in landed.iter().flat_map(|l| &l.warnings) {
        observer.warn(warning);
        report.warnings.push(warning.clone());
    }
    if let Some(landed) = &landed
        && landed.quarantine.count > 0
    {
        let warning = format!(
            "{}: {} rows lie in quarantine",
            slice.key, landed.quarantine.count
        );
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    if let Some(error) = error {
        report.fail(&error);
    }
    Ok(())
}

fn raw_tables(workspace: &Workspace) -> Vec<String> {
    workspace
        .tables
        .names()
        .into_iter()
        .filter(|n| n.starts_with("raw."))
        .collect()
}

fn known_units(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let units = workspace.tables.factors.rows("units")?;
    let column = units.header.iter().position(|c| c == "unit_raw");
    let dimension = units.header.iter().position(|c| c == "dimension");
    let cell =
        |row: &Vec<String>, index: Option<usize>| index.and_then(|i| row.get(i).cloned()).unwrap_or_default();
    Ok(units
        .rows
        .iter()
        .filter(|r| cell(r, dimension) != "cloud")
        .map(|r| cell(r, column).to_lowercase())
        .collect())
}

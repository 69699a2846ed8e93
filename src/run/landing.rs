//! Extract and land: reads what arrived, side by side, and records what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;

use futures::StreamExt;

use super::Request;
use super::api_checks::note_api_checks;
use super::arrivals::{Action, PlannedSlice, ledger_key, plan_landing};
use super::landed_columns::{missing_columns, unreadable_tags};
use super::mirror::{self, contents};
use super::observer::Observer;
use super::report::RunReport;
use super::workspace::Workspace;
use crate::error::{Error, PlaceKey, Result};
use crate::extract::{DeliveryOrigin, Format};
use crate::land::cost_basis::CostBasis;
use crate::land::{AgreedColumns, HeldBefore, Landed, Room, SliceKey, SliceRequest, land_slice};
use crate::ledger::{QuarantineRow, RejectedRows, SliceAction, SliceNotes, SliceRecord};

/// Slices whose rows are written side by side.
const PARALLEL_WRITERS: usize = 2;
/// Slices of a run whose rejected rows are kept by the thousand; of the others so many, beside their count.
const WELL_KEPT: usize = 10;
const LITTLE_KEPT: usize = 100;
/// Slices that are read from APIs side by side: most of their time is waiting.
const PARALLEL_ANSWERS: usize = 64;

/// Lands every slice that is not current; returns those that hold other rows than before.
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
) -> Result<Vec<crate::ledger::SliceKey>> {
    if !selected.iter().any(|name| name.starts_with("raw.")) {
        return Ok(Vec::new());
    }
    let plans = plan_landing(workspace, request).await?;
    let spool = workspace.spool();
    let mut todo = Vec::new();
    let mut checks = Vec::new();
    let mut current = BTreeSet::new();
    for plan in plans {
        report.source(&plan.id);
        if let Some(listing) = &plan.listing {
            workspace.ledger.note_listing(&listing.seen(), run_id).await?;
        }
        for warning in plan.warnings {
            observer.warn(&warning);
            report.warnings.push(warning);
        }
        for failure in plan.failures {
            report.source(&plan.id).error.get_or_insert(failure.to_string());
            report.fail(&failure);
        }
        // A check counts as done when all that it showed is landed, now or before.
        let mut all = request.only_slices.is_none();
        for slice in plan.slices {
            let wanted = [Format::Csv, Format::Parquet]
                .iter()
                .any(|f| selected.contains(&slice.key.table(*f)));
            match slice.action {
                Action::Current => {
                    report.source(&plan.id).slices_current += 1;
                    current.insert(ledger_key(&slice.key));
                }
                _ if wanted => todo.push((plan.id.clone(), slice)),
                _ => all = false,
            }
        }
        if let Some((key, cursor)) = plan.api_check.filter(|_| all) {
            checks.push((plan.id.clone(), key, cursor));
        }
    }
    workspace.ledger.forget_refused(&current).await?;
    if todo.is_empty() {
        note_api_checks(workspace, report, checks).await?;
        return Ok(Vec::new());
    }
    std::fs::create_dir_all(&spool).map_err(|e| Error::from(e).at(spool.display().to_string()))?;
    let bytes = todo
        .iter()
        .flat_map(|(_, s)| &s.delivery.files)
        .map(|f| f.object.size)
        .sum();
    observer.begin("land", &format!("{} slices", todo.len()), bytes);
    let units = Arc::new(known_units(workspace)?);
    let held_before = held_before(workspace, &todo).await?;
    let writers = tokio::sync::Semaphore::new(PARALLEL_WRITERS);
    let room = Room::default();
    let has_answers = todo
        .iter()
        .any(|(_, slice)| matches!(slice.origin, DeliveryOrigin::Api(_)));
    let parallel = if has_answers {
        PARALLEL_ANSWERS
    } else {
        PARALLEL_WRITERS
    };
    let outcomes: Mutex<Vec<SliceOutcome>> = Mutex::default();
    let columns = AgreedColumns::default();
    {
        let landing = SliceRequest {
            warehouse: &workspace.warehouse,
            run_id,
            spool,
            columns: &columns,
            held_before,
            writers: &writers,
            land_again: request.full_refresh || request.land_again,
            max_rejected: workspace.config.landing.max_rejected,
            limits: workspace.config.landing.limits,
            room: &room,
            units,
            progress: &|rows, bytes| observer.advance(rows, bytes),
        };
        futures::stream::iter(todo)
            .for_each_concurrent(parallel, |(id, slice)| {
                let (landing, outcomes) = (&landing, &outcomes);
                async move {
                    let PlannedSlice {
                        key,
                        source,
                        origin,
                        delivery,
                        noted,
                        ..
                    } = &slice;
                    let mut result =
                        land_slice(landing, key, source, origin, delivery, noted.as_deref()).await;
                    let mut done = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if done.len() >= WELL_KEPT {
                        match &mut result {
                            Ok(landed) => landed.quarantine.keep(LITTLE_KEPT),
                            Err((_, quarantine)) => quarantine.keep(LITTLE_KEPT),
                        }
                    }
                    done.push(SliceOutcome { id, slice, result });
                }
            })
            .await;
    }
    observer.end();
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by(|a, b| a.slice.key.cmp(&b.slice.key));
    let landed = || {
        outcomes.iter().filter_map(|outcome| {
            let landed = outcome.result.as_ref().ok()?;
            Some((outcome.id.as_str(), outcome.slice.key.kind, landed))
        })
    };
    for warning in missing_columns(landed())
        .into_iter()
        .chain(unreadable_tags(landed()))
    {
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    let landed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.result.as_ref().is_ok_and(|landed| !landed.unchanged))
        .map(|outcome| ledger_key(&outcome.slice.key))
        .collect();
    for outcome in outcomes {
        record(workspace, run_id, observer, report, outcome).await?;
    }
    for name in raw_tables(workspace) {
        if workspace.tables.damaged.contains_key(&name) {
            continue;
        }
        if let Some(table) = workspace.warehouse.open(&name, None).await? {
            workspace.tables.replace(table);
        }
    }
    // Nothing is to be said: the slices were noted above, and this notes that the tables say the same.
    mirror::correct(workspace).await?;
    note_api_checks(workspace, report, checks).await?;
    Ok(landed)
}

/// What the slices hold that may keep rows of it beside those that came.
async fn held_before(
    workspace: &Workspace,
    todo: &[(String, PlannedSlice)],
) -> Result<BTreeMap<SliceKey, HeldBefore>> {
    let mut held = BTreeMap::new();
    let slices = todo.iter().map(|(_, slice)| slice);
    for slice in slices.filter(|slice| slice.delivery.leaves_room(slice.key.kind)) {
        let key = ledger_key(&slice.key);
        let bills = workspace.ledger.bills(&key.tenant).await?;
        let bills = bills.iter().filter(|bill| bill.key == key);
        let before = HeldBefore {
            cost_basis: bills
                .filter_map(|bill| CostBasis::of_name(&bill.cost_basis))
                .max(),
            files: workspace.ledger.contents_of(&key).await?,
        };
        held.insert(slice.key.clone(), before);
    }
    Ok(held)
}

struct SliceOutcome {
    id: String,
    slice: PlannedSlice,
    result: std::result::Result<Landed, (Error, crate::land::quarantine::Quarantine)>,
}

async fn record(
    workspace: &Workspace,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
    outcome: SliceOutcome,
) -> Result<()> {
    let SliceOutcome { id, slice, result } = outcome;
    let key = ledger_key(&slice.key);
    let (landed, quarantine, error) = match result {
        Ok(landed) => {
            let quarantine = landed.quarantine.clone();
            (Some(landed), quarantine, None)
        }
        Err((error, quarantine)) => (None, quarantine, Some(error.at_key(PlaceKey::Slice, &slice.key))),
    };
    let action = match (&error, slice.action) {
        (Some(_), _) => SliceAction::Failed,
        (None, _) if landed.as_ref().is_some_and(|l| l.unchanged) => SliceAction::Current,
        (None, Action::New) => SliceAction::New,
        (None, _) => SliceAction::Replaced,
    };
    let part = report.source(&id);
    part.rejected += quarantine.count;
    let mut notes = SliceNotes::of(key.clone());
    match &landed {
        Some(landed) if landed.unchanged => {
            part.slices_current += 1;
            notes.api_check = Some(landed.cursor.clone());
        }
        Some(landed) => {
            part.rows += landed.rows;
            match slice.action {
                Action::New => part.slices_new += 1,
                _ => part.slices_replaced += 1,
            }
            notes.delivery_id = Some(Some(landed.delivery_id.clone()));
            notes.contents = Some(contents(&key, &landed.facts));
            notes.api_check = matches!(slice.origin, DeliveryOrigin::Api(_)).then(|| landed.cursor.clone());
        }
        None => {
            if let Some(error) = &error {
                part.error.get_or_insert(error.to_string());
            }
        }
    }
    if landed.as_ref().is_none_or(|l| !l.unchanged) {
        let rows = quarantine.rows.iter().map(|r| QuarantineRow {
            run_id: run_id.to_string(),
            key: key.clone(),
            source_uri: r.source_uri.clone(),
            row_number: r.row_number,
            column_name: r.column.clone(),
            reason: r.reason.clone(),
            raw_text: r.text.clone(),
        });
        notes.quarantine = Some(RejectedRows {
            rows: rows.collect(),
            kept_files: landed.iter().flat_map(|l| l.kept.files.iter().cloned()).collect(),
            is_refused: landed.is_none(),
            keeps_refused: false,
        });
    }
    notes.record = Some(SliceRecord {
        run_id: run_id.to_string(),
        key,
        delivery_id: landed
            .as_ref()
            .map_or(&slice.delivery.delivery_id, |l| &l.delivery_id)
            .clone(),
        action,
        rows: landed.as_ref().map_or(0, |l| l.rows),
        rejected: quarantine.count,
        error: error.as_ref().map(ToString::to_string),
    });
    workspace.ledger.note_slice(&notes).await?;
    for warning in landed.iter().flat_map(|l| &l.warnings) {
        observer.warn(warning);
        report.warnings.push(warning.clone());
    }
    if let Some(landed) = &landed
        && landed.quarantine.count > 0
    {
        let warning = match landed.quarantine.count {
            1 => format!("{}: 1 row lies in quarantine", slice.key),
            count => format!("{}: {count} rows lie in quarantine", slice.key),
        };
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

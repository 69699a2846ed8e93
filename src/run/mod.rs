//! One run: extract, land, normalize, roll up, estimate, publish; and the plan of one.

pub mod again;
mod api_checks;
pub mod arrivals;
pub mod building;
mod built_model;
pub mod diff;
pub mod doctor;
pub mod doctor_findings;
pub mod doctor_sources;
mod doctor_tables;
pub mod explain;
pub mod explain_activity;
pub mod explain_equations;
pub mod explain_sql;
pub mod factor_changes;
pub mod factor_row;
pub mod forget;
pub mod gaps;
mod gone_parts;
mod landed_columns;
pub mod landing;
pub mod mirror;
pub mod model_tests;
mod moved;
pub mod observer;
mod offending;
mod one_bill;
mod overlaps;
pub mod pipelines;
pub mod plan;
pub mod publish;
pub mod query;
mod raw_slices;
pub mod report;
pub mod sql;
pub mod staleness;
pub mod system;
pub mod tenant_report;
pub mod unbuilt;
mod unfinished;
pub mod untagged;
pub mod upkeep;
pub mod workspace;

use std::collections::BTreeSet;

use ulid::Ulid;

pub use observer::Observer;
pub use report::RunReport;
pub use upkeep::Upkeep;
pub use workspace::Workspace;

use overlaps::Overlaps;

use crate::domain::period::Period;
use crate::error::Result;
use crate::ledger::RunLock;

/// What a run is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The pipeline's name, for the ledger.
    pub pipeline: String,
    /// `--select`, else the pipeline's.
    pub select: Vec<String>,
    /// Nothing is landed or built, whatever is selected.
    pub upkeep_only: bool,
    /// Upkeep of the tables, after all else.
    pub upkeep: Option<Upkeep>,
    /// First billing period looked at.
    pub from: Option<Period>,
    /// First billing period no longer looked at.
    pub to: Option<Period>,
    /// Land and build again what is current.
    pub full_refresh: bool,
    /// Land again what is current; models rebuild only where that changed their inputs.
    pub land_again: bool,
    /// Only these slices, for `retry`.
    pub only_slices: Option<BTreeSet<again::SliceName>>,
}

/// Runs a pipeline: lands what is new, rebuilds what is stale, publishes what changed.
///
/// Failures of single slices and models are in the report; the rest is done and kept.
///
/// # Errors
/// Usage or external, before anything is written: another run holds the warehouse, the ledger or a table cannot be read.
pub async fn run(
    workspace: &mut Workspace,
    verb: &str,
    request: &Request,
    observer: &dyn Observer,
) -> Result<RunReport> {
    let started = std::time::Instant::now();
    let run_id = Ulid::new().to_string();
    let _lock = RunLock::acquire(&workspace.data_folder, &run_id)?;
    // Only now: a run that ended since this process began has left newer tables.
    workspace.read_tables().await?;
    workspace.clear_spool()?;
    let interrupted = workspace.ledger.interrupt_stale_runs(&run_id).await?;
    let mut report = RunReport::new(&run_id);
    for warning in unfinished::warnings(workspace, &interrupted).await? {
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    workspace.begin(&run_id, verb, &request.pipeline).await?;
    let outcome = stages(workspace, request, &run_id, observer, &mut report).await;
    if let Err(error) = outcome {
        report.fail(&error);
    }
    report.seconds = started.elapsed().as_secs_f64();
    workspace.finish(&run_id, &report).await?;
    Ok(report)
}

async fn stages(
    workspace: &mut Workspace,
    request: &Request,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    for finding in mirror::correct(workspace).await? {
        observer.warn(&finding);
        report.warnings.push(finding);
    }
    for warning in unfinished::unconfigured(workspace).await? {
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    if !request.upkeep_only {
        build(workspace, request, run_id, observer, report).await?;
    }
    if let Some(upkeep) = &request.upkeep {
        let (done, failed) = upkeep::maintain(workspace, request, upkeep, run_id, observer).await?;
        report.maintenance = done;
        failed.iter().for_each(|error| report.fail(error));
    }
    Ok(())
}

async fn build(
    workspace: &mut Workspace,
    request: &Request,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    let selected = workspace.select(&request.select)?;
    let landed = landing::land_all(workspace, request, &selected, run_id, observer, report).await?;
    let overlaps = Overlaps::find(workspace, &BTreeSet::new()).await?;
    for warning in one_bill::added_up(workspace, &landed, &overlaps).await? {
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    overlaps.report(report);
    let held = overlaps.unbuilt();
    crate::factors::archive::keep(&workspace.warehouse, &workspace.tables.factors).await?;
    building::build_all(workspace, request, &selected, &held, run_id, observer, report).await?;
    untagged::warn(workspace, observer, report).await?;
    publish::publish_all(workspace, run_id, observer, report).await?;
    let estimates = |model: &report::ModelReport| model.name == "estimate.activity_emissions";
    let is_estimated_anew = report
        .models
        .iter()
        .any(|model| estimates(model) && !model.built.is_empty());
    report.coverage = publish::coverage(workspace, is_estimated_anew).await?;
    Ok(())
}

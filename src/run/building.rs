//! Rebuild what is stale, parents first and what does not read each other side by side; what failed keeps its last good data.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::Request;
use super::built_model::{BuildContext, BuiltModel, RowBudget};
use super::observer::Observer;
use super::report::RunReport;
use super::staleness::staleness;
use super::unbuilt::{Unbuilt, leave_out};
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::model::{Model, ModelKind};
use crate::transform::Tables;

/// Builds the stale partitions of every selected kept model, without those that read what `held` names.
///
/// # Errors
/// External when the ledger cannot be written; a model that fails is in the report, and those that read it wait.
pub async fn build_all(
    workspace: &mut Workspace,
    request: &Request,
    selected: &BTreeSet<String>,
    held: &[Unbuilt],
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    workspace
        .tables
        .damaged
        .values()
        .for_each(|error| report.fail(error));
    let mut warnings = workspace.strays.clone();
    let kept = workspace
        .tables
        .graph
        .ordered()
        .filter(|m| m.kind != ModelKind::View);
    let models: Vec<Model> = kept.filter(|m| selected.contains(&m.name)).cloned().collect();
    let mut tables = workspace.tables.clone();
    let mut outcomes: Vec<Option<BuiltModel>> = models.iter().map(|_| None).collect();
    let built = build_side_by_side(
        workspace,
        request,
        run_id,
        observer,
        &models,
        held,
        &mut tables,
        &mut outcomes,
    );
    let built = built.await;
    observer.end();
    workspace.tables = tables;
    // In the order of the models, whatever came to its end first.
    let outcomes: Vec<BuiltModel> = outcomes.into_iter().flatten().collect();
    warnings.extend(left_out(&outcomes));
    warnings.iter().for_each(|warning| observer.warn(warning));
    report.warnings.extend(warnings);
    outcomes.into_iter().for_each(|built| built.report(report));
    built
}

/// What was not rebuilt, once for all models of which the same is to be said.
fn left_out(outcomes: &[BuiltModel]) -> Vec<String> {
    let left = told_together(outcomes.iter().flat_map(BuiltModel::left));
    let told = left.into_iter().map(|(models, reason)| {
        let verb = if models.len() == 1 { "was" } else { "were" };
        format!("{} {verb} not rebuilt {reason}", models.join(", "))
    });
    told.collect()
}

/// Models with what is to be said of them: all of the same at once.
pub(super) fn told_together<'a>(
    left: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(Vec<&'a str>, &'a str)> {
    let mut by_reason: Vec<(Vec<&str>, &str)> = Vec::new();
    for (model, reason) in left {
        match by_reason.iter_mut().find(|(_, known)| *known == reason) {
            Some((models, _)) => models.push(model),
            None => by_reason.push((vec![model], reason)),
        }
    }
    by_reason
}

async fn build_side_by_side(
    workspace: &Workspace,
    request: &Request,
    run_id: &str,
    observer: &dyn Observer,
    models: &[Model],
    held: &[Unbuilt],
    tables: &mut Tables,
    outcomes: &mut [Option<BuiltModel>],
) -> Result<()> {
    let inputs: Vec<BTreeSet<String>> = models.iter().map(|m| tables.graph.kept_inputs(&m.name)).collect();
    let damaged = tables.damaged.keys();
    let damaged = damaged.flat_map(|table| Unbuilt::of_damaged(table, &workspace.config));
    let kept_out: Vec<Unbuilt> = damaged.chain(held.iter().cloned()).collect();
    let row_budget = Arc::new(RowBudget::new(workspace.engine.at_once()));
    // What reads through the most views begins first: it takes longest, and the last to end should be short.
    let mut waiting: Vec<usize> = (0..models.len()).rev().collect();
    let mut running = FuturesUnordered::new();
    loop {
        let mut begun = Vec::new();
        for place in waiting.iter().copied() {
            let parents = || (0..models.len()).filter(|p| inputs[place].contains(&models[*p].name));
            if parents().any(|p| outcomes[p].is_none()) {
                continue;
            }
            begun.push(place);
            let of_parents = parents().filter_map(|parent| outcomes[parent].as_ref());
            let of_parents = of_parents.flat_map(BuiltModel::unbuilt);
            let unbuilt = Unbuilt::read_by(&models[place], &inputs[place], &kept_out, of_parents);
            let context = BuildContext {
                workspace,
                tables: Arc::new(tables.clone()),
                run_id,
                observer,
                row_budget: row_budget.clone(),
            };
            let model = &models[place];
            running.push(async move {
                let mut staleness =
                    staleness(workspace, &context.tables, model, request.full_refresh).await?;
                let left = leave_out(model, &mut staleness, &unbuilt);
                let mut built = context.build(model, staleness).await?;
                built.leave_out(left, unbuilt);
                Ok::<_, Error>((place, built))
            });
        }
        if !begun.is_empty() {
            waiting.retain(|place| !begun.contains(place));
            // What waits for a model that waits itself is found in another round.
            continue;
        }
        let Some(finished) = running.next().await else {
            return Ok(());
        };
        let (place, built) = finished?;
        for table in built.tables() {
            tables.replace(table.clone());
        }
        outcomes[place] = Some(built);
    }
}

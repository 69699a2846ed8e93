//! Rebuild what is stale, parents first and what does not read each other side by side; what failed keeps its last good data.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::Request;
use super::built_model::{BuiltModel, Surroundings, Turns};
use super::observer::Observer;
use super::report::RunReport;
use super::staleness::staleness;
use super::unbuilt::{Unbuilt, leave_out};
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::model::{Kind, Model};
use crate::transform::Tables;

/// Builds the stale partitions of every selected kept model.
///
/// # Errors
/// External when the ledger cannot be written; a model that fails is in the report, and those that read it wait.
pub async fn build_all(
    workspace: &mut Workspace,
    request: &Request,
    selected: &BTreeSet<String>,
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
    let kept = workspace.tables.graph.ordered().filter(|m| m.kind != Kind::View);
    let models: Vec<Model> = kept.filter(|m| selected.contains(&m.name)).cloned().collect();
    let mut tables = workspace.tables.clone();
    let mut outcomes: Vec<Option<BuiltModel>> = models.iter().map(|_| None).collect();
    let built = build_side_by_side(
        workspace,
        request,
        run_id,
        observer,
        &models,
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
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for (model, reason) in outcomes.iter().filter_map(BuiltModel::left) {
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, models)) => models.push(model),
            None => by_reason.push((reason, vec![model])),
        }
    }
    let told = by_reason.into_iter().map(|(reason, models)| {
        let verb = if models.len() == 1 { "was" } else { "were" };
        format!("{} {verb} not rebuilt {reason}", models.join(", "))
    });
    told.collect()
}

async fn build_side_by_side(
    workspace: &Workspace,
    request: &Request,
    run_id: &str,
    observer: &dyn Observer,
    models: &[Model],
    tables: &mut Tables,
    outcomes: &mut [Option<BuiltModel>],
) -> Result<()> {
    let inputs: Vec<BTreeSet<String>> = models.iter().map(|m| tables.graph.kept_inputs(&m.name)).collect();
    let damaged = tables.damaged.keys();
    let damaged: Vec<Unbuilt> = damaged
        .flat_map(|table| Unbuilt::of_damaged(table, &workspace.config))
        .collect();
    let turns = Arc::new(Turns::new(workspace.engine.at_once()));
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
            let of_tables = damaged
                .iter()
                .filter(|part| part.table == models[place].name || inputs[place].contains(&part.table));
            let of_parents = parents().filter_map(|parent| outcomes[parent].as_ref());
            let mut unbuilt: Vec<Unbuilt> = of_tables.cloned().collect();
            for part in of_parents.flat_map(BuiltModel::unbuilt) {
                if !unbuilt.contains(part) {
                    unbuilt.push(part.clone());
                }
            }
            let surroundings = Surroundings {
                workspace,
                tables: Arc::new(tables.clone()),
                run_id,
                observer,
                turns: turns.clone(),
            };
            let model = &models[place];
            running.push(async move {
                let mut staleness =
                    staleness(workspace, &surroundings.tables, model, request.full_refresh).await?;
                let left = leave_out(model, &mut staleness, &unbuilt);
                let mut built = surroundings.build(model, staleness).await?;
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

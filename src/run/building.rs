//! Rebuild what is stale, parents first and what does not read each other side by side; what failed keeps its last good data.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::Request;
use super::built_model::{BuiltModel, Surroundings, Turns};
use super::observer::Observer;
use super::report::RunReport;
use super::staleness::staleness;
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::model::{Kind, Model};
use crate::transform::Tables;

/// How it went with a model.
enum Outcome {
    /// It is built, or was up to date.
    Built(Box<BuiltModel>),
    /// What it reads could not be built.
    Waits {
        /// The table that failed.
        parent: String,
    },
}

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
    let kept = workspace.tables.graph.ordered().filter(|m| m.kind != Kind::View);
    let models: Vec<Model> = kept.filter(|m| selected.contains(&m.name)).cloned().collect();
    let mut tables = workspace.tables.clone();
    let mut outcomes: Vec<Option<Outcome>> = models.iter().map(|_| None).collect();
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
    for (model, outcome) in models.iter().zip(outcomes) {
        match outcome {
            Some(Outcome::Built(built)) => built.report(report),
            Some(Outcome::Waits { parent }) => report
                .warnings
                .push(format!("{} was not rebuilt, because {parent} failed", model.name)),
            None => {}
        }
    }
    built
}

async fn build_side_by_side(
    workspace: &Workspace,
    request: &Request,
    run_id: &str,
    observer: &dyn Observer,
    models: &[Model],
    tables: &mut Tables,
    outcomes: &mut [Option<Outcome>],
) -> Result<()> {
    let inputs: Vec<BTreeSet<String>> = models.iter().map(|m| tables.graph.kept_inputs(&m.name)).collect();
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
            if let Some(parent) = parents().find(|p| !outcomes[*p].as_ref().is_some_and(Outcome::is_good)) {
                outcomes[place] = Some(Outcome::Waits {
                    parent: models[parent].name.clone(),
                });
                continue;
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
                let staleness =
                    staleness(workspace, &surroundings.tables, model, request.full_refresh).await?;
                let built = surroundings.build(model, staleness).await?;
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
        outcomes[place] = Some(Outcome::Built(Box::new(built)));
    }
}

impl Outcome {
    fn is_good(&self) -> bool {
        matches!(self, Outcome::Built(built) if built.is_good())
    }
}

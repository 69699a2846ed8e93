//! What a run would do, and why; nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use super::Request;
use super::arrivals::{Action, ledger_key, plan_landing};
use super::building::told_together;
use super::overlaps::Overlaps;
use super::staleness::staleness;
use super::unbuilt::{Unbuilt, leave_out};
use super::upkeep::TableUpkeep;
use super::workspace::Workspace;
use crate::error::{Error, Failure, Result};
use crate::model::ModelKind;
use crate::transform::OutputKey;
use crate::transform::partitions::{calls_for, contributes, key_of, key_text};
use serde::Serialize;

/// One line of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// `land`, the model's schema or `maintain`.
    pub stage: String,
    /// The raw table or model.
    pub table: String,
    /// The partition.
    pub partition: String,
    /// What would happen: `land`, `replace`, `build`, `drop`, `merge`, `delete`, `checkpoint`.
    pub action: String,
    /// Why.
    pub reason: String,
}

/// A plan.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// What would be done, in order.
    pub steps: Vec<Step>,
    /// Slices and partitions that are up to date.
    pub current: u64,
    /// What a run would leave as it is, and why.
    pub warnings: Vec<String>,
    /// What would fail already now.
    pub failures: Vec<Failure>,
    /// The exit code of a run that fails so; 0 without failures.
    pub exit_code: u8,
}

impl Plan {
    fn fail(&mut self, error: &Error) {
        let code = error.blame().exit_code();
        self.exit_code = match self.exit_code {
            0 => code,
            known => known.min(code),
        };
        self.failures.push(error.into());
    }
}

/// Plans a run.
///
/// # Errors
/// Usage for a selection that matches nothing, external when something cannot be reached.
pub async fn plan(workspace: &Workspace, request: &Request) -> Result<Plan> {
    let mut plan = Plan::default();
    if !request.upkeep_only {
        plan_building(workspace, request, &mut plan).await?;
    }
    if let Some(upkeep) = &request.upkeep {
        let tables = super::upkeep::plan(workspace, request, upkeep).await?;
        plan.steps.extend(tables.iter().flat_map(upkeep_steps));
    }
    Ok(plan)
}

fn upkeep_steps(told: &TableUpkeep) -> Vec<Step> {
    let step = |action: &str, reason: String| Step {
        stage: "maintain".into(),
        table: told.table.clone(),
        partition: String::new(),
        action: action.into(),
        reason,
    };
    let mut steps = Vec::new();
    if told.files_merged > 0 {
        steps.push(step(
            "merge",
            format!("{} small files of {}", told.files_merged, told.files),
        ));
    }
    if told.files_deleted > 0 {
        let reason = format!("{} files that no kept version names", told.files_deleted);
        steps.push(step("delete", reason));
    }
    if told.checkpoint {
        steps.push(step("checkpoint", "its log has grown".into()));
    }
    steps
}

async fn plan_building(workspace: &Workspace, request: &Request, plan: &mut Plan) -> Result<()> {
    let selected = workspace.select(&request.select)?;
    let mut arriving: Vec<(String, String, String, String)> = Vec::new();
    let mut landing = BTreeSet::new();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for source in plan_landing(workspace, request).await? {
        source.failures.iter().for_each(|failure| plan.fail(failure));
        for slice in source.slices {
            let format = slice
                .delivery
                .files
                .first()
                .map(|f| f.format)
                .unwrap_or(crate::extract::Format::Csv);
            let table = slice.key.table(format);
            if slice.action == Action::Current || !selected.contains(&table) {
                plan.current += u64::from(slice.action == Action::Current);
                continue;
            }
            if workspace.tables.damaged.contains_key(&table) {
                *refused.entry(table).or_default() += 1;
                continue;
            }
            landing.insert(ledger_key(&slice.key));
            let bytes: u64 = slice.delivery.files.iter().map(|f| f.object.size).sum();
            let new = slice.action == Action::New;
            let files = slice.delivery.files.len();
            let period = slice
                .key
                .period
                .map(|p| p.to_string())
                .unwrap_or_else(|| "by row".into());
            arriving.push((
                slice.key.tenant.clone(),
                slice.key.source.clone(),
                slice.key.export.clone(),
                period,
            ));
            plan.steps.push(Step {
                stage: "land".into(),
                table,
                partition: slice.key.to_string(),
                action: match slice.action {
                    Action::New => "land",
                    Action::Asked => "ask",
                    _ => "replace",
                }
                .into(),
                reason: match &slice.delivery.asks {
                    Some(cost) if new => format!("never asked for: {cost}"),
                    Some(cost) => format!("the last answer may have changed: {cost}"),
                    None => format!(
                        "{} delivery: {files} files, {bytes} bytes",
                        if new { "new" } else { "changed" }
                    ),
                },
            });
        }
    }
    // What new files hold is known once they are read: only what has been landed can be compared.
    let overlaps = Overlaps::find(workspace, &landing).await?;
    overlaps.errors.iter().for_each(|error| plan.fail(error));
    let damaged = &workspace.tables.damaged;
    damaged.values().for_each(|error| plan.fail(error));
    plan.warnings.extend(workspace.strays.iter().cloned());
    let refused = refused.into_iter().map(|(table, slices)| match slices {
        1 => format!("1 delivery would not land, because {table} cannot be read"),
        _ => format!("{slices} deliveries would not land, because {table} cannot be read"),
    });
    plan.warnings.extend(refused);
    let damaged = damaged.keys();
    let kept_out = damaged.flat_map(|table| Unbuilt::of_damaged(table, &workspace.config));
    let kept_out: Vec<Unbuilt> = kept_out.chain(overlaps.unbuilt()).collect();
    let mut unbuilt: BTreeMap<&str, Vec<Unbuilt>> = BTreeMap::new();
    let mut left: Vec<(&str, String)> = Vec::new();
    let models: Vec<_> = workspace
        .tables
        .graph
        .ordered()
        .filter(|m| m.kind != ModelKind::View)
        .cloned()
        .collect();
    let mut touched: BTreeMap<String, BTreeSet<OutputKey>> = plan
        .steps
        .iter()
        .map(|s| (s.table.clone(), BTreeSet::new()))
        .collect();
    let mut leaving: BTreeMap<String, BTreeSet<OutputKey>> = BTreeMap::new();
    for model in models.iter().filter(|m| selected.contains(&m.name)) {
        let mut state = staleness(workspace, &workspace.tables, model, request.full_refresh).await?;
        let inputs = workspace.tables.graph.kept_inputs(&model.name);
        let of_parents = inputs.iter().filter_map(|input| unbuilt.get(input.as_str()));
        let stays = Unbuilt::read_by(model, &inputs, &kept_out, of_parents.flatten());
        let reasons = leave_out(model, &mut state, &stays);
        left.extend(reasons.into_iter().map(|reason| (model.name.as_str(), reason)));
        let is_left_out = |key: &OutputKey| stays.iter().any(|part| part.concerns(&model.partition, key));
        let parents: Vec<String> = workspace
            .tables
            .graph
            .kept_inputs(&model.name)
            .into_iter()
            .filter(|i| touched.contains_key(i))
            .collect();
        let mut changing: BTreeSet<OutputKey> = state.stale.iter().map(|(key, _)| key.clone()).collect();
        let mut steps: Vec<Step> = state
            .stale
            .iter()
            .map(|(key, _)| {
                step(
                    model,
                    key_text(&model.partition, key),
                    "build",
                    "its SQL, settings, factors or input files changed".into(),
                )
            })
            .collect();
        let (again, mut dropped): (Vec<_>, Vec<_>) = state
            .orphaned
            .into_iter()
            .partition(|key| affected(workspace, model, key, &arriving));
        steps.extend(again.iter().map(|key| {
            step(
                model,
                key_text(&model.partition, key),
                "build",
                "its rows went, and new ones arrive".into(),
            )
        }));
        changing.extend(again);
        let mut current = state.current;
        if !parents.is_empty() {
            let coming = coming(workspace, model, &touched, &leaving);
            // Partitions whose parents will change, as far as the tables of today tell.
            let changes = |key: &OutputKey| {
                !is_left_out(key)
                    && (affected(workspace, model, key, &arriving)
                        || follows(workspace, model, key, &touched)
                        || coming.contains(key))
            };
            let (behind, kept): (Vec<_>, Vec<_>) = current.into_iter().partition(changes);
            let (left, behind): (Vec<_>, Vec<_>) = behind.into_iter().partition(|key| {
                !affected(workspace, model, key, &arriving) && is_left(workspace, model, key, &leaving)
            });
            dropped.extend(left);
            // What comes out as it was leaves its readers as they are; that is seen once it is built.
            let skip_if_unchanged = |name: &String| {
                workspace
                    .tables
                    .graph
                    .get(name)
                    .is_some_and(|m| m.skip_if_unchanged)
            };
            let will = if parents.iter().all(skip_if_unchanged) {
                "may"
            } else {
                "will"
            };
            steps.extend(behind.iter().map(|key| {
                step(
                    model,
                    key_text(&model.partition, key),
                    "build",
                    format!("{} {will} change", parents.join(", ")),
                )
            }));
            let is_new = |key: &OutputKey| {
                let text = key_text(&model.partition, key);
                !is_left_out(key)
                    && !current_text(model, &kept).any(|k| k == text)
                    && !steps.iter().any(|s| s.partition == text)
            };
            let new: Vec<OutputKey> = coming.iter().filter(|key| is_new(key)).cloned().collect();
            steps.extend(new.iter().map(|key| {
                step(
                    model,
                    key_text(&model.partition, key),
                    "build",
                    format!("{} will change", parents.join(", ")),
                )
            }));
            changing.extend(new);
            changing.extend(behind);
            current = kept;
            for (tenant, source, export, period) in &arriving {
                let key = arriving_key(model, tenant, source, export, period);
                if let Some(key) = key.filter(|key| !is_left_out(key))
                    && let key = key_text(&model.partition, &key)
                    && !steps.iter().any(|s| s.partition == key)
                    && !current_text(model, &current).any(|k| k == key)
                {
                    let more = if model.partition.iter().any(|c| c == "month") {
                        "new rows; other charge months they touch follow"
                    } else {
                        "new rows"
                    };
                    steps.push(step(model, key, "build", more.into()));
                }
            }
        }
        // What goes under one name may come back under another.
        dropped.retain(|key| !changing.contains(key));
        steps.extend(dropped.iter().map(|key| {
            step(
                model,
                key_text(&model.partition, key),
                "drop",
                "no input calls for it any more".into(),
            )
        }));
        changing.extend(dropped.iter().cloned());
        leaving.insert(model.name.clone(), dropped.into_iter().collect());
        if !steps.is_empty() {
            touched.insert(model.name.clone(), changing);
        }
        plan.current += current.len() as u64;
        plan.steps.extend(steps);
        unbuilt.insert(&model.name, stays);
    }
    let left = told_together(left.iter().map(|(model, reason)| (*model, reason.as_str())));
    let left = left.into_iter();
    plan.warnings
        .extend(left.map(|(models, reason)| format!("{} would not be rebuilt {reason}", models.join(", "))));
    Ok(())
}

fn step(model: &crate::model::Model, partition: String, action: &str, reason: String) -> Step {
    Step {
        stage: model.schema().to_string(),
        table: model.name.clone(),
        partition,
        action: action.into(),
        reason,
    }
}

/// Whether a partition is made from one of those in `touched`.
fn follows(
    workspace: &Workspace,
    model: &crate::model::Model,
    key: &OutputKey,
    touched: &BTreeMap<String, BTreeSet<OutputKey>>,
) -> bool {
    let tables = &workspace.tables;
    let inputs = tables.graph.kept_inputs(&model.name);
    inputs.iter().any(|input| {
        let (Some(changing), Some(parent)) = (touched.get(input), tables.graph.get(input)) else {
            return false;
        };
        let snapshot = tables.snapshots.get(input);
        let mut files = snapshot.iter().flat_map(|table| table.files());
        files.any(|file| contributes(model, key, file) && changing.contains(&key_of(parent, file)))
    })
}

fn current_text<'a>(
    model: &'a crate::model::Model,
    current: &'a [OutputKey],
) -> impl Iterator<Item = String> + 'a {
    current.iter().map(|key| key_text(&model.partition, key))
}

/// The partitions that parents call for which have no file yet.
fn coming(
    workspace: &Workspace,
    model: &crate::model::Model,
    touched: &BTreeMap<String, BTreeSet<OutputKey>>,
    leaving: &BTreeMap<String, BTreeSet<OutputKey>>,
) -> BTreeSet<OutputKey> {
    let tables = &workspace.tables;
    let mut coming = BTreeSet::new();
    for input in tables.graph.kept_inputs(&model.name) {
        let (Some(changing), Some(parent)) = (touched.get(&input), tables.graph.get(&input)) else {
            continue;
        };
        let snapshot = tables.snapshots.get(&input);
        let files = snapshot.iter().flat_map(|table| table.files());
        let built: BTreeSet<OutputKey> = files.map(|file| key_of(parent, file)).collect();
        let goes = |key: &OutputKey| leaving.get(&input).is_some_and(|keys| keys.contains(key));
        for key in changing.iter().filter(|key| !built.contains(*key) && !goes(key)) {
            let value = |column: &String| {
                // The charge months of rows that are not built yet are taken to be those of their bills.
                let place = |name: &str| parent.partition.iter().position(|c| c == name);
                let place = place(column).or_else(|| place("period").filter(|_| column == "month"));
                place.map(|place| key[place].clone())
            };
            coming.extend(model.partition.iter().map(value).collect::<Option<OutputKey>>());
        }
    }
    coming
}

/// Whether all that calls for a partition is dropped.
fn is_left(
    workspace: &Workspace,
    model: &crate::model::Model,
    key: &OutputKey,
    leaving: &BTreeMap<String, BTreeSet<OutputKey>>,
) -> bool {
    let tables = &workspace.tables;
    let inputs = tables.graph.kept_inputs(&model.name);
    inputs.iter().all(|input| {
        let parent = tables.graph.get(input).zip(leaving.get(input));
        let snapshot = tables.snapshots.get(input);
        let mut files = snapshot.iter().flat_map(|table| table.files());
        files.all(|file| {
            let is_leaving = parent.is_some_and(|(parent, leaving)| leaving.contains(&key_of(parent, file)));
            is_leaving || !calls_for(model, key, file)
        })
    })
}

/// Whether a partition holds rows of an arriving slice.
fn affected(
    workspace: &Workspace,
    model: &crate::model::Model,
    key: &[String],
    arriving: &[(String, String, String, String)],
) -> bool {
    let value = |name: &str| {
        model
            .partition
            .iter()
            .position(|c| c == name)
            .map(|p| key[p].as_str())
    };
    arriving.iter().any(|(tenant, source, export, period)| {
        let same = |name: &str, wanted: &str| value(name).is_none_or(|v| v == wanted);
        if !same("tenant", tenant)
            || !same("source", source)
            || !same("export", export)
            || (period != "by row" && !same("period", period))
        {
            return false;
        }
        let Some(month) = value("month") else { return true };
        // The charge months that the slice touches today, and its own.
        month == period
            || workspace
                .tables
                .snapshots
                .get("rollup.usage_daily")
                .is_some_and(|rollup| {
                    rollup.files().iter().any(|f| {
                        let of = |name: &str| {
                            f.partition
                                .get(name)
                                .and_then(|v| v.as_deref())
                                .unwrap_or_default()
                        };
                        of("tenant") == tenant
                            && of("source") == source
                            && of("export") == export
                            && (period == "by row" || of("period") == period)
                            && f.month.is_some_and(|m| m.to_string() == month)
                    })
                })
    })
}

/// The partition that an arriving slice calls for by itself.
fn arriving_key(
    model: &crate::model::Model,
    tenant: &str,
    source: &str,
    export: &str,
    period: &str,
) -> Option<OutputKey> {
    let value = |column: &String| match column.as_str() {
        "tenant" => Some(tenant.to_string()),
        "source" => Some(source.to_string()),
        "export" => Some(export.to_string()),
        "period" | "month" if period != "by row" => Some(period.to_string()),
        _ => None,
    };
    model.partition.iter().map(value).collect()
}

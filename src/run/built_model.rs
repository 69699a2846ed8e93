//! One kept model: its stale partitions in batches of bounded input, each with its commit and its fingerprints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::mirror::state_of;
use super::observer::Observer;
use super::offending;
use super::report::{AuditReport, ModelReport, RunReport};
use super::staleness::Staleness;
use super::unbuilt::{Unbuilt, some_of};
use super::workspace::Workspace;
use crate::error::{Blame, Error, PlaceKey, Result, Retry};
use crate::ledger::Fingerprint;
use crate::model::Model;
use crate::transform::audits::AuditResult;
use crate::transform::build::{Built, Failed};
use crate::transform::partitions::{Expected, batches, key_text};
use crate::transform::{Batch, OutputKey, Tables};
use crate::warehouse::Table;

/// Input rows of one query: bounds memory whatever the bill's size.
const ROWS_PER_BATCH: u64 = 1_000_000;
/// The same where nearly every row is a group of its own, two dozen columns wide.
const WIDE_ROWS_PER_BATCH: u64 = 250_000;

/// Input rows of all queries that are computed side by side, in thousands: a batch of more is computed alone.
const THOUSAND_ROWS_AT_ONCE: u32 = 12_000;

/// Lets as many batches compute at once as there are cores, as long as their rows together are few enough.
pub struct RowBudget {
    thousand_rows: Semaphore,
    least: u32,
}

impl RowBudget {
    /// For `at_once` batches.
    pub fn new(at_once: usize) -> RowBudget {
        RowBudget {
            thousand_rows: Semaphore::new(THOUSAND_ROWS_AT_ONCE as usize),
            least: THOUSAND_ROWS_AT_ONCE / (at_once as u32).clamp(1, THOUSAND_ROWS_AT_ONCE),
        }
    }

    async fn wait(&self, input_rows: u64) -> Result<SemaphorePermit<'_>> {
        let thousands = u32::try_from(input_rows / 1000).unwrap_or(u32::MAX);
        let share = thousands.clamp(self.least, THOUSAND_ROWS_AT_ONCE);
        let turn = self.thousand_rows.acquire_many(share).await;
        turn.map_err(|error| Error::internal("batches are no longer built").because(error))
    }
}

/// What a model is built with.
pub struct BuildContext<'a> {
    /// Ledger, engine and warehouse.
    pub workspace: &'a Workspace,
    /// The tables as they are.
    pub tables: Arc<Tables>,
    /// The run.
    pub run_id: &'a str,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The rows that the batches of all models may read at once.
    pub row_budget: Arc<RowBudget>,
}

/// What came of a model.
#[derive(Default)]
pub struct BuiltModel {
    part: ModelReport,
    audits: Vec<AuditResult>,
    failures: Vec<Error>,
    warnings: Vec<String>,
    tables: Vec<Table>,
    commits: u64,
    unbuilt: Vec<Unbuilt>,
    left: Vec<String>,
}

impl BuiltModel {
    /// The partitions that could not be built, here or in what the model reads.
    pub fn unbuilt(&self) -> &[Unbuilt] {
        &self.unbuilt
    }

    /// Notes what the model reads and could not be built, and which of its partitions stay for that.
    pub fn leave_out(&mut self, left: Vec<String>, unbuilt: Vec<Unbuilt>) {
        self.left = left;
        self.unbuilt.extend(unbuilt);
    }

    /// Its name, and which of its partitions were left as they were, by reason.
    pub fn left(&self) -> impl Iterator<Item = (&str, &str)> {
        self.left
            .iter()
            .map(|left| (self.part.name.as_str(), left.as_str()))
    }

    /// The tables that were written: the model's newest snapshot, and what audits found.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Takes it down.
    pub fn report(self, report: &mut RunReport) {
        note_audits(report, &self.audits);
        self.failures.iter().for_each(|error| report.fail(error));
        report.warnings.extend(self.warnings);
        report.models.push(self.part);
    }

    fn note_table(&mut self, table: Table) {
        match self.tables.iter_mut().find(|known| known.name == table.name) {
            // Batches come to their ends in any order: the newest snapshot has the others' files too.
            Some(known) if known.version() >= table.version() => {}
            Some(known) => *known = table,
            None => self.tables.push(table),
        }
    }
}

impl BuildContext<'_> {
    /// Builds the stale partitions and takes the orphaned ones out.
    ///
    /// # Errors
    /// External when the ledger cannot be written; what fails in the model itself stands in what is returned.
    pub async fn build(&self, model: &Model, staleness: Staleness) -> Result<BuiltModel> {
        let mut built = BuiltModel {
            part: ModelReport {
                name: model.name.clone(),
                partitions_current: staleness.current.len() as u64,
                ..ModelReport::default()
            },
            ..BuiltModel::default()
        };
        self.note_again(model, &staleness.unnoted).await?;
        let rows = match model.split_by {
            Some(_) => WIDE_ROWS_PER_BATCH,
            None => ROWS_PER_BATCH,
        };
        let mut work = batches(&staleness.stale, rows * self.workspace.engine.tasks());
        if work.is_empty() && !staleness.orphaned.is_empty() {
            work.push(Vec::new());
        }
        if work.is_empty() {
            return Ok(built);
        }
        self.observer
            .begin(model.schema(), &model.name, staleness.stale.len() as u64);
        let mut orphaned = Some(staleness.orphaned);
        let is_stopped = AtomicBool::new(false);
        let all = work.len();
        let batches = work.into_iter().map(|partitions| {
            let batch = Batch {
                engine: self.workspace.engine.clone(),
                warehouse: self.workspace.warehouse.clone(),
                tables: self.tables.clone(),
                model: model.clone(),
                partitions,
                orphaned: orphaned.take().unwrap_or_default(),
                run_id: self.run_id.to_string(),
            };
            self.build_batch(batch, &is_stopped)
        });
        let mut finished = stream::iter(batches).buffered(all);
        let mut failures = Failures::default();
        let mut parts = Vec::new();
        while let Some(finished) = finished.next().await {
            parts.extend(finished);
        }
        for (partitions, orphaned, outcome) in parts {
            match outcome {
                None => failures.never_begun(partitions),
                Some(Ok(batch)) => {
                    self.note_fingerprints(model, &mut built.part, &partitions, &orphaned, &batch)
                        .await?;
                    built.commits += 1;
                    built.note_table(batch.table);
                    built.audits.extend(batch.audits);
                }
                Some(Err(failed)) => failures.note(partitions, failed),
            }
        }
        self.report_failures(model, failures, &mut built).await;
        self.note_state(model, &built).await?;
        Ok(built)
    }

    /// All that the ledger says of the table is true of its newest version, unless another process wrote to it too.
    async fn note_state(&self, model: &Model, built: &BuiltModel) -> Result<()> {
        let before = self.tables.snapshots.get(&model.name).map_or(0, Table::version);
        let newest = built.tables.iter().find(|table| table.name == model.name);
        let Some(newest) = newest.filter(|table| table.version() == before + built.commits) else {
            return Ok(());
        };
        let states = [(model.name.clone(), state_of(newest))];
        self.workspace.ledger.set_table_states(&states.into()).await
    }

    /// Notes what the table itself says of partitions that are up to date.
    async fn note_again(&self, model: &Model, unnoted: &[(String, String)]) -> Result<()> {
        let table = self.tables.snapshots.get(&model.name);
        let fingerprint = |(partition_key, fingerprint): &(String, String)| Fingerprint {
            table_name: model.name.clone(),
            partition_key: partition_key.clone(),
            fingerprint: fingerprint.clone(),
            run_id: self.run_id.to_string(),
            table_version: table.map_or(0, |table| table.version() as i64),
        };
        let fingerprints: Vec<Fingerprint> = unnoted.iter().map(fingerprint).collect();
        self.workspace.ledger.set_fingerprints(&fingerprints).await
    }

    /// What fails is tried again partition by partition: the good ones are committed, and only the others keep their last
    /// good data. Nothing more is computed once the store has failed.
    async fn build_batch(&self, batch: Batch, is_stopped: &AtomicBool) -> Vec<FinishedBatch> {
        let whole = self.attempt(batch.clone(), is_stopped).await;
        let is_of_rows =
            |failed: &Failed| failed.error.retry() == Retry::Never && failed.error.blame() != Blame::Usage;
        let parts = batch.parts();
        match &whole.2 {
            Some(Err(failed)) if parts.len() > 1 && is_of_rows(failed) => {}
            _ => return vec![whole],
        }
        let mut finished = Vec::with_capacity(parts.len());
        for part in parts {
            finished.push(self.attempt(part, is_stopped).await);
        }
        finished
    }

    async fn attempt(&self, batch: Batch, is_stopped: &AtomicBool) -> FinishedBatch {
        let (partitions, orphaned) = (batch.partitions.clone(), batch.orphaned.clone());
        let progress = |rows| self.observer.advance(rows, 0);
        let input_rows = partitions.iter().map(|(_, expected)| expected.input_rows).sum();
        let outcome = match self.row_budget.wait(input_rows).await {
            Ok(_) if is_stopped.load(Ordering::Relaxed) => None,
            Ok(_turn) => Some(batch.build(&progress).await),
            Err(error) => Some(Err(error.into())),
        };
        if let Some(Err(failed)) = &outcome
            && failed.error.retry() != Retry::Never
        {
            is_stopped.store(true, Ordering::Relaxed);
        }
        (partitions, orphaned, outcome)
    }

    /// Keeps the rows that audits found, and says once what failed in the same words.
    async fn report_failures(&self, model: &Model, failures: Failures, built: &mut BuiltModel) {
        for kept in offending::keep(&self.workspace.warehouse, self.run_id, &failures.audits).await {
            match kept {
                Ok(table) => built.note_table(table),
                Err(error) => built
                    .warnings
                    .push(format!("the offending rows could not be kept: {error}")),
            }
        }
        built.audits.extend(failures.audits);
        let unbuilt = failures
            .failed
            .iter()
            .flat_map(|(_, keys)| keys)
            .chain(&failures.never_begun);
        built
            .unbuilt
            .extend(unbuilt.map(|key| Unbuilt::partition(model, key)));
        for (error, keys) in failures.failed {
            let names: Vec<String> = keys.iter().map(|key| key_text(&model.partition, key)).collect();
            let error = match names.is_empty() {
                true => error,
                false => error.at_key(PlaceKey::Partition, some_of(&names)),
            };
            let is_of_rows = error.blame() == Blame::Data && error.hint_text().is_none();
            let largest = match keys.first() {
                Some(key) if is_of_rows => {
                    offending::largest_amounts(self.workspace, &self.tables, model, key).await
                }
                _ => None,
            };
            built.failures.push(match largest {
                Some(rows) => error.at(format!("where the largest amounts are {rows}")).hint(
                    "correct the rows at their source and deliver them again; the partition keeps its last good data, and `[landing] max_rejected` does not help here, because each row fits by itself",
                ),
                None => error,
            });
        }
    }

    async fn note_fingerprints(
        &self,
        model: &Model,
        part: &mut ModelReport,
        partitions: &[(OutputKey, Expected)],
        orphaned: &[OutputKey],
        built: &Built,
    ) -> Result<()> {
        let version = built.table.version() as i64;
        let fingerprints: Vec<Fingerprint> = partitions
            .iter()
            .map(|(key, expected)| Fingerprint {
                table_name: model.name.clone(),
                partition_key: key_text(&model.partition, key),
                fingerprint: expected.fingerprint.clone(),
                run_id: self.run_id.to_string(),
                table_version: version,
            })
            .collect();
        let ledger = &self.workspace.ledger;
        ledger.set_fingerprints(&fingerprints).await?;
        let gone: Vec<String> = orphaned
            .iter()
            .map(|key| key_text(&model.partition, key))
            .collect();
        ledger.drop_fingerprints(&model.name, &gone).await?;
        part.partitions_built += partitions.len() as u64;
        part.rows += built.rows;
        part.built
            .extend(fingerprints.into_iter().map(|f| f.partition_key));
        self.observer.advance(0, partitions.len() as u64);
        Ok(())
    }
}

/// A batch's partitions, those that went with it, and how it ended; nothing when it was not begun.
type FinishedBatch = (
    Vec<(OutputKey, Expected)>,
    Vec<OutputKey>,
    Option<std::result::Result<Built, Failed>>,
);

/// What failed of a model.
#[derive(Default)]
struct Failures {
    /// Each failure once, with the partitions that it stopped.
    failed: Vec<(Error, Vec<OutputKey>)>,
    /// Partitions whose turn never came.
    never_begun: Vec<OutputKey>,
    audits: Vec<AuditResult>,
}

impl Failures {
    fn never_begun(&mut self, partitions: Vec<(OutputKey, Expected)>) {
        self.never_begun
            .extend(partitions.into_iter().map(|(key, _)| key));
    }

    fn note(&mut self, partitions: Vec<(OutputKey, Expected)>, failed: Failed) {
        let keys = partitions.into_iter().map(|(key, _)| key);
        let text = failed.error.to_string();
        match self
            .failed
            .iter_mut()
            .find(|(known, _)| known.to_string() == text)
        {
            Some((_, known)) => known.extend(keys),
            None => self.failed.push((failed.error, keys.collect())),
        }
        for audit in failed.audits {
            let known = self.audits.iter_mut().find(|known| known.name == audit.name);
            match known {
                Some(known) => known.add(audit),
                None => self.audits.push(audit),
            }
        }
    }
}

fn note_audits(report: &mut RunReport, audits: &[AuditResult]) {
    for audit in audits {
        let passed = audit.failures == 0;
        match report.audits.iter_mut().find(|a| a.name == audit.name) {
            Some(known) => {
                known.passed &= passed;
                known.failures += audit.failures as u64;
            }
            None => report.audits.push(AuditReport {
                name: audit.name.clone(),
                passed,
                failures: audit.failures as u64,
            }),
        }
    }
}

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
use super::workspace::Workspace;
use crate::error::{Error, Result};
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

/// Who may compute: as many batches as there are cores, as long as their rows are few enough.
pub struct Turns {
    thousand_rows: Semaphore,
    least: u32,
}

impl Turns {
    /// For `at_once` batches.
    pub fn new(at_once: usize) -> Turns {
        Turns {
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
pub struct Surroundings<'a> {
    /// Ledger, engine and warehouse.
    pub workspace: &'a Workspace,
    /// The tables as they are.
    pub tables: Arc<Tables>,
    /// The run.
    pub run_id: &'a str,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Turns for the batches of all models.
    pub turns: Arc<Turns>,
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
}

impl BuiltModel {
    /// Whether every batch was built.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
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

impl Surroundings<'_> {
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
        let rows = match model.day {
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
        let has_failed = AtomicBool::new(false);
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
            self.build_batch(batch, &has_failed)
        });
        let mut finished = stream::iter(batches).buffered(all);
        while let Some((partitions, orphaned, outcome)) = finished.next().await {
            match outcome {
                None => {}
                Some(Ok(batch)) => {
                    self.note_fingerprints(model, &mut built.part, &partitions, &orphaned, &batch)
                        .await?;
                    built.commits += 1;
                    built.note_table(batch.table);
                    built.audits.extend(batch.audits);
                }
                Some(Err(failed)) => {
                    for kept in offending::keep(&self.workspace.warehouse, self.run_id, &failed.audits).await
                    {
                        match kept {
                            Ok(table) => built.note_table(table),
                            Err(error) => built
                                .warnings
                                .push(format!("the offending rows could not be kept: {error}")),
                        }
                    }
                    built.audits.extend(failed.audits);
                    built.failures.push(failed.error);
                }
            }
        }
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

    /// Nothing more is computed once a batch has failed.
    async fn build_batch(&self, batch: Batch, has_failed: &AtomicBool) -> FinishedBatch {
        let (partitions, orphaned) = (batch.partitions.clone(), batch.orphaned.clone());
        let progress = |rows| self.observer.advance(rows, 0);
        let input_rows = partitions.iter().map(|(_, expected)| expected.input_rows).sum();
        let outcome = match self.turns.wait(input_rows).await {
            Ok(_) if has_failed.load(Ordering::Relaxed) => None,
            Ok(_turn) => Some(batch.build(&progress).await),
            Err(error) => Some(Err(error.into())),
        };
        if let Some(Err(_)) = outcome {
            has_failed.store(true, Ordering::Relaxed);
        }
        (partitions, orphaned, outcome)
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

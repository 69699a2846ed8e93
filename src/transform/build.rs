//! Builds a batch of partitions: query, stage, audit, one commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::audits::{AuditResult, run_audits};
use super::digits::refuse_too_many_digits;
use super::grouping::is_exhausted;
use super::part::Part;
use super::partitions::{Expected, OutputKey, contributes, key_text};
use super::session::Engine;
use super::small_views::{self, SharedFilter};
use super::tables::{FileFilter, Tables};
use super::unchanged::unchanged;
use crate::error::{Error, ErrorKind, PlaceKey, Result};
use crate::land::transaction_version;
use crate::model::Model;
use crate::warehouse::commit::kernel_schema;
use crate::warehouse::scan::as_data_files;
use crate::warehouse::{
    Commit, Location, PartitionValues, Replaced, SnapshotTable, StagedFile, Stager, Table, Warehouse,
};

/// The fingerprint of a partition that is gone.
const NOTHING: &str = "";

/// A committed batch.
pub struct Built {
    /// The table after the commit.
    pub table: Table,
    /// Rows written.
    pub rows: u64,
    /// The audits that passed.
    pub audits: Vec<AuditResult>,
}

/// Why a batch was not committed.
pub struct Failed {
    /// The reason.
    pub error: Error,
    /// The audits as far as they ran.
    pub audits: Vec<AuditResult>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed {
            error,
            audits: Vec::new(),
        }
    }
}

/// The name under which a partition's fingerprint stands in the table itself.
pub fn app_id(table: &str, partition: &str) -> String {
    format!("ogf/{table}/{partition}")
}

/// A batch of a model's partitions that is to be computed.
#[derive(Clone)]
pub struct Batch {
    /// The query engine.
    pub engine: Engine,
    /// Where the table lies.
    pub warehouse: Warehouse,
    /// What the model may read.
    pub tables: Arc<Tables>,
    /// The model.
    pub model: Model,
    /// The partitions.
    pub partitions: Vec<(OutputKey, Expected)>,
    /// Partitions that go with the same commit.
    pub orphaned: Vec<OutputKey>,
    /// For the names of files and for people who read the history.
    pub run_id: String,
}

impl Batch {
    /// Computes the partitions, audits them on the staged files and makes them visible in one commit.
    ///
    /// # Errors
    /// A failed audit leaves the table as it was; so does everything else that goes wrong.
    pub async fn build(self, progress: &(dyn Fn(u64) + Sync)) -> std::result::Result<Built, Failed> {
        let mut attempt = 0;
        let computed = loop {
            match self.clone().computed(progress).await {
                Ok(computed) => break computed,
                Err(failed) => match self.engine.pause_before_retry(attempt, &failed.error) {
                    // Nothing of the attempt is visible: the whole batch is computed again.
                    Some(pause) => {
                        tracing::warn!(error = %failed.error, attempt, model = self.model.name, "computed again after a pause");
                        tokio::time::sleep(pause).await;
                        attempt += 1;
                    }
                    None => return Err(failed),
                },
            }
        };
        let model = &self.model;
        let same = self.unchanged(&computed).await?;
        let same: Vec<PartitionValues> = same.iter().map(|key| partition_values(model, key)).collect();
        let keys = self.partitions.iter().map(|(key, _)| key).chain(&self.orphaned);
        let replaced = keys.map(|key| partition_values(model, key));
        let (dropped, added): (Vec<StagedFile>, _) = computed
            .staged
            .into_iter()
            .partition(|file| same.contains(&file.partition));
        Stager::discard(&self.warehouse.table_location(&model.name), &dropped).await;
        let commit = Commit {
            table: model.name.clone(),
            schema: computed.schema,
            partition_columns: model.partition.clone(),
            replaced: Replaced::Partitions(replaced.filter(|values| !same.contains(values)).collect()),
            added,
            transactions: self.transactions(),
            facts: None,
            run_id: self.run_id.clone(),
        };
        let table = self.warehouse.commit(commit).await?;
        Ok(Built {
            table,
            rows: computed.rows,
            audits: computed.audits,
        })
    }

    /// The same work partition by partition, what goes by itself.
    pub fn parts(&self) -> Vec<Batch> {
        let part = |partitions: &[(OutputKey, Expected)], orphaned: &[OutputKey]| Batch {
            partitions: partitions.to_vec(),
            orphaned: orphaned.to_vec(),
            ..self.clone()
        };
        let mut parts: Vec<Batch> = self.partitions.chunks(1).map(|one| part(one, &[])).collect();
        if !self.orphaned.is_empty() {
            parts.push(part(&[], &self.orphaned));
        }
        parts
    }

    /// What each partition is made from now. One that goes is made from nothing: should its inputs come back as they were,
    /// it is built again.
    fn transactions(&self) -> Vec<(String, i64)> {
        let built = self.partitions.iter();
        let built = built.map(|(key, expected)| (key, expected.fingerprint.as_str()));
        let orphaned = self.orphaned.iter().map(|key| (key, NOTHING));
        let id = |key| app_id(&self.model.name, &key_text(&self.model.partition, key));
        built
            .chain(orphaned)
            .map(|(key, fingerprint)| (id(key), transaction_version(fingerprint)))
            .collect()
    }

    /// The partitions whose files stay, because the rows came out as they were.
    async fn unchanged(&self, computed: &Computed) -> Result<BTreeSet<OutputKey>> {
        match self.tables.snapshots.get(&self.model.name) {
            Some(table) if self.model.skip_if_unchanged => {
                let (context, keys) = (self.engine.session(), self.partitions.iter());
                let keys = keys.map(|(key, _)| key.clone());
                unchanged(
                    &context,
                    &self.model,
                    keys,
                    table,
                    &computed.schema,
                    &computed.staged,
                )
                .await
            }
            _ => Ok(BTreeSet::new()),
        }
    }

    /// On a task of its own, so that models which do not read each other have a core each.
    async fn computed(self, progress: &(dyn Fn(u64) + Sync)) -> std::result::Result<Computed, Failed> {
        let (written, mut rows) = unbounded_channel();
        let task = SpawnedTask::spawn(async move { self.compute(written).await });
        while let Some(rows) = rows.recv().await {
            progress(rows);
        }
        match task.join().await {
            Ok(computed) => computed,
            Err(error) => Err(Error::internal("a model's computation did not come to its end")
                .because(error)
                .into()),
        }
    }

    /// Runs the model's query, stages the rows and audits them; what fails leaves nothing behind.
    async fn compute(&self, written: UnboundedSender<u64>) -> std::result::Result<Computed, Failed> {
        let (tables, model) = (self.tables.as_ref(), &self.model);
        let place = |error: Error| error.at_key(PlaceKey::Model, &model.name);
        let filter = self.filter();
        let begun = Instant::now();
        let sql = tables.rendered(&model.name)?;
        let context = self
            .context(tables, &filter, Memory::Limited)
            .await
            .map_err(place)?;
        tracing::debug!(model = model.name, took = ?begun.elapsed(), "inputs registered");
        let frame = context.sql(&sql).await.map_err(|e| place(e.into()))?;
        let (schema, written_schema) = (
            storable(frame.schema().as_arrow()),
            writable(frame.schema().as_arrow()),
        );
        hold_columns(model, &schema).map_err(place)?;
        let location = self.warehouse.table_location(&model.name);
        let query = Query {
            batch: self,
            filter: &filter,
            context: &context,
            sql: &sql,
            model,
            schema: &written_schema,
            location: &location,
            run_id: &self.run_id,
            written,
        };
        let (rows, staged, outcome) = match self.partitions.is_empty() {
            true => (0, Vec::new(), Ok(())),
            false => query.staged().await.map_err(place)?,
        };
        tracing::debug!(model = model.name, rows, took = ?begun.elapsed(), "staged");
        let audited = match outcome {
            Ok(()) => {
                self.audit_staged(&context, &schema, &staged, &location, filter.as_ref())
                    .await
            }
            Err(error) => Err(Failed::from(place(error))),
        };
        tracing::debug!(model = model.name, took = ?begun.elapsed(), "audited");
        match audited {
            Ok(audits) => Ok(Computed {
                schema,
                staged,
                rows,
                audits,
            }),
            Err(failed) => {
                Stager::discard(&location, &staged).await;
                Err(failed)
            }
        }
    }

    /// A session that knows what the model reads.
    async fn context(
        &self,
        tables: &Tables,
        filter: &SharedFilter,
        memory: Memory,
    ) -> Result<SessionContext> {
        let model = &self.model;
        let context = match (model.schema(), &model.split_by, memory) {
            ("estimate", ..) => self.engine.session_in_written_order(),
            (_, Some(_), Memory::Limited) => self.engine.session_within_memory(),
            (_, None, _) | (.., Memory::AndSpill) => self.engine.pipeline_session(),
        };
        small_views::register(&self.engine, &self.tables, &context, &model.reads, filter).await?;
        tables
            .register(&context, &model.reads, Some(filter.as_ref()))
            .await?;
        Ok(context)
    }

    /// The files that its partitions are made from.
    fn filter(&self) -> SharedFilter {
        let (model, partitions) = (self.model.clone(), self.partitions.clone());
        Arc::new(move |_, file| partitions.iter().any(|(key, _)| contributes(&model, key, file)))
    }

    async fn audit_staged(
        &self,
        context: &SessionContext,
        schema: &Schema,
        staged: &[StagedFile],
        location: &Location,
        filter: FileFilter<'_>,
    ) -> std::result::Result<Vec<AuditResult>, Failed> {
        let model = &self.model;
        let files = as_data_files(staged)?;
        let provider = SnapshotTable::staged(location.prefix.to_string(), schema, &model.partition, files);
        context
            .register_table(TableReference::bare("staged"), Arc::new(provider))
            .map_err(Error::from)?;
        let at_once = self.engine.at_once();
        let audits = run_audits(context, &self.tables, model, "staged", Some(filter), at_once).await?;
        match audits.iter().find(|a| a.failures > 0) {
            None => Ok(audits),
            Some(first) => {
                let what = format!("{} failed with {} offending rows", first.name, first.failures);
                let error = Error::data(what).of_kind(ErrorKind::FailedAudit).hint(format!(
                    "the last published data stands untouched; `offgridflow sql \"select * from audit.{}\"` shows the rows",
                    first.audit
                ));
                Err(Failed { error, audits })
            }
        }
    }
}

/// A batch as it lies beside the table, audited and not yet visible.
struct Computed {
    schema: SchemaRef,
    staged: Vec<StagedFile>,
    rows: u64,
    audits: Vec<AuditResult>,
}

/// Where the groups of a model with days may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Within the memory limit alone: what exceeds it is asked again, in parts.
    Limited,
    /// And in spill files.
    AndSpill,
}

/// What is computed and where it goes.
struct Query<'a> {
    batch: &'a Batch,
    filter: &'a SharedFilter,
    context: &'a SessionContext,
    sql: &'a str,
    model: &'a Model,
    /// What the files' rows look like.
    schema: &'a SchemaRef,
    location: &'a Location,
    run_id: &'a str,
    /// Receives the number of rows of each batch.
    written: UnboundedSender<u64>,
}

/// A month has no more days than this to be cut by.
const MOST_PARTS_BY_DAY: u32 = 31;
/// Of a build that takes the rows of a view in parts.
const MOST_PARTS_BY_ROW: u32 = 256;

impl Query<'_> {
    /// Stages the model's rows: their number, the files, and how it ended.
    ///
    /// Where its joins and groups exceed the engine's memory and the model, or a view that it reads, names a column to cut
    /// by (`split_by`), it is computed again in several queries: groups never span days, and each row comes from one row
    /// of such a view, so the parts add up to the whole. Groups of one day that still exceed the memory are spilled.
    async fn staged(&self) -> Result<(u64, Vec<StagedFile>, Result<()>)> {
        let by_row = self.batch.tables.graph.reads_in_parts(&self.model.name);
        let most_parts = match &self.model.split_by {
            Some(_) => MOST_PARTS_BY_DAY,
            None if by_row => MOST_PARTS_BY_ROW,
            None => 1,
        };
        let mut parts = 1;
        let mut spilling = None;
        loop {
            let mut stager = Stager::new(
                self.location.clone(),
                self.run_id,
                self.schema.clone(),
                &self.model.partition,
            )?;
            let context = spilling.as_ref().unwrap_or(self.context);
            let outcome = self.write(context, parts, &mut stager).await;
            let rows = stager.rows();
            let staged = stager.finish().await?;
            match outcome {
                Err(Stopped::OutOfMemory(_)) if parts < most_parts => {
                    Stager::discard(self.location, &staged).await;
                    parts = (parts * 4).min(most_parts);
                }
                Err(Stopped::OutOfMemory(_)) if self.model.split_by.is_some() && spilling.is_none() => {
                    Stager::discard(self.location, &staged).await;
                    let tables = &self.batch.tables;
                    spilling = Some(self.batch.context(tables, self.filter, Memory::AndSpill).await?);
                }
                Err(Stopped::OutOfMemory(error) | Stopped::Failed(error)) => {
                    return Ok((rows, staged, Err(error)));
                }
                Ok(()) => return Ok((rows, staged, Ok(()))),
            }
        }
    }

    async fn write(
        &self,
        context: &SessionContext,
        parts: u32,
        stager: &mut Stager,
    ) -> std::result::Result<(), Stopped> {
        for number in 0..parts {
            let part = Part { number, of: parts };
            let begun = Instant::now();
            let frame = match &self.model.split_by {
                Some(column) => {
                    let (state, whole) = context.sql(self.sql).await?.into_parts();
                    DataFrame::new(state, part.rows(whole, column)?)
                }
                None if parts == 1 => context.sql(self.sql).await?,
                None => {
                    let tables = Tables {
                        part,
                        ..self.batch.tables.as_ref().clone()
                    };
                    let context = self.batch.context(&tables, self.filter, Memory::Limited).await?;
                    context.sql(self.sql).await?
                }
            };
            let mut stream = frame.execute_stream().await?;
            tracing::debug!(model = self.model.name, part = number, of = parts, took = ?begun.elapsed(), "planned");
            while let Some(rows) = stream.next().await {
                let rows = rows?;
                // Nobody listens any more only when the whole batch is given up.
                let _ = self.written.send(rows.num_rows() as u64);
                stager.write(&conform(&rows, self.schema)?).await?;
            }
        }
        Ok(())
    }
}

/// Why a query did not come to its end.
enum Stopped {
    OutOfMemory(Error),
    Failed(Error),
}

impl From<DataFusionError> for Stopped {
    fn from(error: DataFusionError) -> Self {
        match is_exhausted(&error) {
            true => Stopped::OutOfMemory(error.into()),
            false => Stopped::Failed(error.into()),
        }
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Failed(error)
    }
}

fn partition_values(model: &Model, key: &OutputKey) -> PartitionValues {
    model
        .partition
        .iter()
        .cloned()
        .zip(key.iter().map(|v| Some(v.clone())))
        .collect()
}

/// Refuses a result that no table can hold: without a column that its front matter names, with none besides the partition's, of
/// types that Delta has not.
fn hold_columns(model: &Model, schema: &Schema) -> Result<()> {
    let mut named = model.partition.iter().chain(&model.split_by);
    if let Some(column) = named.find(|column| schema.index_of(column).is_err()) {
        return Err(Error::usage(format!(
            "the model has no column `{column}`, which its front matter names"
        ))
        .hint("select a column of this name, or take it out of `partition` or `split_by`"));
    }
    if schema.fields().len() == model.partition.len() {
        return Err(
            Error::usage("the model has no column besides those that it is partitioned by")
                .hint("select what is to be said of each of them"),
        );
    }
    kernel_schema(schema).map(drop)
}

/// The schema as Delta keeps it: plain text instead of views, everything nullable.
fn storable(schema: &Schema) -> SchemaRef {
    with_types(schema, stored_type)
}

fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::UInt64 | DataType::UInt32 | DataType::Int32 => DataType::Int64,
        other => other.clone(),
    }
}

/// The same as it is handed to the encoder, to which views of text are as good as text.
fn writable(schema: &Schema) -> SchemaRef {
    with_types(schema, |data_type| match data_type {
        DataType::Utf8View => DataType::Utf8View,
        other => stored_type(other),
    })
}

fn with_types(schema: &Schema, stored: impl Fn(&DataType) -> DataType) -> SchemaRef {
    let fields = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), stored(field.data_type()), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn conform(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(column.clone()),
            false => cast(column, field.data_type()),
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let rows = RecordBatch::try_new(schema.clone(), columns)?;
    refuse_too_many_digits(&rows, true)?;
    Ok(rows)
}

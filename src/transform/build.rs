//! Builds a batch of partitions: query, stage, audit, one commit.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::audits::{AuditResult, run_audits};
use super::grouping::is_exhausted;
use super::partitions::{Expected, OutputKey, contributes, key_text};
use super::session::Engine;
use super::tables::Tables;
use crate::error::{Error, Result};
use crate::land::transaction_version;
use crate::model::Model;
use crate::warehouse::scan::as_data_files;
use crate::warehouse::{
    Commit, DataFile, Location, PartitionValues, Replaced, SnapshotTable, StagedFile, Stager, Table,
    Warehouse,
};

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

/// Computes the partitions of `batch`, audits them on the staged files and makes them visible in one commit.
///
/// # Errors
/// A failed audit leaves the table as it was; so does everything else that goes wrong.
pub async fn build_batch(
    engine: &Engine,
    warehouse: &Warehouse,
    tables: &Tables,
    model: &Model,
    batch: &[(OutputKey, Expected)],
    orphaned: &[OutputKey],
    run_id: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> std::result::Result<Built, Failed> {
    let mut attempt = 0;
    let computed = loop {
        match compute(engine, warehouse, tables, model, batch, run_id, progress).await {
            Ok(computed) => break computed,
            Err(failed) => match engine.pause_before_retry(attempt, &failed.error) {
                // Nothing of the attempt is visible: the whole batch is computed again.
                Some(pause) => {
                    tracing::warn!(error = %failed.error, attempt, model = model.name, "computed again after a pause");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                None => return Err(failed),
            },
        }
    };
    let keys = batch.iter().map(|(key, _)| key).chain(orphaned);
    let commit = Commit {
        table: model.name.clone(),
        schema: computed.schema,
        partition_columns: model.partition.clone(),
        replaced: Replaced::Partitions(keys.map(|key| partition_values(model, key)).collect()),
        added: computed.staged,
        transactions: batch
            .iter()
            .map(|(key, expected)| {
                (
                    app_id(&model.name, &key_text(&model.partition, key)),
                    transaction_version(&expected.fingerprint),
                )
            })
            .collect(),
        run_id: run_id.to_string(),
    };
    let table = warehouse.commit(commit).await?;
    Ok(Built {
        table,
        rows: computed.rows,
        audits: computed.audits,
    })
}

/// A batch as it lies beside the table, audited and not yet visible.
struct Computed {
    schema: SchemaRef,
    staged: Vec<StagedFile>,
    rows: u64,
    audits: Vec<AuditResult>,
}

/// Runs the model's query, stages the rows and audits them; what fails leaves nothing behind.
async fn compute(
    engine: &Engine,
    warehouse: &Warehouse,
    tables: &Tables,
    model: &Model,
    batch: &[(OutputKey, Expected)],
    run_id: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> std::result::Result<Computed, Failed> {
    let place = |error: Error| error.at(format!("model {}", model.name));
    let filter = |_: &str, file: &DataFile| batch.iter().any(|(key, _)| contributes(model, key, file));
    let context = match (model.schema(), &model.day) {
        ("estimate", _) => engine.session_in_written_order(),
        (_, Some(_)) => engine.session_within_memory(),
        (_, None) => engine.pipeline_session(),
    };
    let sql = tables.rendered(&model.name)?;
    tables
        .register(&context, &model.reads, Some(&filter))
        .await
        .map_err(place)?;
    let frame = context.sql(&sql).await.map_err(|e| place(e.into()))?;
    let schema = storable(frame.schema().as_arrow());
    let location = warehouse.table_location(&model.name);
    let query = Query {
        context: &context,
        sql: &sql,
        model,
        schema: &schema,
        location: &location,
        run_id,
        progress,
    };
    let (rows, staged, outcome) = match batch.is_empty() {
        true => (0, Vec::new(), Ok(())),
        false => query.staged().await.map_err(place)?,
    };
    let audited = match outcome {
        Ok(()) => audit_staged(&context, tables, model, &schema, &staged, &location, &filter).await,
        Err(error) => Err(Failed::from(place(error))),
    };
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

/// What is computed and where it goes.
struct Query<'a> {
    context: &'a SessionContext,
    sql: &'a str,
    model: &'a Model,
    schema: &'a SchemaRef,
    location: &'a Location,
    run_id: &'a str,
    progress: &'a (dyn Fn(u64) + Sync),
}

/// A month has no more days than this to be cut by.
const MOST_PARTS: u32 = 31;

impl Query<'_> {
    /// Stages the model's rows: their number, the files, and how it ended.
    ///
    /// Where the groups exceed the engine's memory and the model names a day, it is computed again in several queries that
    /// each take some days of the month: groups never span days, so the parts add up to the whole.
    async fn staged(&self) -> Result<(u64, Vec<StagedFile>, Result<()>)> {
        let mut parts = 1;
        loop {
            let mut stager = Stager::new(
                self.location.clone(),
                self.run_id,
                self.schema.clone(),
                &self.model.partition,
            )?;
            let outcome = self.write(parts, &mut stager).await;
            let rows = stager.rows();
            let staged = stager.finish().await?;
            match (&self.model.day, outcome) {
                (Some(_), Err(Stopped::OutOfMemory(_))) if parts < MOST_PARTS => {
                    Stager::discard(self.location, &staged).await;
                    parts = (parts * 4).min(MOST_PARTS);
                }
                (_, Err(Stopped::OutOfMemory(error) | Stopped::Failed(error))) => {
                    return Ok((rows, staged, Err(error)));
                }
                (_, Ok(())) => return Ok((rows, staged, Ok(()))),
            }
        }
    }

    async fn write(&self, parts: u32, stager: &mut Stager) -> std::result::Result<(), Stopped> {
        for part in 0..parts {
            let query = match &self.model.day {
                Some(day) if parts > 1 => format!(
                    "SELECT * FROM ({}) AS whole WHERE CAST(extract(DAY FROM \"{day}\") AS BIGINT) % {parts} = {part}",
                    self.sql
                ),
                _ => self.sql.to_string(),
            };
            let mut stream = self.context.sql(&query).await?.execute_stream().await?;
            while let Some(rows) = stream.next().await {
                let rows = rows?;
                (self.progress)(rows.num_rows() as u64);
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

async fn audit_staged(
    context: &SessionContext,
    tables: &Tables,
    model: &Model,
    schema: &Schema,
    staged: &[StagedFile],
    location: &crate::warehouse::Location,
    filter: &(dyn Fn(&str, &DataFile) -> bool + Sync),
) -> std::result::Result<Vec<AuditResult>, Failed> {
    let files = as_data_files(staged)?;
    let provider = SnapshotTable::staged(location.prefix.to_string(), schema, &model.partition, files);
    context
        .register_table(TableReference::bare("staged"), Arc::new(provider))
        .map_err(Error::from)?;
    let audits = run_audits(context, tables, model, "staged", Some(filter)).await?;
    match audits.iter().find(|a| a.failures > 0) {
        None => Ok(audits),
        Some(first) => {
            let error = Error::data(format!("{} failed with {} offending rows", first.name, first.failures)).hint(format!(
                "the last published data stands untouched; `offgridflow sql \"select * from audit.{}\"` shows the rows",
                first.audit
            ));
            Err(Failed { error, audits })
        }
    }
}

/// The schema as Delta keeps it: plain text instead of views, everything nullable.
fn storable(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
                DataType::Dictionary(_, value) => value.as_ref().clone(),
                DataType::UInt64 | DataType::UInt32 | DataType::Int32 => DataType::Int64,
                other => other.clone(),
            };
            Field::new(field.name(), data_type, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
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
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

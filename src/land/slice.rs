//! One slice: the files of a delivery read, checked, staged and committed as one replacement.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::checks::{Bill, Checks};
use super::contract::Contract;
use super::csv_rows::CsvFile;
use super::parquet_rows::ParquetFile;
use super::quarantine::Quarantine;
use super::raw_columns::{partition_columns, provenance_fields, raw_field, raw_names};
use crate::config::{Kind, Source};
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::{Delivery, Format, SourceFile};
use crate::warehouse::{Commit, Location, PartitionValues, Replaced, StagedFile, Stager, Warehouse};

/// Which partition of which raw table a delivery fills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceKey {
    /// The tenant.
    pub tenant: String,
    /// The source's id.
    pub source: String,
    /// The source's kind.
    pub kind: Kind,
    /// The export.
    pub export: String,
    /// The billing period; `None` for a bare file, whose rows say theirs.
    pub period: Option<Period>,
}

impl SliceKey {
    /// The raw table of files of a format.
    pub fn table(&self, format: Format) -> String {
        match format {
            Format::Csv => format!("raw.{}", self.kind.name()),
            Format::Parquet => format!("raw.{}_parquet", self.kind.name()),
        }
    }

    /// The partitions that landing replaces: one period, or all of a bare file's.
    pub fn partition(&self) -> PartitionValues {
        let mut values: PartitionValues = [
            ("tenant", &self.tenant),
            ("source", &self.source),
            ("export", &self.export),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), Some(value.clone())))
        .collect();
        if let Some(period) = self.period {
            values.insert("period".into(), Some(period.to_string()));
        }
        values
    }

    /// The name under which the delivery id stands in the raw table itself.
    pub fn app_id(&self, table: &str) -> String {
        let period = self.period.map(|p| p.to_string()).unwrap_or_else(|| "*".into());
        format!(
            "ogf/{table}/{}/{}/{}/{period}",
            self.tenant, self.source, self.export
        )
    }
}

impl std::fmt::Display for SliceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {}", self.tenant, self.source, self.export)?;
        match self.period {
            Some(period) => write!(f, " {period}"),
            None => Ok(()),
        }
    }
}

/// 63 bits of a hash, as a Delta transaction version.
pub fn transaction_version(id: &str) -> i64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(first) >> 1) as i64
}

/// What landing needs to know besides the files.
pub struct SliceRequest<'a> {
    /// The warehouse.
    pub warehouse: &'a Warehouse,
    /// This run.
    pub run_id: &'a str,
    /// Where remote files are spooled.
    pub spool: PathBuf,
    /// Rows that may stay in quarantine.
    pub max_rejected: u64,
    /// Units that activity data may use.
    pub units: Arc<BTreeSet<String>>,
    /// Told about rows and bytes as they pass.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What became of a slice.
#[derive(Debug, Clone, Default)]
pub struct Landed {
    /// Rows committed.
    pub rows: u64,
    /// The rejected rows.
    pub quarantine: Quarantine,
    /// The bills that its rows belong to, with their periods.
    pub bills: BTreeSet<(Bill, Period)>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Lands a delivery: reads every file, stages the accepted rows and replaces the slice in one commit per table.
///
/// # Errors
/// The delivery is as it was before: a file is missing, changed, truncated or hostile; more rows were rejected
/// than `max_rejected` allows (the quarantine is in the second part).
pub async fn land_slice(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    location: &Location,
    delivery: &Delivery,
) -> std::result::Result<Landed, (Error, Quarantine)> {
    let mut landed = Landed {
        warnings: delivery.warnings.clone(),
        ..Landed::default()
    };
    let formats: Vec<Format> = delivery.files.iter().map(|f| f.format).collect();
    let mut staged: Vec<(String, SchemaRef, Vec<StagedFile>)> = Vec::new();
    for format in [Format::Csv, Format::Parquet] {
        let table = key.table(format);
        if !formats.contains(&format) {
            // Delivered in the other format before: its rows go with the same slice.
            let exists = request
                .warehouse
                .open(&table, None)
                .await
                .map_err(|e| (e, Quarantine::default()))?;
            let Some(exists) = exists else { continue };
            let partition = key.partition();
            let held = exists
                .files()
                .iter()
                .any(|f| partition.iter().all(|(c, v)| f.partition.get(c) == Some(v)));
            if held || (formats.is_empty() && format == Format::Csv) {
                staged.push((table, exists.schema().clone(), Vec::new()));
            }
            continue;
        }
        let files: Vec<&SourceFile> = delivery.files.iter().filter(|f| f.format == format).collect();
        match stage_files(request, key, source, location, &table, &files, &mut landed).await {
            Ok((schema, files)) => staged.push((table, schema, files)),
            Err(error) => {
                discard(request, &staged).await;
                return Err((error, landed.quarantine));
            }
        }
    }
    if landed.quarantine.count > request.max_rejected {
        discard(request, &staged).await;
        let count = landed.quarantine.count;
        let first = landed.quarantine.rows.first();
        let mut error = Error::data(format!(
            "{count} {} the contract",
            if count == 1 { "row breaks" } else { "rows break" }
        ));
        if let Some(first) = first {
            error = error.at(format!("first in {} row {}", first.source_uri, first.row_number));
            if !first.column.is_empty() {
                error = error.at(format!("column {}", first.column));
            }
            error = error.because(&first.reason);
        }
        let hint =
            "`offgridflow quarantine list` shows them; [landing] max_rejected lets a slice land without them";
        return Err((error.hint(hint), landed.quarantine));
    }
    if let Some(manifest) = &delivery.manifest
        && let Err(error) = location.verify_unchanged(manifest).await
    {
        discard(request, &staged).await;
        return Err((error, landed.quarantine));
    }
    for (table, schema, files) in staged {
        let commit = Commit {
            transactions: vec![(key.app_id(&table), transaction_version(&delivery.delivery_id))],
            table,
            schema,
            partition_columns: partition_columns(),
            replaced: Replaced::Partitions(vec![key.partition()]),
            added: files,
            run_id: request.run_id.to_string(),
        };
        request
            .warehouse
            .commit(commit)
            .await
            .map_err(|e| (e, landed.quarantine.clone()))?;
    }
    Ok(landed)
}

async fn discard(request: &SliceRequest<'_>, staged: &[(String, SchemaRef, Vec<StagedFile>)]) {
    for (table, _, files) in staged {
        Stager::discard(&request.warehouse.table_location(table), files).await;
    }
}

/// The columns of one file in the table: delivered name, table field.
struct FileColumns {
    delivered: Vec<String>,
    fields: Vec<Field>,
}

async fn stage_files(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    location: &Location,
    table: &str,
    files: &[&SourceFile],
    landed: &mut Landed,
) -> Result<(SchemaRef, Vec<StagedFile>)> {
    let existing = request.warehouse.open(table, None).await?;
    let existing_schema = existing
        .as_ref()
        .map(|t| Schema::new(t.schema().fields().clone()));
    let contract = Contract::of(key.kind);
    let mut fetched = Vec::with_capacity(files.len());
    let mut all_fields: Vec<Field> = existing_schema
        .iter()
        .flat_map(|s| s.fields().iter().map(|f| f.as_ref().clone()))
        .collect();
    let mut columns = Vec::with_capacity(files.len());
    // Parts of one delivery may differ in their columns: the table's schema is known before a row is written.
    for file in files {
        let local = location.fetch(&file.object, &request.spool).await?;
        let file_columns = read_columns(&local.path, file, &contract, &all_fields).await?;
        for field in &file_columns.fields {
            if !all_fields.iter().any(|f| f.name() == field.name()) {
                all_fields.push(field.clone());
            }
        }
        columns.push(file_columns);
        fetched.push(local);
    }
    for field in provenance_fields().into_iter().chain(
        partition_columns()
            .iter()
            .map(|n| Field::new(n, DataType::Utf8, true)),
    ) {
        if !all_fields.iter().any(|f| f.name() == field.name()) {
            all_fields.push(field);
        }
    }
    let schema = Arc::new(Schema::new(all_fields));
    let mut stager = Stager::new(
        request.warehouse.table_location(table),
        request.run_id,
        schema.clone(),
        &partition_columns(),
    )?;
    let landed_at = chrono::Utc::now().timestamp_micros();
    for ((file, local), file_columns) in files.iter().zip(&fetched).zip(columns) {
        let rows_before = stager.rows();
        let outcome = copy_file(
            request,
            key,
            source,
            &schema,
            &mut stager,
            file,
            &local.path,
            file_columns,
            &contract,
            landed_at,
        )
        .await;
        let outcome = match outcome {
            Ok(outcome) => location.verify_unchanged(&file.object).await.map(|()| outcome),
            // A file that changes under the reader looks damaged: the change is the truer reason.
            Err(error) => Err(location
                .verify_unchanged(&file.object)
                .await
                .err()
                .unwrap_or(error)),
        };
        let (checks, quarantine) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let staged = stager.finish().await.unwrap_or_default();
                Stager::discard(&request.warehouse.table_location(table), &staged).await;
                return Err(error);
            }
        };
        if stager.rows() == rows_before && quarantine.count == 0 {
            landed.warnings.push(format!("{} holds no rows", file.uri));
        }
        for code in checks.unknown_currencies() {
            landed.warnings.push(format!(
                "{}: the currency `{code}` is not in ISO 4217; landed as delivered",
                file.uri
            ));
        }
        if checks.unreadable_dates() > 0 {
            let count = checks.unreadable_dates();
            landed.warnings.push(format!(
                "{}: {count} cells of optional date columns are no dates; they read as null",
                file.uri
            ));
        }
        landed.bills.extend(checks.bills());
        landed.quarantine.extend(quarantine);
    }
    landed.rows += stager.rows();
    Ok((schema, stager.finish().await?))
}

async fn read_columns(
    path: &std::path::Path,
    file: &SourceFile,
    contract: &Contract,
    table: &[Field],
) -> Result<FileColumns> {
    let (path, file, contract, table) = (
        path.to_path_buf(),
        file.clone(),
        *contract,
        Schema::new(table.to_vec()),
    );
    blocking(move || {
        let table = (!table.fields().is_empty()).then_some(&table);
        let (delivered, types): (Vec<String>, Vec<DataType>) = match file.format {
            Format::Csv => {
                let headers = CsvFile {
                    path: &path,
                    source: &file,
                }
                .headers()?;
                let types = vec![DataType::Utf8; headers.len()];
                (headers, types)
            }
            Format::Parquet => ParquetFile {
                path: &path,
                source: &file,
            }
            .columns()?
            .into_iter()
            .unzip(),
        };
        let names = raw_names(&delivered, &contract, table, file.format == Format::Parquet)
            .map_err(|e| e.at(file.uri.clone()))?;
        let fields = names
            .iter()
            .zip(&delivered)
            .zip(types)
            .map(
                |((name, delivered), data_type)| match table.and_then(|t| t.field_with_name(name).ok()) {
                    Some(field) => field.clone(),
                    None => raw_field(name, delivered, data_type),
                },
            )
            .collect();
        Ok(FileColumns { delivered, fields })
    })
    .await
}

/// Runs CPU-bound or file-reading work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("a reader thread failed").because(e))?
}

/// Accepted rows on their way from the reader thread to the stager.
struct Rows {
    columns: Vec<ArrayRef>,
    row_numbers: Vec<i64>,
    periods: Vec<Period>,
}

#[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the arguments.
async fn copy_file(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    schema: &SchemaRef,
    stager: &mut Stager,
    file: &SourceFile,
    path: &std::path::Path,
    columns: FileColumns,
    contract: &Contract,
    landed_at: i64,
) -> Result<(Checks, Quarantine)> {
    let (sender, mut receiver) = mpsc::channel::<Rows>(2);
    let units = (key.kind == Kind::Activity).then(|| request.units.clone());
    let checks = Checks::new(contract, &columns.delivered, source.currency.as_deref(), units)
        .map_err(|e| e.at(file.uri.clone()))?;
    let (fixed, path, read_file) = (key.period, path.to_path_buf(), file.clone());
    let fields = columns.fields.clone();
    let delivered = columns.delivered;
    let reader = tokio::task::spawn_blocking(move || -> Result<(Checks, Quarantine)> {
        let mut checks = checks;
        let closed = || Error::internal("the writer of a slice stopped early");
        let quarantine = match read_file.format {
            Format::Csv => {
                let csv = CsvFile {
                    path: &path,
                    source: &read_file,
                };
                let order = csv.date_order(&checks)?;
                let order_text = order.map(|o| o.as_str());
                csv.read(&delivered, &mut checks, order, fixed, |batch| {
                    let mut columns = batch.columns;
                    let orders: StringArray = batch.row_numbers.iter().map(|_| order_text).collect();
                    columns.push(Arc::new(orders));
                    let rows = Rows {
                        columns,
                        row_numbers: batch.row_numbers,
                        periods: batch.periods,
                    };
                    sender.blocking_send(rows).map_err(|_| closed())
                })?
            }
            Format::Parquet => {
                let target = Schema::new(fields);
                ParquetFile {
                    path: &path,
                    source: &read_file,
                }
                .read(&target, &mut checks, fixed, |batch| {
                    let mut columns = batch.batch.columns().to_vec();
                    columns.push(new_null_array(&DataType::Utf8, batch.row_numbers.len()));
                    let rows = Rows {
                        columns,
                        row_numbers: batch.row_numbers,
                        periods: batch.periods,
                    };
                    sender.blocking_send(rows).map_err(|_| closed())
                })?
            }
        };
        Ok((checks, quarantine))
    });
    let places: Vec<Option<usize>> = schema
        .fields()
        .iter()
        .map(|f| columns.fields.iter().position(|c| c.name() == f.name()))
        .collect();
    let mut written = Ok(());
    while let Some(rows) = receiver.recv().await {
        (request.progress)(rows.row_numbers.len() as u64, 0);
        written = match assemble(schema, &places, rows, key, file, request.run_id, landed_at) {
            Ok(batch) => stager.write(&batch).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            break;
        }
    }
    drop(receiver);
    let read = reader
        .await
        .map_err(|e| Error::internal("a reader thread failed").because(e))?;
    written?;
    (request.progress)(0, file.object.size);
    read
}

/// The table's row out of a file's columns: delivered ones in their places, null where the file has none,
/// provenance and partition behind them.
fn assemble(
    schema: &SchemaRef,
    places: &[Option<usize>],
    rows: Rows,
    key: &SliceKey,
    file: &SourceFile,
    run_id: &str,
    landed_at: i64,
) -> Result<RecordBatch> {
    let count = rows.row_numbers.len();
    let repeat = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
    let date_order = rows
        .columns
        .last()
        .cloned()
        .unwrap_or_else(|| new_null_array(&DataType::Utf8, count));
    let columns = schema
        .fields()
        .iter()
        .zip(places)
        .map(|(field, place)| match (place, field.name().as_str()) {
            (Some(index), _) => rows.columns[*index].clone(),
            (None, "_source_uri") => repeat(&file.uri),
            (None, "_etag") => match &file.object.etag {
                Some(etag) => repeat(etag),
                None => new_null_array(&DataType::Utf8, count),
            },
            (None, "_run_id") => repeat(run_id),
            (None, "_row_number") => Arc::new(Int64Array::from(rows.row_numbers.clone())),
            (None, "_landed_at") => {
                Arc::new(TimestampMicrosecondArray::from(vec![landed_at; count]).with_timezone("UTC"))
            }
            (None, "_date_order") => date_order.clone(),
            (None, "tenant") => repeat(&key.tenant),
            (None, "source") => repeat(&key.source),
            (None, "export") => repeat(&key.export),
            (None, "period") => match key.period {
                Some(period) => repeat(&period.to_string()),
                None => Arc::new(
                    rows.periods
                        .iter()
                        .map(|p| Some(p.to_string()))
                        .collect::<StringArray>(),
                ),
            },
            (None, _) => new_null_array(field.data_type(), count),
        })
        .collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

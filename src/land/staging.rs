//! The files of a delivery on their way into staged Parquet: their columns first, then every row.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::checks::Checks;
use super::coded::CodedFile;
use super::content;
use super::contract::Contract;
use super::csv_rows::CsvFile;
use super::json_rows::JsonFile;
use super::new_files::Provenance;
use super::overlap::{Repeated, RowHashes};
use super::parquet_rows::ParquetFile;
use super::quarantine::Quarantine;
use super::raw_columns::{partition_columns, provenance_fields, raw_field, raw_names};
use super::rewriting::rewrite;
use super::rows::LocalFile;
use super::slice::{Landed, SliceRequest};
use super::slice_key::SliceKey;
use super::verbatim::{Candidate, Copied, take_over};
use crate::config::{Kind, Source};
use crate::error::{Error, Result};
use crate::extract::{Format, Origin, SourceFile};
use crate::warehouse::store::Fetched;
use crate::warehouse::{StagedFile, Stager};

/// The columns of one file in the table: delivered name, table field.
pub(super) struct FileColumns {
    pub delivered: Vec<String>,
    pub fields: Vec<Field>,
}

#[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the arguments.
/// Stages the files of one table; what became of their rows is added to `landed`.
pub(super) async fn stage_files(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    origin: &Origin,
    table: &str,
    files: &[&SourceFile],
    mut answer: Option<Fetched>,
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
        let local = match (answer.take(), origin) {
            (Some(answer), _) => answer,
            (None, Origin::Store(location)) => location.fetch(&file.object, &request.spool).await?,
            (None, Origin::Api(_)) => return Err(Error::internal("an answer has two files")),
        };
        let file_columns = match read_columns(&local.path, file, &contract, &all_fields).await {
            Ok(file_columns) => file_columns,
            Err(error) => return Err(truer(error, origin, file).await),
        };
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
    let repeated = match key.kind == Kind::GcpBillingFiles && files.len() > 1 {
        true => Some(Arc::new(
            repeated_rows(request, source, &contract, files, &fetched, &columns).await?,
        )),
        false => None,
    };
    let mut stager = Stager::new(
        request.warehouse.table_location(table),
        request.run_id,
        schema.clone(),
        &partition_columns(),
    )?;
    let landed_at = chrono::Utc::now().timestamp_micros();
    let provenance = |file: &SourceFile| Provenance {
        source_uri: file.uri.clone(),
        etag: file.object.etag.clone(),
        run_id: request.run_id.to_string(),
        landed_at,
    };
    let candidates = files.iter().zip(&fetched).zip(&columns);
    let candidates = candidates.map(|((file, local), columns)| {
        let fit = file.format == Format::Parquet && repeated.is_none() && contract.nested.is_empty();
        let checks = Checks::new(&contract, &columns.delivered, source.currency.as_deref(), None);
        Some(Candidate {
            path: local.path.clone(),
            fields: columns.fields.clone(),
            period: key.period.filter(|_| fit)?,
            provenance: provenance(file),
            checks: checks.ok()?,
        })
    });
    let sinks = stager.sinks(key.partition());
    let mut copies = Vec::with_capacity(files.len());
    for copied in take_over(candidates.collect(), &sinks).await {
        copies.push(copied.map(|copied| {
            let Copied { checks, staged } = copied?;
            let rows = staged.iter().map(|file| file.rows).sum();
            stager.adopt(staged);
            Some((checks, rows))
        }));
    }
    let parts = files.iter().zip(&fetched).zip(columns).zip(copies);
    for (index, (((file, local), file_columns), copied)) in parts.enumerate() {
        let rows_before = stager.rows();
        let is_copied = matches!(copied, Ok(Some(_)));
        let copied_rows = copied
            .as_ref()
            .map_or(0, |c| c.as_ref().map_or(0, |(_, rows)| *rows));
        let outcome = match copied {
            Ok(Some((checks, rows))) => {
                (request.progress)(rows, file.object.size);
                Ok((checks, Quarantine::default()))
            }
            Ok(None)
                if let Some(period) = key
                    .period
                    .filter(|_| repeated.is_none() && key.kind != Kind::Activity)
                    && CodedFile::is_fit(file, &file_columns.fields) =>
            {
                let checks = Checks::new(
                    &contract,
                    &file_columns.delivered,
                    source.currency.as_deref(),
                    None,
                );
                let coded = CodedFile {
                    path: local.path.clone(),
                    source: (*file).clone(),
                    delivered: file_columns.delivered,
                    fields: file_columns.fields,
                    period,
                    provenance: provenance(file),
                };
                match checks.map_err(|e| e.at(file.uri.clone())) {
                    Ok(checks) => coded.land_beside(request, checks, &sinks).await,
                    Err(error) => Err(error),
                }
                .map(|(checks, quarantine, staged)| {
                    stager.adopt(staged);
                    (checks, quarantine)
                })
            }
            Ok(None) => {
                rewrite(
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
                    repeated.clone().map(|repeated| (repeated, index)),
                )
                .await
            }
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Ok((checks, quarantine)) => {
                let digest = content_digest(origin, &local.path).await;
                let unchanged = origin.verify_unchanged(&file.object).await;
                unchanged.and(digest).map(|digest| (checks, quarantine, digest))
            }
            Err(error) => Err(truer(error, origin, file).await),
        };
        let (checks, quarantine, digest) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let staged = stager.finish().await.unwrap_or_default();
                Stager::discard(&request.warehouse.table_location(table), &staged).await;
                return Err(error);
            }
        };
        if let Some(digest) = digest.filter(|_| copied_rows > 0 || stager.rows() > rows_before) {
            landed.contents.push((file.uri.clone(), digest));
        }
        let known_already = repeated.as_ref().map_or(0, |repeated| repeated.count(index));
        if known_already > 0 {
            landed.warnings.push(format!(
                "{}: {known_already} of its rows are in earlier files of this extract and count once",
                file.uri
            ));
        }
        if !is_copied && stager.rows() == rows_before && quarantine.count == 0 && known_already == 0 {
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
        if checks.blanks() > 0 {
            let count = checks.blanks();
            landed.warnings.push(format!(
                "{}: {count} rows tell no amount at all; their cost reads as null",
                file.uri
            ));
        }
        landed.bills.extend(checks.bills());
        landed.cost_basis = landed.cost_basis.max(checks.cost_basis());
        landed.quarantine.extend(quarantine);
    }
    landed.rows += stager.rows();
    Ok((schema, stager.finish().await?))
}

/// What tells the content of a delivered file; an API's answer has no other name.
async fn content_digest(origin: &Origin, path: &std::path::Path) -> Result<Option<String>> {
    match origin {
        Origin::Api(_) => Ok(None),
        Origin::Store(_) => {
            let path = path.to_path_buf();
            blocking(move || content::digest(&path).map(Some)).await
        }
    }
}

/// A file that changes under the reader looks damaged: the change is the truer reason.
async fn truer(error: Error, origin: &Origin, file: &SourceFile) -> Error {
    let changed = origin.verify_unchanged(&file.object).await;
    changed.err().unwrap_or(error)
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
            Format::Json => {
                let mut headers = JsonFile {
                    path: &path,
                    source: &file,
                }
                .headers()?;
                // An answer without rows names no columns: it is a valid empty delivery all the same.
                if headers.is_empty() {
                    headers = contract.columns.iter().map(|name| name.to_string()).collect();
                }
                let types = vec![DataType::Utf8; headers.len()];
                (headers, types)
            }
            Format::Parquet => ParquetFile {
                path: &path,
                source: &file,
                nested_as_text: !contract.nested.is_empty(),
            }
            .columns()?
            .into_iter()
            .unzip(),
        };
        let names = raw_names(&delivered, &contract, table, file.format.is_typed())
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

/// The rows of each file that an earlier one holds already; every file is read once more for it.
async fn repeated_rows(
    request: &SliceRequest<'_>,
    source: &Source,
    contract: &Contract,
    files: &[&SourceFile],
    fetched: &[Fetched],
    columns: &[FileColumns],
) -> Result<Repeated> {
    std::fs::create_dir_all(&request.spool)
        .map_err(|e| Error::from(e).at(request.spool.display().to_string()))?;
    let mut hashes = RowHashes::new(&request.spool)?;
    for (index, ((file, local), columns)) in files.iter().zip(fetched).zip(columns).enumerate() {
        let mut checks = Checks::new(contract, &columns.delivered, source.currency.as_deref(), None)
            .map_err(|e| e.at(file.uri.clone()))?;
        let (path, file) = (local.path.clone(), (*file).clone());
        let (delivered, fields) = (columns.delivered.clone(), columns.fields.clone());
        let nested_as_text = !contract.nested.is_empty();
        hashes = blocking(move || {
            let file = LocalFile {
                path: &path,
                source: &file,
                delivered: &delivered,
                fields: &fields,
                nested_as_text,
            };
            file.read(&mut checks, None, |rows| hashes.add(index, &fields, &rows))?;
            Ok(hashes)
        })
        .await?;
    }
    let count = files.len();
    blocking(move || hashes.repeated(count)).await
}

/// Runs CPU-bound or file-reading work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("a reader thread failed").because(e))?
}

//! The files of a delivery on their way into staged Parquet: their columns first, then every row.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::checks::Checks;
use super::coded::CodedFile;
use super::column_types::{DeliveredColumn, table_fields};
use super::content;
use super::contract::{Contract, refuse_other_kind};
use super::csv_rows::CsvFile;
use super::day_filter::FilteredRows;
use super::footer_limits::hold_parquet_footer;
use super::foreign_bytes::{hold_columns, hold_table_columns, stopped};
use super::gone_rows::GoneRows;
use super::json_rows::JsonFile;
use super::new_files::Provenance;
use super::overlap::{Repeated, RowHashes};
use super::parquet_rows::ParquetFile;
use super::quarantine::Quarantine;
use super::raw_columns::{partition_columns, provenance_fields, raw_names};
use super::rewriting::rewrite;
use super::row_identity::RowIdentity;
use super::rows::LocalFile;
use super::slice::{Landed, SliceRequest};
use super::slice_key::SliceKey;
use super::verbatim::{Candidate, Copied, take_over};
use crate::config::{Limits, Source, SourceKind};
use crate::error::{Error, Result};
use crate::extract::{DeliveryOrigin, Format, SourceFile};
use crate::parquet::Demand;
use crate::warehouse::store::Fetched;
use crate::warehouse::{StagedFile, Stager};

/// Of currencies that ISO 4217 does not know, so many of a file are named.
const NAMED_CURRENCIES: usize = 5;
/// Bytes that reading a file of text takes.
const TEXT_BYTES: u64 = 192 << 20;

/// The columns of one file in the table: delivered name, table field.
pub(super) struct FileColumns {
    pub delivered: Vec<String>,
    pub fields: Vec<Field>,
    /// What reading a Parquet file asks for.
    pub demand: Arc<Demand>,
}

#[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the arguments.
/// Stages the files of one table; what became of their rows is added to `landed`.
pub(super) async fn stage_files(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    origin: &DeliveryOrigin,
    table: &str,
    files: &[&SourceFile],
    gone: Option<&GoneRows>,
    mut answer: Option<Fetched>,
    landed: &mut Landed,
) -> Result<(SchemaRef, Vec<StagedFile>)> {
    let existing = request.warehouse.open(table, None).await?;
    let existing_fields: Vec<Field> = existing
        .iter()
        .flat_map(|t| t.schema().fields().iter().map(|f| f.as_ref().clone()))
        .collect();
    let contract = Contract::of(key.kind);
    let mut fetched = Vec::with_capacity(files.len());
    let mut columns = Vec::with_capacity(files.len());
    // Parts of one delivery may differ in their columns: the table's schema is known before a row is written.
    for file in files {
        let local = match (answer.take(), origin) {
            (Some(answer), _) => answer,
            (None, DeliveryOrigin::Store(location)) => location.fetch(&file.object, &request.spool).await?,
            (None, DeliveryOrigin::Api(_)) => return Err(Error::internal("an answer has two files")),
        };
        let chosen = match delivered_columns(request.limits, &local.path, file, key.kind, &contract).await {
            Ok(delivered) => agree(request, table, &existing_fields, file, &contract, delivered),
            Err(error) => Err(error),
        };
        match chosen {
            Ok(file_columns) => columns.push(file_columns),
            Err(error) => return Err(truer(error, origin, file).await),
        }
        fetched.push(local);
    }
    let asked = files
        .iter()
        .zip(&columns)
        .map(|(file, columns)| match file.format {
            Format::Parquet => columns.demand.bytes(),
            Format::Csv | Format::Json => TEXT_BYTES,
        });
    let _room = request.room.take(asked.max().unwrap_or_default()).await;
    let ((), mut all_fields) = request.columns.agree(table, &existing_fields, |_| ());
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
    let repeated =
        match key.kind == SourceKind::GcpBillingFiles && files.len() + usize::from(gone.is_some()) > 1 {
            true => {
                let of_gone = match gone {
                    Some(gone) => Some(gone.fields().await?),
                    None => None,
                };
                let fields = columns.iter().map(|file| file.fields.as_slice());
                let identity = RowIdentity::of(&contract, fields.chain(of_gone.as_deref()), files[0].format);
                if !identity.apart().is_empty() {
                    let names: Vec<&str> = identity.apart().iter().map(String::as_str).collect();
                    landed.warnings.push(format!(
                        "{}: not all files of this extract have {}; rows are told apart without",
                        key.export,
                        names.join(", ")
                    ));
                }
                Some(Arc::new(
                    repeated_rows(
                        request, source, &contract, identity, files, &fetched, &columns, gone,
                    )
                    .await?,
                ))
            }
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
        let fit = file.format == Format::Parquet
            && repeated.is_none()
            && file.days.is_none()
            && contract.nested.is_empty()
            && columns.demand.is_little();
        let checks = Checks::new(&contract, &columns.delivered, source.currency.as_deref(), None);
        Some(Candidate {
            path: local.path.clone(),
            fields: columns.fields.clone(),
            demand: columns.demand.clone(),
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
        let outcome = match copied {
            Ok(Some((checks, rows))) => {
                (request.progress)(rows, file.object.size);
                Ok((checks, Quarantine::default(), FilteredRows::default(), rows))
            }
            Ok(None)
                if let Some(period) = key.period.filter(|_| {
                    repeated.is_none() && file.days.is_none() && key.kind != SourceKind::Activity
                }) && CodedFile::is_fit(file, &file_columns.fields) =>
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
                    limits: request.limits,
                };
                match checks.map_err(|e| e.at(file.uri.clone())) {
                    Ok(checks) => coded.land_beside(request, checks, &sinks).await,
                    Err(error) => Err(error),
                }
                .map(|(checks, quarantine, staged)| {
                    let rows = staged.iter().map(|file| file.rows).sum::<u64>();
                    stager.adopt(staged);
                    (checks, quarantine, FilteredRows::default(), rows)
                })
            }
            Ok(None) => rewrite(
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
            .map(|(checks, quarantine, filtered)| {
                (checks, quarantine, filtered, stager.rows() - rows_before)
            }),
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Ok((checks, quarantine, filtered, rows)) => {
                let digest = content_digest(origin, file, &local.path, &checks).await;
                let unchanged = origin.verify_unchanged(&file.object).await;
                let held = checks.hold_bills(&landed.bills);
                unchanged
                    .and(held.map_err(|e| e.at(file.uri.clone())))
                    .and(digest)
                    .map(|digest| (checks, quarantine, filtered, rows, digest))
            }
            Err(error) => Err(truer(error, origin, file).await),
        };
        let (checks, quarantine, filtered, rows, digest) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let staged = stager.finish().await.unwrap_or_default();
                Stager::discard(&request.warehouse.table_location(table), &staged).await;
                return Err(error);
            }
        };
        if let Some(digest) = digest.filter(|_| rows > 0) {
            landed.contents.push((file.uri.clone(), digest));
        }
        let known_already = repeated.as_ref().map_or(0, |repeated| repeated.count(index));
        if known_already > 0 {
            let (are, count) = if known_already == 1 {
                ("is", "counts")
            } else {
                ("are", "count")
            };
            landed.warnings.push(format!(
                "{}: {known_already} of its rows {are} in earlier files of this extract and {count} once",
                file.uri
            ));
        }
        let read = rows + quarantine.count + filtered.left_out();
        landed.read.insert(file.object.path.to_string(), read);
        if read == 0 && known_already == 0 {
            landed.warnings.push(format!("{} holds no rows", file.uri));
        }
        if let Some(days) = &file.days {
            landed.warnings.extend(filtered.warnings(&file.uri, days));
        }
        let mut codes = checks.unknown_currencies().iter();
        for code in codes.by_ref().take(NAMED_CURRENCIES) {
            landed.warnings.push(format!(
                "{}: the currency `{code}` is not in ISO 4217; landed as delivered",
                file.uri
            ));
        }
        if codes.len() > 0 {
            landed.warnings.push(format!(
                "{}: {} more currencies are not in ISO 4217; landed as delivered",
                file.uri,
                codes.len()
            ));
        }
        if checks.unreadable_dates() > 0 {
            let count = checks.unreadable_dates();
            landed.warnings.push(match count {
                1 => format!(
                    "{}: 1 cell of an optional date column is no date; it reads as null",
                    file.uri
                ),
                _ => format!(
                    "{}: {count} cells of optional date columns are no dates; they read as null",
                    file.uri
                ),
            });
        }
        if checks.blanks() > 0 {
            let count = checks.blanks();
            landed.warnings.push(match count {
                1 => format!(
                    "{}: 1 row tells no amount at all; its cost reads as null",
                    file.uri
                ),
                _ => format!(
                    "{}: {count} rows tell no amount at all; their cost reads as null",
                    file.uri
                ),
            });
        }
        landed.missing_columns.extend(checks.missing_columns());
        super::unreadable_tags::add_up(&mut landed.unreadable_tags, checks.unreadable_tags());
        landed.bills.extend(checks.bills());
        landed.cost_basis = landed.cost_basis.max(checks.cost_basis());
        landed.quarantine.extend(quarantine);
    }
    if let Some(gone) = gone {
        let repeated = repeated.map(|repeated| (repeated, files.len()));
        if let Err(error) = gone.stage(&mut stager, repeated, &mut landed.kept).await {
            let staged = stager.finish().await.unwrap_or_default();
            Stager::discard(&request.warehouse.table_location(table), &staged).await;
            return Err(error);
        }
    }
    landed.rows += stager.rows();
    Ok((schema, stager.finish().await?))
}

/// What tells the content of a delivered file; an API's answer has no other name.
async fn content_digest(
    origin: &DeliveryOrigin,
    file: &SourceFile,
    path: &std::path::Path,
    checks: &Checks,
) -> Result<Option<String>> {
    match (origin, file.format) {
        (DeliveryOrigin::Api(_), _) => Ok(None),
        (DeliveryOrigin::Store(_), Format::Csv | Format::Json) => Ok(checks.content.known()),
        (DeliveryOrigin::Store(_), Format::Parquet) => {
            let path = path.to_path_buf();
            blocking(&file.uri, move || content::digest(&path).map(Some)).await
        }
    }
}

/// A file that changes under the reader looks damaged: the change is the truer reason.
async fn truer(error: Error, origin: &DeliveryOrigin, file: &SourceFile) -> Error {
    let changed = origin.verify_unchanged(&file.object).await;
    changed.err().unwrap_or(error)
}

/// The fields that a file's columns have in the table; new ones are agreed on with all that land beside it.
fn agree(
    request: &SliceRequest<'_>,
    table: &str,
    existing: &[Field],
    file: &SourceFile,
    contract: &Contract,
    (delivered, types, demand): Delivered,
) -> Result<FileColumns> {
    let (fields, _) = request.columns.agree(table, existing, |agreed| {
        let known = Schema::new(agreed.clone());
        let names = raw_names(&delivered, contract, Some(&known), file.format.is_typed())?;
        let columns: Vec<DeliveredColumn> = delivered
            .iter()
            .zip(names)
            .zip(types)
            .map(|((header, name), data_type)| DeliveredColumn {
                header: header.clone(),
                name,
                data_type,
            })
            .collect();
        let before = agreed.len();
        let fields = table_fields(&columns, contract, agreed);
        let held = match agreed.len() > before {
            true => hold_table_columns(&request.limits, agreed.len()),
            false => Ok(()),
        };
        if let Err(error) = held {
            agreed.truncate(before);
            return Err(error);
        }
        Ok(fields)
    });
    let fields = fields.map_err(|e: Error| e.at(file.uri.clone()))?;
    Ok(FileColumns {
        delivered,
        fields,
        demand: Arc::new(demand),
    })
}

/// The headers of a file, the types of its columns, and what reading a Parquet file asks for.
type Delivered = (Vec<String>, Vec<DataType>, Demand);

/// What is known of a file before its rows are read; formats without types have text.
async fn delivered_columns(
    limits: Limits,
    path: &std::path::Path,
    file: &SourceFile,
    kind: SourceKind,
    contract: &Contract,
) -> Result<Delivered> {
    let (path, uri) = (path.to_path_buf(), file.uri.clone());
    let (file, contract) = (file.clone(), *contract);
    blocking(&uri, move || {
        let (path, source) = (path.as_path(), &file);
        let headers = match file.format {
            Format::Csv => CsvFile { path, source, limits }.headers()?,
            Format::Json => {
                let headers = JsonFile { path, source, limits }.headers()?;
                // An answer without rows names no columns: it is a valid empty delivery all the same.
                match headers.is_empty() {
                    true => contract.columns.iter().map(|name| name.to_string()).collect(),
                    false => headers,
                }
            }
            Format::Parquet => {
                hold_parquet_footer(&limits, path).map_err(|e| e.at(file.uri.clone()))?;
                let (columns, demand) = ParquetFile { path, source, limits }.columns(&contract)?;
                let (headers, types): (Vec<String>, _) = columns.into_iter().unzip();
                refuse_other_kind(kind, &headers).map_err(|e| e.at(file.uri.clone()))?;
                return Ok((headers, types, demand));
            }
        };
        refuse_other_kind(kind, &headers).map_err(|e| e.at(file.uri.clone()))?;
        hold_columns(&limits, headers.len()).map_err(|e| e.at(file.uri.clone()))?;
        let types = vec![DataType::Utf8; headers.len()];
        Ok((headers, types, Demand::default()))
    })
    .await
}

/// The rows of each file that an earlier one holds already, last of what is gone; every file is read once more for it.
#[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the arguments.
async fn repeated_rows(
    request: &SliceRequest<'_>,
    source: &Source,
    contract: &Contract,
    identity: RowIdentity,
    files: &[&SourceFile],
    fetched: &[Fetched],
    columns: &[FileColumns],
    gone: Option<&GoneRows>,
) -> Result<Repeated> {
    std::fs::create_dir_all(&request.spool)
        .map_err(|e| Error::from(e).at(request.spool.display().to_string()))?;
    let mut hashes = RowHashes::new(&request.spool, identity)?;
    for (index, ((file, local), columns)) in files.iter().zip(fetched).zip(columns).enumerate() {
        let mut checks = Checks::new(contract, &columns.delivered, source.currency.as_deref(), None)
            .map_err(|e| e.at(file.uri.clone()))?;
        let (path, uri, limits) = (local.path.clone(), file.uri.clone(), request.limits);
        let file = (*file).clone();
        let (delivered, fields) = (columns.delivered.clone(), columns.fields.clone());
        let demand = columns.demand.clone();
        hashes = blocking(&uri, move || {
            let file = LocalFile {
                path: &path,
                source: &file,
                delivered: &delivered,
                fields: &fields,
                demand: &demand,
                limits,
            };
            file.read(&mut checks, None, |rows| hashes.add(index, &fields, &rows))?;
            Ok(hashes)
        })
        .await?;
    }
    if let Some(gone) = gone {
        gone.add_to(&mut hashes, files.len()).await?;
    }
    let count = files.len() + usize::from(gone.is_some());
    blocking(&files[0].uri, move || hashes.repeated(count)).await
}

/// Runs work that reads a file off the async threads; `uri` is the file's.
pub(super) async fn blocking<T: Send + 'static>(
    uri: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(match error.try_into_panic() {
            Ok(panic) => stopped(panic.as_ref()).at(uri),
            Err(error) => Error::internal("a reader thread failed").because(error),
        }),
    }
}

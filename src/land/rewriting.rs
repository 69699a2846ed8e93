//! One delivered file read row by row and written in the table's columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use tokio::sync::mpsc;

use super::checks::Checks;
use super::contract::Contract;
use super::day_filter::{DayFilter, FilteredRows};
use super::foreign_bytes::{hold_periods, stopped};
use super::overlap::Repeated;
use super::quarantine::Quarantine;
use super::rows::{DeliveredRows, LocalFile};
use super::slice::SliceRequest;
use super::slice_key::SliceKey;
use super::staging::FileColumns;
use crate::config::{Source, SourceKind};
use crate::error::{Error, Result};
use crate::extract::SourceFile;
use crate::warehouse::Stager;

#[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the arguments.
/// Stages the accepted rows of a file; the others come back in quarantine.
pub(super) async fn rewrite(
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
    repeated: Option<(Arc<Repeated>, usize)>,
) -> Result<(Checks, Quarantine, FilteredRows)> {
    let (sender, mut receiver) = mpsc::channel::<DeliveredRows>(2);
    let units = (key.kind == SourceKind::Activity).then(|| request.units.clone());
    let checks = Checks::new(contract, &columns.delivered, source.currency.as_deref(), units)
        .map_err(|e| e.at(file.uri.clone()))?;
    let mut filter = match &file.days {
        Some(days) => {
            let bills = Checks::new(contract, &columns.delivered, source.currency.as_deref(), None)?;
            Some(DayFilter::new(file, days, contract, &columns.delivered, bills)?)
        }
        None => None,
    };
    let (fixed, path, read_file) = (key.period, path.to_path_buf(), file.clone());
    let (fields, demand, limits) = (columns.fields.clone(), columns.demand, request.limits);
    let delivered = columns.delivered;
    let reader = tokio::task::spawn_blocking(move || -> Result<(Checks, Quarantine, FilteredRows)> {
        let mut checks = checks;
        let file = LocalFile {
            path: &path,
            source: &read_file,
            delivered: &delivered,
            fields: &fields,
            demand: &demand,
            limits,
        };
        let mut quarantine = file.read(&mut checks, fixed, |rows| {
            let rows = match &repeated {
                Some((repeated, file)) => {
                    let keep = repeated.keep(*file, &rows.row_numbers);
                    rows.kept(&keep)?
                }
                None => rows,
            };
            let rows = match &mut filter {
                Some(filter) => filter.kept(rows)?,
                None => rows,
            };
            if rows.row_numbers.is_empty() {
                return Ok(());
            }
            sender
                .blocking_send(rows)
                .map_err(|_| Error::internal("the writer of a slice stopped early"))
        })?;
        let Some(filter) = filter else {
            return Ok((checks, quarantine, FilteredRows::default()));
        };
        let (bills, filtered, rejected) = filter.finish();
        quarantine.extend(rejected);
        Ok((checks.with_bills_of(bills), quarantine, filtered))
    });
    let places: Vec<Option<usize>> = schema
        .fields()
        .iter()
        .map(|f| columns.fields.iter().position(|c| c.name() == f.name()))
        .collect();
    let (mut written, mut periods) = (Ok(()), BTreeSet::new());
    while let Some(rows) = receiver.recv().await {
        (request.progress)(rows.row_numbers.len() as u64, 0);
        periods.extend(rows.periods.iter().copied());
        written = hold_periods(&request.limits, periods.len()).map_err(|e| e.at(file.uri.clone()));
        if written.is_err() {
            break;
        }
        written = match assemble(schema, &places, rows, key, file, request.run_id, landed_at) {
            Ok(batch) => stager.write(&batch).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            break;
        }
    }
    drop(receiver);
    let read = match reader.await {
        Ok(read) => read,
        Err(error) => Err(match error.try_into_panic() {
            Ok(panic) => stopped(panic.as_ref()).at(file.uri.clone()),
            Err(error) => Error::internal("a reader thread failed").because(error),
        }),
    };
    written?;
    (request.progress)(0, file.object.size);
    read
}

/// The table's row out of a file's columns: delivered ones in their places, null where the file has none,
/// provenance and partition after them.
fn assemble(
    schema: &SchemaRef,
    places: &[Option<usize>],
    rows: DeliveredRows,
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

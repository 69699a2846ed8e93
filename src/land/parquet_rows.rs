//! Parquet files to record batches in types a Delta table can hold, checked like any other row.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::checks::Checks;
use super::clean_rows::{can_be_clean, is_clean, note_bills};
use super::column_types::is_float;
use super::contract::Contract;
use super::csv_rows::BATCH_ROWS;
use super::foreign_bytes::hold_names;
use super::large_cells::large_cell;
use super::lossless::lossless;
use super::nested_cells::is_nested;
use super::quarantine::{Quarantine, Rejection, row_text};
use crate::config::Limits;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::SourceFile;
use crate::parquet::demand::{Demand, demand};

/// A batch of accepted rows in the table's types.
pub struct NativeBatch {
    /// The delivered columns.
    pub batch: RecordBatch,
    /// The row numbers in the file.
    pub row_numbers: Vec<i64>,
    /// The period of each row.
    pub periods: Vec<Period>,
}

/// One delivered Parquet file.
pub struct ParquetFile<'a> {
    /// Where its bytes lie now.
    pub path: &'a Path,
    /// What was delivered.
    pub source: &'a SourceFile,
    /// What it may ask for.
    pub limits: Limits,
}

impl ParquetFile<'_> {
    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = File::open(self.path).map_err(|e| Error::from(e).at(self.source.uri.clone()))?;
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| {
            Error::data("the Parquet file cannot be read")
                .at(self.source.uri.clone())
                .because(e)
                .hint("the file is truncated or no Parquet: deliver it again")
        })
    }

    /// Delivered names and types, and what reading the file asks for.
    ///
    /// # Errors
    /// Data: no Parquet, a truncated file, or one that asks for too much.
    pub(super) fn columns(&self, contract: &Contract) -> Result<(Vec<(String, DataType)>, Demand)> {
        let builder = self.open()?;
        let at_file = |error: Error| error.at(self.source.uri.clone());
        let fields = builder.schema().fields();
        hold_names(fields.iter().map(|field| field.name().len())).map_err(at_file)?;
        let columns = fields.iter().map(|f| (f.name().clone(), f.data_type().clone()));
        let columns: Vec<(String, DataType)> = columns.collect();
        let headers: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let file = File::open(self.path).map_err(|e| at_file(e.into()))?;
        let keys = contract.keys(&headers);
        let demand = demand(&self.limits, file, builder.metadata(), &keys).map_err(at_file)?;
        Ok((columns, demand))
    }

    /// Reads every row in the types of `target`, whose fields stand in the order of the delivered columns.
    ///
    /// # Errors
    /// Data: a damaged file, or a value that the table's type cannot hold without loss.
    pub(super) fn read(
        &self,
        target: &Schema,
        demand: &Demand,
        checks: &mut Checks,
        fixed: Option<Period>,
        mut sink: impl FnMut(NativeBatch) -> Result<()>,
    ) -> Result<Quarantine> {
        let builder = self.open()?;
        let delivered = builder.schema().fields().iter().enumerate();
        let nested: Vec<usize> = delivered
            .clone()
            .filter(|(_, field)| is_nested(field.data_type()))
            .map(|(index, _)| index)
            .collect();
        let doubles = delivered.filter(|(_, field)| is_float(field.data_type()));
        checks.note_doubles(doubles.map(|(index, _)| index).collect());
        let reader = builder
            .with_batch_size(demand.rows(BATCH_ROWS))
            .build()
            .map_err(|e| Error::from(e).at(self.source.uri.clone()))?;
        let target = Arc::new(target.clone());
        let fields: Vec<Field> = target.fields().iter().map(|f| f.as_ref().clone()).collect();
        checks.note_types(&fields);
        let checked = checks.checked_columns();
        let can_be_clean = can_be_clean(checks, &fields);
        let mut quarantine = Quarantine::default();
        let mut first_row: i64 = 1;
        for batch in reader {
            let batch = batch.map_err(|e| {
                Error::data("the Parquet file is damaged")
                    .at(self.source.uri.clone())
                    .because(e)
                    .hint("deliver the file again")
            })?;
            let columns = batch
                .columns()
                .iter()
                .zip(target.fields())
                .map(|(column, field)| lossless(column, field).map_err(|e| e.at(self.source.uri.clone())))
                .collect::<Result<Vec<_>>>()?;
            let batch = RecordBatch::try_new(target.clone(), columns)?;
            let row_numbers = Int64Array::from_iter_values(first_row..first_row + batch.num_rows() as i64);
            let column = |index: usize| batch.column(index);
            if let Some(period) =
                fixed.filter(|_| can_be_clean && nested.is_empty() && is_clean(checks, column))
            {
                note_bills(checks, column, batch.num_rows(), period);
                first_row += batch.num_rows() as i64;
                let periods = vec![period; batch.num_rows()];
                sink(NativeBatch {
                    batch,
                    row_numbers: row_numbers.values().to_vec(),
                    periods,
                })?;
                continue;
            }
            let texts = CheckedTexts::new(&batch, &checked)?;
            let mut keep = Vec::with_capacity(batch.num_rows());
            let mut periods = Vec::with_capacity(batch.num_rows());
            for row in 0..batch.num_rows() {
                let outcome = match nested
                    .iter()
                    .find_map(|index| self.large_text(&batch, *index, row))
                {
                    Some(large) => Err(large),
                    None => checks.row(|index| texts.cell(index, row), None, fixed),
                };
                match outcome {
                    Ok(period) => {
                        keep.push(true);
                        periods.push(period);
                    }
                    Err((column, reason)) => {
                        keep.push(false);
                        let cells: Vec<&str> = checked.iter().map(|index| texts.cell(*index, row)).collect();
                        quarantine.push(Rejection {
                            source_uri: self.source.uri.clone(),
                            row_number: (first_row + row as i64) as u64,
                            column,
                            reason,
                            text: row_text(cells.iter().map(|c| c.as_bytes())),
                        });
                    }
                }
            }
            first_row += batch.num_rows() as i64;
            let (batch, row_numbers) = if keep.iter().all(|k| *k) {
                (batch, row_numbers.values().to_vec())
            } else {
                let kept = row_numbers
                    .values()
                    .iter()
                    .zip(&keep)
                    .filter(|(_, k)| **k)
                    .map(|(n, _)| *n)
                    .collect();
                (filter_record_batch(&batch, &BooleanArray::from(keep))?, kept)
            };
            if batch.num_rows() > 0 {
                sink(NativeBatch {
                    batch,
                    row_numbers,
                    periods,
                })?;
            }
        }
        Ok(quarantine)
    }

    /// The column and the reason when a nested cell became a text that is too large.
    fn large_text(&self, batch: &RecordBatch, index: usize, row: usize) -> Option<(String, String)> {
        let text = batch.column(index).as_string_opt::<i32>()?;
        let bytes = text.value_length(row) as u64;
        (bytes > self.limits.cell).then(|| {
            (
                batch.schema_ref().field(index).name().clone(),
                large_cell(bytes, self.limits.cell),
            )
        })
    }
}

/// The checked columns of a batch as text.
struct CheckedTexts {
    columns: Vec<Option<Vec<String>>>,
}

impl CheckedTexts {
    fn new(batch: &RecordBatch, checked: &std::collections::BTreeSet<usize>) -> Result<Self> {
        let options = FormatOptions::default().with_null("");
        let columns = (0..batch.num_columns())
            .map(|index| {
                if !checked.contains(&index) {
                    return Ok(None);
                }
                let column = batch.column(index);
                if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
                    // The shortest text of a double, as its writer saw it.
                    return Ok(Some(
                        numbers
                            .iter()
                            .map(|v| v.map(|v| v.to_string()).unwrap_or_default())
                            .collect(),
                    ));
                }
                let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
                Ok(Some(
                    (0..column.len())
                        .map(|row| formatter.value(row).to_string())
                        .collect(),
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(CheckedTexts { columns })
    }

    fn cell(&self, column: usize, row: usize) -> &str {
        self.columns[column]
            .as_ref()
            .map(|c| c[row].as_str())
            .unwrap_or("")
    }
}

//! The accepted rows of a delivered file, whatever its format, in batches.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, StringArray, new_null_array};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::checks::Checks;
use super::csv_rows::CsvFile;
use super::json_rows::JsonFile;
use super::parquet_rows::ParquetFile;
use super::quarantine::Quarantine;
use crate::config::Limits;
use crate::domain::period::Period;
use crate::error::Result;
use crate::extract::{Format, SourceFile};
use crate::parquet::Demand;

/// A batch: the delivered columns and, after them, which of day and month the file's dates name first.
pub(super) struct DeliveredRows {
    pub columns: Vec<ArrayRef>,
    pub row_numbers: Vec<i64>,
    pub periods: Vec<Period>,
}

impl DeliveredRows {
    /// The rows that `keep` is true for.
    pub fn kept(self, keep: &[bool]) -> Result<DeliveredRows> {
        let mask = BooleanArray::from(keep.to_vec());
        let columns = self.columns.iter().map(|column| filter(column, &mask));
        Ok(DeliveredRows {
            columns: columns.collect::<Result<_, _>>()?,
            row_numbers: chosen(self.row_numbers, keep),
            periods: chosen(self.periods, keep),
        })
    }
}

fn chosen<T>(values: Vec<T>, keep: &[bool]) -> Vec<T> {
    values
        .into_iter()
        .zip(keep)
        .filter(|(_, keep)| **keep)
        .map(|(value, _)| value)
        .collect()
}

/// The cells of a column as text, empty where there is none.
pub(super) fn texts(column: &ArrayRef) -> Result<Vec<String>> {
    let options = FormatOptions::default().with_null("");
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    Ok((0..column.len())
        .map(|row| formatter.value(row).to_string())
        .collect())
}

/// One file as it lies on this machine, and the columns that its header became.
pub(super) struct LocalFile<'a> {
    pub path: &'a Path,
    pub source: &'a SourceFile,
    pub delivered: &'a [String],
    pub fields: &'a [Field],
    /// What a Parquet file asks for.
    pub demand: &'a Demand,
    pub limits: Limits,
}

impl LocalFile<'_> {
    /// Reads every row: accepted rows in batches to `each`, the others into the quarantine.
    ///
    /// # Errors
    /// Data: a truncated or hostile file. What `each` returns.
    pub fn read(
        &self,
        checks: &mut Checks,
        fixed: Option<Period>,
        mut each: impl FnMut(DeliveredRows) -> Result<()>,
    ) -> Result<Quarantine> {
        let (path, source, limits) = (self.path, self.source, self.limits);
        let mut batch =
            |mut columns: Vec<ArrayRef>, row_numbers: Vec<i64>, periods: Vec<Period>, order: Option<&str>| {
                columns.push(match order {
                    Some(order) => Arc::new(StringArray::from(vec![order; row_numbers.len()])),
                    None => new_null_array(&DataType::Utf8, row_numbers.len()),
                });
                each(DeliveredRows {
                    columns,
                    row_numbers,
                    periods,
                })
            };
        match source.format {
            Format::Csv => {
                let csv = CsvFile { path, source, limits };
                let order = csv.date_order(checks)?;
                csv.read(self.delivered, checks, order, fixed, |b| {
                    batch(b.columns, b.row_numbers, b.periods, order.map(|o| o.as_str()))
                })
            }
            Format::Json => {
                let (json, order) = (JsonFile { path, source, limits }, source.date_order);
                json.read(self.delivered, checks, order, fixed, |b| {
                    batch(b.columns, b.row_numbers, b.periods, order.map(|o| o.as_str()))
                })
            }
            Format::Parquet => {
                let target = Schema::new(self.fields.to_vec());
                let parquet = ParquetFile { path, source, limits };
                parquet.read(&target, self.demand, checks, fixed, |b| {
                    batch(b.batch.columns().to_vec(), b.row_numbers, b.periods, None)
                })
            }
        }
    }
}

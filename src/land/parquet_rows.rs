//! Parquet files to record batches in types a Delta table can hold, checked like any other row.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{
    DataType, Field, Float64Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::checks::Checks;
use super::clean_rows::{can_be_clean, is_clean, note_bills};
use super::nested_cells::{as_json, is_nested};
use super::quarantine::{Quarantine, Rejection, row_text};
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::SourceFile;
use crate::transform::functions::map_type;

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
    /// Lists and objects become JSON text, so that their fields may grow.
    pub nested_as_text: bool,
}

/// The type a delivered column has in the raw table.
pub(super) fn landed_type(delivered: &DataType) -> DataType {
    match delivered {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::Dictionary(_, value) => landed_type(value),
        DataType::Timestamp(..) | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Map(entries, _) if is_text_map(entries) => map_type(),
        other => other.clone(),
    }
}

fn is_text_map(entries: &Field) -> bool {
    let text = |f: &Arc<Field>| {
        matches!(
            f.data_type(),
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
        )
    };
    matches!(entries.data_type(), DataType::Struct(fields) if fields.len() == 2 && fields.iter().all(text))
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

    /// Delivered names and the types the raw table gives them.
    ///
    /// # Errors
    /// Data: no Parquet, or a truncated file.
    pub fn columns(&self) -> Result<Vec<(String, DataType)>> {
        let builder = self.open()?;
        Ok(builder
            .schema()
            .fields()
            .iter()
            .map(|f| match self.nested_as_text && is_nested(f.data_type()) {
                true => (f.name().clone(), DataType::Utf8),
                false => (f.name().clone(), landed_type(f.data_type())),
            })
            .collect())
    }

    /// Reads every row in the types of `target`, whose fields stand in the order of the delivered columns.
    ///
    /// # Errors
    /// Data: a damaged file, or a value that the table's type cannot hold without loss.
    pub fn read(
        &self,
        target: &Schema,
        checks: &mut Checks,
        fixed: Option<Period>,
        mut sink: impl FnMut(NativeBatch) -> Result<()>,
    ) -> Result<Quarantine> {
        let reader = self
            .open()?
            .with_batch_size(8192)
            .build()
            .map_err(|e| Error::from(e).at(self.source.uri.clone()))?;
        let target = Arc::new(target.clone());
        let checked = checks.checked_columns();
        let fields: Vec<Field> = target.fields().iter().map(|f| f.as_ref().clone()).collect();
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
            if let Some(period) = fixed.filter(|_| can_be_clean && is_clean(checks, column)) {
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
                match checks.row(|index| texts.cell(index, row), None, fixed) {
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

/// The column in the table's type, refused when a value would change.
pub(super) fn lossless(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    if let (
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)),
    ) = (column.data_type(), field.data_type())
        && zone.as_ref() == "UTC"
    {
        // Local times are read as UTC: the numbers stay, only the type says more.
        let times = column.as_primitive::<TimestampMicrosecondType>().clone();
        return Ok(Arc::new(times.with_timezone(zone.clone())));
    }
    if is_nested(column.data_type()) && field.data_type() == &DataType::Utf8 {
        return as_json(column).map_err(|e| e.at(format!("column {}", field.name())));
    }
    let refuse = |why: String| {
        Error::data("a column's type differs from the table's and its values do not fit")
            .at(format!("column {}", field.name()))
            .because(why)
            .hint("land this export under a source id of its own")
    };
    if let DataType::Timestamp(TimeUnit::Nanosecond, _) = column.data_type() {
        let nanos = column.as_primitive::<TimestampNanosecondType>();
        if nanos.iter().flatten().any(|n| n % 1000 != 0) {
            return Err(refuse("timestamps finer than a microsecond".to_string()));
        }
    }
    let cast_to = cast(column, field.data_type()).map_err(|e| refuse(e.to_string()))?;
    let reversible = matches!(
        column.data_type(),
        DataType::Timestamp(..) | DataType::Dictionary(..) | DataType::Map(..) | DataType::Null
    ) || matches!(
        (column.data_type(), field.data_type()),
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8)
    );
    if !reversible {
        let back = cast(&cast_to, column.data_type()).map_err(|e| refuse(e.to_string()))?;
        if back.to_data() != column.to_data() {
            return Err(refuse(format!("{} to {}", column.data_type(), field.data_type())));
        }
    }
    Ok(cast_to)
}

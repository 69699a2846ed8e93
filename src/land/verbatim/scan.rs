//! The checks of a file that is taken over: only the columns they read, text as the file's own dictionaries.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, Schema, TimestampMicrosecondType};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::file::statistics::Statistics;

use crate::domain::period::Period;
use crate::land::checks::{Checks, Role};
use crate::land::clean_rows::{is_clean, looked_at, note_bills};
use crate::land::column_types::is_text;
use crate::land::lossless::lossless;
use crate::parquet::Demand;

const BATCH_ROWS: usize = 32 * 1024;

/// By delivered column: the bounds of the dates of one row group, as found there.
pub(super) type DateBounds = BTreeMap<usize, (i64, i64)>;

/// Reads the checked columns of a file, row group by row group.
pub(super) struct Scan<'a> {
    file: File,
    fields: &'a [Field],
    metadata: ArrowReaderMetadata,
    looked_at: Vec<usize>,
    batch_rows: usize,
}

impl<'a> Scan<'a> {
    /// `None` when the file cannot be read like that.
    pub fn new(
        path: &Path,
        delivered: &ArrowReaderMetadata,
        fields: &'a [Field],
        demand: &Demand,
        checks: &Checks,
    ) -> Option<Self> {
        let looked_at = looked_at(checks);
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut columns: Vec<Field> = Vec::new();
        for (index, field) in delivered.schema().fields().iter().enumerate() {
            let stays_text = fields[index].data_type() == &DataType::Utf8 && is_text(field.data_type());
            columns.push(match stays_text && looked_at.contains(&index) {
                true => field.as_ref().clone().with_data_type(coded.clone()),
                false => field.as_ref().clone(),
            });
        }
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(columns)));
        let metadata = ArrowReaderMetadata::try_new(delivered.metadata().clone(), options).ok()?;
        Some(Scan {
            file: File::open(path).ok()?,
            fields,
            metadata,
            batch_rows: demand.rows_at_once(looked_at.iter().copied(), BATCH_ROWS),
            looked_at,
        })
    }

    /// Checks the rows of one row group and notes their bills; `None` unless every row passes.
    pub fn row_group(&self, group: usize, checks: &mut Checks, period: Period) -> Option<DateBounds> {
        let file = self.file.try_clone().ok()?;
        let parquet = self.metadata.parquet_schema();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(ProjectionMask::roots(parquet, self.looked_at.iter().copied()))
            .with_row_groups(vec![group])
            .with_batch_size(self.batch_rows)
            .build()
            .ok()?;
        let mut bounds = DateBounds::new();
        let mut rows = 0;
        for batch in reader {
            let batch = batch.ok()?;
            let mut columns: Vec<(usize, ArrayRef)> = Vec::with_capacity(self.looked_at.len());
            for (index, column) in self.looked_at.iter().zip(batch.columns()) {
                let column = match column.data_type() {
                    DataType::Dictionary(_, value) if value.as_ref() == &DataType::Utf8 => column.clone(),
                    _ => lossless(column, &self.fields[*index]).ok()?,
                };
                columns.push((*index, column));
            }
            let place = |index: usize| self.looked_at.binary_search(&index).unwrap_or_default();
            let column = |index: usize| &columns[place(index)].1;
            if !is_clean(checks, column) {
                return None;
            }
            note_bills(checks, column, batch.num_rows(), period);
            for (index, _, role) in &checks.roles {
                if *role == Role::RequiredDate
                    && let Some((low, high)) = span(column(*index))
                {
                    let (first, last) = bounds.get(index).copied().unwrap_or((low, high));
                    bounds.insert(*index, (first.min(low), last.max(high)));
                }
            }
            rows += batch.num_rows() as i64;
        }
        (rows == self.metadata.metadata().row_group(group).num_rows()).then_some(bounds)
    }
}

fn span(dates: &ArrayRef) -> Option<(i64, i64)> {
    if let Some(days) = dates.as_primitive_opt::<Date32Type>() {
        return Some((min(days)?.into(), max(days)?.into()));
    }
    let times = dates.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((min(times)?, max(times)?))
}

/// The bounds as a row group tells them to readers. Bounds that the file itself told are not passed on: a reader would
/// leave out rows on a stranger's word.
pub(super) fn statistics(bounds: (i64, i64), data_type: &DataType) -> Option<Statistics> {
    let (low, high) = bounds;
    match data_type {
        DataType::Date32 => {
            let (low, high) = (i32::try_from(low).ok()?, i32::try_from(high).ok()?);
            Some(Statistics::int32(Some(low), Some(high), None, Some(0), false))
        }
        DataType::Timestamp(..) => Some(Statistics::int64(Some(low), Some(high), None, Some(0), false)),
        _ => None,
    }
}

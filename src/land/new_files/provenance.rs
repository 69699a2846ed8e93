//! What landing adds to every row of a file.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::file::writer::SerializedRowGroupWriter;
use datafusion::parquet::schema::types::ColumnDescPtr;

use super::ROW_NUMBER;
use crate::error::Result;
use crate::parquet::Constant;
use crate::parquet::column_encoders::ColumnEncoders;
use crate::warehouse::StagedSink;

/// The values that all rows of a delivered file have in common; the row's number is beside them.
#[derive(Debug, Clone)]
pub(in crate::land) struct Provenance {
    pub source_uri: String,
    pub etag: Option<String>,
    pub run_id: String,
    /// Microseconds since 1970 in UTC.
    pub landed_at: i64,
}

impl Provenance {
    /// By column; only text leaves open which of day and month its dates name first.
    pub fn constants(&self, date_order: Option<&str>) -> Vec<(&'static str, Constant)> {
        let text = |text: &str| Constant::Text(text.to_string());
        vec![
            ("_source_uri", text(&self.source_uri)),
            ("_etag", self.etag.as_deref().map_or(Constant::Null, text)),
            ("_run_id", text(&self.run_id)),
            ("_landed_at", Constant::Number(self.landed_at)),
            ("_date_order", date_order.map_or(Constant::Null, text)),
        ]
    }
}

/// Encodes the row numbers, whose column is `leaf`.
///
/// # Errors
/// Internal: there is no such column.
pub(in crate::land) fn write_row_numbers(
    encoders: &mut ColumnEncoders,
    leaf: usize,
    columns: &SchemaRef,
    numbers: impl Iterator<Item = i64>,
) -> Result<()> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    encoders.write(leaf, columns.field_with_name(ROW_NUMBER)?, &numbers)
}

/// Appends the provenance columns: those of one value, and the encoded row numbers.
pub(in crate::land) fn append_provenance(
    constants: &[(&'static str, Constant)],
    columns: &[ColumnDescPtr],
    first: usize,
    rows: usize,
    encoders: &mut ColumnEncoders,
    out: &mut SerializedRowGroupWriter<'_, StagedSink>,
) -> Result<()> {
    for (leaf, column) in columns.iter().enumerate().skip(first) {
        match constants.iter().find(|(name, _)| *name == column.name()) {
            Some((_, constant)) => {
                let (bytes, close) = constant.chunk(column, rows)?;
                out.append_column(&bytes, close)?;
            }
            None => encoders.append(leaf, out)?,
        }
    }
    Ok(())
}

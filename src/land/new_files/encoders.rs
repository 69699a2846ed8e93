//! Columns whose values are encoded one by one, beside those that are copied or put together.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::file::writer::SerializedRowGroupWriter;

use super::{FileWriter, ROW_NUMBER};
use crate::error::{Error, Result};
use crate::warehouse::StagedSink;

/// By leaf: what encodes the columns that are neither copied nor put together by hand.
pub(in crate::land) struct Encoders(Vec<Option<ArrowColumnWriter>>);

impl Encoders {
    /// For the next row group of a file with these columns.
    ///
    /// # Errors
    /// Internal: the columns do not fit the file.
    pub fn new(writer: &FileWriter, columns: &SchemaRef) -> Result<Self> {
        let group = writer.flushed_row_groups().len();
        let writers =
            ArrowRowGroupWriterFactory::new(writer, columns.clone()).create_column_writers(group)?;
        Ok(Encoders(writers.into_iter().map(Some).collect()))
    }

    /// Adds values of a column whose first leaf is `leaf`.
    ///
    /// # Errors
    /// Internal: the values do not fit the column.
    pub fn write(&mut self, leaf: usize, field: &Field, values: &ArrayRef) -> Result<()> {
        let parts = compute_leaves(field, values)?;
        for (encoder, part) in self.0[leaf..].iter_mut().zip(&parts) {
            if let Some(encoder) = encoder {
                encoder.write(part)?;
            }
        }
        Ok(())
    }

    /// Adds the row numbers.
    ///
    /// # Errors
    /// Internal: there is no such column.
    pub fn write_row_numbers(
        &mut self,
        leaf: usize,
        columns: &SchemaRef,
        numbers: impl Iterator<Item = i64>,
    ) -> Result<()> {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        self.write(leaf, columns.field_with_name(ROW_NUMBER)?, &numbers)
    }

    /// Appends an encoded column.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub fn append(&mut self, leaf: usize, out: &mut SerializedRowGroupWriter<'_, StagedSink>) -> Result<()> {
        let encoder = self.0[leaf]
            .take()
            .ok_or_else(|| Error::internal("a column was written twice"))?;
        let mut chunk = encoder.close()?;
        // A file has an index of the pages of all its columns or of none, and the others come without.
        chunk.close_mut().column_index = None;
        chunk.close_mut().offset_index = None;
        Ok(chunk.append_to_row_group(out)?)
    }
}

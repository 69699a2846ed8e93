//! Columns whose values are encoded one by one, beside those that are copied or put together.

use std::io::Write;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::error::{Error, Result};

/// By leaf: what encodes the columns that are neither copied nor put together by hand.
pub struct ColumnEncoders(Vec<Option<ArrowColumnWriter>>);

impl ColumnEncoders {
    /// For the next row group of a file with these columns.
    ///
    /// # Errors
    /// Internal: the columns do not fit the file.
    pub fn new<W: Write + Send>(writer: &SerializedFileWriter<W>, columns: &SchemaRef) -> Result<Self> {
        let group = writer.flushed_row_groups().len();
        let writers =
            ArrowRowGroupWriterFactory::new(writer, columns.clone()).create_column_writers(group)?;
        Ok(ColumnEncoders(writers.into_iter().map(Some).collect()))
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

    /// Bytes of what is encoded so far, about.
    pub fn size(&self) -> usize {
        let encoders = self.0.iter().flatten();
        encoders.map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    /// Appends an encoded column.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub fn append<W: Write + Send>(
        &mut self,
        leaf: usize,
        out: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
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

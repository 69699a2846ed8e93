//! Columns whose values are encoded one by one, beside those that are copied or put together.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::error::{Error, Result};

/// By leaf: what encodes the columns that are neither copied nor put together by hand.
pub struct ColumnEncoders(Vec<Option<ArrowColumnWriter>>);

impl ColumnEncoders {
    /// For the next row group of a file with these columns, of which those are encoded that `is_encoded` names by their
    /// place. Each encoder takes some 200 KiB before it holds a value: the other columns have none.
    ///
    /// # Errors
    /// Internal: the columns do not fit the file.
    pub fn new<W: Write + Send>(
        writer: &SerializedFileWriter<W>,
        columns: &SchemaRef,
        is_encoded: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let group = writer.flushed_row_groups().len();
        let encoded: Vec<usize> = (0..columns.fields().len())
            .filter(|place| is_encoded(*place))
            .collect();
        let schema = Arc::new(columns.project(&encoded)?);
        let types = ArrowSchemaConverter::new().convert(&schema)?;
        let properties = writer.properties().clone();
        // The file's own writer would make encoders of all its columns.
        let of_encoded = SerializedFileWriter::new(std::io::sink(), types.root_schema_ptr(), properties)?;
        let made = ArrowRowGroupWriterFactory::new(&of_encoded, schema).create_column_writers(group)?;
        let mut made = made.into_iter();
        let mut encoders = Vec::with_capacity(writer.schema_descr().num_columns());
        for leaf in 0..writer.schema_descr().num_columns() {
            let place = writer.schema_descr().get_column_root_idx(leaf);
            encoders.push(match is_encoded(place) {
                true => made.next(),
                false => None,
            });
        }
        Ok(ColumnEncoders(encoders))
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

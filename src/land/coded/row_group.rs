//! The rows of a row group while they are gathered, column by column.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::schema::types::ColumnDescPtr;

use crate::error::Result;
use crate::land::new_files::{FileWriter, ROW_NUMBER, append_provenance, write_row_numbers};
use crate::parquet::Constant;
use crate::parquet::column_encoders::ColumnEncoders;
use crate::parquet::file_properties::{ROW_GROUP_BYTES, ROW_GROUP_ROWS};
use crate::parquet::text_chunks::{ChunkEncoder, TextColumn};

/// The codes of a row group: files of very many columns get smaller ones.
const MOST_CODE_BYTES: usize = 32 << 20;

/// The accepted rows of a row group.
pub(super) struct RowGroup {
    columns: Vec<TextColumn>,
    row_numbers: Vec<i64>,
    text_bytes: usize,
    most_rows: usize,
}

impl RowGroup {
    /// Room for the rows of a file with so many columns.
    pub fn new(columns: usize) -> Self {
        RowGroup {
            columns: (0..columns).map(|_| TextColumn::default()).collect(),
            row_numbers: Vec::new(),
            text_bytes: 0,
            most_rows: ROW_GROUP_ROWS
                .min(MOST_CODE_BYTES / (size_of::<u32>() * columns.max(1)))
                .max(1),
        }
    }

    /// Whether the next row belongs to the next row group.
    pub fn is_full(&self) -> bool {
        self.row_numbers.len() >= self.most_rows || self.text_bytes > ROW_GROUP_BYTES
    }

    /// Adds a row; an empty cell is null, and trailing ones may be missing.
    pub fn push(&mut self, number: i64, record: &csv::ByteRecord) {
        let missing = std::iter::repeat(&b""[..]);
        for (column, cell) in self.columns.iter_mut().zip(record.iter().chain(missing)) {
            self.text_bytes += column.push((!cell.is_empty()).then_some(cell));
        }
        self.row_numbers.push(number);
    }

    /// What the group before found out of the columns.
    pub fn learn(&mut self, before: &RowGroup) {
        for (column, before) in self.columns.iter_mut().zip(&before.columns) {
            if before.given_up() {
                column.give_up();
            }
        }
    }

    /// Empties it for other rows; the memory stays.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(TextColumn::clear);
        self.row_numbers.clear();
        self.text_bytes = 0;
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.row_numbers.len()
    }

    /// Writes the rows as the next row group of a file.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub fn write(
        &self,
        writer: &mut FileWriter,
        schema: &SchemaRef,
        constants: &[(&'static str, Constant)],
        encoder: &mut ChunkEncoder,
    ) -> Result<()> {
        let rows = self.row_numbers.len();
        let columns: Vec<ColumnDescPtr> = writer.schema_descr().columns().to_vec();
        let mut encoders =
            ColumnEncoders::new(writer, schema, |place| schema.field(place).name() == ROW_NUMBER)?;
        let first = self.columns.len();
        let numbers = columns.iter().position(|column| column.name() == ROW_NUMBER);
        if let Some(leaf) = numbers {
            write_row_numbers(&mut encoders, leaf, schema, self.row_numbers.iter().copied())?;
        }
        let mut out = writer.next_row_group()?;
        for (texts, column) in self.columns.iter().zip(&columns) {
            let (bytes, close) = encoder.chunk(texts, column, rows)?;
            out.append_column(&bytes, close)?;
        }
        append_provenance(constants, &columns, first, rows, &mut encoders, &mut out)?;
        out.close()?;
        Ok(())
    }
}

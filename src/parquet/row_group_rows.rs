//! The rows of a row group of a staged file while they are gathered: texts as codes, other columns encoded as they come.

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::parquet::arrow::arrow_writer::compute_leaves;
use datafusion::parquet::file::writer::SerializedFileWriter;

use super::column_encoders::ColumnEncoders;
use super::file_properties::{ROW_GROUP_BYTES, ROW_GROUP_ROWS};
use super::text_chunks::{ChunkEncoder, TextColumn};
use crate::error::Result;

/// Bytes of a value while its page is gathered: its place in the dictionary, and whether it is null.
const ENCODED_BYTES: usize = 12;

/// A row group under way.
pub struct RowGroupRows {
    schema: SchemaRef,
    columns: Vec<Gathered>,
    encoders: ColumnEncoders,
    rows: usize,
    text_bytes: usize,
}

enum Gathered {
    Texts(Box<TextColumn>),
    /// The place of the first leaf among all, and how many there are.
    Encoded {
        first: usize,
        leaves: usize,
    },
}

impl RowGroupRows {
    /// No row yet of the first row group of a file.
    ///
    /// # Errors
    /// A schema that Parquet cannot hold.
    pub fn begin(file: &SerializedFileWriter<Vec<u8>>, schema: &SchemaRef) -> Result<RowGroupRows> {
        let mut first = 0;
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let leaves = match is_text(field) {
                true => 1,
                false => compute_leaves(
                    field,
                    &datafusion::arrow::array::new_empty_array(field.data_type()),
                )?
                .len(),
            };
            columns.push(match is_text(field) {
                true => Gathered::Texts(Box::default()),
                false => Gathered::Encoded { first, leaves },
            });
            first += leaves;
        }
        Ok(RowGroupRows {
            schema: schema.clone(),
            columns,
            encoders: encoders(file, schema)?,
            rows: 0,
            text_bytes: 0,
        })
    }

    /// How many rows of a batch still belong to it.
    pub fn room(&self) -> usize {
        ROW_GROUP_ROWS - self.rows
    }

    /// Bytes of memory that its rows take, about.
    pub fn memory(&self) -> usize {
        let of_row = |column: &Gathered| match column {
            Gathered::Texts(_) => size_of::<u32>(),
            Gathered::Encoded { leaves, .. } => leaves * ENCODED_BYTES,
        };
        self.text_bytes + self.rows * self.columns.iter().map(of_row).sum::<usize>()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether the next row belongs to the next row group.
    pub fn is_full(&self) -> bool {
        self.rows >= ROW_GROUP_ROWS || self.text_bytes + self.encoders.size() > ROW_GROUP_BYTES
    }

    /// Adds rows, no more than there is [room](Self::room) for.
    ///
    /// # Errors
    /// Internal: the rows do not fit the file.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        for ((column, field), values) in self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .zip(rows.columns())
        {
            match column {
                Gathered::Texts(texts) => self.text_bytes += extend(texts, values)?,
                Gathered::Encoded { first, .. } => self.encoders.write(*first, field, values)?,
            }
        }
        self.rows += rows.num_rows();
        Ok(())
    }

    /// Gives the memory of an empty one back.
    pub fn release(&mut self) {
        for column in &mut self.columns {
            if let Gathered::Texts(texts) = column {
                **texts = TextColumn::default();
            }
        }
    }

    /// Writes the rows as the next row group of the file, and empties it for the next one.
    ///
    /// # Errors
    /// What Parquet says of a column that it cannot hold.
    pub fn write(&mut self, file: &mut SerializedFileWriter<Vec<u8>>) -> Result<()> {
        let descriptors = file.schema_descr().columns().to_vec();
        let mut chunks = ChunkEncoder::new()?;
        let mut out = file.next_row_group()?;
        let mut leaf = 0;
        for column in &mut self.columns {
            match column {
                Gathered::Texts(texts) => {
                    let (bytes, close) = chunks.chunk(texts, &descriptors[leaf], self.rows)?;
                    out.append_column(&bytes, close)?;
                    texts.clear();
                    leaf += 1;
                }
                Gathered::Encoded { first, leaves } => {
                    for encoded in *first..*first + *leaves {
                        self.encoders.append(encoded, &mut out)?;
                    }
                    leaf += *leaves;
                }
            }
        }
        out.close()?;
        self.encoders = encoders(file, &self.schema)?;
        (self.rows, self.text_bytes) = (0, 0);
        Ok(())
    }
}

/// Whether the values of a column are texts, which are gathered as codes.
pub fn is_text(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View)
}

fn encoders(file: &SerializedFileWriter<Vec<u8>>, schema: &SchemaRef) -> Result<ColumnEncoders> {
    ColumnEncoders::new(file, schema, |place| !is_text(schema.field(place)))
}

/// Adds texts of either type; returns the bytes that no code spared.
fn extend(texts: &mut TextColumn, values: &ArrayRef) -> Result<usize> {
    Ok(match values.as_string_view_opt() {
        Some(views) => texts.extend(views),
        None => texts.extend(cast(values, &DataType::Utf8View)?.as_string_view()),
    })
}

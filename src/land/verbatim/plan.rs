//! Which columns of a delivered file are taken over as they are, which are written anew, and when neither is worth while.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use datafusion::parquet::schema::types::{Type, TypePtr};

use crate::error::Result;
use crate::land::column_types::landed_type;
use crate::land::nested_cells::is_nested;
use crate::land::raw_columns::provenance_fields;
use crate::parquet::copied_chunk::is_readable;
use crate::parquet::same_bytes::taken_over;

/// Smaller row groups are put together anew: many small ones cost every reader more than one copy here.
const LEAST_ROWS: i64 = 16 * 1024;
/// Larger row groups are cut anew, by rows and by bytes: what a reader must hold depends on them.
const MOST_ROWS: i64 = 1 << 20;
const MOST_BYTES: i64 = 256 << 20;

/// What becomes of one delivered column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnTransfer {
    /// Its pages are copied.
    Copied,
    /// Its values are read and written in the table's type.
    Encoded,
}

/// How a delivered file is taken over.
pub(super) struct Plan {
    /// The delivered file's footer.
    pub delivered: ArrowReaderMetadata,
    /// By delivered column.
    pub transfers: Vec<ColumnTransfer>,
    /// By delivered column: its leaves.
    pub leaves: Vec<Range<usize>>,
    /// The columns of the new file: the delivered ones, then provenance.
    pub columns: SchemaRef,
    /// The same as Parquet types.
    pub types: TypePtr,
}

impl Plan {
    /// `None` for a file that is better read and written row by row. `fields` are the table's, by delivered column.
    ///
    /// # Errors
    /// Internal: types that cannot be put together.
    pub fn of(path: &Path, fields: &[Field]) -> Result<Option<Plan>> {
        // What cannot be read is refused by the reader of rows.
        let Ok(file) = File::open(path) else {
            return Ok(None);
        };
        let Ok(delivered) = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()) else {
            return Ok(None);
        };
        let bytes = file.metadata().map_or(0, |m| m.len());
        let becomes_text = |(from, to): (&Arc<Field>, &Field)| {
            is_nested(from.data_type()) && to.data_type() == &DataType::Utf8
        };
        // A column of several leaves that becomes one is written row by row.
        if delivered.schema().fields().len() != fields.len()
            || delivered.schema().fields().iter().zip(fields).any(becomes_text)
            || !has_fitting_row_groups(delivered.metadata())
        {
            return Ok(None);
        }
        let columns = Arc::new(Schema::new(
            fields
                .iter()
                .cloned()
                .chain(provenance_fields())
                .collect::<Vec<_>>(),
        ));
        let wanted = ArrowSchemaConverter::new().convert(&columns)?;
        let wanted = wanted.root_schema();
        let leaves = leaves(delivered.metadata(), fields.len());
        let mut types = wanted.get_fields().to_vec();
        let mut transfers = Vec::with_capacity(fields.len());
        let mut encoded = (0, 0);
        let roots = delivered.metadata().file_metadata().schema().get_fields();
        for (index, root) in roots.iter().enumerate() {
            let mut transfer = ColumnTransfer::Encoded;
            let same_type =
                landed_type(delivered.schema().field(index).data_type()) == *fields[index].data_type();
            if same_type
                && chunks(delivered.metadata(), &leaves[index]).all(|chunk| is_readable(chunk, bytes))
                && let Some(own) = taken_over(root, &types[index])?
            {
                types[index] = own;
                transfer = ColumnTransfer::Copied;
            }
            let size: i64 = chunks(delivered.metadata(), &leaves[index])
                .map(ColumnChunkMetaData::uncompressed_size)
                .sum();
            encoded.1 += size;
            encoded.0 += if transfer == ColumnTransfer::Encoded {
                size
            } else {
                0
            };
            transfers.push(transfer);
        }
        // Most of it must be written anew: then all of it, in row groups of our own size.
        if encoded.0 * 2 > encoded.1 {
            return Ok(None);
        }
        let types = Type::group_type_builder(wanted.name())
            .with_fields(types)
            .build()?;
        Ok(Some(Plan {
            delivered,
            transfers,
            leaves,
            columns,
            types: Arc::new(types),
        }))
    }

    /// The delivered columns that are written anew.
    pub fn encoded(&self) -> Vec<usize> {
        let transfers = self.transfers.iter().enumerate();
        transfers
            .filter(|(_, transfer)| **transfer == ColumnTransfer::Encoded)
            .map(|(index, _)| index)
            .collect()
    }

    /// How many leaves the delivered columns have together.
    pub fn delivered_leaves(&self) -> usize {
        self.leaves.last().map_or(0, |last| last.end)
    }

    /// The row groups of the delivered file.
    pub fn metadata(&self) -> &ParquetMetaData {
        self.delivered.metadata()
    }
}

fn has_fitting_row_groups(metadata: &ParquetMetaData) -> bool {
    let groups = metadata.row_groups();
    let rows: i64 = groups.iter().map(|group| group.num_rows()).sum();
    let fits = groups.iter().all(|group| {
        let bytes: i64 = group.columns().iter().map(|c| c.uncompressed_size()).sum();
        group.num_rows() > 0 && group.num_rows() <= MOST_ROWS && bytes <= MOST_BYTES
    });
    fits && !groups.is_empty() && rows / groups.len() as i64 >= LEAST_ROWS
}

fn leaves(metadata: &ParquetMetaData, roots: usize) -> Vec<Range<usize>> {
    let schema = metadata.file_metadata().schema_descr();
    let mut ranges = vec![0..0; roots];
    for leaf in 0..schema.num_columns() {
        let range = &mut ranges[schema.get_column_root_idx(leaf)];
        if range.end == 0 {
            range.start = leaf;
        }
        range.end = leaf + 1;
    }
    ranges
}

fn chunks<'a>(
    metadata: &'a ParquetMetaData,
    leaves: &Range<usize>,
) -> impl Iterator<Item = &'a ColumnChunkMetaData> {
    let leaves = leaves.clone();
    let groups = metadata.row_groups().iter();
    groups.flat_map(move |group| group.columns().get(leaves.clone()).into_iter().flatten())
}

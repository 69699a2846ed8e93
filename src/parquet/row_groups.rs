//! A data file read row group by row group, its text left as the codes that Parquet stores.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use datafusion::parquet::file::metadata::RowGroupMetaData;

use super::coded_columns::{CodedColumn, Leaf, TagColumn};
use crate::error::{Error, Result};

/// An opened data file.
#[derive(Clone)]
pub struct RowGroups<R> {
    reader: R,
    metadata: ArrowReaderMetadata,
    location: String,
}

impl<R: AsyncFileReader + Clone + Unpin + Send + 'static> RowGroups<R> {
    /// Opens a file, which errors name by its location; text (or maps of text) of the columns in `coded` is given as
    /// dictionary arrays.
    ///
    /// # Errors
    /// External when the file is gone or is no Parquet.
    pub async fn open(mut reader: R, location: &str, coded: &BTreeSet<String>) -> Result<Self> {
        let place = |e| Error::from(e).at(location.to_string());
        let plain = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new())
            .await
            .map_err(place)?;
        let fields: Vec<FieldRef> = plain
            .schema()
            .fields()
            .iter()
            .map(|field| match coded.contains(field.name()) {
                true => Arc::new(as_codes(field)),
                false => field.clone(),
            })
            .collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options).map_err(place)?;
        Ok(RowGroups {
            reader,
            metadata,
            location: location.to_string(),
        })
    }

    /// The file's row groups, or those of them that begin in a range of bytes, as the engine's own scan counts them.
    pub fn within(&self, bytes: Option<Range<u64>>) -> Vec<usize> {
        let groups = self.metadata.metadata().row_groups().iter().enumerate();
        let begins_there = |group: &RowGroupMetaData| {
            let first = group.columns().first();
            let begin = first.map_or(0, |c| c.dictionary_page_offset().unwrap_or(c.data_page_offset()));
            bytes.as_ref().is_none_or(|bytes| bytes.contains(&(begin as u64)))
        };
        groups
            .filter(|(_, group)| begins_there(group))
            .map(|(place, _)| place)
            .collect()
    }

    /// Those of the named columns of one row group that can be read as codes.
    ///
    /// # Errors
    /// External when the file cannot be read.
    pub async fn coded(
        &self,
        row_group: usize,
        columns: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, CodedColumn>> {
        let place = |e| Error::from(e).at(self.location.clone());
        let group = self.metadata.metadata().row_group(row_group);
        let rows = usize::try_from(group.num_rows())
            .map_err(|e| Error::internal("a row group has no number of rows").because(e))?;
        let schema = self.metadata.parquet_schema();
        let fields = self.metadata.schema().fields();
        let mut leaves: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for leaf in 0..schema.num_columns() {
            let root = schema.get_column_root_idx(leaf);
            if columns.contains(fields[root].name()) {
                leaves.entry(root).or_default().push(leaf);
            }
        }
        let ranges: Vec<Range<u64>> = leaves
            .values()
            .flatten()
            .map(|leaf| {
                let (start, length) = group.column(*leaf).byte_range();
                start..start + length
            })
            .collect();
        let fetched = self.reader.clone().get_byte_ranges(ranges).await.map_err(place)?;
        let mut fetched = fetched.into_iter();
        let mut open = |leaf: usize, delivered: &DataType| match fetched.next() {
            Some(bytes) => Leaf::open(bytes, group.column(leaf), rows, delivered)
                .map_err(|e| e.at(self.location.clone())),
            None => Ok(None),
        };
        let mut opened = BTreeMap::new();
        for (root, leaves) in leaves {
            let column = match (fields[root].data_type(), leaves.as_slice()) {
                (DataType::Map(entries, _), [keys, values]) => match entries.data_type() {
                    DataType::Struct(parts) if parts.len() == 2 => {
                        let keys = open(*keys, parts[0].data_type())?;
                        let values = open(*values, parts[1].data_type())?;
                        keys.zip(values)
                            .map(|(keys, values)| CodedColumn::Tags(Box::new(TagColumn::new(keys, values))))
                    }
                    _ => None,
                },
                (delivered, [leaf]) => open(*leaf, delivered)?.map(|leaf| CodedColumn::Flat(Box::new(leaf))),
                _ => None,
            };
            if let Some(column) = column {
                opened.insert(fields[root].name().clone(), column);
            }
        }
        Ok(opened)
    }

    /// The named columns of one row group in batches, in the file's own order of columns; those that the file lacks are
    /// left out.
    ///
    /// # Errors
    /// External when the file cannot be read.
    pub fn read(
        &self,
        row_group: usize,
        columns: &BTreeSet<String>,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchStream<R>> {
        let schema = self.metadata.parquet_schema();
        let roots = self
            .metadata
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| columns.contains(field.name()))
            .map(|(index, _)| index);
        let mask = ProjectionMask::roots(schema, roots);
        ParquetRecordBatchStreamBuilder::new_with_metadata(self.reader.clone(), self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![row_group])
            .with_batch_size(batch_rows)
            .build()
            .map_err(|e| Error::from(e).at(self.location.clone()))
    }
}

/// The field with dictionary types in place of text, in maps as well.
fn as_codes(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(as_codes(entries)), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| Arc::new(as_codes(f))).collect::<Fields>())
        }
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

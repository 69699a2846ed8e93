//! The rows of a table's files, in the columns of the table.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use futures::{Stream, StreamExt};
use object_store::path::Path;

use super::file_reader::StoredFile;
use super::table::{DataFile, PartitionValues, Table};
use crate::error::{Error, Result};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;

impl Table {
    /// The rows of one of its files in batches, with these of the table's columns. Memory: one row group's columns.
    ///
    /// # Errors
    /// External when the file is gone or cannot be read.
    pub async fn read(
        &self,
        file: &DataFile,
        schema: SchemaRef,
    ) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + use<>> {
        let place = file.path.to_string();
        let stored = StoredFile::new(
            self.location.store.clone(),
            Path::from(format!("{}/{}", self.location.prefix, file.path)),
            file.size,
        );
        let builder = ParquetRecordBatchStreamBuilder::new(stored).await;
        let builder = builder.map_err(|e| Error::from(e).at(place.clone()))?;
        let roots = builder.schema().fields().iter().enumerate();
        let roots: Vec<usize> = roots
            .filter(|(_, field)| schema.field_with_name(field.name()).is_ok())
            .map(|(index, _)| index)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let rows = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let rows = rows.map_err(|e| Error::from(e).at(place.clone()))?;
        let partition = file.partition.clone();
        Ok(rows.map(move |rows| {
            let rows = rows.map_err(|e| Error::from(e).at(place.clone()))?;
            whole_rows(&rows, &schema, &partition)
        }))
    }
}

/// A file's rows in the columns of the table: partition values from the log, null where the file is older than a column.
pub(super) fn whole_rows(
    rows: &RecordBatch,
    schema: &SchemaRef,
    partition: &PartitionValues,
) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let column: ArrayRef = match (partition.get(field.name()), rows.column_by_name(field.name())) {
                (Some(Some(value)), _) => Arc::new(StringArray::from(vec![value.as_str(); count])),
                (None, Some(column)) => column.clone(),
                _ => new_null_array(field.data_type(), count),
            };
            match column.data_type() == field.data_type() {
                true => Ok(column),
                false => cast(&column, field.data_type()),
            }
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

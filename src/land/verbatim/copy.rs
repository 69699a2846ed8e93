//! Writes the new file: delivered pages as they are, the other columns in the table's types, provenance beside them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::properties::WriterPropertiesPtr;
use datafusion::parquet::file::reader::ChunkReader;
use datafusion::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use datafusion::parquet::schema::types::{ColumnDescPtr, ColumnPath};

use super::constant::Constant;
use super::pages::look_through;
use super::plan::{Plan, Way};
use super::scan::{DateBounds, statistics};
use crate::error::{Error, Result};
use crate::land::parquet_rows::lossless;
use crate::warehouse::stage::{TARGET_FILE_BYTES, file_properties};
use crate::warehouse::{StagedFile, StagedSink, StagedSinks};

/// Rows that are decoded at once, of columns that are written anew.
const BATCH_ROWS: usize = 8192;
/// The one provenance column that differs from row to row.
const ROW_NUMBER: &str = "_row_number";

/// Why a copy stopped.
pub(super) enum Stop {
    /// The delivered file is not fit to be taken over.
    Unfit,
    /// The warehouse could not be written.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// Copies the row groups of one delivered file, in their order, to staged files.
pub(super) struct RowGroups<'a> {
    plan: &'a Plan,
    file: File,
    provenance: &'a [(&'static str, Constant)],
    sinks: &'a StagedSinks,
    properties: WriterPropertiesPtr,
    open: Option<NewFile>,
    next_row: i64,
    closed: Vec<StagedFile>,
}

struct NewFile {
    writer: SerializedFileWriter<StagedSink>,
    rows: u64,
}

impl<'a> RowGroups<'a> {
    /// Nothing is written yet; `provenance` is what stands in every row.
    ///
    /// # Errors
    /// External when the delivered file is gone.
    pub fn new(
        plan: &'a Plan,
        path: &'a Path,
        provenance: &'a [(&'static str, Constant)],
        sinks: &'a StagedSinks,
    ) -> Result<Self> {
        let row_number = ColumnPath::from(ROW_NUMBER);
        let properties = file_properties()
            .set_column_dictionary_enabled(row_number.clone(), false)
            .set_column_encoding(row_number, Encoding::DELTA_BINARY_PACKED)
            .build();
        Ok(RowGroups {
            plan,
            file: File::open(path)?,
            provenance,
            sinks,
            properties: Arc::new(properties),
            open: None,
            next_row: 1,
            closed: Vec::new(),
        })
    }

    /// Copies one row group.
    ///
    /// # Errors
    /// See [`Stop`]; nothing more may be copied after it.
    pub fn copy(&mut self, group: usize, bounds: &DateBounds) -> Result<(), Stop> {
        let mut new = match self.open.take() {
            Some(new) => new,
            None => self.begin()?,
        };
        let written = self.write(&mut new.writer, group, bounds);
        if let Err(stop) = written {
            let failure = new.writer.inner_mut().failure();
            new.writer.inner_mut().abandon();
            return Err(failure.map_or(stop, Stop::Failed));
        }
        new.rows += self.plan.metadata().row_group(group).num_rows() as u64;
        if new.writer.bytes_written() > TARGET_FILE_BYTES {
            self.close(new)?;
        } else {
            self.open = Some(new);
        }
        Ok(())
    }

    /// The staged files.
    ///
    /// # Errors
    /// External when the store refuses the last bytes.
    pub fn finish(mut self) -> Result<Vec<StagedFile>> {
        if let Some(new) = self.open.take() {
            self.close(new)?;
        }
        Ok(self.closed)
    }

    /// Takes back all that was written.
    pub fn discard(mut self) {
        if let Some(mut new) = self.open.take() {
            new.writer.inner_mut().abandon();
        }
        self.sinks.discard(&self.closed);
    }

    fn begin(&self) -> Result<NewFile> {
        let sink = self.sinks.open();
        let writer = SerializedFileWriter::new(sink, self.plan.types.clone(), self.properties.clone())?;
        Ok(NewFile { writer, rows: 0 })
    }

    fn close(&mut self, mut new: NewFile) -> Result<()> {
        let finished = new.writer.finish();
        let sink = new.writer.inner_mut();
        finished.map_err(|error| sink.failure().unwrap_or_else(|| error.into()))?;
        self.closed.push(sink.close(new.rows)?);
        Ok(())
    }

    fn write(
        &mut self,
        writer: &mut SerializedFileWriter<StagedSink>,
        group: usize,
        bounds: &DateBounds,
    ) -> Result<(), Stop> {
        let plan = self.plan;
        let rows = plan.metadata().row_group(group).num_rows();
        let mut encoders = self.encoders(writer, group)?;
        self.encode(group, &mut encoders)?;
        let columns: Vec<ColumnDescPtr> = writer.schema_descr().columns().to_vec();
        let mut out = writer.next_row_group().map_err(Error::from)?;
        for (index, way) in plan.ways.iter().enumerate() {
            for leaf in plan.leaves[index].clone() {
                match way {
                    Way::Copied => {
                        let bounds = bounds.get(&index).copied();
                        let data_type = plan.columns.field(index).data_type();
                        let statistics = bounds.and_then(|bounds| statistics(bounds, data_type));
                        self.splice(&mut out, group, leaf, &columns[leaf], statistics)?;
                    }
                    Way::Encoded => append(encoders[leaf].take(), &mut out)?,
                }
            }
        }
        for leaf in plan.delivered_leaves()..columns.len() {
            let name = columns[leaf].name();
            match self.provenance.iter().find(|(column, _)| *column == name) {
                Some((_, constant)) => {
                    let (bytes, close) = constant
                        .chunk(&columns[leaf], rows as usize)
                        .map_err(Error::from)?;
                    out.append_column(&bytes, close).map_err(Error::from)?;
                }
                None => append(encoders[leaf].take(), &mut out)?,
            }
        }
        out.close().map_err(Error::from)?;
        self.next_row += rows;
        Ok(())
    }

    /// By leaf: a writer of each column that is not copied.
    fn encoders(
        &self,
        writer: &SerializedFileWriter<StagedSink>,
        group: usize,
    ) -> Result<Vec<Option<ArrowColumnWriter>>> {
        let factory = ArrowRowGroupWriterFactory::new(writer, self.plan.columns.clone());
        let writers = factory.create_column_writers(group)?;
        Ok(writers.into_iter().map(Some).collect())
    }

    /// Reads the columns that are written anew, and counts the rows.
    fn encode(&self, group: usize, encoders: &mut [Option<ArrowColumnWriter>]) -> Result<(), Stop> {
        let plan = self.plan;
        let encoded = plan.encoded();
        if !encoded.is_empty() {
            let file = self.file.try_clone().map_err(Error::from)?;
            let parquet = plan.delivered.parquet_schema();
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, plan.delivered.clone())
                .with_projection(ProjectionMask::roots(parquet, encoded.iter().copied()))
                .with_row_groups(vec![group])
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(|_| Stop::Unfit)?;
            for batch in reader {
                let batch = batch.map_err(|_| Stop::Unfit)?;
                for (index, column) in encoded.iter().zip(batch.columns()) {
                    let field = plan.columns.field(*index);
                    let column = lossless(column, field).map_err(|_| Stop::Unfit)?;
                    let leaves = compute_leaves(field, &column).map_err(Error::from)?;
                    for (leaf, values) in plan.leaves[*index].clone().zip(&leaves) {
                        if let Some(encoder) = &mut encoders[leaf] {
                            encoder.write(values).map_err(Error::from)?;
                        }
                    }
                }
            }
        }
        let rows = plan.metadata().row_group(group).num_rows();
        let place = plan.columns.index_of(ROW_NUMBER).map_err(Error::from)?;
        let leaf = plan.delivered_leaves() + place - plan.ways.len();
        if let Some(encoder) = &mut encoders[leaf] {
            let numbers: ArrayRef =
                Arc::new(Int64Array::from_iter_values(self.next_row..self.next_row + rows));
            for values in compute_leaves(plan.columns.field(place), &numbers).map_err(Error::from)? {
                encoder.write(&values).map_err(Error::from)?;
            }
        }
        Ok(())
    }

    fn splice(
        &self,
        out: &mut SerializedRowGroupWriter<'_, StagedSink>,
        group: usize,
        leaf: usize,
        column: &ColumnDescPtr,
        statistics: Option<datafusion::parquet::file::statistics::Statistics>,
    ) -> Result<(), Stop> {
        let row_group = self.plan.metadata().row_group(group);
        let (rows, delivered) = (row_group.num_rows(), row_group.column(leaf));
        let (start, length) = delivered.byte_range();
        let bytes = self
            .file
            .get_bytes(start, length as usize)
            .map_err(|_| Stop::Unfit)?;
        let begin = start as i64;
        let mut builder = ColumnChunkMetaData::builder(column.clone())
            .set_compression_codec(delivered.compression_codec())
            .set_encodings_mask(*delivered.encodings_mask())
            .set_num_values(delivered.num_values())
            .set_total_compressed_size(delivered.compressed_size())
            .set_total_uncompressed_size(delivered.uncompressed_size())
            .set_dictionary_page_offset(delivered.dictionary_page_offset().map(|offset| offset - begin))
            .set_data_page_offset(delivered.data_page_offset() - begin);
        if let Some(statistics) = statistics {
            builder = builder.set_statistics(statistics);
        }
        let metadata = builder.build().map_err(Error::from)?;
        let kinds = look_through(&bytes, &metadata, rows as usize).ok_or(Stop::Unfit)?;
        let metadata = metadata.into_builder().set_page_encoding_stats(kinds);
        let close = ColumnCloseResult {
            bytes_written: length,
            rows_written: rows as u64,
            metadata: metadata.build().map_err(Error::from)?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        out.append_column(&bytes, close).map_err(Error::from)?;
        Ok(())
    }
}

fn append(
    encoder: Option<ArrowColumnWriter>,
    out: &mut SerializedRowGroupWriter<'_, StagedSink>,
) -> Result<()> {
    match encoder {
        Some(encoder) => {
            let mut chunk = encoder.close()?;
            // A file has an index of the pages of all its columns or of none, and copied ones come without.
            chunk.close_mut().column_index = None;
            chunk.close_mut().offset_index = None;
            Ok(chunk.append_to_row_group(out)?)
        }
        None => Err(Error::internal("a column was written twice")),
    }
}

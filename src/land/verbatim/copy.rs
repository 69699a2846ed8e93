//! Writes the new file: delivered pages as they are, the other columns in the table's types, provenance beside them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::statistics::Statistics;
use datafusion::parquet::file::writer::SerializedRowGroupWriter;
use datafusion::parquet::schema::types::ColumnDescPtr;

use super::plan::{ColumnTransfer, Plan};
use super::scan::{DateBounds, statistics};
use crate::error::{Error, Result};
use crate::land::lossless::lossless;
use crate::land::new_files::{FileWriter, NewFiles, ROW_NUMBER, append_provenance, write_row_numbers};
use crate::parquet::column_encoders::ColumnEncoders;
use crate::parquet::copied_chunk::copied_chunk;
use crate::parquet::{Constant, Demand};
use crate::warehouse::{StagedFile, StagedSink, StagedSinks};

/// The most of them.
const BATCH_ROWS: usize = 8192;

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
    delivered: Delivered<'a>,
    files: NewFiles<'a>,
    constants: &'a [(&'static str, Constant)],
    next_row: i64,
}

/// The delivered file.
struct Delivered<'a> {
    plan: &'a Plan,
    file: File,
    /// Rows that are decoded at once, of columns that are written anew.
    batch_rows: usize,
    /// One column chunk at a time is held here.
    buffer: BytesMut,
}

impl<'a> RowGroups<'a> {
    /// Nothing is written yet; `constants` are what stands in every row.
    ///
    /// # Errors
    /// External when the delivered file is gone.
    pub fn new(
        plan: &'a Plan,
        path: &Path,
        demand: &Demand,
        constants: &'a [(&'static str, Constant)],
        sinks: &'a StagedSinks,
    ) -> Result<Self> {
        Ok(RowGroups {
            delivered: Delivered {
                plan,
                batch_rows: demand.rows_at_once(plan.encoded(), BATCH_ROWS),
                file: File::open(path)?,
                buffer: BytesMut::new(),
            },
            files: NewFiles::new(sinks, plan.types.clone()),
            constants,
            next_row: 1,
        })
    }

    /// Copies one row group.
    ///
    /// # Errors
    /// See [`Stop`]; nothing more may be copied after it.
    pub fn copy(&mut self, group: usize, bounds: &DateBounds) -> Result<(), Stop> {
        let (delivered, constants, first_row) = (&mut self.delivered, self.constants, self.next_row);
        let rows = delivered.plan.metadata().row_group(group).num_rows();
        self.files.row_group(rows as u64, |writer| {
            delivered.write(writer, group, bounds, constants, first_row..first_row + rows)
        })?;
        self.next_row += rows;
        Ok(())
    }

    /// The staged files.
    ///
    /// # Errors
    /// External when the store refuses the last bytes.
    pub fn finish(self) -> Result<Vec<StagedFile>> {
        self.files.finish()
    }

    /// Takes back all that was written.
    pub fn discard(self) {
        self.files.discard();
    }
}

impl Delivered<'_> {
    fn write(
        &mut self,
        writer: &mut FileWriter,
        group: usize,
        bounds: &DateBounds,
        constants: &[(&'static str, Constant)],
        row_numbers: std::ops::Range<i64>,
    ) -> Result<(), Stop> {
        let plan = self.plan;
        let rows = row_numbers.clone().count();
        let mut encoders =
            ColumnEncoders::new(writer, &plan.columns, |place| match plan.transfers.get(place) {
                Some(transfer) => matches!(transfer, ColumnTransfer::Encoded),
                None => plan.columns.field(place).name() == ROW_NUMBER,
            })?;
        self.encode(group, &mut encoders)?;
        let columns: Vec<ColumnDescPtr> = writer.schema_descr().columns().to_vec();
        let first = plan.delivered_leaves();
        for (leaf, _) in columns
            .iter()
            .enumerate()
            .skip(first)
            .filter(|(_, c)| c.name() == ROW_NUMBER)
        {
            write_row_numbers(&mut encoders, leaf, &plan.columns, row_numbers.clone())?;
        }
        let mut out = writer.next_row_group().map_err(Error::from)?;
        for (index, transfer) in plan.transfers.iter().enumerate() {
            for leaf in plan.leaves[index].clone() {
                match transfer {
                    ColumnTransfer::Copied => {
                        let bounds = bounds.get(&index).copied();
                        let data_type = plan.columns.field(index).data_type();
                        let statistics = bounds.and_then(|bounds| statistics(bounds, data_type));
                        self.splice(&mut out, group, leaf, &columns[leaf], statistics)?;
                    }
                    ColumnTransfer::Encoded => encoders.append(leaf, &mut out)?,
                }
            }
        }
        append_provenance(constants, &columns, first, rows, &mut encoders, &mut out)?;
        out.close().map_err(Error::from)?;
        Ok(())
    }

    /// Reads the columns that are written anew.
    fn encode(&self, group: usize, encoders: &mut ColumnEncoders) -> Result<(), Stop> {
        let plan = self.plan;
        let encoded = plan.encoded();
        if encoded.is_empty() {
            return Ok(());
        }
        let file = self.file.try_clone().map_err(Error::from)?;
        let parquet = plan.delivered.parquet_schema();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, plan.delivered.clone())
            .with_projection(ProjectionMask::roots(parquet, encoded.iter().copied()))
            .with_row_groups(vec![group])
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(|_| Stop::Unfit)?;
        for batch in reader {
            let batch = batch.map_err(|_| Stop::Unfit)?;
            for (index, column) in encoded.iter().zip(batch.columns()) {
                let field = plan.columns.field(*index);
                let column = lossless(column, field).map_err(|_| Stop::Unfit)?;
                encoders.write(plan.leaves[*index].start, field, &column)?;
            }
        }
        Ok(())
    }

    fn splice(
        &mut self,
        out: &mut SerializedRowGroupWriter<'_, StagedSink>,
        group: usize,
        leaf: usize,
        column: &ColumnDescPtr,
        statistics: Option<Statistics>,
    ) -> Result<(), Stop> {
        let plan = self.plan;
        let row_group = plan.metadata().row_group(group);
        let (rows, delivered) = (row_group.num_rows(), row_group.column(leaf));
        let (start, length) = delivered.byte_range();
        let held = self.read(start, length as usize).map_err(|_| Stop::Unfit)?;
        let bytes = held.slice(..length as usize);
        let close =
            copied_chunk(delivered, column, statistics, &bytes, rows as usize).map_err(Error::from)?;
        let close = close.ok_or(Stop::Unfit)?;
        out.append_column(&bytes, close).map_err(Error::from)?;
        drop(bytes);
        self.buffer = held.try_into_mut().unwrap_or_default();
        Ok(())
    }

    /// The bytes of a chunk at the front of the one buffer.
    fn read(&mut self, start: u64, length: usize) -> std::io::Result<Bytes> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut buffer[..length])?;
        Ok(buffer.freeze())
    }
}

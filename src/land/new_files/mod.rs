//! Parquet files that landing puts together itself, column chunk by column chunk, on their way into the warehouse.

mod provenance;

use std::sync::Arc;

use datafusion::parquet::basic::Encoding;
use datafusion::parquet::file::properties::WriterPropertiesPtr;
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::types::{ColumnPath, TypePtr};

pub(super) use provenance::{Provenance, append_provenance, write_row_numbers};

use crate::error::{Error, Result};
use crate::parquet::file_properties::file_properties;
use crate::warehouse::stage::TARGET_FILE_BYTES;
use crate::warehouse::{StagedFile, StagedSink, StagedSinks};

/// The one provenance column that differs from row to row.
pub(super) const ROW_NUMBER: &str = "_row_number";

/// A file under way.
pub(super) type FileWriter = SerializedFileWriter<StagedSink>;

/// The staged files of one delivered file; a new one is begun when one is large enough.
pub(super) struct NewFiles<'a> {
    sinks: &'a StagedSinks,
    types: TypePtr,
    properties: WriterPropertiesPtr,
    open: Option<(FileWriter, u64)>,
    closed: Vec<StagedFile>,
}

impl<'a> NewFiles<'a> {
    /// Nothing is written yet; `types` are the columns of every file.
    pub fn new(sinks: &'a StagedSinks, types: TypePtr) -> Self {
        let row_number = ColumnPath::from(ROW_NUMBER);
        let properties = file_properties()
            .set_column_dictionary_enabled(row_number.clone(), false)
            .set_column_encoding(row_number, Encoding::DELTA_BINARY_PACKED)
            .build();
        NewFiles {
            sinks,
            types,
            properties: Arc::new(properties),
            open: None,
            closed: Vec::new(),
        }
    }

    /// Has one row group written.
    ///
    /// # Errors
    /// What `write` returns, or what the store said when it was the store that failed; nothing may be written after it.
    pub fn row_group<E: From<Error>>(
        &mut self,
        rows: u64,
        write: impl FnOnce(&mut FileWriter) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut writer, before) = match self.open.take() {
            Some(open) => open,
            None => (self.begin()?, 0),
        };
        if let Err(error) = write(&mut writer) {
            let failure = writer.inner_mut().failure();
            writer.inner_mut().abandon();
            return Err(failure.map_or(error, E::from));
        }
        if writer.bytes_written() > TARGET_FILE_BYTES {
            self.close(writer, before + rows)?;
        } else {
            self.open = Some((writer, before + rows));
        }
        Ok(())
    }

    /// The staged files.
    ///
    /// # Errors
    /// External when the store refuses the last bytes.
    pub fn finish(mut self) -> Result<Vec<StagedFile>> {
        if let Some((writer, rows)) = self.open.take()
            && let Err(error) = self.close(writer, rows)
        {
            self.discard();
            return Err(error);
        }
        Ok(self.closed)
    }

    /// Takes back all that was written.
    pub fn discard(mut self) {
        if let Some((mut writer, _)) = self.open.take() {
            writer.inner_mut().abandon();
        }
        self.sinks.discard(&self.closed);
    }

    fn begin(&self) -> Result<FileWriter> {
        let sink = self.sinks.open()?;
        Ok(SerializedFileWriter::new(
            sink,
            self.types.clone(),
            self.properties.clone(),
        )?)
    }

    fn close(&mut self, mut writer: FileWriter, rows: u64) -> Result<()> {
        let finished = writer.finish();
        let sink = writer.inner_mut();
        finished.map_err(|error| sink.failure().unwrap_or_else(|| error.into()))?;
        self.closed.push(sink.close(rows)?);
        Ok(())
    }
}

//! Staged files encoded on a task of their own: while one file's rows are packed, the next are computed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{Date32Type, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::writer::SerializedFileWriter;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::identity::Identity;
use super::stage::StagedFile;
use super::staged_sink::StagedNames;
use super::statistics::of_footer;
use super::store::Location;
use super::table::PartitionValues;
use crate::error::{Error, Result};
use crate::parquet::file_properties::file_properties;
use crate::parquet::row_group_rows::RowGroupRows;

/// Batches that wait for the encoder: with more, rows that nobody packs yet would fill the memory.
const WAITING_BATCHES: usize = 1;

/// What all files of one partition and charge month have in common.
pub(super) struct FileSettings {
    pub location: Location,
    pub names: StagedNames,
    pub schema: SchemaRef,
    pub partition: PartitionValues,
    /// The place of the charge date among the file's columns.
    pub charge_date: Option<usize>,
    /// A file is closed at this size.
    pub file_bytes: usize,
    /// How the pages of columns other than texts are packed.
    pub compression: Compression,
    /// What merged files hold: the first one carries it, those after it nothing.
    pub holds: Option<Identity>,
}

/// Files under way; a new one is begun when one is large enough.
pub(super) struct EncodedFiles {
    handed: Sender<Handed>,
    files: SpawnedTask<Result<Vec<StagedFile>>>,
    memory: Arc<AtomicUsize>,
}

/// What the encoder is asked to do.
enum Handed {
    Rows(RecordBatch),
    /// To write what it holds.
    Flush,
}

impl EncodedFiles {
    /// Opens the first file.
    ///
    /// # Errors
    /// A schema that Parquet cannot hold.
    pub fn begin(mut kind: FileSettings) -> Result<EncodedFiles> {
        let first = OpenFile::create(&mut kind)?;
        let (handed, waiting) = channel(WAITING_BATCHES);
        let memory = Arc::new(AtomicUsize::new(0));
        Ok(EncodedFiles {
            handed,
            files: SpawnedTask::spawn(encode(kind, first, waiting, memory.clone())),
            memory,
        })
    }

    /// Hands rows over.
    ///
    /// # Errors
    /// None of the store's: `false` says that the files have come to an end, and [`EncodedFiles::finish`] why.
    pub async fn write(&self, rows: RecordBatch) -> bool {
        self.handed.send(Handed::Rows(rows)).await.is_ok()
    }

    /// Bytes of memory for rows that are not written yet, about.
    pub fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Has these rows written; where that fails, [`EncodedFiles::finish`] says why.
    pub async fn flush(&self) {
        let _ = self.handed.send(Handed::Flush).await;
    }

    /// Closes the files and hands them over.
    ///
    /// # Errors
    /// External when the store refused the bytes.
    pub async fn finish(self) -> Result<Vec<StagedFile>> {
        drop(self.handed);
        self.files
            .join()
            .await
            .map_err(|e| Error::internal("a file's encoder did not come to its end").because(e))?
    }
}

async fn encode(
    mut kind: FileSettings,
    first: OpenFile,
    mut waiting: Receiver<Handed>,
    memory: Arc<AtomicUsize>,
) -> Result<Vec<StagedFile>> {
    let mut finished = Vec::new();
    let mut open = Some(first);
    while let Some(handed) = waiting.recv().await {
        let rows = match handed {
            Handed::Rows(rows) => rows,
            Handed::Flush => {
                if let Some(file) = open.as_mut() {
                    file.flush().await?;
                    file.group.release();
                }
                memory.store(0, Ordering::Relaxed);
                continue;
            }
        };
        let mut file = match open.take() {
            Some(file) => file,
            None => OpenFile::create(&mut kind)?,
        };
        file.write(&rows, kind.charge_date).await?;
        if file.file.bytes_written() > kind.file_bytes {
            finished.push(file.close(&kind).await?);
            memory.store(0, Ordering::Relaxed);
        } else {
            memory.store(file.group.memory(), Ordering::Relaxed);
            open = Some(file);
        }
    }
    if let Some(file) = open {
        finished.push(file.close(&kind).await?);
    }
    Ok(finished)
}

struct OpenFile {
    path: String,
    target: BufWriter,
    file: SerializedFileWriter<Vec<u8>>,
    group: RowGroupRows,
    rows: u64,
    charge_dates: Option<(i32, i32)>,
}

impl OpenFile {
    fn create(kind: &mut FileSettings) -> Result<OpenFile> {
        let mark = kind
            .holds
            .as_mut()
            .map(|holds| std::mem::take(holds).mark())
            .unwrap_or_default();
        let path = kind.names.path(&kind.partition, &mark);
        let target = Path::from(format!("{}/{path}", kind.location.prefix));
        // Without the Arrow schema in the footer a file has plain Parquet types, the same for every reader.
        let types = ArrowSchemaConverter::new().convert(&kind.schema)?;
        let properties = Arc::new(file_properties().set_compression(kind.compression).build());
        let file = SerializedFileWriter::new(Vec::new(), types.root_schema_ptr(), properties)?;
        Ok(OpenFile {
            path,
            target: BufWriter::new(kind.location.store.clone(), target),
            group: RowGroupRows::begin(&file, &kind.schema)?,
            file,
            rows: 0,
            charge_dates: None,
        })
    }

    async fn write(&mut self, rows: &RecordBatch, charge_date: Option<usize>) -> Result<()> {
        let mut start = 0;
        while start < rows.num_rows() {
            let count = self.group.room().min(rows.num_rows() - start);
            self.group.push(&rows.slice(start, count))?;
            start += count;
            if self.group.is_full() {
                self.flush().await?;
            }
        }
        self.rows += rows.num_rows() as u64;
        if let Some(index) = charge_date {
            let dates = rows.column(index).as_primitive::<Date32Type>();
            if let (Some(low), Some(high)) = (min(dates), max(dates)) {
                let (first, last) = self.charge_dates.unwrap_or((low, high));
                self.charge_dates = Some((first.min(low), last.max(high)));
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.group.write(&mut self.file)?;
        self.send().await
    }

    /// Hands what has been written to the store.
    async fn send(&mut self) -> Result<()> {
        let bytes = std::mem::take(self.file.inner_mut());
        let sent = self.target.put(bytes.into()).await;
        sent.map_err(|e| Error::from(e).at(self.path.clone()))
    }

    async fn close(mut self, kind: &FileSettings) -> Result<StagedFile> {
        self.flush().await?;
        let footer = self.file.finish()?;
        self.send().await?;
        let closed = self.target.shutdown().await;
        closed.map_err(|e| Error::from(e).at(self.path.clone()))?;
        Ok(StagedFile {
            size: self.file.bytes_written() as u64,
            path: self.path,
            rows: self.rows,
            partition: kind.partition.clone(),
            charge_dates: self.charge_dates,
            bounds: of_footer(&footer),
        })
    }
}

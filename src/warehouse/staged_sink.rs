//! Staged files written from a blocking thread, byte by byte, for those who make the Parquet file themselves.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use super::stage::{StagedFile, Stager};
use super::store::Location;
use super::table::PartitionValues;
use crate::error::{Error, Result};

/// Handed to the store at once.
const BLOCK_BYTES: usize = 1 << 20;
/// Parts of one file on their way to the store at the same time; each has 10 MiB.
const PARTS_UNDER_WAY: usize = 2;

/// How the staged files of one writer are called; no two of them alike.
#[derive(Debug, Clone)]
pub(super) struct StagedNames {
    /// Begins every file's name.
    pub stem: String,
    /// The next file's number.
    pub next: Arc<AtomicUsize>,
}

impl StagedNames {
    /// A path inside the table's folder.
    pub fn path(&self, partition: &PartitionValues) -> String {
        let folder: Vec<String> = ["tenant", "source", "month"]
            .iter()
            .filter_map(|name| partition.get(*name).cloned().flatten())
            .collect();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/{}-{number:05}.parquet", folder.join("/"), self.stem);
        path.trim_start_matches('/').to_string()
    }
}

/// Opens staged files of one partition; its clones may be used by several threads.
#[derive(Debug, Clone)]
pub struct StagedSinks {
    location: Location,
    names: StagedNames,
    partition: PartitionValues,
    runtime: Handle,
}

impl StagedSinks {
    pub(super) fn new(location: Location, names: StagedNames, partition: PartitionValues) -> Self {
        StagedSinks {
            location,
            names,
            partition,
            runtime: Handle::current(),
        }
    }

    /// A new file; nothing reaches the store before bytes are written.
    pub fn open(&self) -> StagedSink {
        let path = self.names.path(&self.partition);
        let target = Path::from(format!("{}/{path}", self.location.prefix));
        StagedSink {
            path,
            partition: self.partition.clone(),
            writer: BufWriter::new(self.location.store.clone(), target).with_max_concurrency(PARTS_UNDER_WAY),
            buffer: Vec::new(),
            written: 0,
            failure: None,
            runtime: self.runtime.clone(),
        }
    }

    /// Takes back files that were closed already; to be called from a blocking thread.
    pub fn discard(&self, files: &[StagedFile]) {
        self.runtime.block_on(Stager::discard(&self.location, files));
    }
}

/// One staged file under way; to be written from a blocking thread.
pub struct StagedSink {
    path: String,
    partition: PartitionValues,
    writer: BufWriter,
    buffer: Vec<u8>,
    written: u64,
    failure: Option<Error>,
    runtime: Handle,
}

impl StagedSink {
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.buffer, Vec::with_capacity(BLOCK_BYTES));
        self.written += block.len() as u64;
        self.runtime
            .block_on(self.writer.put(block.into()))
            .map_err(|error| {
                let text = error.to_string();
                self.failure = Some(Error::from(error).at(self.path.clone()));
                io::Error::other(text)
            })
    }

    /// What the store said, when it was the store that failed.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Closes the file.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub fn close(&mut self, rows: u64) -> Result<StagedFile> {
        let sent = self.send();
        sent.and_then(|()| self.runtime.block_on(self.writer.shutdown()))
            .map_err(|error| {
                let told = self.failure.take();
                told.unwrap_or_else(|| store_error(error).at(self.path.clone()))
            })?;
        Ok(StagedFile {
            path: self.path.clone(),
            size: self.written,
            rows,
            partition: self.partition.clone(),
            charge_dates: None,
        })
    }

    /// Takes back what a file that will not be closed has brought to the store.
    pub fn abandon(&mut self) {
        if let Err(error) = self.runtime.block_on(self.writer.abort()) {
            tracing::debug!(%error, file = self.path, "a staged file could not be taken back");
        }
    }
}

/// What the store said, out of the wrapping that its writer puts around it.
fn store_error(error: io::Error) -> Error {
    match error.downcast::<object_store::Error>() {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

impl Write for StagedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BLOCK_BYTES && !self.buffer.is_empty() {
            self.send()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing: blocks go out when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

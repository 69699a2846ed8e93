//! Staged files written from a blocking thread, byte by byte, for those who make the Parquet file themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
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
    /// A path inside the table's folder; `mark` ends the name.
    pub fn path(&self, partition: &PartitionValues, mark: &str) -> String {
        let folder: Vec<String> = ["tenant", "source", "month"]
            .iter()
            .filter_map(|name| partition.get(*name).cloned().flatten())
            .collect();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/{}-{number:05}{mark}.parquet", folder.join("/"), self.stem);
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

    /// A new file.
    ///
    /// # Errors
    /// External when a folder of this machine cannot be written.
    pub fn open(&self) -> Result<StagedSink> {
        let path = self.names.path(&self.partition, "");
        let place = Path::from(format!("{}/{path}", self.location.prefix));
        let target = match self.location.local_path(&place) {
            Some(local) => {
                Target::Local(LocalFile::create(local).map_err(|e| local_error(e).at(path.clone()))?)
            }
            None => Target::Store(Box::new(StoreObject {
                writer: BufWriter::new(self.location.store.clone(), place)
                    .with_max_concurrency(PARTS_UNDER_WAY),
                block: Vec::with_capacity(BLOCK_BYTES),
                runtime: self.runtime.clone(),
            })),
        };
        Ok(StagedSink {
            path,
            partition: self.partition.clone(),
            target,
            written: 0,
            failure: None,
        })
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
    target: Target,
    written: u64,
    failure: Option<Error>,
}

enum Target {
    /// A file of this machine is written where it will lie: no reader knows it before a commit names it.
    Local(LocalFile),
    Store(Box<StoreObject>),
}

struct LocalFile {
    path: PathBuf,
    file: io::BufWriter<File>,
}

struct StoreObject {
    writer: BufWriter,
    block: Vec<u8>,
    runtime: Handle,
}

impl StagedSink {
    /// What the store said, when it was the store that failed.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Closes the file.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub fn close(&mut self, rows: u64) -> Result<StagedFile> {
        let closed = match &mut self.target {
            Target::Local(local) => local.file.flush().map_err(local_error),
            Target::Store(object) => object.close(),
        };
        closed.map_err(|error| error.at(self.path.clone()))?;
        Ok(StagedFile {
            path: self.path.clone(),
            size: self.written,
            rows,
            partition: self.partition.clone(),
            charge_dates: None,
            bounds: BTreeMap::new(),
        })
    }

    /// Takes back what a file that will not be closed has brought to the store.
    pub fn abandon(&mut self) {
        let gone = match &mut self.target {
            Target::Local(local) => std::fs::remove_file(&local.path).map_err(local_error),
            Target::Store(object) => object
                .runtime
                .block_on(object.writer.abort())
                .map_err(Error::from),
        };
        if let Err(error) = gone {
            tracing::debug!(%error, file = self.path, "a staged file could not be taken back");
        }
    }
}

impl LocalFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::create_new(&path)?;
        Ok(LocalFile {
            path,
            file: io::BufWriter::with_capacity(BLOCK_BYTES, file),
        })
    }
}

impl StoreObject {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.block.len() + bytes.len() > BLOCK_BYTES && !self.block.is_empty() {
            self.send()?;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        Ok(self.runtime.block_on(self.writer.put(block.into()))?)
    }

    fn close(&mut self) -> Result<()> {
        self.send()?;
        Ok(self.runtime.block_on(self.writer.shutdown())?)
    }
}

/// A fault of the disk, reported as when the store writes there itself.
fn local_error(error: io::Error) -> Error {
    object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(error),
    }
    .into()
}

impl Write for StagedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Local(local) => local.file.write_all(bytes).map_err(local_error),
            Target::Store(object) => object.write(bytes),
        };
        written.map_err(|error| {
            let text = error.to_string();
            self.failure = Some(error.at(self.path.clone()));
            io::Error::other(text)
        })?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Nothing: blocks go out when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

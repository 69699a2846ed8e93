//! Brings an object to a local path: a local file as it lies, a remote one through a spool file.

use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};
use tempfile::{NamedTempFile, TempPath};

use super::{Location, Object, is_same};
use crate::error::{Error, Result};

/// Broken connections in a row that are taken up again.
const MAX_TRIES: u32 = 5;
/// A connection that is silent for so long is broken.
const IDLE: Duration = Duration::from_secs(60);
/// A try that brought so much was no failure: large objects may break more often than small ones.
const PROGRESS_BYTES: u64 = 8 << 20;
/// Written to disk at once, away from the async workers.
const WRITE_BYTES: usize = 1 << 20;

/// A file at hand; a spooled copy is removed when this is dropped.
#[derive(Debug)]
pub struct Fetched {
    /// Where the bytes lie.
    pub path: PathBuf,
    /// Removes the copy on drop; empty for a file that was local already.
    spooled: Option<TempPath>,
}

impl Fetched {
    /// A file of the spool folder that was written by somebody else.
    pub fn spooled(path: TempPath) -> Self {
        Fetched {
            path: path.to_path_buf(),
            spooled: Some(path),
        }
    }

    /// Whether the bytes are a copy in the spool folder.
    pub fn is_copy(&self) -> bool {
        self.spooled.is_some()
    }
}

/// Why a download stopped.
enum Stop {
    /// The connection: it is taken up where it broke.
    Broken(Error),
    /// Anything that another try does not mend.
    Final(Error),
}

impl Location {
    /// Brings an object to a local path, exactly as it was listed.
    ///
    /// A remote object is streamed into a file in `spool`; a broken connection is taken up where it broke, as
    /// long as the object is still the same.
    ///
    /// # Errors
    /// External when it changed meanwhile, cannot be read, or the spool folder is full.
    pub async fn fetch(&self, object: &Object, spool: &FilePath) -> Result<Fetched> {
        if let Some(path) = self.local_path(&object.path) {
            return Ok(Fetched { path, spooled: None });
        }
        let mut file =
            NamedTempFile::new_in(spool).map_err(|e| Error::from(e).at(spool.display().to_string()))?;
        let mut received = 0;
        let mut etag = None;
        let mut tries = 0;
        loop {
            let before = received;
            match self.download(object, &mut etag, &mut file, &mut received).await {
                Ok(()) => break,
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Broken(error)) => {
                    tries = if received - before >= PROGRESS_BYTES {
                        1
                    } else {
                        tries + 1
                    };
                    if tries >= MAX_TRIES {
                        return Err(error);
                    }
                    tracing::warn!(uri = self.uri(&object.path), received, %error, "a download broke and is taken up again");
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                }
            }
        }
        let spooled = file.into_temp_path();
        Ok(Fetched {
            path: spooled.to_path_buf(),
            spooled: Some(spooled),
        })
    }

    /// One request from `received` to the end.
    async fn download(
        &self,
        object: &Object,
        etag: &mut Option<String>,
        file: &mut NamedTempFile,
        received: &mut u64,
    ) -> Result<(), Stop> {
        if *received == object.size && object.size > 0 {
            return Ok(());
        }
        // The etag of the first answer, as the server writes it in headers, guards every later request.
        let options = GetOptions::new()
            .with_if_match(etag.clone())
            .with_range((*received > 0).then_some(GetRange::Offset(*received)));
        let answer = self
            .store
            .get_opts(&object.path, options)
            .await
            .map_err(|e| self.stop(e, object))?;
        if !is_same(object, &answer.meta) {
            return Err(Stop::Final(self.changed(object)));
        }
        *etag = answer.meta.e_tag.clone();
        self.append(object, answer, file, received).await?;
        if *received != object.size {
            let error = Error::external(format!(
                "a download ended after {received} of {} bytes",
                object.size
            ));
            return Err(Stop::Broken(error.at(self.uri(&object.path)).retryable()));
        }
        Ok(())
    }

    async fn append(
        &self,
        object: &Object,
        answer: GetResult,
        file: &mut NamedTempFile,
        received: &mut u64,
    ) -> Result<(), Stop> {
        let mut stream = answer.into_stream();
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        let outcome = loop {
            match tokio::time::timeout(IDLE, stream.next()).await {
                Ok(Some(Ok(chunk))) => buffer.extend_from_slice(&chunk),
                Ok(Some(Err(error))) => break Err(self.stop(error, object)),
                Ok(None) => break Ok(()),
                Err(_) => {
                    let error = Error::external(format!("the store was silent for {} s", IDLE.as_secs()));
                    break Err(Stop::Broken(error.at(self.uri(&object.path)).retryable()));
                }
            }
            if *received + buffer.len() as u64 > object.size {
                return Err(Stop::Final(self.changed(object)));
            }
            if buffer.len() >= WRITE_BYTES {
                buffer = write(file, buffer, received).await.map_err(Stop::Final)?;
            }
        };
        // What came before a break is kept.
        write(file, buffer, received).await.map_err(Stop::Final)?;
        outcome
    }

    fn stop(&self, error: object_store::Error, object: &Object) -> Stop {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } | E::Precondition { .. } | E::NotModified { .. } => {
                Stop::Final(self.changed(object))
            }
            E::Generic { .. } => Stop::Broken(self.failed(error, &object.path)),
            _ => Stop::Final(self.failed(error, &object.path)),
        }
    }
}

/// Appends the buffer and gives it back empty.
async fn write(file: &NamedTempFile, mut buffer: Vec<u8>, received: &mut u64) -> Result<Vec<u8>> {
    let place = || file.path().display().to_string();
    // A clone shares the position, so every write goes on where the last one ended.
    let mut handle = file
        .as_file()
        .try_clone()
        .map_err(|e| Error::from(e).at(place()))?;
    let written = tokio::task::spawn_blocking(move || {
        handle.write_all(&buffer)?;
        Ok::<_, std::io::Error>(std::mem::take(&mut buffer))
    });
    let mut buffer = written
        .await
        .map_err(|e| Error::internal("a write to the spool folder stopped").because(e))?
        .map_err(|e| Error::from(e).at(place()))?;
    *received += buffer.len() as u64;
    buffer.clear();
    Ok(buffer)
}

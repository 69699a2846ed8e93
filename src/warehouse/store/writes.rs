//! A store whose writes are on the disk when they return: a commit must not outlive its files, nor a power cut leave it empty.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::kill_point;

/// Folders above a new file that may be new, too: the partitions of a table and the table.
const NEW_FOLDERS: usize = 6;

/// The store itself, with its writes watched over.
#[derive(Debug)]
pub struct Writes {
    inner: Arc<dyn ObjectStore>,
    is_local: bool,
}

impl Writes {
    /// A disk that keeps writes in memory for a while.
    pub fn to_disk(inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Writes {
            inner,
            is_local: true,
        })
    }

    /// A store that answers when it has a write for good.
    pub fn to_service(inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Writes {
            inner,
            is_local: false,
        })
    }

    fn synced(&self, location: &Path) -> Option<PathBuf> {
        self.is_local.then(|| PathBuf::from(format!("/{location}")))
    }
}

/// Brings a file and the entries of its folders to the disk.
async fn sync(path: Option<PathBuf>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let synced = tokio::task::spawn_blocking(move || {
        File::open(&path)?.sync_all()?;
        for folder in path.ancestors().skip(1).take(NEW_FOLDERS) {
            File::open(folder)?.sync_all()?;
        }
        Ok::<_, std::io::Error>(())
    });
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
        store: "disk",
        source,
    };
    match synced.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(Box::new(error))),
        Err(error) => Err(failed(Box::new(error))),
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Writes {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        kill_point::around(async {
            let put = self.inner.put_opts(location, payload, options).await?;
            sync(self.synced(location)).await?;
            Ok(put)
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, options).await?;
        let path = self.synced(location);
        Ok(Box::new(Upload { inner, path }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let deleted = self.inner.delete_stream(locations);
        deleted.then(|path| kill_point::around(async { path })).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        kill_point::around(async {
            self.inner.copy_opts(from, to, options).await?;
            sync(self.synced(to)).await
        })
        .await
    }
}

#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    path: Option<PathBuf>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        kill_point::around(async {
            let put = self.inner.complete().await?;
            sync(self.path.clone()).await?;
            Ok(put)
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

//! The bytes of a data file, as Parquet's readers ask for them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};

/// The bytes of a file in the warehouse's store.
#[derive(Clone)]
pub struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl StoredFile {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        StoredFile { store, path, size }
    }

    /// The file of so many bytes at `location` of a store that the engine knows by its URL; it is not read yet.
    ///
    /// # Errors
    /// Internal: the engine knows no such store, or the location is no path.
    pub fn of_engine(runtime: &RuntimeEnv, store: &str, location: &str, size: u64) -> Result<Self> {
        let store = runtime.object_store(&ObjectStoreUrl::parse(store)?)?;
        let path = Path::parse(location).map_err(|e| Error::internal("a path is not valid").because(e))?;
        Ok(StoredFile { store, path, size })
    }
}

type Reading<'a, T> = BoxFuture<'a, std::result::Result<T, ParquetError>>;

fn refused(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> Reading<'_, Bytes> {
        async move { self.store.get_range(&self.path, range).await.map_err(refused) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> Reading<'_, Vec<Bytes>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(refused) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> Reading<'a, Arc<ParquetMetaData>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

//! A Delta table as this program sees it: schema, active files with their partition values, versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::identity::Identity;
use super::store::Location;
use crate::domain::period::Period;
use crate::error::{Error, PlaceKey, Result};

/// Partition column → value (`None` is null), in the order of the names.
pub type PartitionValues = BTreeMap<String, Option<String>>;

/// One active data file of a snapshot.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Path inside the table's folder.
    pub path: Path,
    /// Size in bytes.
    pub size: u64,
    /// Rows, exactly.
    pub rows: u64,
    /// Values of the partition columns.
    pub partition: PartitionValues,
    /// The charge month of all its rows, where the table has a `charge_date`.
    pub month: Option<Period>,
    /// The statistics as they stand in the log.
    pub stats: Option<String>,
}

impl DataFile {
    /// Which rows it holds, whatever file they were written to first.
    pub fn identity(&self) -> Identity {
        Identity::of_path(self.path.as_ref())
    }
}

/// A snapshot of a Delta table.
#[derive(Clone)]
pub struct Table {
    /// `schema.table`.
    pub name: String,
    /// The table's folder.
    pub location: Location,
    pub(super) log_store: LogStoreRef,
    pub(super) inner: DeltaTable,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    files: Arc<Vec<DataFile>>,
}

pub(super) fn log_store_of(location: &Location) -> Result<LogStoreRef> {
    let prefixed = Arc::new(PrefixStore::new(location.store.clone(), location.prefix.clone()));
    Ok(default_logstore(
        prefixed,
        location.store.clone(),
        &location.folder_url(),
        &StorageConfig::default(),
    ))
}

impl Table {
    /// Opens the newest or the given version; `None` when there is no table.
    ///
    /// # Errors
    /// External when the log cannot be read; usage when the version does not exist.
    pub async fn open(name: &str, location: Location, version: Option<u64>) -> Result<Option<Table>> {
        let log_store = log_store_of(&location)?;
        let mut inner = DeltaTable::new(log_store.clone());
        let loaded = match version {
            Some(version) => inner.load_version(version).await,
            None => inner.load().await,
        };
        match loaded {
            Ok(()) => Ok(Some(Self::from_delta(name, location, log_store, inner)?)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) if version.is_some() => Err(Error::from(error).at_key(PlaceKey::Table, name)),
            Err(_) if !log_exists(&location).await? => Ok(None),
            // Another slice may have created the table since the first look.
            Err(_) => match inner.load().await {
                Ok(()) => Ok(Some(Self::from_delta(name, location, log_store, inner)?)),
                Err(error) => Err(Error::from(error).at_key(PlaceKey::Table, name)),
            },
        }
    }

    pub(super) fn from_delta(
        name: &str,
        location: Location,
        log_store: LogStoreRef,
        inner: DeltaTable,
    ) -> Result<Table> {
        let state = inner.snapshot()?;
        let schema = state.snapshot().arrow_schema();
        let partition_columns = state.metadata().partition_columns().to_vec();
        let files = state
            .log_data()
            .iter()
            .map(|view| data_file(&view))
            .collect::<Result<Vec<_>>>()?;
        Ok(Table {
            name: name.to_string(),
            location,
            log_store,
            inner,
            schema,
            partition_columns,
            files: Arc::new(files),
        })
    }

    /// The same table at the version after a commit.
    pub(super) fn at(&self, state: DeltaTableState) -> Result<Table> {
        let mut inner = self.inner.clone();
        inner.state = Some(state);
        Self::from_delta(&self.name, self.location.clone(), self.log_store.clone(), inner)
    }

    fn snapshot(&self) -> Result<&EagerSnapshot> {
        Ok(self.inner.snapshot()?.snapshot())
    }

    /// The table's schema, partition columns included.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns that lie in the log, not in the files.
    pub fn partition_columns(&self) -> &[String] {
        &self.partition_columns
    }

    /// The schema of the data files.
    pub fn file_schema(&self) -> Schema {
        let fields: Vec<_> = self
            .schema
            .fields()
            .iter()
            .filter(|f| !self.partition_columns.contains(f.name()))
            .cloned()
            .collect();
        Schema::new(fields)
    }

    /// The active files.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// The version of this snapshot.
    pub fn version(&self) -> u64 {
        self.inner.version().unwrap_or_default()
    }

    /// Rows in the snapshot.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Which rows it holds: the same for every version between which only files were merged or deleted.
    pub fn identity(&self) -> Identity {
        self.files.iter().map(DataFile::identity).sum()
    }

    /// The distinct partitions that hold files.
    pub fn partitions(&self) -> BTreeSet<PartitionValues> {
        self.files.iter().map(|file| file.partition.clone()).collect()
    }

    /// What a writer recorded under `app_id` in the table itself.
    ///
    /// # Errors
    /// External when the log cannot be read.
    pub async fn transaction(&self, app_id: &str) -> Result<Option<i64>> {
        Ok(self
            .snapshot()?
            .transaction_version(self.log_store.as_ref(), app_id)
            .await?)
    }
}

async fn log_exists(location: &Location) -> Result<bool> {
    Ok(!location.child("_delta_log").paths().await?.is_empty())
}

fn data_file(view: &deltalake_core::kernel::LogicalFileView) -> Result<DataFile> {
    if view.deletion_vector_descriptor().is_some() {
        return Err(
            Error::external("another program deleted rows by a deletion vector, which is not read here")
                .at(view.path().to_string())
                .hint("rewrite the file there without one (Spark: REORG TABLE … APPLY (PURGE)), or land the slice again into an empty table"),
        );
    }
    let stats = view.stats();
    let parsed: serde_json::Value = stats
        .as_deref()
        .and_then(|s| serde_json::from_str(s).ok())
        .unwrap_or_default();
    let rows = parsed["numRecords"]
        .as_u64()
        .or(view.num_records().map(|n| n as u64));
    let month = parsed["minValues"]["charge_date"]
        .as_str()
        .and_then(|date| date.get(..7))
        .and_then(|m| m.parse().ok());
    Ok(DataFile {
        path: view.object_store_path(),
        size: view.size().unsigned_abs(),
        rows: rows.ok_or_else(|| {
            Error::external("a data file has no row count in the Delta log").at(view.path().to_string())
        })?,
        partition: view.partition_values_map().into_iter().collect(),
        month,
        stats,
    })
}

//! The warehouse: Delta tables in object storage. The only module that names `object_store` or `deltalake`.

mod checkpoint;
pub mod commit;
pub mod compaction;
mod encoding;
mod file_reader;
mod history;
pub mod identity;
pub mod maintenance;
mod pruning;
pub mod published_files;
pub mod publishing;
mod reading;
pub mod scan;
mod small_files;
mod splicing;
pub mod stage;
mod staged_sink;
pub mod statistics;
pub mod store;
mod stored_files;
pub mod table;

pub use commit::{Commit, Replaced};
pub use compaction::Merge;
pub use file_reader::StoredFile;
pub use history::CommitNote;
pub use identity::Identity;
pub use published_files::PublishedFiles;
pub use scan::SnapshotTable;
pub use splicing::splice;
pub use stage::{StagedFile, Stager};
pub use staged_sink::{StagedSink, StagedSinks};
pub use store::Location;
pub use table::{DataFile, PartitionValues, Table};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The file of a log that names its newest checkpoint.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The warehouse of one run: where it lies and the snapshots of its tables read so far.
#[derive(Clone)]
pub struct Warehouse {
    /// The folder or bucket prefix that holds `<schema>/<table>`.
    pub location: Arc<Location>,
    /// Slices are written side by side, but commits of one process stand in line.
    commits: Arc<tokio::sync::Mutex<()>>,
}

impl Warehouse {
    /// A warehouse at a location; nothing is read or written yet.
    pub fn new(location: Location) -> Self {
        Warehouse {
            location: Arc::new(location),
            commits: Arc::default(),
        }
    }

    /// Where the table `schema.table` lies.
    pub fn table_location(&self, name: &str) -> Location {
        self.location.child(&name.replacen('.', "/", 1))
    }

    /// The newest snapshot of a table, or of an older version; `None` when the table does not exist yet.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn open(&self, name: &str, version: Option<u64>) -> Result<Option<Table>> {
        Table::open(name, self.table_location(name), version).await
    }

    /// The names of the tables that exist, in order.
    ///
    /// # Errors
    /// External when the store cannot be listed.
    pub async fn table_names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for schema in ["raw", "rollup", "estimate", "publish", "audit"] {
            let schema_location = self.location.child(schema);
            for folder in schema_location.folders().await? {
                names.push(format!("{schema}.{folder}"));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Snapshots of every table that exists, or why one cannot be read. A folder without a log is no table.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn open_all(&self) -> Result<BTreeMap<String, Result<Table>>> {
        let names = self.table_names().await?;
        let opened = names.iter().map(|name| self.open_or_damaged(name));
        let opened = futures::future::try_join_all(opened).await?;
        let tables = names.into_iter().zip(opened);
        Ok(tables.filter_map(|(name, table)| Some((name, table?))).collect())
    }

    async fn open_or_damaged(&self, name: &str) -> Result<Option<Result<Table>>> {
        match self.open(name, None).await {
            Ok(table) => Ok(table.map(Ok)),
            Err(error) => {
                // A store that does not answer says nothing of the table.
                let location = self.table_location(name);
                if location.child("_delta_log").paths().await?.is_empty() {
                    return Ok(None);
                }
                Ok(Some(Err(damaged(name, &location, &error))))
            }
        }
    }
}

fn damaged(name: &str, location: &Location, error: &Error) -> Error {
    let table = Error::external(format!("the table {name} cannot be read"))
        .of_kind(ErrorKind::DamagedTable)
        .at(location.uri(&location.prefix))
        .because(error);
    let way_out = match name.starts_with("raw.") {
        _ if error.to_string().contains(LAST_CHECKPOINT) => {
            "delete the file `_last_checkpoint` in its folder `_delta_log` and run again: the checkpoint that it names is gone or empty, and the commits tell the same; or restore the folder from a backup"
        }
        true => {
            "restore its folder `_delta_log` from a backup; or move the table's folder away and run again with --full-refresh, which lands its deliveries anew"
        }
        false => {
            "restore its folder `_delta_log` from a backup; or move the table's folder away and run again, which builds it anew"
        }
    };
    table.hint(error.hint_text().unwrap_or(way_out))
}

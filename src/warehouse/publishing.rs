//! Plain Parquet of published tables, for tools that do not read Delta.

use serde::{Deserialize, Serialize};

use super::Warehouse;
use super::stage::StagedFile;
use super::store::Location;
use super::table::Table;
use crate::error::{Error, Result};

/// The folder of all plain snapshots.
const FOLDER: &str = "published";
/// Older snapshots that stay readable for those who still hold their names.
const KEPT_SNAPSHOTS: usize = 2;

/// `latest.json`: which snapshot is the current one.
#[derive(Serialize, Deserialize)]
struct Pointer {
    table: String,
    snapshot: String,
    delta_version: u64,
    contents: String,
    folder: String,
    files: Vec<PointedFile>,
    /// Snapshots that were current before and stay readable, newest first.
    #[serde(default)]
    previous: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct PointedFile {
    path: String,
    rows: u64,
    bytes: u64,
}

/// The name below `publish`.
fn short(table: &Table) -> &str {
    table.name.trim_start_matches("publish.")
}

impl Warehouse {
    /// Which rows the snapshot holds that `latest.json` names, if any.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn published_contents(&self, table: &str) -> Result<Option<String>> {
        Ok(self.pointer(table).await?.map(|pointer| pointer.contents))
    }

    /// A name for a new snapshot of a table, with an empty folder. What a killed process left there is removed; a folder that
    /// is or was current is left to its readers.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn begin_snapshot(&self, table: &Table, run_id: &str) -> Result<String> {
        let plain = format!("v{:010}", table.version());
        let pointer = self.pointer(short(table)).await?;
        let was_current = pointer.is_some_and(|p| p.snapshot == plain || p.previous.contains(&plain));
        // The table was set back to an older version, or made anew, and has come to the same version again.
        let snapshot = match was_current {
            true => format!("{plain}-{run_id}"),
            false => plain,
        };
        self.snapshot_location(table, &snapshot).delete_all().await?;
        Ok(snapshot)
    }

    /// The folder of a snapshot.
    pub fn snapshot_location(&self, table: &Table, snapshot: &str) -> Location {
        self.location
            .child(&format!("{FOLDER}/{}/{snapshot}", short(table)))
    }

    /// Makes a written snapshot the current one: fixed names first, the pointer last.
    ///
    /// # Errors
    /// External when the store refuses; the pointer then still names the snapshot before.
    pub async fn point_to_snapshot(&self, table: &Table, snapshot: &str, files: &[StagedFile]) -> Result<()> {
        let name = short(table);
        let root = self.location.child(&format!("{FOLDER}/{name}"));
        let mut parts = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let part = format!("current/part-{index:05}.parquet");
            root.copy(&format!("{snapshot}/{}", file.path), &part).await?;
            parts.push(part);
        }
        for path in root.child("current").paths().await? {
            let part = format!("current/{path}");
            if !parts.contains(&part) {
                root.delete(&part).await?;
            }
        }
        let mut previous = Vec::new();
        if let Some(before) = self.pointer(name).await? {
            previous.push(before.snapshot);
            previous.extend(before.previous);
        }
        previous.retain(|before| before != snapshot);
        previous.truncate(KEPT_SNAPSHOTS);
        let pointer = Pointer {
            table: table.name.clone(),
            snapshot: snapshot.to_string(),
            delta_version: table.version(),
            contents: table.identity().to_string(),
            folder: format!("{FOLDER}/{name}/{snapshot}"),
            files: files
                .iter()
                .map(|f| PointedFile {
                    path: f.path.clone(),
                    rows: f.rows,
                    bytes: f.size,
                })
                .collect(),
            previous,
        };
        let text = serde_json::to_vec_pretty(&pointer)
            .map_err(|e| Error::internal("the pointer to a snapshot cannot be written").because(e))?;
        root.write("latest.json", text).await?;
        // What is neither current nor was: what a killed process left, too.
        for folder in root.folders().await? {
            if folder != "current" && folder != snapshot && !pointer.previous.contains(&folder) {
                root.child(&folder).delete_all().await?;
            }
        }
        Ok(())
    }

    async fn pointer(&self, table: &str) -> Result<Option<Pointer>> {
        let path = format!("{FOLDER}/{table}/latest.json");
        if !self.location.exists(&path).await? {
            return Ok(None);
        }
        // One that cannot be read is written anew.
        Ok(serde_json::from_slice(&self.location.read(&path).await?).ok())
    }
}

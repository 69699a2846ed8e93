//! Plain Parquet of published tables, for tools that do not read Delta.

use serde::{Deserialize, Serialize};

use super::Warehouse;
use super::stage::StagedFile;
use super::store::Location;
use super::table::Table;
use crate::error::{Error, Result};

/// The folder of all plain snapshots.
pub(super) const FOLDER: &str = "published";
/// The folder of a table's files under fixed names.
pub(super) const CURRENT: &str = "current";
/// The file that says which snapshot is the current one.
const POINTER: &str = "latest.json";
/// Older snapshots that stay readable for those who still hold their names.
const KEPT_SNAPSHOTS: usize = 2;

/// `latest.json`: which snapshot is the current one.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct Pointer {
    table: String,
    snapshot: String,
    delta_version: u64,
    pub(super) contents: String,
    folder: String,
    pub(super) files: Vec<PointedFile>,
    /// Snapshots that were current before and stay readable, newest first.
    #[serde(default)]
    previous: Vec<String>,
    /// The files of `current` are being replaced by those of a newer snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_being_replaced: bool,
}

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct PointedFile {
    path: String,
    rows: u64,
    pub(super) bytes: u64,
}

impl Pointer {
    fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
            .map_err(|e| Error::internal("the pointer to a snapshot cannot be written").because(e))
    }
}

/// The fixed name of a table's file.
pub(super) fn part(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

/// The name below `publish`.
fn short(table: &Table) -> &str {
    table.name.trim_start_matches("publish.")
}

impl Warehouse {
    /// Which rows the snapshot holds that `latest.json` names and `current` holds too, if any.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn published_contents(&self, table: &str) -> Result<Option<String>> {
        let pointer = self.pointer(table).await?;
        let whole = pointer.filter(|pointer| !pointer.is_being_replaced);
        Ok(whole.map(|pointer| pointer.contents))
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

    /// The folder of all that is published of a table.
    pub(super) fn published_folder(&self, table: &str) -> Location {
        self.location.child(&format!("{FOLDER}/{table}"))
    }

    /// The folder of a snapshot.
    pub fn snapshot_location(&self, table: &Table, snapshot: &str) -> Location {
        self.published_folder(short(table)).child(snapshot)
    }

    /// Makes a written snapshot the current one: fixed names first, the pointer last. Meanwhile the pointer says so: where a
    /// process dies in between, a table that is set back must not pass for published.
    ///
    /// # Errors
    /// External when the store refuses; the pointer then still names the snapshot before.
    pub async fn point_to_snapshot(&self, table: &Table, snapshot: &str, files: &[StagedFile]) -> Result<()> {
        let name = short(table);
        let root = self.published_folder(name);
        let mut previous = Vec::new();
        if let Some(mut before) = self.pointer(name).await? {
            before.is_being_replaced = true;
            root.write(POINTER, before.to_json()?).await?;
            previous.push(before.snapshot);
            previous.extend(before.previous);
        }
        previous.retain(|before| before != snapshot);
        previous.truncate(KEPT_SNAPSHOTS);
        let mut parts = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let part = format!("{CURRENT}/{}", part(index));
            root.copy(&format!("{snapshot}/{}", file.path), &part).await?;
            parts.push(part);
        }
        for path in root.child(CURRENT).paths().await? {
            let part = format!("{CURRENT}/{path}");
            if !parts.contains(&part) {
                root.delete(&part).await?;
            }
        }
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
            is_being_replaced: false,
        };
        root.write(POINTER, pointer.to_json()?).await?;
        // What is neither current nor was: what a killed process left, too.
        for folder in root.folders().await? {
            if folder != CURRENT && folder != snapshot && !pointer.previous.contains(&folder) {
                root.child(&folder).delete_all().await?;
            }
        }
        Ok(())
    }

    /// What `latest.json` says, where it can be read.
    pub(super) async fn pointer(&self, table: &str) -> Result<Option<Pointer>> {
        let path = format!("{FOLDER}/{table}/{POINTER}");
        if !self.location.exists(&path).await? {
            return Ok(None);
        }
        // One that cannot be read is written anew.
        Ok(serde_json::from_slice(&self.location.read(&path).await?).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::warehouse::{Commit, PublishedFiles, Replaced, Stager};

    const TABLE: &str = "publish.inventory";

    fn rows(number: i64) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("number", DataType::Int64, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![number]))]).unwrap()
    }

    /// One file with one row for each number.
    async fn files(location: &Location, numbers: &[i64]) -> Vec<StagedFile> {
        let mut files = Vec::new();
        for number in numbers {
            let mut stager = Stager::plain(location.clone(), "run", rows(0).schema()).unwrap();
            stager.write(&rows(*number)).await.unwrap();
            files.extend(stager.finish().await.unwrap());
        }
        files
    }

    async fn version(warehouse: &Warehouse, numbers: &[i64]) -> Table {
        let commit = Commit {
            table: TABLE.into(),
            schema: rows(0).schema(),
            partition_columns: Vec::new(),
            replaced: Replaced::Nothing,
            added: files(&warehouse.table_location(TABLE), numbers).await,
            transactions: Vec::new(),
            facts: None,
            run_id: "run".into(),
        };
        warehouse.commit(commit).await.unwrap()
    }

    async fn publish(warehouse: &Warehouse, table: &Table, run_id: &str, numbers: &[i64]) {
        let snapshot = warehouse.begin_snapshot(table, run_id).await.unwrap();
        let folder = warehouse.snapshot_location(table, &snapshot);
        let files = files(&folder, numbers).await;
        warehouse
            .point_to_snapshot(table, &snapshot, &files)
            .await
            .unwrap();
    }

    async fn paths(warehouse: &Warehouse, folder: &str) -> Vec<String> {
        let folder = warehouse.location.child(&format!("published/inventory/{folder}"));
        let mut paths = folder.paths().await.unwrap();
        paths.sort();
        paths
    }

    #[tokio::test]
    async fn a_publish_that_died_is_made_again_also_of_a_table_that_was_set_back() {
        let profile = crate::config::Profile::default();
        let location = Location::open("memory:///lake", std::path::Path::new("/"), &profile).unwrap();
        let warehouse = Warehouse::new(location);
        let older = version(&warehouse, &[1]).await;
        publish(&warehouse, &older, "first", &[1, 2, 3]).await;
        assert_eq!(
            paths(&warehouse, "current").await,
            ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
        );
        let contents = async || warehouse.published_contents("inventory").await.unwrap();
        assert_eq!(contents().await, Some(older.identity().to_string()));

        // It dies when one of two files of the new snapshot has its fixed name, and its folder holds what none names.
        let newer = version(&warehouse, &[2]).await;
        let snapshot = warehouse.begin_snapshot(&newer, "dies").await.unwrap();
        let folder = warehouse.snapshot_location(&newer, &snapshot);
        let mut written = files(&folder, &[4, 5]).await;
        folder
            .write("half.parquet", b"half a file".to_vec())
            .await
            .unwrap();
        let second = written[1].path.clone();
        written[1].path = "gone.parquet".into();
        warehouse
            .point_to_snapshot(&newer, &snapshot, &written)
            .await
            .unwrap_err();
        assert_eq!(contents().await, None, "neither the one nor the other");
        assert_eq!(
            paths(&warehouse, "v0000000001").await.len(),
            3,
            "its readers read on"
        );
        assert!(paths(&warehouse, &snapshot).await.contains(&second));

        // The table is as it was: it is published again beside the snapshot that readers may hold.
        publish(&warehouse, &older, "second", &[1, 2, 3]).await;
        assert_eq!(contents().await, Some(older.identity().to_string()));
        assert_eq!(paths(&warehouse, "current").await.len(), 3);
        assert_eq!(paths(&warehouse, "v0000000001-second").await.len(), 3);
        assert!(
            paths(&warehouse, &snapshot).await.is_empty(),
            "what the dead one left is gone"
        );

        publish(&warehouse, &newer, "third", &[4, 5]).await;
        assert_eq!(
            paths(&warehouse, "current").await,
            ["part-00000.parquet", "part-00001.parquet"]
        );
        assert_eq!(paths(&warehouse, &snapshot).await.len(), 2);
    }

    #[tokio::test]
    async fn what_lies_in_current_is_compared_with_what_was_published() {
        let profile = crate::config::Profile::default();
        let location = Location::open("memory:///lake", std::path::Path::new("/"), &profile).unwrap();
        let warehouse = Warehouse::new(location);
        let table = version(&warehouse, &[1]).await;
        let look = async || warehouse.published_files("inventory").await.unwrap();
        assert_eq!(
            look().await,
            PublishedFiles::default(),
            "nothing is published yet"
        );
        publish(&warehouse, &table, "first", &[1, 2]).await;
        let found = look().await;
        assert!(found.is_whole(), "{found:?}");
        assert_eq!(found.contents, Some(table.identity().to_string()));

        let current = warehouse.location.child("published/inventory/current");
        current.write("x.parquet", b"a copy".to_vec()).await.unwrap();
        current
            .write("part-00000.parquet", b"cut".to_vec())
            .await
            .unwrap();
        current.delete("part-00001.parquet").await.unwrap();
        let found = look().await;
        assert_eq!(found.foreign, ["x.parquet"]);
        assert!(
            found.amiss[0].starts_with("part-00000.parquet (3 bytes instead of "),
            "{found:?}"
        );
        assert_eq!(found.amiss[1..], ["part-00001.parquet (gone)"]);
        assert!(!found.is_whole());
        warehouse.remove_foreign("inventory", &found).await.unwrap();
        assert_eq!(paths(&warehouse, "current").await, ["part-00000.parquet"]);

        // A link is what lies there, whatever it names.
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("mine/below")).unwrap();
        std::fs::write(folder.path().join("mine/below/precious.txt"), "mine").unwrap();
        let lake = Location::open("lake", folder.path(), &profile).unwrap();
        let local = Warehouse::new(lake);
        let table = version(&local, &[1]).await;
        publish(&local, &table, "first", &[1]).await;
        let current = folder.path().join("lake/published/inventory/current");
        std::os::unix::fs::symlink(folder.path().join("mine"), current.join("up")).unwrap();
        std::os::unix::fs::symlink(&current, current.join("circle")).unwrap();
        std::fs::write(current.join("x\u{1b}.parquet"), "foreign").unwrap();
        let found = local.published_files("inventory").await.unwrap();
        assert_eq!(found.foreign, ["circle", "up", "x\u{1b}.parquet"]);
        local.remove_foreign("inventory", &found).await.unwrap();
        assert!(local.published_files("inventory").await.unwrap().is_whole());
        assert!(folder.path().join("mine/below/precious.txt").exists());

        // One that is being replaced is nobody's to mend.
        let mut pointer = warehouse.pointer("inventory").await.unwrap().unwrap();
        pointer.is_being_replaced = true;
        let root = warehouse.published_folder("inventory");
        root.write(POINTER, pointer.to_json().unwrap()).await.unwrap();
        assert_eq!(look().await, PublishedFiles::default());
    }
}

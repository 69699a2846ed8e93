//! Plain Parquet of published tables, for tools that do not read Delta.

use serde_json::json;

use super::Warehouse;
use super::stage::StagedFile;
use super::table::Table;
use crate::error::Result;

/// The folder of all plain snapshots.
pub const FOLDER: &str = "published";
/// Older snapshots that stay readable for those who still hold their names.
const KEPT_SNAPSHOTS: usize = 2;

impl Warehouse {
    /// Which rows the snapshot holds that `latest.json` names, if any.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn published_contents(&self, table: &str) -> Result<Option<String>> {
        let path = format!("{FOLDER}/{table}/latest.json");
        if !self.location.exists(&path).await? {
            return Ok(None);
        }
        let value: serde_json::Value =
            serde_json::from_slice(&self.location.read(&path).await?).unwrap_or_default();
        Ok(value["contents"].as_str().map(str::to_string))
    }

    /// Makes a written snapshot the current one: fixed names first, the pointer last.
    ///
    /// # Errors
    /// External when the store refuses; the pointer then still names the snapshot before.
    pub async fn point_to_snapshot(&self, table: &Table, snapshot: &str, files: &[StagedFile]) -> Result<()> {
        let name = table.name.trim_start_matches("publish.");
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
        let pointer = json!({
            "table": table.name,
            "snapshot": snapshot,
            "delta_version": table.version(),
            "contents": table.identity().to_string(),
            "folder": format!("{FOLDER}/{name}/{snapshot}"),
            "files": files.iter().map(|f| json!({ "path": f.path, "rows": f.rows, "bytes": f.size })).collect::<Vec<_>>(),
        });
        root.write(
            "latest.json",
            serde_json::to_vec_pretty(&pointer).unwrap_or_default(),
        )
        .await?;
        self.drop_old_snapshots(name, snapshot).await
    }

    async fn drop_old_snapshots(&self, table: &str, current: &str) -> Result<()> {
        let root = self.location.child(&format!("{FOLDER}/{table}"));
        let mut snapshots: Vec<String> = root
            .folders()
            .await?
            .into_iter()
            .filter(|f| f != "current" && f != current)
            .collect();
        snapshots.sort();
        let surplus = snapshots.len().saturating_sub(KEPT_SNAPSHOTS);
        for snapshot in &snapshots[..surplus] {
            for path in root.child(snapshot).paths().await? {
                root.delete(&format!("{snapshot}/{path}")).await?;
            }
        }
        Ok(())
    }
}

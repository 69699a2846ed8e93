//! Checkpoints: the state of a table in one file, so that opening it does not read every commit since the first.

use deltalake_core::checkpoints::create_checkpoint;

use super::LAST_CHECKPOINT;
use super::table::Table;
use crate::error::Result;

/// Commits after a checkpoint before another is worth its bytes.
const COMMITS: u64 = 20;

impl Table {
    /// Commits that opening the newest version reads one by one.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn commits_since_checkpoint(&self) -> Result<u64> {
        let log = self.location.child("_delta_log");
        if !log.exists(LAST_CHECKPOINT).await? {
            return Ok(self.version() + 1);
        }
        let pointer: serde_json::Value =
            serde_json::from_slice(&log.read(LAST_CHECKPOINT).await?).unwrap_or_default();
        let behind = pointer["version"].as_u64().map(|version| version + 1);
        Ok((self.version() + 1).saturating_sub(behind.unwrap_or_default()))
    }

    /// Whether its log has grown enough for a checkpoint.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn wants_checkpoint(&self) -> Result<bool> {
        Ok(self.commits_since_checkpoint().await? >= COMMITS)
    }

    /// Writes a checkpoint of this version. It keeps active files, their statistics and every delivery id and
    /// fingerprint; commits stay beside it for time travel.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn checkpoint(&self) -> Result<()> {
        Ok(create_checkpoint(&self.inner, None).await?)
    }
}

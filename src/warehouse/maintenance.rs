//! Table upkeep: files that no snapshot names any more.

use chrono::Duration;
use deltalake_core::operations::vacuum::VacuumMode;

use super::table::Table;
use crate::error::Result;

impl Table {
    /// Deletes files that have belonged to no snapshot for longer than `days`; versions in `kept` stay readable.
    /// With at least one day also what no commit ever named, such as staged files of a killed run; younger ones may
    /// be a writer's on another machine. Returns the paths, which with `dry_run` are only listed.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn vacuum(&self, days: i64, kept: &[u64], dry_run: bool) -> Result<Vec<String>> {
        let mode = match days {
            ..1 => VacuumMode::Lite,
            _ => VacuumMode::Full,
        };
        let (_, metrics) = self
            .inner
            .clone()
            .vacuum()
            .with_retention_period(Duration::days(days))
            .with_enforce_retention_duration(false)
            .with_keep_versions(kept)
            .with_mode(mode)
            .with_dry_run(dry_run)
            .await?;
        Ok(metrics.files_deleted)
    }
}

//! What became of each slice of delivered data in a run.

use std::fmt;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use crate::error::Result;

/// What a slice is called; a partition of a raw table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceKey {
    /// The tenant.
    pub tenant: String,
    /// The source's id.
    pub source: String,
    /// The kind's name.
    pub kind: String,
    /// The export.
    pub export: String,
    /// `YYYY-MM`
    pub period: String,
}

impl fmt::Display for SliceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.tenant, self.source, self.export, self.period
        )
    }
}

impl SliceKey {
    pub(super) fn read(row: &SqliteRow) -> Result<SliceKey> {
        Ok(SliceKey {
            tenant: row.try_get("tenant").map_err(failed)?,
            source: row.try_get("source").map_err(failed)?,
            kind: row.try_get("kind").map_err(failed)?,
            export: row.try_get("export").map_err(failed)?,
            period: row.try_get("period").map_err(failed)?,
        })
    }
}

/// What landing did with a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceAction {
    /// It was not there before.
    New,
    /// It replaced an earlier delivery.
    Replaced,
    /// The same delivery was there already.
    Current,
    /// It could not be landed.
    Failed,
}

impl SliceAction {
    /// The name in tables and output.
    pub fn name(self) -> &'static str {
        match self {
            SliceAction::New => "new",
            SliceAction::Replaced => "replaced",
            SliceAction::Current => "current",
            SliceAction::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> SliceAction {
        match name {
            "new" => SliceAction::New,
            "replaced" => SliceAction::Replaced,
            "current" => SliceAction::Current,
            _ => SliceAction::Failed,
        }
    }
}

/// A slice in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRecord {
    /// The run.
    pub run_id: String,
    /// The slice.
    pub key: SliceKey,
    /// What was delivered.
    pub delivery_id: String,
    /// What became of it.
    pub action: SliceAction,
    /// Rows landed.
    pub rows: u64,
    /// Rows in quarantine.
    pub rejected: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl Ledger {
    /// The slices of a run, in the order of their keys; of every run without one.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn slices(&self, run_id: Option<&str>) -> Result<Vec<SliceRecord>> {
        let rows = sqlx::query(
            "SELECT * FROM slice WHERE ?1 IS NULL OR run_id = ?1 ORDER BY run_id, tenant, source, kind, export, period",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let read = |row: &SqliteRow| {
            Ok(SliceRecord {
                run_id: row.try_get("run_id").map_err(failed)?,
                key: SliceKey::read(row)?,
                delivery_id: row.try_get("delivery_id").map_err(failed)?,
                action: SliceAction::from_name(row.try_get("action").map_err(failed)?),
                rows: from_stored(row.try_get("rows").map_err(failed)?),
                rejected: from_stored(row.try_get("rejected").map_err(failed)?),
                error: row.try_get("error").map_err(failed)?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Notes what a run did with a slice; noted before in the same run, it is replaced.
pub(super) async fn put_slice(connection: &mut SqliteConnection, slice: &SliceRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO slice (run_id, tenant, source, kind, export, period, delivery_id, action, rows, rejected, error)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (run_id, tenant, source, kind, export, period) DO UPDATE SET
             delivery_id = excluded.delivery_id, action = excluded.action, rows = excluded.rows,
             rejected = excluded.rejected, error = excluded.error",
    )
    .bind(&slice.run_id)
    .bind(&slice.key.tenant)
    .bind(&slice.key.source)
    .bind(&slice.key.kind)
    .bind(&slice.key.export)
    .bind(&slice.key.period)
    .bind(&slice.delivery_id)
    .bind(slice.action.name())
    .bind(to_stored(slice.rows))
    .bind(to_stored(slice.rejected))
    .bind(&slice.error)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Counts are stored signed, as SQL has them.
pub(super) fn to_stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The reverse of [`to_stored`].
pub(super) fn from_stored(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

//! Rejected rows.

use std::collections::BTreeSet;

use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use super::slices::{SliceKey, from_stored, to_stored};
use crate::error::Result;

/// Bytes of a row's text that are kept.
const TEXT_BYTES: usize = 4096;

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The run that rejected it.
    pub run_id: String,
    /// The slice.
    pub key: SliceKey,
    /// The delivered file.
    pub source_uri: String,
    /// From 1, below the header.
    pub row_number: u64,
    /// Empty when it is the row as a whole.
    pub column_name: String,
    /// Why it was rejected.
    pub reason: String,
    /// The row as delivered, cut when long.
    pub raw_text: String,
}

/// The rejected rows of a slice that was delivered anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedRows {
    /// Those of the delivery.
    pub rows: Vec<QuarantineRow>,
    /// Files whose landed rows stay, and their rejected ones with them.
    pub kept_files: Vec<String>,
    /// The delivery was refused as a whole: what the slice holds stays, and its rejected rows with it.
    pub is_refused: bool,
    /// Those of a refused delivery stay as well: nothing was delivered anew.
    pub keeps_refused: bool,
}

/// Which rejected rows to list; `None` matches anything.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// Rejected by this run.
    pub run_id: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this export.
    pub export: Option<String>,
    /// Of this period.
    pub period: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl Ledger {
    /// The rejected rows of a filter, in the order of slice, file and row.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<QuarantineRow>> {
        let rows = sqlx::query(
            "SELECT * FROM quarantine
             WHERE (?1 IS NULL OR run_id = ?1) AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR source = ?3)
               AND (?4 IS NULL OR export = ?4) AND (?5 IS NULL OR period = ?5)
             ORDER BY tenant, source, kind, export, period, source_uri, row_number, column_name
             LIMIT ?6",
        )
        .bind(&filter.run_id)
        .bind(&filter.tenant)
        .bind(&filter.source)
        .bind(&filter.export)
        .bind(&filter.period)
        // A negative limit is none.
        .bind(filter.limit.map_or(-1, i64::from))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(QuarantineRow {
                    run_id: row.try_get("run_id").map_err(failed)?,
                    key: SliceKey::read(row)?,
                    source_uri: row.try_get("source_uri").map_err(failed)?,
                    row_number: from_stored(row.try_get("row_number").map_err(failed)?),
                    column_name: row.try_get("column_name").map_err(failed)?,
                    reason: row.try_get("reason").map_err(failed)?,
                    raw_text: row.try_get("raw_text").map_err(failed)?,
                })
            })
            .collect()
    }

    /// Forgets the rejected rows of refused deliveries of slices which are again as they were landed.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn forget_refused(&self, current: &BTreeSet<SliceKey>) -> Result<()> {
        let rows = sqlx::query(
            "SELECT DISTINCT tenant, source, kind, export, period FROM quarantine WHERE is_refused",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let refused: BTreeSet<SliceKey> = rows.iter().map(SliceKey::read).collect::<Result<_>>()?;
        for key in refused.intersection(current) {
            sqlx::query(
                "DELETE FROM quarantine
                 WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ? AND is_refused",
            )
            .bind(&key.tenant)
            .bind(&key.source)
            .bind(&key.kind)
            .bind(&key.export)
            .bind(&key.period)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        }
        Ok(())
    }
}

/// Replaces the rejected rows of a slice by these, which was delivered anew; those of kept files stay as their other rows do,
/// and all of them where the delivery was refused.
pub(super) async fn put_quarantine(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    rejected: &RejectedRows,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM quarantine
         WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ?
           AND source_uri NOT IN (SELECT value FROM json_each(?))
           AND CASE WHEN is_refused THEN NOT ? ELSE NOT ? END",
    )
    .bind(&key.tenant)
    .bind(&key.source)
    .bind(&key.kind)
    .bind(&key.export)
    .bind(&key.period)
    .bind(serde_json::json!(rejected.kept_files).to_string())
    .bind(rejected.keeps_refused)
    .bind(rejected.is_refused)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    for row in &rejected.rows {
        sqlx::query(
            "INSERT INTO quarantine
                 (run_id, tenant, source, kind, export, period, source_uri, row_number, column_name, reason, raw_text,
                  is_refused)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&row.run_id)
        .bind(&row.key.tenant)
        .bind(&row.key.source)
        .bind(&row.key.kind)
        .bind(&row.key.export)
        .bind(&row.key.period)
        .bind(&row.source_uri)
        .bind(to_stored(row.row_number))
        .bind(&row.column_name)
        .bind(&row.reason)
        .bind(cut(&row.raw_text))
        .bind(rejected.is_refused)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

/// The text up to [`TEXT_BYTES`], never in the middle of a character.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES)]
}

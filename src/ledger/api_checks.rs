//! When APIs were last asked, so that nothing is asked twice without need.

use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use super::slices::SliceKey;
use crate::error::Result;

/// One check; a key without export and period is about the source as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCheckRecord {
    /// What was asked for.
    pub key: SliceKey,
    /// When, as RFC 3339 text in UTC.
    pub checked_at: String,
    /// What the connector wants to remember.
    pub cursor: Option<String>,
    /// The delivery that the slice holds, if any.
    pub delivery_id: Option<String>,
}

impl Ledger {
    /// Every check of a source, in the order of their keys.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn api_checks(&self, tenant: &str, source: &str) -> Result<Vec<ApiCheckRecord>> {
        let rows = sqlx::query(
            "SELECT api_check.*, delivery.delivery_id FROM api_check
             LEFT JOIN delivery ON delivery.tenant = api_check.tenant AND delivery.source = api_check.source
                 AND delivery.kind = api_check.kind AND delivery.export = api_check.export AND delivery.period = api_check.period
             WHERE api_check.tenant = ? AND api_check.source = ? ORDER BY api_check.kind, api_check.export, api_check.period",
        )
        .bind(tenant)
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(ApiCheckRecord {
                    key: SliceKey::read(row)?,
                    checked_at: row.try_get("checked_at").map_err(failed)?,
                    cursor: row.try_get("cursor").map_err(failed)?,
                    delivery_id: row.try_get("delivery_id").map_err(failed)?,
                })
            })
            .collect()
    }

    /// Remembers a check made now.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn note_api_check(&self, key: &SliceKey, cursor: Option<&str>) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        put_api_check(&mut connection, key, cursor).await
    }
}

/// [`Ledger::note_api_check`] inside a transaction.
pub(super) async fn put_api_check(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    cursor: Option<&str>,
) -> Result<()> {
    sqlx::query(
            "INSERT INTO api_check (tenant, source, kind, export, period, checked_at, cursor) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, source, kind, export, period)
             DO UPDATE SET checked_at = excluded.checked_at, cursor = excluded.cursor",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(super::now())
        .bind(cursor)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

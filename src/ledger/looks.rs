//! When APIs were last asked, so that nothing is asked twice without need.

use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use super::slices::SliceKey;
use crate::error::Result;

/// One look; a key without export and period is about the source as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookRecord {
    /// What was asked for.
    pub key: SliceKey,
    /// When, as RFC 3339 text in UTC.
    pub looked_at: String,
    /// What the connector wants to remember.
    pub mark: Option<String>,
    /// The delivery that the slice holds, if any.
    pub delivery_id: Option<String>,
}

impl Ledger {
    /// Every look at a source, in the order of their keys.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn looks(&self, tenant: &str, source: &str) -> Result<Vec<LookRecord>> {
        let rows = sqlx::query(
            "SELECT look.*, delivery.delivery_id FROM look
             LEFT JOIN delivery ON delivery.tenant = look.tenant AND delivery.source = look.source
                 AND delivery.kind = look.kind AND delivery.export = look.export AND delivery.period = look.period
             WHERE look.tenant = ? AND look.source = ? ORDER BY look.kind, look.export, look.period",
        )
        .bind(tenant)
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(LookRecord {
                    key: SliceKey::read(row)?,
                    looked_at: row.try_get("looked_at").map_err(failed)?,
                    mark: row.try_get("mark").map_err(failed)?,
                    delivery_id: row.try_get("delivery_id").map_err(failed)?,
                })
            })
            .collect()
    }

    /// Remembers a look made now.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn note_look(&self, key: &SliceKey, mark: Option<&str>) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        put_look(&mut connection, key, mark).await
    }
}

/// [`Ledger::note_look`] inside a transaction.
pub(super) async fn put_look(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    mark: Option<&str>,
) -> Result<()> {
    sqlx::query(
            "INSERT INTO look (tenant, source, kind, export, period, looked_at, mark) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, source, kind, export, period)
             DO UPDATE SET looked_at = excluded.looked_at, mark = excluded.mark",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(super::now())
        .bind(mark)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

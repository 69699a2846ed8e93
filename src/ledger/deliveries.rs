//! Which delivery each slice holds: a repeat of it is nothing new.

use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use super::slices::SliceKey;
use crate::error::Result;

impl Ledger {
    /// The delivery that a slice holds.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn delivery_id(&self, key: &SliceKey) -> Result<Option<String>> {
        let row = sqlx::query(
            "SELECT delivery_id FROM delivery WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ?",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed)?;
        row.map(|row| row.try_get("delivery_id").map_err(failed))
            .transpose()
    }

    /// The deliveries of a source, in the order of their keys.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn deliveries(&self, tenant: &str, source: &str) -> Result<Vec<(SliceKey, String)>> {
        let rows = sqlx::query(
            "SELECT * FROM delivery WHERE tenant = ? AND source = ? ORDER BY kind, export, period",
        )
        .bind(tenant)
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| Ok((SliceKey::read(row)?, row.try_get("delivery_id").map_err(failed)?)))
            .collect()
    }
}

/// Notes the delivery that a slice now holds; without one it lands again.
pub(super) async fn put_delivery(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    delivery_id: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM delivery WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ?",
    )
    .bind(&key.tenant)
    .bind(&key.source)
    .bind(&key.kind)
    .bind(&key.export)
    .bind(&key.period)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let Some(delivery_id) = delivery_id else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO delivery (tenant, source, kind, export, period, delivery_id) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.tenant)
    .bind(&key.source)
    .bind(&key.kind)
    .bind(&key.export)
    .bind(&key.period)
    .bind(delivery_id)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

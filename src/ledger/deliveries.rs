//! Which delivery each slice holds: a repeat of it is nothing new.

use sqlx::Row;

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

    /// Notes the delivery that a slice now holds.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn set_delivery(&self, key: &SliceKey, delivery_id: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO delivery (tenant, source, kind, export, period, delivery_id) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, source, kind, export, period) DO UPDATE SET delivery_id = excluded.delivery_id",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(delivery_id)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }
}

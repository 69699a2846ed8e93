//! Which bills each slice holds, so that one bill counts once.

use sqlx::Row;

use super::errors::failed;
use super::open::Ledger;
use super::slices::SliceKey;
use crate::error::Result;

/// A bill in a slice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bill {
    /// The slice.
    pub key: SliceKey,
    /// The provider in its canonical spelling.
    pub provider_name: String,
    /// The billing account; empty when the rows name none.
    pub billing_account_id: String,
}

impl Ledger {
    /// The bills of a tenant, in the order of period, provider and account.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn bills(&self, tenant: &str) -> Result<Vec<Bill>> {
        let rows = sqlx::query(
            "SELECT * FROM bill WHERE tenant = ? ORDER BY period, provider_name, billing_account_id, source, kind, export",
        )
        .bind(tenant)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Bill {
                    key: SliceKey::read(row)?,
                    provider_name: row.try_get("provider_name").map_err(failed)?,
                    billing_account_id: row.try_get("billing_account_id").map_err(failed)?,
                })
            })
            .collect()
    }

    /// Replaces the bills of a slice by these: provider, billing account and period.
    ///
    /// A bare file's slice has no period of its own: all periods of its export are replaced.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn replace_bills(&self, key: &SliceKey, bills: &[(String, String, String)]) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "DELETE FROM bill WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND (period = ? OR ? = '')",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(&key.period)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        for (provider_name, billing_account_id, period) in bills {
            sqlx::query(
                "INSERT INTO bill (tenant, source, kind, export, period, provider_name, billing_account_id)
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(&key.tenant)
            .bind(&key.source)
            .bind(&key.kind)
            .bind(&key.export)
            .bind(period)
            .bind(provider_name)
            .bind(billing_account_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}

//! Which bills each slice holds, so that one bill counts once.

use sqlx::{Row, SqliteConnection};

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
    /// The account below it that another source may hold by itself; empty where there is no such thing.
    pub sub_account_id: String,
    /// What its amounts are (`actual`, `amortized`, `FOCUS`); empty where exports do not differ in it.
    pub cost_basis: String,
}

impl Ledger {
    /// The bills of a tenant, in the order of period, provider and account.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn bills(&self, tenant: &str) -> Result<Vec<Bill>> {
        let rows = sqlx::query(
            "SELECT * FROM bill WHERE tenant = ? ORDER BY period, provider_name, billing_account_id, sub_account_id, source, kind, export",
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
                    sub_account_id: row.try_get("sub_account_id").map_err(failed)?,
                    cost_basis: row.try_get("cost_basis").map_err(failed)?,
                })
            })
            .collect()
    }
}

/// Replaces the bills of a slice by these, each with a period of its own.
///
/// A bare file's slice has no period of its own: all periods of its export are replaced.
pub(super) async fn put_bills(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    bills: &[Bill],
) -> Result<()> {
    sqlx::query(
            "DELETE FROM bill WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND (period = ? OR ? = '')",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(&key.period)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    for bill in bills {
        sqlx::query(
                "INSERT INTO bill (tenant, source, kind, export, period, provider_name, billing_account_id, sub_account_id, cost_basis)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(&bill.key.tenant)
            .bind(&bill.key.source)
            .bind(&bill.key.kind)
            .bind(&bill.key.export)
            .bind(&bill.key.period)
            .bind(&bill.provider_name)
            .bind(&bill.billing_account_id)
            .bind(&bill.sub_account_id)
            .bind(&bill.cost_basis)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

//! Which version of each table the ledger's notes were taken from: it mirrors the tables, and never outranks them.

use std::collections::BTreeMap;

use sqlx::Row;

use super::errors::failed;
use super::open::{Ledger, committed};
use crate::error::Result;

/// A table as it was when the ledger's notes about it were complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// The id that the table was created with.
    pub table_id: String,
    /// Its version.
    pub version: i64,
    /// Which rows it held, as [`crate::warehouse::Identity`] prints.
    pub identity: String,
}

impl Ledger {
    /// The states of all tables that anything is noted of, by `schema.table`.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn table_states(&self) -> Result<BTreeMap<String, TableState>> {
        let rows = sqlx::query("SELECT * FROM table_state")
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let state = TableState {
                    table_id: row.try_get("table_id").map_err(failed)?,
                    version: row.try_get("version").map_err(failed)?,
                    identity: row.try_get("identity").map_err(failed)?,
                };
                Ok((row.try_get("table_name").map_err(failed)?, state))
            })
            .collect()
    }

    /// Notes that everything that the ledger says of these tables is true of these versions.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn set_table_states(&self, states: &BTreeMap<String, TableState>) -> Result<()> {
        let mut transaction = self.write().await?;
        for (name, state) in states {
            sqlx::query(
                "INSERT INTO table_state (table_name, table_id, version, identity) VALUES (?, ?, ?, ?)
                 ON CONFLICT (table_name) DO UPDATE SET
                     table_id = excluded.table_id, version = excluded.version, identity = excluded.identity",
            )
            .bind(name)
            .bind(&state.table_id)
            .bind(state.version)
            .bind(&state.identity)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        committed(transaction).await
    }

    /// Forgets a table that is gone, with the fingerprints of its partitions; or only the fingerprints, of a table whose
    /// partitions have to say themselves what they were made from.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn forget_table(&self, name: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        for statement in [
            "DELETE FROM fingerprint WHERE table_name = ?",
            "DELETE FROM table_state WHERE table_name = ?",
        ] {
            let deleted = sqlx::query(statement).bind(name).execute(&mut *transaction);
            deleted.await.map_err(failed)?;
        }
        committed(transaction).await
    }
}

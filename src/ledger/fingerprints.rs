//! Fingerprints of what each partition was built from.

use std::collections::HashMap;

use sqlx::Row;

use super::errors::failed;
use super::open::{Ledger, committed};
use crate::error::Result;

/// What a partition was built from, by which run, and the table's version that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// `schema.table`
    pub table_name: String,
    /// `column=value/…`
    pub partition_key: String,
    /// The hash of everything the partition was made from.
    pub fingerprint: String,
    /// The run that built it.
    pub run_id: String,
    /// The table version that first held it.
    pub table_version: i64,
}

impl Ledger {
    /// The fingerprint and table version of every partition of a table, by partition key.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn fingerprints(&self, table_name: &str) -> Result<HashMap<String, (String, i64)>> {
        let rows = sqlx::query(
            "SELECT partition_key, fingerprint, table_version FROM fingerprint WHERE table_name = ?",
        )
        .bind(table_name)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let value = (
                    row.try_get("fingerprint").map_err(failed)?,
                    row.try_get("table_version").map_err(failed)?,
                );
                Ok((row.try_get("partition_key").map_err(failed)?, value))
            })
            .collect()
    }

    /// Every fingerprint, in the order of table and partition.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn all_fingerprints(&self) -> Result<Vec<Fingerprint>> {
        let rows = sqlx::query("SELECT * FROM fingerprint ORDER BY table_name, partition_key")
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Fingerprint {
                    table_name: row.try_get("table_name").map_err(failed)?,
                    partition_key: row.try_get("partition_key").map_err(failed)?,
                    fingerprint: row.try_get("fingerprint").map_err(failed)?,
                    run_id: row.try_get("run_id").map_err(failed)?,
                    table_version: row.try_get("table_version").map_err(failed)?,
                })
            })
            .collect()
    }

    /// Sets fingerprints, all of them or none.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn set_fingerprints(&self, fingerprints: &[Fingerprint]) -> Result<()> {
        let mut transaction = self.write().await?;
        for fingerprint in fingerprints {
            sqlx::query(
                "INSERT INTO fingerprint (table_name, partition_key, fingerprint, run_id, table_version)
                 VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (table_name, partition_key) DO UPDATE SET
                     fingerprint = excluded.fingerprint, run_id = excluded.run_id, table_version = excluded.table_version",
            )
            .bind(&fingerprint.table_name)
            .bind(&fingerprint.partition_key)
            .bind(&fingerprint.fingerprint)
            .bind(&fingerprint.run_id)
            .bind(fingerprint.table_version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        committed(transaction).await
    }

    /// Forgets partitions of a table: they are built anew.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn drop_fingerprints(&self, table_name: &str, partition_keys: &[String]) -> Result<()> {
        let mut transaction = self.write().await?;
        for partition_key in partition_keys {
            sqlx::query("DELETE FROM fingerprint WHERE table_name = ? AND partition_key = ?")
                .bind(table_name)
                .bind(partition_key)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        committed(transaction).await
    }
}

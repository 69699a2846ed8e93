//! What the landed files of each slice hold, by a digest of their content: equal content under two names counts once.

use sqlx::{Row, SqliteConnection};

use super::errors::failed;
use super::open::Ledger;
use super::slices::SliceKey;
use crate::error::Result;

/// A landed file that brought rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The slice that holds its rows.
    pub key: SliceKey,
    /// The file.
    pub source_uri: String,
    /// SHA-256 of its text, unpacked, or of a Parquet file's bytes, in hex.
    pub digest: String,
}

impl Ledger {
    /// The files of a tenant whose content another file of the same source has too, equal ones one after the other. A file
    /// that gives its rows to several periods of one export is no other one.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn repeated_contents(&self, tenant: &str) -> Result<Vec<Content>> {
        let rows = sqlx::query(
            "SELECT content.* FROM content JOIN (
                 SELECT source, digest
                 FROM (SELECT DISTINCT source, digest, kind, export, source_uri FROM content WHERE tenant = ?1) AS file
                 GROUP BY source, digest HAVING COUNT(*) > 1
             ) AS twice ON twice.source = content.source AND twice.digest = content.digest
             WHERE tenant = ?1
             ORDER BY content.source, content.digest, export, period, kind, source_uri",
        )
        .bind(tenant)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Content {
                    key: SliceKey::read(row)?,
                    source_uri: row.try_get("source_uri").map_err(failed)?,
                    digest: row.try_get("digest").map_err(failed)?,
                })
            })
            .collect()
    }

    /// The files that brought the rows of a slice: URI and digest.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn contents_of(&self, key: &SliceKey) -> Result<Vec<(String, String)>> {
        sqlx::query_as(
            "SELECT source_uri, digest FROM content
             WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ? ORDER BY source_uri",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)
    }
}

/// Replaces what is known of the files of a slice by these: URI and digest.
pub(super) async fn put_contents(
    connection: &mut SqliteConnection,
    key: &SliceKey,
    files: &[(String, String)],
) -> Result<()> {
    sqlx::query(
        "DELETE FROM content WHERE tenant = ? AND source = ? AND kind = ? AND export = ? AND period = ?",
    )
    .bind(&key.tenant)
    .bind(&key.source)
    .bind(&key.kind)
    .bind(&key.export)
    .bind(&key.period)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    for (source_uri, digest) in files {
        sqlx::query(
            "INSERT INTO content (tenant, source, kind, export, period, source_uri, digest)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&key.tenant)
        .bind(&key.source)
        .bind(&key.kind)
        .bind(&key.export)
        .bind(&key.period)
        .bind(source_uri)
        .bind(digest)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

//! What earlier versions noted of failures with the login or signature of a URL in it: masked once.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use super::errors::failed;
use super::open::Ledger;
use crate::config::redact;
use crate::error::Result;

/// `user_version` of a ledger that holds no secret of a URL.
const MASKED: i64 = 1;
/// Where messages are kept.
const MESSAGES: [(&str, &str); 2] = [("run", "summary_json"), ("slice", "error")];

impl Ledger {
    /// Masks secrets in what was noted before, and lets the file forget the bytes; the next command tries again where
    /// another process holds it.
    pub(super) async fn mask_urls(&self) {
        if let Err(error) = self.mask_messages().await {
            tracing::warn!(%error, "the ledger's messages cannot be masked yet");
        }
    }

    async fn mask_messages(&self) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        if version >= MASKED {
            return Ok(());
        }
        let mut changed = false;
        for (table, column) in MESSAGES {
            changed |= mask_column(&mut connection, table, column).await?;
        }
        // An update leaves the old bytes in free pages and in the write-ahead log.
        let forget: &[&'static str] = match changed {
            true => &["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
            false => &[],
        };
        for statement in forget.iter().chain([&"PRAGMA user_version = 1"]) {
            sqlx::query(*statement)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// Whether a message held a secret.
async fn mask_column(connection: &mut SqliteConnection, table: &str, column: &str) -> Result<bool> {
    let select = format!(
        "SELECT rowid AS id, {column} AS message FROM {table} WHERE {column} LIKE '%://%@%' OR {column} LIKE '%=%'"
    );
    let rows = sqlx::query(AssertSqlSafe(select))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let mut changed = false;
    for row in rows {
        let message: String = row.try_get("message").map_err(failed)?;
        let std::borrow::Cow::Owned(masked) = redact(&message) else {
            continue;
        };
        changed = true;
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE {table} SET {column} = ? WHERE rowid = ?"
        )))
        .bind(masked)
        .bind(row.try_get::<i64, _>("id").map_err(failed)?)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(changed)
}

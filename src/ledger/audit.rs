//! The audit trail: append-only, each event holds the hash of the one before.

use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::errors::failed;
use super::now;
use super::open::{Ledger, committed};
use crate::error::{Error, Result};

/// What the first event follows.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An event as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its number, counting up.
    pub id: i64,
    /// When, UTC.
    pub at: String,
    /// The run it belongs to.
    pub run_id: Option<String>,
    /// What was done.
    pub action: String,
    /// To what, as JSON.
    pub detail_json: String,
    /// The hash of the event before.
    pub previous_hash: String,
    /// The hash of this event.
    pub hash: String,
}

impl AuditEvent {
    /// The hash of everything else in the event; each part after its length, so that no two events read alike.
    fn expected_hash(&self) -> String {
        let id = self.id.to_string();
        let mut hasher = Sha256::new();
        for part in [
            Some(&id),
            Some(&self.at),
            self.run_id.as_ref(),
            Some(&self.action),
            Some(&self.detail_json),
            Some(&self.previous_hash),
        ] {
            match part {
                Some(part) => {
                    hasher.update([1]);
                    hasher.update((part.len() as u64).to_be_bytes());
                    hasher.update(part);
                }
                None => hasher.update([0]),
            }
        }
        hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Ledger {
    /// Appends an event; returns its hash.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn record_event(
        &self,
        run_id: Option<&str>,
        action: &str,
        detail: &serde_json::Value,
    ) -> Result<String> {
        let mut transaction = self.write().await?;
        let last = sqlx::query("SELECT id, hash FROM audit_event ORDER BY id DESC LIMIT 1")
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let (id, previous_hash) = match last {
            Some(row) => (
                row.try_get::<i64, _>("id").map_err(failed)? + 1,
                row.try_get("hash").map_err(failed)?,
            ),
            None => (1, BEGINNING.to_string()),
        };
        let mut event = AuditEvent {
            id,
            at: now(),
            run_id: run_id.map(str::to_string),
            action: action.to_string(),
            detail_json: detail.to_string(),
            previous_hash,
            hash: String::new(),
        };
        event.hash = event.expected_hash();
        sqlx::query(
            "INSERT INTO audit_event (id, at, run_id, action, detail_json, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(event.id)
        .bind(&event.at)
        .bind(&event.run_id)
        .bind(&event.action)
        .bind(&event.detail_json)
        .bind(&event.previous_hash)
        .bind(&event.hash)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        committed(transaction).await?;
        Ok(event.hash)
    }

    /// The newest events, newest first.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn events(&self, limit: u32) -> Result<Vec<AuditEvent>> {
        sqlx::query("SELECT * FROM audit_event ORDER BY id DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?
            .iter()
            .map(read)
            .collect()
    }

    /// Checks the whole chain; returns the number of events.
    ///
    /// # Errors
    /// Data, naming the first event that was changed or follows a missing one.
    pub async fn verify(&self) -> Result<u64> {
        let mut previous = BEGINNING.to_string();
        let mut count = 0;
        loop {
            let page = sqlx::query("SELECT * FROM audit_event WHERE id > ? ORDER BY id LIMIT 1000")
                .bind(count)
                .fetch_all(&self.pool)
                .await
                .map_err(failed)?;
            if page.is_empty() {
                return Ok(u64::try_from(count).unwrap_or_default());
            }
            for row in &page {
                let event = read(row)?;
                let broken = |what: &str| {
                    Error::data(what)
                        .at(format!("audit event {}", event.id))
                        .at(event.at.clone())
                        .hint("compare the ledger with a backup: everything after this event is in doubt")
                };
                if event.id != count + 1 || event.previous_hash != previous {
                    return Err(broken("an event before this one was taken out or put in"));
                }
                if event.hash != event.expected_hash() {
                    return Err(broken("the event was changed after it was written"));
                }
                previous = event.hash;
                count = event.id;
            }
        }
    }
}

fn read(row: &SqliteRow) -> Result<AuditEvent> {
    Ok(AuditEvent {
        id: row.try_get("id").map_err(failed)?,
        at: row.try_get("at").map_err(failed)?,
        run_id: row.try_get("run_id").map_err(failed)?,
        action: row.try_get("action").map_err(failed)?,
        detail_json: row.try_get("detail_json").map_err(failed)?,
        previous_hash: row.try_get("previous_hash").map_err(failed)?,
        hash: row.try_get("hash").map_err(failed)?,
    })
}

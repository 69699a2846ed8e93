//! Which exports each source listed, since when and until when: what is gone keeps its rows, and may be under a new name.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;

use super::errors::failed;
use super::open::{Ledger, committed};
use crate::error::Result;

/// What is known of an export's place in the listings of its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The source's id.
    pub source: String,
    /// The kind's name.
    pub kind: String,
    /// The export.
    pub export: String,
    /// The run that saw it first; empty when it was there before this was noted.
    pub first_listed: String,
    /// The run that did not see it any more; empty when none had seen it listed, as with a ledger that was lost.
    pub gone_at: Option<String>,
    /// Somebody said that its rows count although it is gone.
    pub kept: bool,
}

/// What a run saw of one source.
#[derive(Debug, Clone)]
pub struct SourceListing<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The source's id.
    pub source: &'a str,
    /// The kind's name.
    pub kind: &'a str,
    /// The exports that are there.
    pub exports: &'a BTreeSet<String>,
    /// Whether an export that is not among them is gone; not when something of the source could not be read.
    pub is_whole: bool,
}

/// Kind and export.
type ExportKey = (String, String);

impl Ledger {
    /// What is known of the exports of a tenant, in order.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn listings(&self, tenant: &str) -> Result<Vec<Listed>> {
        let rows = sqlx::query("SELECT * FROM listing WHERE tenant = ? ORDER BY source, kind, export")
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Listed {
                    source: row.try_get("source").map_err(failed)?,
                    kind: row.try_get("kind").map_err(failed)?,
                    export: row.try_get("export").map_err(failed)?,
                    first_listed: row.try_get("first_listed").map_err(failed)?,
                    gone_at: row.try_get("gone_at").map_err(failed)?,
                    kept: row.try_get::<i64, _>("kept").map_err(failed)? != 0,
                })
            })
            .collect()
    }

    /// The exports of a source of which slices are landed, whether or not they land again.
    async fn landed_exports(&self, tenant: &str, source: &str) -> Result<BTreeSet<ExportKey>> {
        let rows = sqlx::query(
            "SELECT kind, export FROM delivery WHERE tenant = ?1 AND source = ?2
             UNION SELECT kind, export FROM content WHERE tenant = ?1 AND source = ?2
             UNION SELECT kind, export FROM bill WHERE tenant = ?1 AND source = ?2",
        )
        .bind(tenant)
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("kind").map_err(failed)?,
                    row.try_get("export").map_err(failed)?,
                ))
            })
            .collect()
    }

    /// Notes what a run saw of a source; writes only what changed.
    ///
    /// # Errors
    /// External when the database cannot be read or written.
    pub async fn note_listing(&self, seen: &SourceListing<'_>, run_id: &str) -> Result<()> {
        let known: BTreeMap<ExportKey, Listed> = self
            .listings(seen.tenant)
            .await?
            .into_iter()
            .filter(|listed| listed.source == seen.source)
            .map(|listed| ((listed.kind.clone(), listed.export.clone()), listed))
            .collect();
        let landed = self.landed_exports(seen.tenant, seen.source).await?;
        let there: BTreeSet<ExportKey> = seen
            .exports
            .iter()
            .map(|export| (seen.kind.to_string(), export.clone()))
            .collect();
        let mut changes = Vec::new();
        for key in known.keys().chain(&landed).chain(&there).collect::<BTreeSet<_>>() {
            let before = known.get(key);
            let gone_at = match (there.contains(key), seen.is_whole) {
                (true, _) => None,
                (false, true) => match before {
                    Some(listed) => listed.gone_at.clone().or(Some(run_id.to_string())),
                    // Nobody knows whether it was gone before what is there now came.
                    None => Some(String::new()),
                },
                (false, false) => continue,
            };
            if before.is_some_and(|listed| listed.gone_at == gone_at) {
                continue;
            }
            // What was landed before anything was noted of the source may have been there for long.
            let first_listed = match before {
                Some(listed) => listed.first_listed.clone(),
                None if !there.contains(key) || (landed.contains(key) && known.is_empty()) => String::new(),
                None => run_id.to_string(),
            };
            changes.push((key.clone(), first_listed, gone_at));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        for ((kind, export), first_listed, gone_at) in changes {
            sqlx::query(
                "INSERT INTO listing (tenant, source, kind, export, first_listed, gone_at, kept)
                 VALUES (?, ?, ?, ?, ?, ?, 0)
                 ON CONFLICT (tenant, source, kind, export)
                 DO UPDATE SET gone_at = excluded.gone_at, kept = 0",
            )
            .bind(seen.tenant)
            .bind(seen.source)
            .bind(kind)
            .bind(export)
            .bind(first_listed)
            .bind(gone_at)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        committed(transaction).await
    }

    /// Notes that the rows of an export count although it is gone; `false` when it is not known to be gone.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn keep_export(&self, tenant: &str, source: &str, export: &str) -> Result<bool> {
        let changed = sqlx::query(
            "UPDATE listing SET kept = 1 WHERE tenant = ? AND source = ? AND export = ? AND gone_at IS NOT NULL",
        )
        .bind(tenant)
        .bind(source)
        .bind(export)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(changed.rows_affected() > 0)
    }
}

//! The schema and its versions: `migrations/`, embedded, reversible.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::errors::failed;
use super::open::{Ledger, committed};
use crate::embedded::MIGRATIONS;
use crate::error::{Error, Result};

/// One step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// When it was applied; `None` when it is pending.
    pub applied_at: Option<String>,
}

impl Ledger {
    /// Applies what is pending; returns the number of steps.
    ///
    /// # Errors
    /// External when a step fails or the schema was made by another version of this program.
    pub async fn migrate(&self) -> Result<usize> {
        let pending =
            |status: Vec<MigrationStatus>| status.iter().filter(|step| step.applied_at.is_none()).count();
        let before = pending(self.status().await?);
        let migrator = migrator()?;
        if before == 0 {
            // Only compares what was applied with what this version would apply.
            migrator.run(&self.pool).await.map_err(refused)?;
            return Ok(0);
        }
        // SQLite has no lock for migrations: of several processes on a new file one holds the write lock for all steps
        // together, and the others find the work done.
        let mut transaction = self.write().await?;
        // `run` itself wants a connection of any lifetime, which a transaction's is not.
        migrator
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(refused)?;
        committed(transaction).await?;
        Ok(before)
    }

    /// Takes back the newest step; `None` when there is none.
    ///
    /// # Errors
    /// External when it fails.
    pub async fn rollback(&self) -> Result<Option<MigrationStatus>> {
        let mut applied: Vec<_> = self
            .status()
            .await?
            .into_iter()
            .filter(|step| step.applied_at.is_some())
            .collect();
        let Some(newest) = applied.pop() else {
            return Ok(None);
        };
        let target = applied.last().map_or(0, |step| step.version);
        migrator()?.undo(&self.pool, target).await.map_err(refused)?;
        Ok(Some(newest))
    }

    /// Every step in order, those that this version does not know included.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn status(&self) -> Result<Vec<MigrationStatus>> {
        let exists =
            sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'")
                .fetch_optional(&self.pool)
                .await
                .map_err(failed)?;
        let mut applied = HashMap::new();
        if exists.is_some() {
            let rows = sqlx::query("SELECT version, description, CAST(installed_on AS TEXT) AS installed_on FROM _sqlx_migrations")
                .fetch_all(&self.pool)
                .await
                .map_err(failed)?;
            for row in rows {
                let status = MigrationStatus {
                    version: row.try_get("version").map_err(failed)?,
                    description: row.try_get("description").map_err(failed)?,
                    applied_at: row.try_get("installed_on").map_err(failed)?,
                };
                applied.insert(status.version, status);
            }
        }
        let known = migrator()?;
        let known = known
            .iter()
            .filter(|step| step.migration_type == MigrationType::ReversibleUp);
        let mut steps: Vec<MigrationStatus> = known
            .map(|step| {
                applied.remove(&step.version).unwrap_or_else(|| MigrationStatus {
                    version: step.version,
                    description: step.description.to_string(),
                    applied_at: None,
                })
            })
            .collect();
        steps.extend(applied.into_values());
        steps.sort_by_key(|step| step.version);
        Ok(steps)
    }
}

/// `migrations/0001_runs.up.sql` is step 1, "runs", upwards.
fn migrator() -> Result<Migrator> {
    let mut migrations = Vec::with_capacity(MIGRATIONS.len());
    for (path, sql) in MIGRATIONS {
        let parse = || {
            let name = path.rsplit('/').next()?;
            let (version, rest) = name.split_once('_')?;
            let (name, direction) = match rest.strip_suffix(".up.sql") {
                Some(name) => (name, MigrationType::ReversibleUp),
                None => (rest.strip_suffix(".down.sql")?, MigrationType::ReversibleDown),
            };
            Some((version.parse().ok()?, name.replace('_', " "), direction))
        };
        let (version, description, direction) =
            parse().ok_or_else(|| Error::internal("a migration's file name cannot be read").at(*path))?;
        migrations.push(Migration::new(
            version,
            description.into(),
            direction,
            sql.into_sql_str(),
            false,
        ));
    }
    Ok(Migrator::with_migrations(migrations))
}

fn refused(error: MigrateError) -> Error {
    let what = "the ledger's schema cannot be changed";
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failed(error).at("migration")
        }
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => Error::external(what)
            .because(error)
            .hint("another version of offgridflow made it: use that one, or move the ledger's file aside"),
        other => Error::external(what)
            .because(other)
            .hint("`offgridflow db status` shows the state of its schema"),
    }
}

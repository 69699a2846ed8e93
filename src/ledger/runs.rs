//! Runs: when, what, how they ended, and the table versions they left.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::errors::failed;
use super::now;
use super::open::{Ledger, committed};
use crate::error::{Error, Result};
use crate::kill_point;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It is at work, or its process died and no run has noticed yet.
    Running,
    /// Everything was done.
    Done,
    /// Something was not.
    Failed,
    /// Its process ended before it did.
    Interrupted,
}

impl RunStatus {
    /// The name in tables and output.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        }
    }

    fn from_name(name: &str) -> RunStatus {
        match name {
            "running" => RunStatus::Running,
            "done" => RunStatus::Done,
            "failed" => RunStatus::Failed,
            _ => RunStatus::Interrupted,
        }
    }
}

/// A run that starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRun<'a> {
    /// A ULID.
    pub run_id: &'a str,
    /// The verb that started it.
    pub verb: &'a str,
    /// The pipeline.
    pub pipeline: Option<&'a str>,
    /// The method it computed with.
    pub method_version: Option<&'a str>,
    /// The factor set it computed with.
    pub factor_set_version: Option<&'a str>,
}

/// A run as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// A ULID.
    pub run_id: String,
    /// The verb that started it.
    pub verb: String,
    /// The pipeline.
    pub pipeline: Option<String>,
    /// When it began, UTC.
    pub started_at: String,
    /// When it ended; none while it goes on.
    pub finished_at: Option<String>,
    /// How it went.
    pub status: RunStatus,
    /// The exit code.
    pub exit_code: Option<i64>,
    /// The method it computed with.
    pub method_version: Option<String>,
    /// The factor set it computed with.
    pub factor_set_version: Option<String>,
    /// Its report, as `run --output json` prints it.
    pub summary_json: Option<String>,
}

impl Run {
    /// Whether it came to its end, well or not: only then is it noted which table versions it left.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, RunStatus::Done | RunStatus::Failed)
    }
}

impl Ledger {
    /// Notes the start of a run.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn begin_run(&self, run: NewRun<'_>) -> Result<()> {
        let noted = sqlx::query(
            "INSERT INTO run (run_id, verb, pipeline, started_at, status, method_version, factor_set_version)
             VALUES (?, ?, ?, ?, 'running', ?, ?)",
        )
        .bind(run.run_id)
        .bind(run.verb)
        .bind(run.pipeline)
        .bind(now())
        .bind(run.method_version)
        .bind(run.factor_set_version)
        .execute(&self.pool);
        kill_point::around(noted).await.map_err(failed)?;
        Ok(())
    }

    /// Notes the end of a run.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn finish_run(
        &self,
        run_id: &str,
        status: RunStatus,
        exit_code: u8,
        summary_json: Option<&str>,
    ) -> Result<()> {
        let noted = sqlx::query(
            "UPDATE run SET finished_at = ?, status = ?, exit_code = ?, summary_json = ? WHERE run_id = ?",
        )
        .bind(now())
        .bind(status.name())
        .bind(i64::from(exit_code))
        .bind(summary_json)
        .bind(run_id)
        .execute(&self.pool);
        kill_point::around(noted).await.map_err(failed)?;
        Ok(())
    }

    /// Marks the runs that are noted as running but whose process is gone; returns their ids.
    ///
    /// Only the holder of the run lock may ask this: every other running row is then a dead one.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn interrupt_stale_runs(&self, current_run_id: &str) -> Result<Vec<String>> {
        let noted = sqlx::query(
            "UPDATE run SET status = 'interrupted', finished_at = ? WHERE status = 'running' AND run_id <> ? RETURNING run_id",
        )
        .bind(now())
        .bind(current_run_id)
        .fetch_all(&self.pool);
        let rows = kill_point::around(noted).await.map_err(failed)?;
        rows.iter()
            .map(|row| row.try_get("run_id").map_err(failed))
            .collect()
    }

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>> {
        sqlx::query("SELECT * FROM run ORDER BY started_at DESC, run_id DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?
            .iter()
            .map(read)
            .collect()
    }

    /// The run with this id, with an id that starts like this, or the `last` one; `None` when there is none.
    ///
    /// # Errors
    /// Usage when several ids start like this, External when the database cannot be read.
    pub async fn find_run(&self, run_id: &str) -> Result<Option<Run>> {
        if run_id.eq_ignore_ascii_case("last") {
            return Ok(self.runs(1).await?.pop());
        }
        // An upper bound above every id with this beginning; LIKE would read `_` and `%` in it.
        let rows = sqlx::query("SELECT * FROM run WHERE run_id = ?1 OR (run_id > ?1 AND run_id < ?1 || '~') ORDER BY run_id LIMIT 2")
            .bind(run_id.to_ascii_uppercase())
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        let mut found: Vec<Run> = rows.iter().map(read).collect::<Result<_>>()?;
        match found.as_slice() {
            [first, _] if !first.run_id.eq_ignore_ascii_case(run_id) => {
                Err(Error::usage(format!("several runs start with `{run_id}`"))
                    .hint("give more of the run's id"))
            }
            _ if run_id.is_empty() => Ok(None),
            _ => Ok((!found.is_empty()).then(|| found.swap_remove(0))),
        }
    }

    /// The same, when it must be there.
    ///
    /// # Errors
    /// Usage when there is no such run.
    pub async fn run(&self, run_id: &str) -> Result<Run> {
        self.find_run(run_id).await?.ok_or_else(|| {
            Error::usage(format!("there is no run `{run_id}`"))
                .hint("`offgridflow sql \"SELECT run_id, started_at, status FROM system.runs\"` lists them; `last` is the newest")
        })
    }

    /// Notes the table versions that a run left, so that `--as-of` finds them and vacuum keeps them.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn record_table_versions(&self, run_id: &str, versions: &[(String, i64)]) -> Result<()> {
        let mut transaction = self.write().await?;
        for (table_name, version) in versions {
            sqlx::query(
                "INSERT INTO table_version (run_id, table_name, version) VALUES (?, ?, ?)
                 ON CONFLICT (run_id, table_name) DO UPDATE SET version = excluded.version",
            )
            .bind(run_id)
            .bind(table_name)
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        committed(transaction).await
    }

    /// The table versions that a run left.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn table_versions(&self, run_id: &str) -> Result<BTreeMap<String, i64>> {
        let rows = sqlx::query("SELECT table_name, version FROM table_version WHERE run_id = ?")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("table_name").map_err(failed)?,
                    row.try_get("version").map_err(failed)?,
                ))
            })
            .collect()
    }
}

fn read(row: &SqliteRow) -> Result<Run> {
    Ok(Run {
        run_id: row.try_get("run_id").map_err(failed)?,
        verb: row.try_get("verb").map_err(failed)?,
        pipeline: row.try_get("pipeline").map_err(failed)?,
        started_at: row.try_get("started_at").map_err(failed)?,
        finished_at: row.try_get("finished_at").map_err(failed)?,
        status: RunStatus::from_name(row.try_get("status").map_err(failed)?),
        exit_code: row.try_get("exit_code").map_err(failed)?,
        method_version: row.try_get("method_version").map_err(failed)?,
        factor_set_version: row.try_get("factor_set_version").map_err(failed)?,
        summary_json: row.try_get("summary_json").map_err(failed)?,
    })
}

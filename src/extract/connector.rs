//! Sources that are asked instead of listed: what such a connector must answer, and how its rows reach landing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::{Delivery, Discovery};
use crate::domain::period::Period;
use crate::error::{Error, Result};

/// What is remembered of an answer that may still change although its month is long over.
pub const UNFINISHED: &str = "unfinished";

/// A provider's API.
///
/// Calls are repeated by [`crate::retry::retrying`]; what a connector returns as an error is what remains after that.
#[async_trait]
pub trait Connector: Send + Sync + std::fmt::Debug {
    /// The place that messages and provenance columns name; it holds no secret.
    fn uri(&self) -> String;

    /// Who we are and what we may see, for `doctor`.
    ///
    /// # Errors
    /// What is missing (a key, a role, a table) and, as the hint, what to grant.
    async fn check(&self) -> Result<String>;

    /// Sorts what there is into deliveries, with as few calls as can be: what `known` says is fresh is not asked for.
    ///
    /// # Errors
    /// External when nothing of the source can be seen; what concerns one delivery is among the failures.
    async fn discover(&self, known: &Known) -> Result<Discovery>;

    /// Writes the rows of a delivery, in an order that does not change while they do not.
    ///
    /// # Errors
    /// External or data; nothing of the delivery is landed then.
    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer>;
}

/// What is to be remembered of an answer beside its rows.
#[derive(Debug, Default)]
pub struct ApiAnswer {
    /// [`UNFINISHED`] when the provider said so, or a cursor of the connector's own.
    pub cursor: Option<String>,
    /// What a person should know though nothing failed.
    pub warnings: Vec<String>,
}

/// An earlier check of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCheck {
    /// What was landed then.
    pub delivery_id: String,
    /// When it was asked for.
    pub at: DateTime<Utc>,
    /// [`ApiAnswer::cursor`]
    pub cursor: Option<String>,
}

/// What is known of a source before it is asked.
#[derive(Debug, Clone)]
pub struct Known {
    /// The time of this run.
    pub now: DateTime<Utc>,
    /// The first month to ask for.
    pub since: Period,
    /// The month after the last one to ask for.
    pub until: Period,
    /// Closed months that are asked for again.
    pub lookback_months: u32,
    /// How long an answer is good.
    pub refresh: Duration,
    /// Everything is asked for again.
    pub force: bool,
    /// Earlier checks, by export and period.
    pub checks: BTreeMap<(String, Option<Period>), ApiCheck>,
    /// [`Discovery::cursor`] of the last check of the source as a whole.
    pub cursor: Option<String>,
}

impl Known {
    /// The months to consider, in order.
    pub fn months(&self) -> Vec<Period> {
        let mut months = Vec::new();
        let mut month = self.since;
        while month < self.until {
            months.push(month);
            month = month.next();
        }
        months
    }

    /// Whether a delivery must be asked for: it never was, or it may have changed and the last answer is old.
    pub fn is_due(&self, export: &str, period: Option<Period>) -> bool {
        let Some(check) = self.checks.get(&(export.to_string(), period)) else {
            return true;
        };
        let current = Period::of(self.now.date_naive());
        let may_change = check.cursor.as_deref() == Some(UNFINISHED)
            || period.is_none_or(|p| p.plus(self.lookback_months) >= current);
        let age = (self.now - check.at).to_std().unwrap_or_default();
        self.force || (may_change && age >= self.refresh)
    }
}

/// The rows of one answer on their way to a spool file: one JSON object a line, hashed as they are written.
#[derive(Debug)]
pub struct RowWriter {
    file: BufWriter<File>,
    path: TempPath,
    hash: Sha256,
    rows: u64,
}

/// A written answer.
#[derive(Debug)]
pub struct AnsweredRows {
    /// Where it lies; removed when dropped.
    pub path: TempPath,
    /// SHA-256 of the bytes, in hex.
    pub hash: String,
    /// Lines.
    pub count: u64,
}

impl RowWriter {
    /// A new file in the spool folder.
    ///
    /// # Errors
    /// External when it cannot be made.
    pub fn new(spool: &Path) -> Result<Self> {
        let fail = |e| Error::from(e).at(spool.display().to_string());
        let (file, path) = NamedTempFile::new_in(spool).map_err(fail)?.into_parts();
        Ok(RowWriter {
            file: BufWriter::with_capacity(1 << 16, file),
            path,
            hash: Sha256::new(),
            rows: 0,
        })
    }

    /// Writes one row: a map or struct. Numbers that must stay as they were delivered are `RawValue`s or text.
    ///
    /// # Errors
    /// External when the disk is full.
    pub fn write(&mut self, row: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(row).map_err(|e| Error::internal("a row is no JSON").because(e))?;
        line.push(b'\n');
        self.hash.update(&line);
        self.rows += 1;
        self.file
            .write_all(&line)
            .map_err(|e| Error::from(e).at(self.path.display().to_string()))
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Closes the file.
    ///
    /// # Errors
    /// External when the disk is full.
    pub fn finish(mut self) -> Result<AnsweredRows> {
        self.file
            .flush()
            .map_err(|e| Error::from(e).at(self.path.display().to_string()))?;
        Ok(AnsweredRows {
            path: self.path,
            hash: self
                .hash
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            count: self.rows,
        })
    }
}

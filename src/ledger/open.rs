//! Opens the database.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use super::errors::{cannot_open, failed};
use crate::config::location;
use crate::error::{Blame, Error, Result, Retry};
use crate::kill_point;

/// How often a file that another process is just making is tried again.
const ATTEMPTS: u32 = 40;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Readers beside the one writer.
const CONNECTIONS: u32 = 4;

/// The open ledger; clones share their connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) pool: SqlitePool,
    path: Option<PathBuf>,
}

impl Ledger {
    /// Opens the database of `[database] url`, making its folder and file; the schema is left as it is.
    ///
    /// # Errors
    /// Usage for a database this version does not speak to, External when the file cannot be opened.
    pub async fn open(url: &str, base: &Path) -> Result<Ledger> {
        let path = file_of(url, base)?;
        if let Some(folder) = path.as_deref().and_then(Path::parent) {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::external("the ledger's folder cannot be made")
                    .at(folder.display().to_string())
                    .because(error)
                    .hint("give the user of this process write access, or set [database] url elsewhere")
            })?;
        }
        let options = options(url, path.as_deref())?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        // Giving a new file its write-ahead log does not wait as other statements do: of two processes one is refused.
        for _ in 0..ATTEMPTS {
            match Ledger::connect(options.clone(), path.clone()).await {
                Err(error) if error.retry() == Retry::Backoff => tokio::time::sleep(PAUSE).await,
                opened => return opened,
            }
        }
        Ledger::connect(options, path).await
    }

    /// Opens it and brings its schema up to date.
    ///
    /// # Errors
    /// As [`Ledger::open`] and [`Ledger::migrate`].
    pub async fn open_current(url: &str, base: &Path) -> Result<Ledger> {
        let ledger = Ledger::open(url, base).await?;
        ledger.migrate().await?;
        ledger.mask_urls().await;
        Ok(ledger)
    }

    /// Opens it for what only reads: up to date where it can be written, else as it is.
    ///
    /// # Errors
    /// As [`Ledger::open_current`]; not for want of write access.
    pub async fn open_to_read(url: &str, base: &Path) -> Result<Ledger> {
        match Ledger::open_current(url, base).await {
            Err(error) if error.blame() == Blame::External => {
                match Ledger::open_read_only(url, base).await {
                    Ok(Some(ledger)) => Ok(ledger),
                    // There is none yet, and none can be made.
                    Ok(None) => Ledger::open_current("sqlite::memory:", base).await,
                    Err(_) => Err(error),
                }
            }
            opened => opened,
        }
    }

    /// Opens an existing database for reading, also one in a folder that cannot be written.
    ///
    /// `None` when there is none yet.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_read_only(url: &str, base: &Path) -> Result<Option<Ledger>> {
        let Some(path) = file_of(url, base)? else {
            return Ok(Some(Ledger::open(url, base).await?));
        };
        if !path.is_file() {
            return Ok(None);
        }
        let read_only = options(url, Some(&path))?.read_only(true);
        match Ledger::connect(read_only.clone(), Some(path.clone())).await {
            Ok(ledger) => Ok(Some(ledger)),
            // Without write access SQLite cannot share its index of the log with a writer, and there is none.
            Err(_) => Ok(Some(
                Ledger::connect(read_only.immutable(true), Some(path)).await?,
            )),
        }
    }

    async fn connect(options: SqliteConnectOptions, path: Option<PathBuf>) -> Result<Ledger> {
        // Every connection to a database in memory would have its own.
        let pool = match &path {
            Some(_) => SqlitePoolOptions::new().max_connections(CONNECTIONS),
            None => SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None),
        };
        let named = |error| match &path {
            Some(path) => cannot_open(path, error),
            None => failed(error),
        };
        let pool = pool.connect_with(options).await.map_err(named)?;
        // A file that is no database is only noticed when it is read.
        sqlx::query("SELECT COUNT(*) FROM sqlite_master")
            .execute(&pool)
            .await
            .map_err(named)?;
        Ok(Ledger { pool, path })
    }

    /// The database's file; `None` when it is in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes what is pending and closes the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// A transaction that holds the write lock from its start, so that it never fails half way for another writer.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }
}

/// Ends a transaction.
pub(super) async fn committed(transaction: Transaction<'static, Sqlite>) -> Result<()> {
    kill_point::around(async { transaction.commit().await.map_err(failed) }).await
}

fn file_of(url: &str, base: &Path) -> Result<Option<PathBuf>> {
    if url.starts_with("sqlite:") {
        return Ok(location::sqlite_path(url, base));
    }
    let error =
        Error::usage("this version keeps its ledger in SQLite only").at(format!("[database] url {url}"));
    Err(error.hint("write url = \"sqlite://./warehouse/data/offgridflow.db\""))
}

fn options(url: &str, path: Option<&Path>) -> Result<SqliteConnectOptions> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| {
        Error::usage("the database's URL cannot be read")
            .at("[database] url")
            .because(error)
            .hint("write url = \"sqlite://./warehouse/data/offgridflow.db\"")
    })?;
    let options = match path {
        Some(path) => options.filename(path),
        None => options,
    };
    Ok(options.busy_timeout(BUSY_TIMEOUT).foreign_keys(true))
}

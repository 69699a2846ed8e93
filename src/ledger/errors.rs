//! What a failure of the database means for the person at the keyboard.

use std::path::Path;

use crate::error::Error;

/// Primary result codes of SQLite.
const BUSY: i64 = 5;
const READ_ONLY: i64 = 8;
const CORRUPT: i64 = 11;
const FULL: i64 = 13;
const CANNOT_OPEN: i64 = 14;
const NOT_A_DATABASE: i64 = 26;

/// The error of a failed statement.
pub fn failed(error: sqlx::Error) -> Error {
    // Extended codes keep the primary one in their low byte.
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<i64>().ok())
        .map(|code| code & 0xff);
    let cause = match error.as_database_error() {
        Some(error) => error.message().to_string(),
        None => error.to_string(),
    };
    let base = Error::external("the ledger's database failed").because(&cause);
    match code {
        Some(BUSY) => base
            .retryable()
            .hint("another process is writing to it: wait for it, then run again"),
        Some(READ_ONLY | CANNOT_OPEN) => {
            base.hint("give the user of this process write access, or set [database] url elsewhere")
        }
        Some(FULL) => base.hint("free space where the ledger lies, then run again"),
        Some(CORRUPT | NOT_A_DATABASE) => {
            base.hint("move the file aside: the next run makes a new one, only the history of runs is lost")
        }
        _ if cause.contains("no such table") => {
            base.hint("`offgridflow db migrate` brings its schema up to date")
        }
        _ => base.hint("`offgridflow db status` shows the state of its schema"),
    }
}

/// The same while a file is opened.
pub fn cannot_open(path: &Path, error: sqlx::Error) -> Error {
    failed(error).at(path.display().to_string())
}

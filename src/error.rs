//! The one error type: what went wrong, where, why and what to do next.

use std::fmt;
use std::time::Duration;

use crate::config::redact;

/// The longest pause that another side can ask for: what is longer is never waited for, and would reach past the end of a
/// clock.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a failure means for the exit code: whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// A bug in this program (exit 1).
    Internal,
    /// The command line or the configuration (exit 2).
    Usage,
    /// The data: a failed audit, rejected rows, a truncated or hostile file (exit 3).
    Data,
    /// Something outside: network, credentials, a missing or changed file, a full disk (exit 4).
    External,
}

impl Blame {
    /// The process exit code of `docs/operations.md`.
    pub fn exit_code(self) -> u8 {
        match self {
            Blame::Internal => 1,
            Blame::Usage => 2,
            Blame::Data => 3,
            Blame::External => 4,
        }
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same input gives the same failure.
    Never,
    /// Worth another attempt after a growing pause.
    Backoff,
    /// Worth another attempt when so much time has passed: the other side said so.
    After(Duration),
}

/// The error of every fallible function here.
///
/// `what` is one sentence; `place` names file, row, column or key; `cause` is the reason as the
/// layer below gave it; `hint` says what to do next. Logins and signatures of URLs are masked in all of them: an error is
/// printed, logged and kept in the ledger.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    blame: Blame,
    retry: Retry,
    what: String,
    place: Vec<String>,
    cause: Option<String>,
    hint: Option<String>,
}

/// `Result` with the one [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(blame: Blame, what: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            blame,
            retry: Retry::Never,
            what: masked(what.into()),
            place: Vec::new(),
            cause: None,
            hint: None,
        }))
    }

    /// A bug: an invariant of this program does not hold.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(Blame::Internal, what)
    }

    /// The command line or configuration is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Blame::Usage, what)
    }

    /// The data is wrong.
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(Blame::Data, what)
    }

    /// Something outside this program failed.
    pub fn external(what: impl Into<String>) -> Self {
        Self::new(Blame::External, what)
    }

    /// Names the file, row, column or key; call it from the inside out.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.push(masked(place.into()));
        self
    }

    /// The reason as the layer below gave it.
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(masked(cause.to_string()));
        self
    }

    /// What to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(masked(hint.into()));
        self
    }

    /// Marks the failure as worth another attempt.
    pub fn retryable(mut self) -> Self {
        self.0.retry = Retry::Backoff;
        self
    }

    /// Marks the failure as worth another attempt after this time, [`LONGEST_PAUSE`] at most.
    pub fn retryable_after(mut self, pause: Duration) -> Self {
        self.0.retry = Retry::After(pause.min(LONGEST_PAUSE));
        self
    }

    /// Whose move it is.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The hint, printed on a line of its own.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

fn masked(text: String) -> String {
    match redact(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(masked) => masked,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.what)?;
        for place in &self.0.place {
            write!(f, ", {place}")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError as D;
        let root = error.find_root();
        let text = root.strip_backtrace();
        match root {
            D::External(inner) => match inner.downcast_ref::<Error>() {
                Some(own) => own.clone(),
                None => Error::external("the query engine failed").because(text),
            },
            D::SQL(..) | D::Plan(_) | D::SchemaError(..) | D::NotImplemented(_) => {
                Error::usage("the SQL cannot be planned").because(text).hint(
                    "`offgridflow models list` names the tables; `select * from x limit 1` shows a table's columns",
                )
            }
            D::ResourcesExhausted(_) => Error::external("the engine ran out of its memory or spill space")
                .because(text)
                .hint("raise [engine] memory_limit, or free space in the temporary folder"),
            D::ObjectStore(_) | D::IoError(_) => {
                Error::external("reading or writing the warehouse failed").because(text).retryable()
            }
            D::ParquetError(_) => Error::external("a data file of the warehouse cannot be read")
                .because(text)
                .hint(
                    "`maintain --vacuum` deletes the files of versions that no recent run left: with --as-of name a younger run",
                ),
            D::ArrowError(inner, _) => match &**inner {
                datafusion::arrow::error::ArrowError::ExternalError(e) => match e.downcast_ref::<Error>() {
                    Some(own) => own.clone(),
                    None => Error::data("a value cannot be computed").because(text),
                },
                _ => Error::data("a value cannot be computed").because(text),
            },
            D::Execution(_) => Error::data("a value cannot be computed").because(text),
            _ => Error::internal("the query engine failed").because(text),
        }
    }
}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        datafusion::error::DataFusionError::External(Box::new(error))
    }
}

impl From<deltalake_core::DeltaTableError> for Error {
    fn from(error: deltalake_core::DeltaTableError) -> Self {
        // Behind the first line stands where in the library it came up.
        let text = error.to_string();
        Error::external("a Delta table could not be read or written")
            .because(text.lines().next().unwrap_or_default())
            .retryable()
    }
}

impl From<datafusion::arrow::error::ArrowError> for Error {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Error::internal("columns could not be put together").because(error)
    }
}

impl From<datafusion::parquet::errors::ParquetError> for Error {
    fn from(error: datafusion::parquet::errors::ParquetError) -> Self {
        Error::external("a Parquet file could not be read or written").because(error)
    }
}

/// What went wrong and why, down to the first cause: `error sending request: Connection refused`.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        below = cause.source();
    }
    text
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as O;
        let text = causes(&error);
        let base = |what: &str| Error::external(what.to_string()).because(text.clone());
        match error {
            O::NotFound { .. } => base("an object does not exist"),
            O::PermissionDenied { .. } | O::Unauthenticated { .. } => base("the store refused access").hint(
                "check the profile's keys and the permissions of its role (`offgridflow doctor` tests them)",
            ),
            O::Precondition { .. } => base("an object changed while it was read").retryable(),
            _ => {
                if text.contains("No space left") || text.contains("os error 28") {
                    base("there is no space left to write to")
                        .hint("free space where the warehouse lies, then run again")
                } else if text.contains("Read-only file system") || text.contains("Permission denied") {
                    base("the folder cannot be written")
                        .hint("give the user of this process write access, or set [warehouse] url elsewhere")
                } else {
                    base("the object store failed").retryable()
                }
            }
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        // A store that is written like a file wraps what it says.
        let error = match error.downcast::<object_store::Error>() {
            Ok(of_store) => return of_store.into(),
            Err(error) => error,
        };
        let base = Error::external("a file could not be read or written").because(&error);
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                base.hint("free space where the warehouse lies, then run again")
            }
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                base.hint("give the user of this process write access, or set [warehouse] url elsewhere")
            }
            _ => base,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Error::external("the metadata database failed")
            .because(error)
            .hint("check [database] url; `offgridflow db status` shows the state of its schema")
    }
}

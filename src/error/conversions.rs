//! What the errors of libraries mean here.

use super::{Error, ErrorKind};

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
                Error::usage("the SQL cannot be planned").of_kind(ErrorKind::InvalidSql).because(text).hint(
                    "`offgridflow models list` names the tables; `select * from x limit 1` shows a table's columns",
                )
            }
            D::ResourcesExhausted(_) => Error::external("the engine ran out of its memory or spill space")
                .of_kind(ErrorKind::OutOfMemory)
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
            O::NotFound { .. } => base("an object does not exist").of_kind(ErrorKind::MissingObject),
            O::PermissionDenied { .. } | O::Unauthenticated { .. } => base("the store refused access").of_kind(ErrorKind::AccessRefused).hint(
                "check the profile's keys and the permissions of its role (`offgridflow doctor` tests them)",
            ),
            O::Precondition { .. } => base("an object changed while it was read").retryable(),
            _ => {
                if text.contains("No space left") || text.contains("os error 28") {
                    base("there is no space left to write to")
                        .of_kind(ErrorKind::StorageFull)
                        .hint("free space where the warehouse lies, then run again")
                } else if text.contains("Read-only file system") || text.contains("Permission denied") {
                    base("the folder cannot be written")
                        .of_kind(ErrorKind::AccessRefused)
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
            std::io::ErrorKind::StorageFull => base
                .of_kind(ErrorKind::StorageFull)
                .hint("free space where the warehouse lies, then run again"),
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => base
                .of_kind(ErrorKind::AccessRefused)
                .hint("give the user of this process write access, or set [warehouse] url elsewhere"),
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

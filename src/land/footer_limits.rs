//! What the footer of a Parquet file may ask for.

use std::path::Path;

use super::foreign_bytes::hold_columns;
use crate::config::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::parquet::footer::{Shape, read_shape};

/// Bytes that what a footer tells of a column chunk takes in memory.
const CHUNK_BYTES: u64 = 512;
/// Columns inside of a column, and those above them, that are usual: a list of pairs has five.
const PARTS: usize = 4;

/// Looks at the footer of a Parquet file before any library does: one that nests deep enough ends the process.
pub(super) fn hold_parquet_footer(limits: &Limits, path: &Path) -> Result<()> {
    let Shape {
        footer_bytes,
        depth,
        columns,
        elements,
        chunks,
    } = read_shape(path)?;
    if depth as u64 > limits.nesting {
        return Err(Error::data(format!(
            "the file's columns are nested {depth} levels deep, more than the {} that one may be",
            limits.nesting
        ))
        .of_kind(ErrorKind::ExceededLimit)
        .hint("export the columns flat, or nested less; `[landing] max_nesting` sets the limit"));
    }
    hold_columns(
        limits,
        columns.max(usize::try_from(elements).unwrap_or(usize::MAX) / PARTS),
    )?;
    let taken = chunks
        .saturating_mul(CHUNK_BYTES)
        .saturating_add(footer_bytes * 2);
    if taken > limits.pages {
        return Err(Error::data(format!(
            "the file's footer tells of {chunks} column chunks, which take {taken} bytes, more than the {} that they may",
            limits.pages
        ))
        .of_kind(ErrorKind::ExceededLimit).hint("export the file with fewer and larger row groups; `[landing] max_pages` sets the limit"));
    }
    Ok(())
}

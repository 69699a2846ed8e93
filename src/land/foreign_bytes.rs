//! What a delivered file may ask of this process, whoever wrote it: so many columns, so deep, so many periods, and never an end.

use std::any::Any;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::parquet_footer::{Shape, shape};
use crate::config::Limits;
use crate::error::{Error, Result};

/// Bytes of a Parquet file's footer that are read.
const FOOTER_BYTES: u64 = 64 << 20;
/// Bytes that what a footer tells of a column chunk takes in memory.
const CHUNK_BYTES: u64 = 512;
/// Columns inside of a column, and those above them, that are usual: a list of pairs has five.
const PARTS: usize = 4;
/// The length of the footer and the magic bytes behind it.
const TAIL_BYTES: u64 = 8;
/// Ends every Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// A reader that did not come to its end by itself: a library met bytes that it did not think of.
pub(super) fn stopped(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::data("the file holds bytes that the reader cannot make sense of")
        .because(said)
        .hint("deliver the file again; if it is as its provider made it, please report it with the file's kind and format")
}

/// Refuses a file with more columns than one may have.
pub(super) fn hold_columns(limits: &Limits, columns: usize) -> Result<()> {
    if columns as u64 <= limits.columns {
        return Ok(());
    }
    Err(Error::data(format!(
        "the file has {columns} columns, more than the {} that one may have",
        limits.columns
    ))
    .hint("look at its header: is it a bill? `[landing] max_columns` sets the limit"))
}

/// Bytes of a column's name: no provider's are longer, and every message about a row holds one.
const NAME_BYTES: usize = 1024;

/// Refuses a file with a column whose name is no name.
pub(super) fn hold_names(mut bytes: impl Iterator<Item = usize>) -> Result<()> {
    let Some((index, long)) = bytes.by_ref().enumerate().find(|(_, bytes)| *bytes > NAME_BYTES) else {
        return Ok(());
    };
    Err(Error::data(format!(
        "a column's name has {long} bytes, more than the {NAME_BYTES} that one may have"
    ))
    .at(format!("column {}", index + 1))
    .hint("look at the file's header: is it a bill?"))
}

/// Why a row is rejected for one of its cells.
pub(super) fn large_cell(bytes: u64, most: u64) -> String {
    format!("the cell has {bytes} bytes, at most {most} are landed (`[landing] max_cell`)")
}

/// Refuses new columns for a raw table that has enough of them: every later bill would carry them.
pub(super) fn hold_table_columns(limits: &Limits, columns: usize) -> Result<()> {
    if columns as u64 <= limits.table_columns {
        return Ok(());
    }
    Err(Error::data(format!(
        "with this file its raw table would have {columns} columns, more than the {} that one may have",
        limits.table_columns
    ))
    .hint("a source that brings new columns with each file fills the table for all: `[landing] max_table_columns` sets the limit"))
}

/// Refuses a file whose rows belong to more periods than one may bring: each has a file of its own that is open.
pub(super) fn hold_periods(limits: &Limits, periods: usize) -> Result<()> {
    if periods as u64 <= limits.periods {
        return Ok(());
    }
    Err(Error::data(format!(
        "the file's rows belong to {periods} or more billing periods, more than the {} that one file may bring",
        limits.periods
    ))
    .hint("deliver it in parts, by period; `[landing] max_periods` sets the limit"))
}

/// Looks at the footer of a Parquet file before any library does: one that nests deep enough ends the process.
pub(super) fn hold_parquet_footer(limits: &Limits, path: &Path) -> Result<()> {
    let damaged = || {
        Error::data("the Parquet file cannot be read")
            .hint("the file is truncated or no Parquet: deliver it again")
    };
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length < TAIL_BYTES {
        return Err(damaged().because("it is shorter than the smallest Parquet file"));
    }
    file.seek(SeekFrom::End(-(TAIL_BYTES as i64)))?;
    let mut tail = [0; TAIL_BYTES as usize];
    file.read_exact(&mut tail)?;
    let (footer, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(damaged().because("it does not end as a Parquet file does"));
    }
    let footer = footer
        .iter()
        .rev()
        .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    if footer > length - TAIL_BYTES {
        return Err(damaged().because("its footer is longer than the file"));
    }
    if footer > FOOTER_BYTES {
        return Err(damaged().because(format!(
            "its footer has {footer} bytes, more than the {FOOTER_BYTES} that one may have"
        )));
    }
    file.seek(SeekFrom::End(-((TAIL_BYTES + footer) as i64)))?;
    let mut bytes = vec![0; footer as usize];
    file.read_exact(&mut bytes)?;
    let Shape {
        depth,
        columns,
        elements,
        chunks,
    } = shape(&bytes).ok_or_else(|| damaged().because("its footer does not describe its columns"))?;
    if depth as u64 > limits.nesting {
        return Err(Error::data(format!(
            "the file's columns are nested {depth} levels deep, more than the {} that one may be",
            limits.nesting
        ))
        .hint("export the columns flat, or nested less; `[landing] max_nesting` sets the limit"));
    }
    hold_columns(
        limits,
        columns.max(usize::try_from(elements).unwrap_or(usize::MAX) / PARTS),
    )?;
    let taken = chunks.saturating_mul(CHUNK_BYTES).saturating_add(footer * 2);
    if taken > limits.pages {
        return Err(Error::data(format!(
            "the file's footer tells of {chunks} column chunks, which take {taken} bytes, more than the {} that they may",
            limits.pages
        ))
        .hint("export the file with fewer and larger row groups; `[landing] max_pages` sets the limit"));
    }
    Ok(())
}

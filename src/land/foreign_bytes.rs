//! What a delivered file may ask of this process, whoever wrote it: so many columns, so deep, so many periods, and never an end.

use std::any::Any;

use crate::config::Limits;
use crate::error::{Error, ErrorKind, PlaceKey, Result};

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
    .of_kind(ErrorKind::ExceededLimit)
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
    .at_key(PlaceKey::Column, index + 1)
    .hint("look at the file's header: is it a bill?"))
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
    .of_kind(ErrorKind::ExceededLimit).hint("a source that brings new columns with each file fills the table for all: `[landing] max_table_columns` sets the limit"))
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
    .of_kind(ErrorKind::ExceededLimit).hint("deliver it in parts, by period; `[landing] max_periods` sets the limit"))
}

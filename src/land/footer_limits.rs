//! What the footer of a Parquet file may ask for.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::foreign_bytes::hold_columns;
use super::parquet_footer::{Shape, shape};
use crate::config::Limits;
use crate::error::{Error, ErrorKind, Result};

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
        return Err(Error::data(format!(
            "the Parquet file's footer has {footer} bytes, more than the {FOOTER_BYTES} that one may have"
        ))
        .hint("export it with larger row groups or fewer columns, in several files"));
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
        .of_kind(ErrorKind::ExceededLimit)
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
        .of_kind(ErrorKind::ExceededLimit).hint("export the file with fewer and larger row groups; `[landing] max_pages` sets the limit"));
    }
    Ok(())
}

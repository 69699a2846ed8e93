//! What a Parquet file asks for while it is read, found out before anything is decoded.
//!
//! A few bytes of Parquet can stand for very many: a text that a dictionary repeats, a page that unpacks to a thousand times
//! its size, a list of a hundred million nulls. The headers of all pages tell what is held at once; dictionaries, lists and
//! large pages are looked through for the largest cell. So a legal file is read in batches that fit, and one that cannot be
//! is refused by name.

mod cells;
mod header;
mod packed;

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use datafusion::parquet::basic::{Compression, Type};
use datafusion::parquet::column::page::PageReader;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

use crate::config::Limits;
use crate::error::{Error, ErrorKind, PlaceKey, Result};
use cells::Cells;
use header::{DICTIONARY, INDEX, PageHeader, header_at};
use packed::holds_what_it_says;

/// Bytes of a decoded batch.
const BATCH_BYTES: u64 = 32 << 20;
/// Row groups whose pages take more are looked through to the last text: no batch may take all of them.
const LITTLE_BYTES: u64 = 128 << 20;
/// Bytes that a value takes which is no text, or beside its text.
const VALUE_BYTES: u64 = 16;
/// Bytes that a value takes in a list beside the name of its column.
const PUNCTUATION_BYTES: u64 = 8;
/// Fewer rows than this are harmless however few bytes they have.
const HARMLESS_ROWS: u64 = 1 << 20;

/// What a file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of the pages that are held at once.
    held: u64,
    /// The most bytes of a row, by column at the top.
    widths: Vec<u64>,
}

impl Demand {
    /// How many rows of some columns are decoded at once, at most `most`.
    pub fn rows_at_once(&self, columns: impl IntoIterator<Item = usize>, most: usize) -> usize {
        let widths = columns.into_iter().filter_map(|index| self.widths.get(index));
        let width = widths.sum::<u64>().max(1);
        usize::try_from(BATCH_BYTES / width).map_or(most, |rows| rows.clamp(1, most))
    }

    /// The same for all columns.
    pub fn rows(&self, most: usize) -> usize {
        self.rows_at_once(0..self.widths.len(), most)
    }

    /// Bytes that reading the file takes: its pages, and some batches under way.
    pub fn bytes(&self) -> u64 {
        2 * self.held + 2 * BATCH_BYTES
    }

    /// Whether its column chunks may be held and looked through as a whole.
    pub fn is_little(&self) -> bool {
        self.held <= 2 * LITTLE_BYTES
    }
}

/// Looks at all pages of a file, of whose columns `keys` tell the key of a row.
///
/// # Errors
/// Data: a page, a cell or a row is larger than one may be, or the pages make no sense.
pub fn demand(
    limits: &Limits,
    mut file: File,
    metadata: &ParquetMetaData,
    keys: &BTreeSet<usize>,
) -> Result<Demand> {
    let bytes = file.metadata()?.len();
    hold_rows(limits, metadata, bytes)?;
    let schema = metadata.file_metadata().schema_descr();
    let mut demand = Demand {
        held: 0,
        widths: vec![0; schema.root_schema().get_fields().len()],
    };
    let mut chunk_bytes = 0u64;
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let in_group = |error: Error| error.at_key(PlaceKey::RowGroup, number + 1);
        for chunk in group.columns() {
            let (start, end) = place(chunk, bytes).map_err(in_group)?;
            chunk_bytes += end - start;
        }
        if chunk_bytes > bytes {
            return Err(in_group(damaged("its column chunks lie above each other")));
        }
        let held = hold_pages(limits, &mut file, group, bytes).map_err(in_group)?;
        demand.held = demand.held.max(held);
        let mut widths = vec![0u64; demand.widths.len()];
        for (leaf, chunk) in group.columns().iter().enumerate() {
            let exact_from = match held > LITTLE_BYTES {
                true => 0,
                false if keys.contains(&schema.get_column_root_idx(leaf)) => limits.key,
                false => limits.cell,
            };
            let width = width(limits, &mut file, group, chunk, bytes, exact_from)
                .map_err(|error| in_group(error.at_key(PlaceKey::Column, chunk.column_path())))?;
            if let Some(sum) = widths.get_mut(schema.get_column_root_idx(leaf)) {
                *sum = sum.saturating_add(width);
            }
        }
        for (most, width) in demand.widths.iter_mut().zip(widths) {
            *most = width.max(*most);
        }
    }
    let row = demand
        .widths
        .iter()
        .fold(0u64, |sum, width| sum.saturating_add(*width));
    if row > limits.row {
        return Err(Error::data(format!(
            "a row may take {row} bytes, more than the {} that one may",
            limits.row
        ))
        .of_kind(ErrorKind::ExceededLimit)
        .hint(
            "look at the file's longest texts and lists: is it a bill? `[landing] max_row` sets the limit",
        ));
    }
    let key = keys.iter().filter_map(|place| demand.widths.get(*place));
    let key = key.fold(0u64, |sum, width| sum.saturating_add(*width));
    if key > limits.key {
        return Err(Error::data(format!(
            "the names in a row may take {key} bytes, more than the {} that they may",
            limits.key
        ))
        .of_kind(ErrorKind::ExceededLimit).hint("look at the longest texts of account, service, region, SKU and unit: is it a bill? `[landing] max_names` sets the limit"));
    }
    Ok(demand)
}

fn damaged(why: impl Into<String>) -> Error {
    Error::data("the Parquet file is damaged")
        .because(why.into())
        .hint("deliver the file again")
}

/// Refuses rows that hardly take a bit each.
fn hold_rows(limits: &Limits, metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    let mut rows = 0u64;
    for group in metadata.row_groups() {
        let told = u64::try_from(group.num_rows()).ok();
        rows = told
            .and_then(|told| rows.checked_add(told))
            .ok_or_else(|| damaged("its counts of rows make no sense"))?;
    }
    match rows > HARMLESS_ROWS.max(bytes.saturating_mul(limits.ratio)) {
        true => Err(Error::data(format!(
            "{bytes} bytes stand for {rows} rows: a decompression bomb"
        ))
        .of_kind(ErrorKind::ExceededLimit)
        .hint(
            "look at the file: is it a bill? `[landing] max_ratio` sets how many rows a byte may stand for",
        )),
        false => Ok(()),
    }
}

/// Where a column chunk begins and ends.
fn place(chunk: &ColumnChunkMetaData, bytes: u64) -> Result<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok();
    let end = start.zip(u64::try_from(chunk.compressed_size()).ok());
    end.and_then(|(start, length)| Some((start, start.checked_add(length)?)))
        .filter(|(_, end)| *end <= bytes)
        .ok_or_else(|| {
            damaged("a column chunk does not lie in the file").at_key(PlaceKey::Column, chunk.column_path())
        })
}

/// Calls `each` with the header of every page of a chunk that its reader takes.
fn for_each_page(
    file: &mut File,
    chunk: &ColumnChunkMetaData,
    bytes: u64,
    mut each: impl FnMut(&mut File, &PageHeader) -> Result<()>,
) -> Result<()> {
    let (mut at, end) = place(chunk, bytes)?;
    while at < end {
        let page = header_at(file, at, end)?.ok_or_else(|| damaged("a page has no header"))?;
        at = page.start + page.packed;
        if page.kind != INDEX {
            each(file, &page)?;
        }
    }
    Ok(())
}

/// Bytes that the pages of a row group take while it is read: the largest of each column and its dictionary.
fn hold_pages(limits: &Limits, file: &mut File, group: &RowGroupMetaData, bytes: u64) -> Result<u64> {
    let (mut held, mut packed, mut largest) = (0u64, 0u64, (0, String::new()));
    for chunk in group.columns() {
        let (mut dictionary, mut data) = (0u64, 0u64);
        for_each_page(file, chunk, bytes, |file, page| {
            // Room is made for all entries of a dictionary, and for all lengths that are written as differences.
            let made = match page.is_delta() || page.kind == DICTIONARY {
                true => page.values.saturating_mul(VALUE_BYTES),
                false => 0,
            };
            let size = match chunk.compression() {
                Compression::UNCOMPRESSED => page.packed.max(page.unpacked),
                _ => page.unpacked,
            };
            packed = packed.max(page.packed);
            match page.kind {
                DICTIONARY => dictionary = dictionary.max(size.saturating_add(made)),
                _ => data = data.max(size.saturating_add(made)),
            }
            let fits = page.packed <= limits.pages && page.unpacked <= limits.pages;
            if fits && !holds_what_it_says(file, page, chunk.compression())? {
                return Err(damaged("a page unpacks to more than it says"));
            }
            Ok(())
        })
        .map_err(|error| error.at_key(PlaceKey::Column, chunk.column_path()))?;
        let own = dictionary.saturating_add(data);
        held = held.saturating_add(own);
        if own > largest.0 {
            largest = (own, chunk.column_path().to_string());
        }
    }
    held = held.saturating_add(packed);
    if held > limits.pages {
        return Err(Error::data(format!(
            "the pages of a row group take {held} bytes at once, more than the {} that they may",
            limits.pages
        ))
        .at(format!("column {} takes the most", largest.1))
        .of_kind(ErrorKind::ExceededLimit)
        .hint("export the file with smaller pages or row groups; `[landing] max_pages` sets the limit"));
    }
    Ok(held)
}

/// The most bytes that a row of the column takes; pages of more bytes than `exact_from` are looked through cell by cell.
fn width(
    limits: &Limits,
    file: &mut File,
    group: &RowGroupMetaData,
    chunk: &ColumnChunkMetaData,
    bytes: u64,
    exact_from: u64,
) -> Result<u64> {
    let column = chunk.column_descr();
    let is_text = column.physical_type() == Type::BYTE_ARRAY;
    let is_list = column.max_rep_level() > 0;
    let fixed = match column.physical_type() {
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or(u64::MAX),
        _ => 0,
    };
    let mut cells = Cells::new(fixed);
    if is_text || is_list {
        let reader = Arc::new(file.try_clone()?);
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let unread = |error| damaged("a page cannot be read").because(error);
        let mut pages = SerializedPageReader::new(reader, chunk, rows, None).map_err(unread)?;
        let mut average = 0;
        for_each_page(file, chunk, bytes, |_, page| {
            if is_list || page.kind == DICTIONARY || page.is_delta() || page.unpacked > exact_from {
                let read = pages.get_next_page().map_err(unread)?;
                let read = read.ok_or_else(|| damaged("a page is missing"))?;
                return cells
                    .look(&read, column, is_text)
                    .ok_or_else(|| damaged("a page holds less than it says"));
            }
            average = average.max(page.unpacked.div_ceil(page.values.max(1)));
            pages.skip_next_page().map_err(unread)
        })?;
        cells.largest = cells.largest.max(average);
    }
    if cells.largest > limits.cell || cells.longest > limits.cell {
        return Err(Error::data(format!(
            "a cell has {} bytes or more, more than the {} that one may have",
            cells.largest.max(cells.longest),
            limits.cell
        ))
        .of_kind(ErrorKind::ExceededLimit)
        .hint(
            "look at the column's longest texts and lists: is it a bill? `[landing] max_cell` sets the limit",
        ));
    }
    let path = chunk.column_path().parts();
    let name = match path.len() {
        1 => 0,
        _ => path
            .iter()
            .map(|part| part.len() as u64 + PUNCTUATION_BYTES)
            .sum(),
    };
    Ok(cells.longest.saturating_mul(cells.largest + VALUE_BYTES + name))
}

#[cfg(test)]
mod tests;

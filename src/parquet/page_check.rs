//! Whether a delivered column chunk can be taken over: every page is unpacked and looked through, as decoding would.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::basic::{ConvertedType, Encoding, LogicalType, Type};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;
use datafusion::parquet::schema::types::ColumnDescriptor;

use super::levels::{all_below, count_levels, take_levels};
use super::page_kinds::count_page;

/// What the pages of a chunk are, or `None` when one of them is not what its header says: levels and dictionary indices
/// within their bounds, as many values as levels tell of, text in UTF-8, `rows` rows in all. The chunk's offsets count from
/// the beginning of `bytes`.
pub(super) fn look_through(
    bytes: &Bytes,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Option<Vec<PageEncodingStats>> {
    let column = chunk.column_descr();
    let mut pages = SerializedPageReader::new(Arc::new(bytes.clone()), chunk, rows, None).ok()?;
    let mut seen = Seen {
        column,
        is_text: is_text(column),
        dictionary: None,
        values: 0,
        rows: 0,
        kinds: Vec::new(),
    };
    while let Some(page) = pages.get_next_page().ok()? {
        seen.page(&page)?;
    }
    let whole = seen.values == usize::try_from(chunk.num_values()).ok()? && seen.rows == rows;
    whole.then_some(seen.kinds)
}

struct Seen<'a> {
    column: &'a ColumnDescriptor,
    is_text: bool,
    dictionary: Option<u32>,
    values: usize,
    rows: usize,
    kinds: Vec<PageEncodingStats>,
}

impl Seen<'_> {
    fn page(&mut self, page: &Page) -> Option<()> {
        match page {
            Page::DictionaryPage {
                buf,
                num_values,
                encoding,
                ..
            } => {
                if self.dictionary.is_some() || self.values > 0 || !is_plain(*encoding) {
                    return None;
                }
                self.plain(buf, *num_values as usize)?;
                self.dictionary = Some(*num_values);
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                let mut rest: &[u8] = buf;
                let repetition = match self.column.max_rep_level() {
                    0 => &[],
                    _ => take_levels(&mut rest, *rep_level_encoding)?,
                };
                let definition = match self.column.max_def_level() {
                    0 => &[],
                    _ => take_levels(&mut rest, *def_level_encoding)?,
                };
                self.data(repetition, definition, rest, *num_values as usize, *encoding)?;
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let mut rest: &[u8] = buf;
                let repetition = rest.split_off(..*rep_levels_byte_len as usize)?;
                let definition = rest.split_off(..*def_levels_byte_len as usize)?;
                self.data(repetition, definition, rest, *num_values as usize, *encoding)?;
            }
        }
        count_page(&mut self.kinds, page.page_type(), page.encoding());
        Some(())
    }

    fn data(
        &mut self,
        repetition: &[u8],
        definition: &[u8],
        values: &[u8],
        count: usize,
        encoding: Encoding,
    ) -> Option<()> {
        let (most_repetition, most) = (self.column.max_rep_level(), self.column.max_def_level());
        self.rows += match most_repetition {
            0 => count,
            _ => count_levels(repetition, most_repetition, count, 0)?,
        };
        let present = match most {
            0 => count,
            _ => count_levels(definition, most, count, most)?,
        };
        self.values += count;
        if present == 0 {
            return Some(());
        }
        match encoding {
            Encoding::PLAIN => self.plain(values, present),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let (width, indices) = values.split_first()?;
                all_below(indices, u32::from(*width), present, self.dictionary?)
            }
            _ => None,
        }
    }

    /// Values one after the other.
    fn plain(&self, bytes: &[u8], count: usize) -> Option<()> {
        let width = match self.column.physical_type() {
            Type::BYTE_ARRAY => return self.texts(bytes, count),
            Type::BOOLEAN => return (bytes.len() == count.div_ceil(8)).then_some(()),
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(self.column.type_length()).ok()?,
        };
        (bytes.len() == count.checked_mul(width)?).then_some(())
    }

    /// Each with its length before it.
    fn texts(&self, mut bytes: &[u8], count: usize) -> Option<()> {
        // Lengths below 128 are ASCII, too: most pages pass as a whole.
        let must_look = self.is_text && !bytes.is_ascii();
        for _ in 0..count {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            bytes = rest;
            let text = bytes.split_off(..u32::from_le_bytes(*length) as usize)?;
            if must_look {
                std::str::from_utf8(text).ok()?;
            }
        }
        bytes.is_empty().then_some(())
    }
}

fn is_plain(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY)
}

fn is_text(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::String))
        || column.converted_type() == ConvertedType::UTF8
}

#[cfg(test)]
mod tests;

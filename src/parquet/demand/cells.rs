//! The largest cell of a page of texts, and the longest row of a page of lists.

use datafusion::parquet::basic::Encoding;
use datafusion::parquet::column::page::Page;
use datafusion::parquet::schema::types::ColumnDescriptor;

use crate::parquet::levels::{longest_row, take_levels};
use crate::parquet::runs::eight;

/// What was seen of a chunk's pages.
#[derive(Debug)]
pub(super) struct Cells {
    /// Bytes of the largest text.
    pub largest: u64,
    /// Values of the longest row; 1 where there are no lists.
    pub longest: u64,
    /// Values of the row that has begun.
    under_way: u64,
}

impl Cells {
    /// Nothing is seen yet; `largest` are the bytes of a cell that has always as many.
    pub fn new(largest: u64) -> Self {
        Cells {
            largest,
            longest: 1,
            under_way: 0,
        }
    }

    /// Looks at a page's texts and rows. What cannot be told counts as large as it may be; `None` when a page asks for more
    /// than it holds.
    pub fn look(&mut self, page: &Page, column: &ColumnDescriptor, is_text: bool) -> Option<()> {
        let count = page.num_values() as usize;
        let (mut values, encoding) = (page.buffer().as_ref(), page.encoding());
        let repetition = match page {
            Page::DictionaryPage { .. } => {
                self.largest = self.largest.max(if is_text { plain(values) } else { 0 });
                // Each entry takes some bytes: room for them is made before they are read.
                return (count <= values.len()).then_some(());
            }
            Page::DataPage {
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                let mut level = |most: i16, encoding: Encoding| match most {
                    0 => Some(&[][..]),
                    _ => take_levels(&mut values, encoding),
                };
                let repetition = level(column.max_rep_level(), *rep_level_encoding);
                let definition = level(column.max_def_level(), *def_level_encoding);
                definition.and(repetition)
            }
            Page::DataPageV2 {
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let repetition = values.split_off(..*rep_levels_byte_len as usize)?;
                values.split_off(..*def_levels_byte_len as usize)?;
                Some(repetition)
            }
        };
        if column.max_rep_level() > 0 {
            let runs = repetition.and_then(|levels| {
                longest_row(levels, column.max_rep_level(), count, self.under_way as usize)
            });
            let (longest, last) = runs.unwrap_or((self.under_way as usize + count, 0));
            self.longest = self.longest.max(longest as u64);
            self.under_way = last as u64;
        }
        if is_text {
            let all = values.len() as u64;
            let largest = match (repetition, encoding) {
                (None, _) => all,
                (_, Encoding::PLAIN) => plain(values),
                (_, Encoding::DELTA_LENGTH_BYTE_ARRAY) => largest_delta(&mut values, count, &[])?.min(all),
                (_, Encoding::DELTA_BYTE_ARRAY) => {
                    let mut shared = Vec::new();
                    deltas(&mut values, count, |length| shared.push(length))?;
                    largest_delta(&mut values, count, &shared)?.min(all)
                }
                _ => 0,
            };
            self.largest = self.largest.max(largest);
        }
        Some(())
    }
}

/// The largest of texts that stand one after the other, each with its length before it; all bytes when they do not.
fn plain(mut bytes: &[u8]) -> u64 {
    let (all, mut largest) = (bytes.len() as u64, 0);
    while !bytes.is_empty() {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return all;
        };
        let length = u32::from_le_bytes(*length);
        largest = largest.max(u64::from(length));
        match rest.get(length as usize..) {
            Some(rest) => bytes = rest,
            None => return all,
        }
    }
    largest
}

/// The largest text of lengths that are written as differences, with what each shares with the one before it.
fn largest_delta(bytes: &mut &[u8], count: usize, shared: &[u64]) -> Option<u64> {
    let (mut largest, mut index) = (0, 0);
    deltas(bytes, count, |length| {
        largest = largest.max(length.saturating_add(shared.get(index).copied().unwrap_or(0)));
        index += 1;
    })?;
    Some(largest)
}

/// The numbers that are written as differences, none negative; `None` when they are more than `most` or make no sense.
fn deltas(bytes: &mut &[u8], most: usize, mut each: impl FnMut(u64)) -> Option<()> {
    let block = varint(bytes)?;
    let parts = varint(bytes)?;
    let count = usize::try_from(varint(bytes)?)
        .ok()
        .filter(|count| *count <= most)?;
    let mut value = zigzag(bytes)?;
    let in_part = usize::try_from(block.checked_div(parts)?).ok()?;
    if count > 0 {
        each(u64::try_from(value).ok()?);
    }
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let least = zigzag(bytes)?;
        let widths = bytes.split_off(..usize::try_from(parts).ok()?)?;
        for width in widths {
            if left == 0 {
                break;
            }
            if in_part == 0 || !in_part.is_multiple_of(8) || *width > 32 {
                return None;
            }
            let packed = match bytes.split_off(..(in_part / 8).checked_mul(usize::from(*width))?) {
                Some(packed) => packed,
                // The last part may be cut short.
                None => std::mem::take(bytes),
            };
            let held = in_part.min(left);
            for first in (0..held).step_by(8) {
                for delta in eight(packed, u32::from(*width), first)?
                    .into_iter()
                    .take(held - first)
                {
                    value = value.wrapping_add(least).wrapping_add(i64::from(delta));
                    each(u64::try_from(value).ok()?);
                }
            }
            left -= held;
        }
        if widths.is_empty() {
            return None;
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    crate::parquet::thrift::varint(bytes)
}

fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let value = varint(bytes)?;
    Some(((value >> 1) as i64) ^ -((value & 1) as i64))
}

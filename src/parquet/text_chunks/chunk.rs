//! A gathered column as a Parquet column chunk: pages of codes, then pages of texts.

use bytes::Bytes;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::column::page::{CompressedPage, Page, PageWriter};
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::data_type::ByteArray;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use datafusion::parquet::file::statistics::Statistics;
use datafusion::parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use datafusion::parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use super::text_column::{NULL, PAGE_ROWS, PlainPage, TextColumn};
use crate::parquet::closed_chunk;
use crate::parquet::page_kinds::count_page;
use crate::parquet::runs::run_header;

/// The longest text that is written as a bound of its column.
const MOST_BOUND_BYTES: usize = 64;

/// Encodes columns one after another.
pub struct ChunkEncoder {
    compressor: Compressor<'static>,
    page: Vec<u8>,
    packed: Vec<u8>,
}

/// The pages of one chunk.
struct Pages<'a> {
    encoder: &'a mut ChunkEncoder,
    sink: TrackedWrite<Vec<u8>>,
    kinds: Vec<PageEncodingStats>,
    uncompressed: usize,
    first_data: Option<u64>,
}

impl ChunkEncoder {
    /// Zstandard at its fastest level, as every file of the warehouse.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn new() -> Result<Self> {
        Ok(ChunkEncoder {
            compressor: Compressor::new(1)?,
            page: Vec::new(),
            packed: Vec::new(),
        })
    }

    /// The chunk's bytes and what the row group must know of it.
    ///
    /// # Errors
    /// A column that is not an optional text.
    pub fn chunk(
        &mut self,
        texts: &TextColumn,
        column: &ColumnDescPtr,
        rows: usize,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        if column.max_def_level() != 1 || column.max_rep_level() != 0 {
            return Err(ParquetError::General(format!(
                "{} is not optional",
                column.name()
            )));
        }
        let mut pages = Pages {
            encoder: self,
            sink: TrackedWrite::new(Vec::new()),
            kinds: Vec::new(),
            uncompressed: 0,
            first_data: None,
        };
        let entries = texts.dictionary().len();
        if entries > 0 {
            pages.dictionary(texts.dictionary().plain(), entries)?;
        }
        for codes in texts.codes().chunks(PAGE_ROWS) {
            pages.codes(codes, entries)?;
        }
        for page in texts.plain_pages() {
            pages.plain(page)?;
        }
        let Pages {
            sink,
            kinds,
            uncompressed,
            first_data,
            ..
        } = pages;
        let bytes = Bytes::from(sink.into_inner()?);
        let mut encodings: Vec<Encoding> = kinds.iter().map(|kind| kind.encoding).collect();
        encodings.push(Encoding::RLE);
        let mut metadata = ColumnChunkMetaData::builder(column.clone());
        if let Some(statistics) = statistics(texts) {
            metadata = metadata.set_statistics(statistics);
        }
        let metadata = metadata
            .set_compression(Compression::ZSTD(Default::default()))
            .set_encodings(encodings)
            .set_page_encoding_stats(kinds)
            .set_num_values(rows as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_dictionary_page_offset((entries > 0).then_some(0))
            .set_data_page_offset(first_data.unwrap_or_default() as i64)
            .build()?;
        let close = closed_chunk(metadata, bytes.len() as u64, rows as u64);
        Ok((bytes, close))
    }
}

impl Pages<'_> {
    fn dictionary(&mut self, texts: &[u8], entries: usize) -> Result<()> {
        self.encoder.page.clear();
        self.encoder.page.extend_from_slice(texts);
        self.write(|buf| Page::DictionaryPage {
            buf,
            num_values: entries as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        Ok(())
    }

    fn codes(&mut self, codes: &[u32], entries: usize) -> Result<()> {
        let nulls = codes.iter().filter(|code| **code == NULL).count();
        let there = codes.len() - nulls;
        let page = &mut self.encoder.page;
        page.clear();
        if nulls == 0 || there == 0 {
            levels(
                page,
                [&run_header(codes.len() as u32)[..], &[u8::from(there > 0)]].concat(),
            );
        } else {
            let mut bits = vec![0u8; codes.len().div_ceil(8)];
            for (row, code) in codes.iter().enumerate() {
                bits[row / 8] |= u8::from(*code != NULL) << (row % 8);
            }
            levels(page, [packed_header(codes.len()), bits].concat());
        }
        if there > 0 {
            indices(page, codes, there, entries);
        }
        let encoding = match there {
            0 => Encoding::PLAIN,
            _ => Encoding::RLE_DICTIONARY,
        };
        self.data(codes.len(), encoding)
    }

    fn plain(&mut self, texts: &PlainPage) -> Result<()> {
        let page = &mut self.encoder.page;
        page.clear();
        if texts.texts == texts.rows || texts.texts == 0 {
            levels(
                page,
                [&run_header(texts.rows as u32)[..], &[u8::from(texts.texts > 0)]].concat(),
            );
        } else {
            levels(page, [&packed_header(texts.rows)[..], &texts.present].concat());
        }
        page.extend_from_slice(&texts.values);
        self.data(texts.rows, Encoding::PLAIN)
    }

    fn data(&mut self, rows: usize, encoding: Encoding) -> Result<()> {
        let offset = self.write(|buf| Page::DataPage {
            buf,
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        self.first_data.get_or_insert(offset);
        Ok(())
    }

    /// Compresses and appends the page that was put together; returns its offset.
    fn write(&mut self, page: impl FnOnce(Bytes) -> Page) -> Result<u64> {
        let length = self.encoder.page.len();
        let ChunkEncoder {
            compressor,
            page: unpacked,
            packed,
        } = &mut *self.encoder;
        packed.clear();
        packed.reserve(compress_bound(length));
        compressor.compress_to_buffer(unpacked, packed)?;
        let page = page(Bytes::copy_from_slice(packed));
        count_page(&mut self.kinds, page.page_type(), page.encoding());
        let written =
            SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, length))?;
        self.uncompressed += written.uncompressed_size;
        Ok(written.offset)
    }
}

/// The bounds of a column whose texts are all in its dictionary; no reader wants long ones.
fn statistics(texts: &TextColumn) -> Option<Statistics> {
    if !texts.plain_pages().is_empty() {
        return None;
    }
    let nulls = texts.codes().iter().filter(|code| **code == NULL).count();
    let bound = |text: Option<&[u8]>| text.map(|text| ByteArray::from(text.to_vec()));
    let (least, greatest) = (texts.dictionary().texts().min(), texts.dictionary().texts().max());
    let is_short = |text: Option<&[u8]>| text.is_none_or(|text| text.len() <= MOST_BOUND_BYTES);
    (is_short(least) && is_short(greatest))
        .then(|| Statistics::byte_array(bound(least), bound(greatest), None, Some(nulls as u64), false))
}

/// Levels with their length before them.
fn levels(page: &mut Vec<u8>, runs: Vec<u8>) {
    page.extend_from_slice(&(runs.len() as u32).to_le_bytes());
    page.extend_from_slice(&runs);
}

/// The header of a run of values that are packed to bits, in groups of eight.
fn packed_header(count: usize) -> Vec<u8> {
    // A run's header has its number shifted by one and a bit that tells the kinds apart.
    let mut header = run_header(count.div_ceil(8) as u32);
    if let Some(first) = header.first_mut() {
        *first |= 1;
    }
    header
}

/// The width and the codes of the rows that have one.
fn indices(page: &mut Vec<u8>, codes: &[u32], count: usize, entries: usize) {
    let width = (u32::BITS - (entries.saturating_sub(1) as u32).leading_zeros()).max(1);
    page.push(width as u8);
    let mut there = codes.iter().copied().filter(|code| *code != NULL);
    let first = there.clone().next().unwrap_or_default();
    if there.clone().all(|code| code == first) {
        page.extend(run_header(count as u32));
        page.extend_from_slice(&first.to_le_bytes()[..(width as usize).div_ceil(8)]);
        return;
    }
    page.extend(packed_header(count));
    let end = page.len() + count.div_ceil(8) * width as usize;
    let (mut word, mut bits) = (0u64, 0);
    for code in there.by_ref() {
        word |= u64::from(code) << bits;
        bits += width;
        if bits >= 32 {
            page.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            bits -= 32;
        }
    }
    page.extend_from_slice(&word.to_le_bytes());
    // Whole groups: what is missing is padding, what is too much was it.
    page.resize(end, 0);
}

#[cfg(test)]
mod tests;

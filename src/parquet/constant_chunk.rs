//! Column chunks of one value in every row, made from a few bytes instead of row by row.

use bytes::Bytes;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::column::page::{CompressedPage, Page, PageWriter};
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use datafusion::parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use datafusion::parquet::schema::types::ColumnDescPtr;

use super::closed_chunk;
use super::runs::run_header;

/// What stands in every row of an optional column.
#[derive(Debug, Clone)]
pub enum Constant {
    /// Nothing.
    Null,
    /// A text.
    Text(String),
    /// A number of 64 bits.
    Number(i64),
}

impl Constant {
    /// The value as a dictionary holds it.
    fn plain(&self) -> Option<Vec<u8>> {
        match self {
            Constant::Null => None,
            Constant::Text(text) => Some([&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()),
            Constant::Number(number) => Some(number.to_le_bytes().to_vec()),
        }
    }

    /// The chunk's bytes and what the row group must know of it.
    ///
    /// # Errors
    /// A column that is not optional, or more rows than a page can count.
    pub fn chunk(&self, column: &ColumnDescPtr, rows: usize) -> Result<(Bytes, ColumnCloseResult)> {
        if column.max_def_level() != 1 || column.max_rep_level() != 0 {
            return Err(ParquetError::General(format!(
                "{} is not optional",
                column.name()
            )));
        }
        let count = u32::try_from(rows).map_err(|e| ParquetError::External(Box::new(e)))?;
        let value = self.plain();
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut kinds = Vec::new();
        let mut sizes = (0, 0);
        let mut write = |page: Page| -> Result<u64> {
            let length = page.buffer().len();
            kinds.push(PageEncodingStats {
                page_type: page.page_type(),
                encoding: page.encoding(),
                count: 1,
            });
            let written = pages.write_page(CompressedPage::new(page, length))?;
            sizes.0 += written.compressed_size;
            sizes.1 += written.uncompressed_size;
            Ok(written.offset)
        };
        let dictionary = match &value {
            Some(value) => Some(write(Page::DictionaryPage {
                buf: value.clone().into(),
                num_values: 1,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            })?),
            None => None,
        };
        // One run of levels: all there, or none. Then one run of indices of one bit: all the first.
        let levels = [run_header(count), vec![u8::from(value.is_some())]].concat();
        let mut page = [&(levels.len() as u32).to_le_bytes()[..], &levels].concat();
        if value.is_some() {
            page.push(1);
            page.extend(run_header(count));
            page.push(0);
        }
        let data = write(Page::DataPage {
            buf: page.into(),
            num_values: count,
            encoding: match value {
                Some(_) => Encoding::RLE_DICTIONARY,
                None => Encoding::PLAIN,
            },
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        let bytes = Bytes::from(sink.into_inner()?);
        let mut encodings: Vec<Encoding> = kinds.iter().map(|kind| kind.encoding).collect();
        encodings.push(Encoding::RLE);
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(encodings)
            .set_page_encoding_stats(kinds)
            .set_num_values(i64::from(count))
            .set_total_compressed_size(sizes.0 as i64)
            .set_total_uncompressed_size(sizes.1 as i64)
            .set_dictionary_page_offset(dictionary.map(|offset| offset as i64))
            .set_data_page_offset(data as i64)
            .build()?;
        let close = closed_chunk(metadata, bytes.len() as u64, rows as u64);
        Ok((bytes, close))
    }
}

#[cfg(test)]
mod tests;

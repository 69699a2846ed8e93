//! Delivered column chunks that are copied as they are: which may be, and what the new row group must know of them.

use bytes::Bytes;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::errors::Result;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::statistics::Statistics;
use datafusion::parquet::schema::types::ColumnDescPtr;

use super::closed_chunk;
use super::page_check::look_through;

/// A column chunk and one of its pages, unpacked, are held in memory while its pages are looked through.
const MOST_CHUNK_BYTES: i64 = 64 << 20;

/// Whether every tool reads such a chunk, and it lies where its footer says.
pub fn is_readable(chunk: &ColumnChunkMetaData, file_bytes: u64) -> bool {
    let packed = matches!(
        chunk.compression(),
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
    );
    #[allow(deprecated)] // Old writers name it for levels that take no bits.
    let plain = chunk.encodings().all(|encoding| {
        matches!(
            encoding,
            Encoding::PLAIN
                | Encoding::PLAIN_DICTIONARY
                | Encoding::RLE_DICTIONARY
                | Encoding::RLE
                | Encoding::BIT_PACKED
        )
    });
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let lies_in_file = start >= 4
        && chunk.data_page_offset() >= start
        && (1..=MOST_CHUNK_BYTES).contains(&chunk.compressed_size())
        && (1..=MOST_CHUNK_BYTES).contains(&chunk.uncompressed_size())
        && start
            .checked_add(chunk.compressed_size())
            .is_some_and(|end| end as u64 <= file_bytes);
    packed && plain && lies_in_file && chunk.file_path().is_none()
}

/// What the row group must know of a chunk of `rows` rows that becomes the column `column`, with bounds that were found in its
/// values: those that its file told are not passed on. `bytes` are the chunk's own. `None` when one of its pages is not what
/// its header says.
///
/// # Errors
/// The metadata could not be put together.
pub fn copied_chunk(
    delivered: &ColumnChunkMetaData,
    column: &ColumnDescPtr,
    bounds: Option<Statistics>,
    bytes: &Bytes,
    rows: usize,
) -> Result<Option<ColumnCloseResult>> {
    let begin = delivered.byte_range().0 as i64;
    let mut builder = ColumnChunkMetaData::builder(column.clone())
        .set_compression_codec(delivered.compression_codec())
        .set_encodings_mask(*delivered.encodings_mask())
        .set_num_values(delivered.num_values())
        .set_total_compressed_size(delivered.compressed_size())
        .set_total_uncompressed_size(delivered.uncompressed_size())
        .set_dictionary_page_offset(delivered.dictionary_page_offset().map(|offset| offset - begin))
        .set_data_page_offset(delivered.data_page_offset() - begin);
    if let Some(bounds) = bounds {
        builder = builder.set_statistics(bounds);
    }
    let metadata = builder.build()?;
    let Some(kinds) = look_through(bytes, &metadata, rows) else {
        return Ok(None);
    };
    let metadata = metadata.into_builder().set_page_encoding_stats(kinds).build()?;
    Ok(Some(closed_chunk(metadata, bytes.len() as u64, rows as u64)))
}

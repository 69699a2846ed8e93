//! Column chunks that were put together page by page, on their way into a row group.

use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;

/// What a row group must know of such a chunk of so many bytes and rows. It has no index of its pages: a file has one of all
/// its columns or of none, and no hand-made chunk has one.
pub fn closed_chunk(metadata: ColumnChunkMetaData, bytes: u64, rows: u64) -> ColumnCloseResult {
    ColumnCloseResult {
        bytes_written: bytes,
        rows_written: rows,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    }
}

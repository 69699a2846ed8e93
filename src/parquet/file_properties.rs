//! How every file of the warehouse is written, whoever puts it together.

use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

/// Rows of a row group: small enough to bound memory, large enough for dictionaries to pay.
pub const ROW_GROUP_ROWS: usize = 128 * 1024;
/// A row group is closed early when it holds this much, so that wide rows stay within the memory limit.
pub const ROW_GROUP_BYTES: usize = 24 << 20;

/// The properties of a file's writer.
pub fn file_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
}

//! Pages that may unpack to more than their header says: the reader of some packings does not stop there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use datafusion::parquet::basic::Compression;
use flate2::read::MultiGzDecoder;

use super::header::PageHeader;

/// Bytes that a decoder hands out at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Whether the page holds no more than it says, or is damaged in a way that its reader finds.
pub(super) fn holds_what_it_says(
    file: &mut File,
    page: &PageHeader,
    packing: Compression,
) -> std::io::Result<bool> {
    if !matches!(
        packing,
        Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4
    ) {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(page.start))?;
    let packed = file.by_ref().take(page.packed);
    let unpacked = match packing {
        Compression::GZIP(_) => count(MultiGzDecoder::new(packed), page.unpacked),
        Compression::BROTLI(_) => count(brotli::Decompressor::new(packed, BUFFER_BYTES), page.unpacked),
        _ => count(lz4_flex::frame::FrameDecoder::new(packed), page.unpacked),
    };
    Ok(unpacked <= page.unpacked)
}

/// Bytes that come out, counted until they are more than `most`.
fn count(mut plain: impl Read, most: u64) -> u64 {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    while bytes <= most {
        match plain.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes += read as u64,
        }
    }
    bytes
}

//! A part of a file in memory, read by offsets into the file.

use bytes::{Buf, Bytes, buf::Reader};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::reader::{ChunkReader, Length};

/// Some bytes of a file and where in it they begin.
pub struct Window {
    /// The offset of the first byte.
    pub start: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Window {
    fn from(&self, start: u64, length: Option<usize>) -> Result<Bytes> {
        let from = start
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok());
        let part = from.and_then(|from| {
            let to = match length {
                Some(length) => from.checked_add(length)?,
                None => self.bytes.len(),
            };
            (from <= to && to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
        });
        part.ok_or_else(|| ParquetError::EOF("a column or a page lies outside of what holds it".to_string()))
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Window {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start, None)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.from(start, Some(length))
    }
}

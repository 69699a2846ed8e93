//! Opens delivered text: decompressed as a stream, guarded against bombs, truncation and foreign encodings.

mod read_ahead;
mod zip_entry;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

pub use read_ahead::ReadAhead;

use super::format::Compression;
use crate::error::{Error, Result};

/// Below this size a file is harmless however much it grows.
const HARMLESS_BYTES: u64 = 256 << 20;
const BUFFER_BYTES: usize = 256 << 10;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZIP_MAGIC: &[u8] = b"PK";

/// A fault of the data, as opposed to one of the disk, passed on through an [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    what: String,
    hint: &'static str,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

fn fault(what: impl Into<String>, hint: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        Fault {
            what: what.into(),
            hint,
        },
    )
}

const DELIVER_AGAIN: &str = "have the file delivered again, or copy it again whole";

/// Opens a file of text, decompressed, without a byte order mark. Bills shrink to a tenth or a thirtieth; what grows beyond
/// `ratio` is a bomb.
///
/// # Errors
/// Data when it is truncated, corrupt or not in UTF-8; External when it cannot be read. What is found later comes
/// out of the reader and is told apart by [`read_error`].
pub fn open_text(path: &Path, compression: Compression, ratio: u64) -> Result<Box<dyn BufRead + Send>> {
    let uri = path.display().to_string();
    open(path, compression, ratio).map_err(|error| read_error(error, &uri))
}

fn open(path: &Path, compression: Compression, ratio: u64) -> io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    let compressed_bytes = file.metadata()?.len();
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, file);
    let magic = peek(&mut raw, 4)?;
    // Stores and downloads sometimes pack or unpack in passing: what the first bytes say is so, counts.
    let compression = match compression {
        _ if magic.starts_with(GZIP_MAGIC) => Compression::Gzip,
        _ if magic.starts_with(ZSTD_MAGIC) => Compression::Zstd,
        Compression::None => compression,
        Compression::Zip if magic.starts_with(ZIP_MAGIC) => compression,
        _ if magic.is_empty() => return Err(fault("the file is empty, not even compressed", DELIVER_AGAIN)),
        Compression::Gzip => {
            return Err(fault(
                "the file is no gzip file, whatever its name says",
                DELIVER_AGAIN,
            ));
        }
        Compression::Zstd => {
            return Err(fault(
                "the file is no Zstandard file, whatever its name says",
                DELIVER_AGAIN,
            ));
        }
        Compression::Zip => {
            return Err(fault(
                "the file is no ZIP archive, whatever its name says",
                DELIVER_AGAIN,
            ));
        }
    };
    let reader: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(Guard::new(MultiGzDecoder::new(raw), compressed_bytes, ratio)),
        Compression::Zstd => Box::new(Guard::new(Decoder::with_buffer(raw)?, compressed_bytes, ratio)),
        Compression::Zip => Box::new(Guard::new(
            zip_entry::open(raw.into_inner())?,
            compressed_bytes,
            ratio,
        )),
    };
    let mut text = BufReader::with_capacity(BUFFER_BYTES, reader);
    skip_byte_order_mark(&mut text)?;
    Ok(Box::new(text))
}

/// The first bytes of a reader without taking them; fewer at the end of the file.
fn peek<R: Read>(reader: &mut BufReader<R>, count: usize) -> io::Result<&[u8]> {
    let buffer = reader.fill_buf()?;
    Ok(&buffer[..buffer.len().min(count)])
}

fn skip_byte_order_mark<R: Read>(text: &mut BufReader<R>) -> io::Result<()> {
    let start = peek(text, 3)?;
    match start {
        [0xef, 0xbb, 0xbf] => text.consume(3),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(fault(
                "the text is in UTF-16",
                "save it as UTF-8 (in Excel: \"CSV UTF-8\") and deliver it again",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// Counts what comes out and turns the decoder's complaints into faults of the data.
struct Guard<R> {
    inner: R,
    limit: u64,
    compressed_bytes: u64,
    read: u64,
}

impl<R: Read> Guard<R> {
    fn new(inner: R, compressed_bytes: u64, ratio: u64) -> Self {
        let limit = compressed_bytes.saturating_mul(ratio).max(HARMLESS_BYTES);
        Guard {
            inner,
            limit,
            compressed_bytes,
            read: 0,
        }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(decoder_error)?;
        self.read += count as u64;
        if self.read > self.limit {
            let what = format!(
                "{} compressed bytes grow beyond {} bytes: a decompression bomb",
                self.compressed_bytes, self.limit
            );
            return Err(fault(
                what,
                "if it really is a bill, deliver it plain or as Parquet; `[landing] max_ratio` sets how many times larger a file may become",
            ));
        }
        Ok(count)
    }
}

/// What a decoder means: errors that carry the system's number are the disk's, all others the data's.
fn decoder_error(error: io::Error) -> io::Error {
    let is_outside = error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted;
    if is_outside || is_fault(&error) {
        return error;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => fault("the compressed file is truncated", DELIVER_AGAIN),
        _ => fault(format!("the compressed file is corrupt ({error})"), DELIVER_AGAIN),
    }
}

fn is_fault(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Fault>())
}

/// Says of an error that came out of a reader of [`open_text`] whether the data or something outside is at fault.
pub fn read_error(error: io::Error, uri: &str) -> Error {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    match fault {
        Some(fault) => Error::data(fault.what.clone()).at(uri).hint(fault.hint),
        None if error.kind() == io::ErrorKind::NotFound => Error::external("a file is gone")
            .at(uri)
            .because(error)
            .hint("a delivery was under way: run again")
            .retryable(),
        None if error.raw_os_error().is_some() => Error::external("a file could not be read")
            .at(uri)
            .because(error)
            .hint("check the disk and that this process may read the file, then run again"),
        // A reader on top (CSV, UTF-8) found the text itself wanting.
        None => Error::data("the text cannot be read")
            .at(uri)
            .because(error)
            .hint(DELIVER_AGAIN),
    }
}

#[cfg(test)]
mod tests;

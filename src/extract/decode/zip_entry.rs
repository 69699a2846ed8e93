//! The one CSV file of a ZIP archive, as a stream.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::{BUFFER_BYTES, DELIVER_AGAIN, decoder_error, fault};

const ONE_CSV: &str = "a ZIP archive holds exactly one CSV file: pack each on its own";

/// Opens the archive's only CSV file.
///
/// The archive is read for its directory alone; the entry's bytes are then decompressed here, because the crate's own
/// reader borrows the archive.
pub(super) fn open(file: File) -> io::Result<Box<dyn Read + Send>> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(archive_error)?;
    let is_csv = |name: &str| name.to_ascii_lowercase().ends_with(".csv") && !name.starts_with("__MACOSX/");
    let names: Vec<String> = archive
        .file_names()
        .filter(|name| is_csv(name))
        .map(String::from)
        .collect();
    let [name] = names.as_slice() else {
        return Err(fault(
            format!("the ZIP archive holds {} CSV files", names.len()),
            ONE_CSV,
        ));
    };
    let index = archive.index_for_name(name).unwrap_or_default();
    let entry = archive.by_index_raw(index).map_err(archive_error)?;
    if entry.encrypted() {
        return Err(fault(
            "the ZIP archive is encrypted",
            "pack it without a password",
        ));
    }
    let (method, checksum) = (entry.compression(), entry.crc32());
    let (start, packed_bytes, plain_bytes) = (entry.data_start(), entry.compressed_size(), entry.size());
    drop(entry);

    let mut file = archive.into_inner().into_inner();
    file.seek(SeekFrom::Start(start))?;
    let packed = BufReader::with_capacity(BUFFER_BYTES, file.take(packed_bytes));
    let plain: Box<dyn Read + Send> = match method {
        CompressionMethod::Stored => Box::new(packed),
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
        other => {
            return Err(fault(
                format!("the ZIP archive is packed with {other}"),
                "pack it with deflate, the usual method",
            ));
        }
    };
    Ok(Box::new(Checked {
        plain,
        crc: Crc::new(),
        read: 0,
        checksum,
        plain_bytes,
    }))
}

fn archive_error(error: zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::Io(error) => decoder_error(error),
        // The directory is at the end of an archive: a truncated one has none.
        other => fault(
            format!("the ZIP archive is truncated or corrupt ({other})"),
            DELIVER_AGAIN,
        ),
    }
}

/// Compares length and checksum with the archive's directory at the end of the entry.
struct Checked<R> {
    plain: R,
    crc: Crc,
    read: u64,
    checksum: u32,
    plain_bytes: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.crc.update(&buffer[..count]);
        self.read += count as u64;
        let is_end = count == 0 && !buffer.is_empty();
        if self.read > self.plain_bytes
            || (is_end && (self.read != self.plain_bytes || self.crc.sum() != self.checksum))
        {
            return Err(fault(
                "the file in the ZIP archive does not have its length and checksum",
                DELIVER_AGAIN,
            ));
        }
        Ok(count)
    }
}

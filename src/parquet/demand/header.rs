//! The headers of a column chunk's pages, read one after the other without unpacking a page.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::parquet::thrift::{Bytes, I32, STRUCTURE, STRUCTURES};

/// Bytes that are read for a header at first, and at most: it may hold bounds of the page's values.
const FIRST_BYTES: u64 = 4 << 10;
const MOST_BYTES: u64 = 1 << 20;

/// `PageType`.
pub(super) const INDEX: i64 = 1;
pub(super) const DICTIONARY: i64 = 2;

/// `Encoding`: texts whose lengths are written as differences, without and with what they share with the text before.
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
const DELTA_BYTE_ARRAY: i64 = 7;

/// Fields of `PageHeader` and of the headers in it.
const KIND: i64 = 1;
const UNPACKED: i64 = 2;
const PACKED: i64 = 3;
const DATA_HEADER: i64 = 5;
const DICTIONARY_HEADER: i64 = 7;
const DATA_HEADER_2: i64 = 8;
const VALUES: i64 = 1;
const ENCODING: i64 = 2;
const ENCODING_2: i64 = 4;

/// What a page says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub kind: i64,
    /// Bytes of its content in memory and in the file.
    pub unpacked: u64,
    pub packed: u64,
    pub values: u64,
    pub encoding: i64,
    /// Where its content begins in the file.
    pub start: u64,
}

impl PageHeader {
    /// Whether the lengths of all texts are read at once.
    pub fn is_delta(&self) -> bool {
        matches!(self.encoding, DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY)
    }
}

/// The header at a place in a file, of a chunk that ends at `end`; `None` when there is none.
pub(super) fn header_at(file: &mut File, at: u64, end: u64) -> std::io::Result<Option<PageHeader>> {
    let mut window = Vec::new();
    let mut most = FIRST_BYTES;
    loop {
        let length = most.min(end - at);
        file.seek(SeekFrom::Start(at))?;
        window.clear();
        file.by_ref().take(length).read_to_end(&mut window)?;
        if let Some((header, bytes)) = header(&window) {
            let start = at + bytes as u64;
            return Ok((header.packed <= end - start).then_some(PageHeader { start, ..header }));
        }
        if length < most || most >= MOST_BYTES {
            return Ok(None);
        }
        most = MOST_BYTES;
    }
}

/// A header and its length.
fn header(window: &[u8]) -> Option<(PageHeader, usize)> {
    let mut bytes = Bytes(window);
    let (mut header, mut id) = (PageHeader::default(), 0);
    while let Some((next, kind)) = bytes.field(id)? {
        id = next;
        match (id, kind) {
            (KIND, I32) => header.kind = bytes.zigzag()?,
            (UNPACKED, I32) => header.unpacked = size(&mut bytes)?,
            (PACKED, I32) => header.packed = size(&mut bytes)?,
            (DATA_HEADER | DICTIONARY_HEADER, STRUCTURE) => inner(&mut bytes, &mut header, ENCODING)?,
            (DATA_HEADER_2, STRUCTURE) => inner(&mut bytes, &mut header, ENCODING_2)?,
            _ => bytes.skip(kind, STRUCTURES)?,
        }
    }
    Some((header, window.len() - bytes.0.len()))
}

fn inner(bytes: &mut Bytes<'_>, header: &mut PageHeader, encoding: i64) -> Option<()> {
    let mut id = 0;
    while let Some((next, kind)) = bytes.field(id)? {
        id = next;
        match (id, kind) {
            (VALUES, I32) => header.values = size(bytes)?,
            (field, I32) if field == encoding => header.encoding = bytes.zigzag()?,
            _ => bytes.skip(kind, STRUCTURES)?,
        }
    }
    Some(())
}

fn size(bytes: &mut Bytes<'_>) -> Option<u64> {
    i32::try_from(bytes.zigzag()?)
        .ok()
        .and_then(|size| u64::try_from(size).ok())
}

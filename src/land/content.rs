//! What a delivered file holds, whatever it is called, wherever it lies and however its text is packed.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const BUFFER_BYTES: usize = 1 << 20;

/// SHA-256 of a file's bytes, in hex. To be called from a blocking thread.
///
/// # Errors
/// External when it cannot be read.
pub(super) fn digest(path: &Path) -> Result<String> {
    let place = |error| Error::from(error).at(path.display().to_string());
    let mut file = std::fs::File::open(path).map_err(place)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer).map_err(place)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hex(hash))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a file's text: SHA-256 of what it unpacks to, without a byte order mark, with `\n` as line end and without
/// line ends after the last line. So a file, its copy in gzip and the one that another system saved have one digest.
#[derive(Debug, Clone, Default)]
pub(super) struct TextDigest(Arc<Mutex<Option<String>>>);

impl TextDigest {
    /// A reader of the same text; at its end the digest is known.
    pub fn reader(&self, text: Box<dyn BufRead + Send>) -> Box<dyn BufRead + Send> {
        Box::new(DigestedText {
            text,
            lines: Some(Lines::default()),
            digest: self.clone(),
        })
    }

    /// The digest in hex; nothing before a reader came to the end.
    pub fn known(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct DigestedText {
    text: Box<dyn BufRead + Send>,
    /// Nothing after the end, which a reader may meet several times.
    lines: Option<Lines>,
    digest: TextDigest,
}

impl DigestedText {
    fn add(&mut self, bytes: &[u8]) {
        if let Some(lines) = &mut self.lines {
            lines.add(bytes);
        }
    }

    fn end(&mut self) {
        if let Some(lines) = self.lines.take() {
            let mut known = self.digest.0.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(hex(lines.hash));
        }
    }
}

impl Read for DigestedText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.add(&buffer[..count]);
        if count == 0 && !buffer.is_empty() {
            self.end();
        }
        Ok(count)
    }
}

impl BufRead for DigestedText {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.text.fill_buf()?.is_empty() {
            self.end();
        }
        self.text.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed lies in the buffer: this reads nothing.
        if let (Ok(buffer), Some(lines)) = (self.text.fill_buf(), &mut self.lines) {
            lines.add(&buffer[..count.min(buffer.len())]);
        }
        self.text.consume(count);
    }
}

/// Hashes text; line ends are held back until something comes after them.
#[derive(Default)]
struct Lines {
    hash: Sha256,
    held: Vec<u8>,
}

/// Line ends that are held back at most: a file of nothing else fills no memory.
const MOST_HELD: usize = 1 << 16;

impl Lines {
    fn add(&mut self, mut bytes: &[u8]) {
        if self.held.last() != Some(&b'\r') && !bytes.contains(&b'\r') {
            let last = bytes.iter().rposition(|byte| *byte != b'\n');
            let (text, line_ends) = bytes.split_at(last.map_or(0, |last| last + 1));
            self.write(text);
            self.hold(line_ends);
            return;
        }
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.write(&bytes[..at]);
            if bytes[at] == b'\n' && self.held.last() == Some(&b'\r') {
                self.held.pop();
            }
            self.hold(&bytes[at..=at]);
            bytes = &bytes[at + 1..];
        }
        self.write(bytes);
    }

    fn hold(&mut self, line_ends: &[u8]) {
        self.held.extend_from_slice(line_ends);
        if self.held.len() > MOST_HELD {
            // The last may be one half of a line end.
            let last = self.held.pop();
            self.hash.update(&self.held);
            self.held.clear();
            self.held.extend(last);
        }
    }

    /// Hashes what was held back, and the text that comes after it.
    fn write(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.hash.update(&self.held);
        self.held.clear();
        self.hash.update(text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Cursor, Read};

    use proptest::prelude::*;

    use super::TextDigest;

    fn read(text: &[u8], take: usize) -> String {
        let digest = TextDigest::default();
        let mut reader = digest.reader(Box::new(Cursor::new(text.to_vec())));
        let mut block = vec![0; take];
        while reader.read(&mut block).expect("memory can be read") > 0 {}
        assert_eq!(reader.read(&mut block).expect("memory can be read"), 0);
        digest.known().expect("it was read to the end")
    }

    #[test]
    fn line_ends_and_blank_last_lines_are_no_content() {
        let plain = read(b"a,b\n1,2\n3,4", 7);
        for same in [
            &b"a,b\n1,2\n3,4\n"[..],
            b"a,b\r\n1,2\r\n3,4\r\n",
            b"a,b\r\n1,2\n3,4\n\n",
        ] {
            assert_eq!(read(same, 3), plain, "{same:?}");
        }
        for other in [
            &b"a,b\n1,2\n3,5"[..],
            b"a,b\n1,2\n\n3,4",
            b"a,b\n1,2\r3,4",
            b"a,b\r\r\n1,2\n3,4",
            b"1,2\n3,4",
        ] {
            assert_ne!(read(other, 3), plain, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn blocks_do_not_matter(text in "[ab\r\n]{0,24}", take in 1usize..9) {
            let expected = super::hex(sha2::Digest::chain_update(
                <sha2::Sha256 as sha2::Digest>::new(),
                text.replace("\r\n", "\n").trim_end_matches(['\r', '\n']),
            ));
            prop_assert_eq!(read(text.as_bytes(), take), expected.clone());
            let digest = TextDigest::default();
            let mut reader = digest.reader(Box::new(std::io::BufReader::with_capacity(take, Cursor::new(text.into_bytes()))));
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).expect("memory can be read") > 0 {}
            prop_assert_eq!(digest.known(), Some(expected));
        }
    }
}

//! Rows that several extracts of one table hold.
//!
//! Such a table has no row ids, and the same row may rightly be there twice. A row therefore counts as often as it stands in
//! the file that holds it most often: what a later file repeats is left out. Rows are compared by a hash of what their
//! cells mean (`RowIdentity`). The hashes lie on disk, in parts that are looked through one after another, so that memory stays bounded.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use datafusion::arrow::datatypes::Field;

use super::row_identity::RowIdentity;
use super::rows::DeliveredRows;
use crate::error::{Error, Result};

/// Parts of the hashes; of 100 million rows a part has 1.6 million.
const PARTS: usize = 64;
/// Hash, file and row number of one row.
const RECORD_BYTES: usize = 16 + 4 + 8;

/// The hashes of the rows of files that are read one after another.
pub(super) struct RowHashes {
    identity: RowIdentity,
    parts: Vec<BufWriter<File>>,
}

impl RowHashes {
    /// None yet; they are kept in files of the spool folder that have no name.
    pub fn new(spool: &Path, identity: RowIdentity) -> Result<Self> {
        let part = || {
            tempfile::tempfile_in(spool)
                .map(BufWriter::new)
                .map_err(|e| Error::from(e).at(spool.display().to_string()))
        };
        Ok(RowHashes {
            identity,
            parts: (0..PARTS).map(|_| part()).collect::<Result<_>>()?,
        })
    }

    /// Notes the rows of a batch; `fields` name its columns.
    pub fn add(&mut self, file: usize, fields: &[Field], rows: &DeliveredRows) -> Result<()> {
        let hashes = self.identity.hashes(fields, rows)?;
        for (digest, row_number) in hashes.iter().zip(&rows.row_numbers) {
            let part = &mut self.parts[usize::from(digest[16]) % PARTS];
            part.write_all(&digest[..16])
                .and_then(|()| part.write_all(&(file as u32).to_le_bytes()))
                .and_then(|()| part.write_all(&row_number.to_le_bytes()))
                .map_err(|e| Error::from(e).at("the spool folder"))?;
        }
        Ok(())
    }

    /// Finds the rows that an earlier file holds already.
    pub fn repeated(self, files: usize) -> Result<Repeated> {
        let mut repeated = Repeated {
            files: vec![RowSet::default(); files],
        };
        for part in self.parts {
            let spooled = |e: std::io::Error| Error::from(e).at("the spool folder");
            let mut file = part.into_inner().map_err(|e| spooled(e.into_error()))?;
            let length = file.stream_position().map_err(spooled)?;
            file.rewind().map_err(spooled)?;
            let mut reader = BufReader::with_capacity(1 << 16, file);
            let mut seen: HashMap<[u8; 16], Copies> = HashMap::new();
            let mut record = [0u8; RECORD_BYTES];
            for _ in 0..length / RECORD_BYTES as u64 {
                reader.read_exact(&mut record).map_err(spooled)?;
                let (mut hash, mut file, mut row) = ([0u8; 16], [0u8; 4], [0u8; 8]);
                hash.copy_from_slice(&record[..16]);
                file.copy_from_slice(&record[16..20]);
                row.copy_from_slice(&record[20..]);
                let file = u32::from_le_bytes(file);
                if seen.entry(hash).or_default().is_repeated_in(file) {
                    repeated.files[file as usize].insert(i64::from_le_bytes(row));
                }
            }
        }
        Ok(repeated)
    }
}

/// How often a row was seen, file by file.
#[derive(Default)]
struct Copies {
    file: u32,
    in_file: u32,
    before: u32,
    kept: u32,
}

impl Copies {
    /// Counts one more copy; whether an earlier file's copy stands for it.
    fn is_repeated_in(&mut self, file: u32) -> bool {
        if self.file != file {
            *self = Copies {
                file,
                in_file: 0,
                before: self.kept,
                kept: self.kept,
            };
        }
        self.in_file += 1;
        let repeated = self.in_file <= self.before;
        self.kept += u32::from(!repeated);
        repeated
    }
}

/// The rows of each file that are left out.
pub(super) struct Repeated {
    files: Vec<RowSet>,
}

impl Repeated {
    /// How many rows of a file are left out.
    pub fn count(&self, file: usize) -> u64 {
        self.files[file].count
    }

    /// Which rows of a batch stay.
    pub fn keep(&self, file: usize, row_numbers: &[i64]) -> Vec<bool> {
        let set = &self.files[file];
        row_numbers.iter().map(|row| !set.contains(*row)).collect()
    }
}

/// Row numbers, one bit each.
#[derive(Default, Clone)]
struct RowSet {
    words: Vec<u64>,
    count: u64,
}

impl RowSet {
    fn insert(&mut self, row: i64) {
        let (word, bit) = (row as usize / 64, row as usize % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << bit;
        self.count += 1;
    }

    fn contains(&self, row: i64) -> bool {
        let (word, bit) = (row as usize / 64, row as usize % 64);
        self.words.get(word).is_some_and(|word| word & (1 << bit) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};
    use datafusion::arrow::datatypes::DataType;

    use super::*;
    use crate::config::SourceKind;
    use crate::extract::Format;
    use crate::land::Contract;

    fn rows(columns: &[&[Option<&str>]]) -> DeliveredRows {
        let count = columns[0].len() as i64;
        DeliveredRows {
            columns: columns
                .iter()
                .map(|cells| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef)
                .collect(),
            row_numbers: (1..=count).collect(),
            periods: Vec::new(),
        }
    }

    fn fields(names: &[&str]) -> Vec<Field> {
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect()
    }

    #[test]
    fn a_row_counts_as_often_as_in_the_file_that_holds_it_most_often() {
        let spool = tempfile::tempdir().unwrap();
        let names = fields(&["sku", "cost"]);
        // Another order of columns, and columns that are new or empty.
        let grown = fields(&["cost", "new", "sku", "labels"]);
        let files = [names.as_slice(), &names, &grown];
        let identity = RowIdentity::of(
            &Contract::of(SourceKind::GcpBillingFiles),
            files.into_iter(),
            Format::Json,
        );
        assert!(identity.apart().iter().eq(["new"]));
        let mut hashes = RowHashes::new(spool.path(), identity).unwrap();
        hashes
            .add(
                0,
                &names,
                &rows(&[&[Some("a"), Some("a"), Some("b")], &[Some("1"); 3]]),
            )
            .unwrap();
        hashes
            .add(
                1,
                &names,
                &rows(&[&[Some("a"), Some("a"), Some("a"), Some("c")], &[Some("1"); 4]]),
            )
            .unwrap();
        hashes
            .add(
                2,
                &grown,
                &rows(&[
                    &[Some("1.0"), Some("1"), Some("1")],
                    &[Some("y"), Some("x"), None],
                    &[Some("b"), Some("b"), Some("a1")],
                    &[Some("[]"), None, None],
                ]),
            )
            .unwrap();
        let repeated = hashes.repeated(3).unwrap();
        assert_eq!(
            (repeated.count(0), repeated.count(1), repeated.count(2)),
            (0, 2, 1)
        );
        assert_eq!(repeated.keep(1, &[1, 2, 3, 4]), [false, false, true, true]);
        assert_eq!(repeated.keep(2, &[1, 2, 3]), [false, true, true]);
    }
}

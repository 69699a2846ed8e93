//! Tags of a column of maps: keys and values are compared as numbers.

use super::ABSENT;
use super::leaf::{Leaf, Meaning};
use crate::error::{Error, Result};

/// Entries that are read at once.
const ENTRIES: usize = 16 * 1024;

/// A column of maps of texts, open for reading.
pub struct TagColumn {
    keys: Leaf,
    values: Leaf,
    /// Of the entries read and not yet given: 0 where a row begins.
    levels: Vec<u32>,
    /// Which wanted key they have, from 1 on.
    wanted: Vec<u32>,
    codes: Vec<u32>,
    is_over: bool,
    found: Vec<Found>,
}

/// An entry with a wanted key: its row, from 1 on, its place and its key.
struct Found {
    row: u32,
    entry: u32,
    key: u32,
}

impl TagColumn {
    /// The two leaves of the maps.
    pub fn new(keys: Leaf, values: Leaf) -> TagColumn {
        TagColumn {
            keys,
            values,
            levels: Vec::new(),
            wanted: Vec::new(),
            codes: Vec::new(),
            is_over: false,
            found: Vec::new(),
        }
    }

    /// Appends the codes of some tags for the next `rows` rows, to one output each. `key` gives 1 for the first wanted key, 2
    /// for the second, 0 for others; of several entries with one key the first counts.
    ///
    /// # Errors
    /// External when a page is damaged or there are fewer rows; what a meaning says of a value it cannot take.
    pub fn read(
        &mut self,
        rows: usize,
        key: &mut Meaning<'_>,
        value: &mut Meaning<'_>,
        outputs: &mut [Vec<u32>],
    ) -> Result<()> {
        let mut left = rows;
        let mut must_read = false;
        while left > 0 {
            if (self.levels.len() < ENTRIES || must_read) && !self.is_over {
                self.is_over = self
                    .keys
                    .read(ENTRIES, key, Some(&mut self.levels), &mut self.wanted)?
                    == 0;
                while self.codes.len() < self.levels.len() {
                    let missing = self.levels.len() - self.codes.len();
                    if self.values.read(missing, value, None, &mut self.codes)? == 0 {
                        return Err(uneven());
                    }
                }
            }
            let given = self.give(left, outputs);
            if given == 0 && self.is_over {
                return Err(uneven());
            }
            // A row of more entries than are read at once.
            must_read = given == 0;
            left -= given;
        }
        Ok(())
    }

    /// Gives up to `rows` rows of which all entries are read, and returns how many.
    fn give(&mut self, rows: usize, outputs: &mut [Vec<u32>]) -> usize {
        let mut begun = 0;
        let mut end = 0;
        self.found.clear();
        for (level, key) in self.levels.iter().zip(&self.wanted) {
            begun += usize::from(*level == 0);
            if begun > rows {
                begun = rows;
                break;
            }
            if *key > 0 {
                self.found.push(Found {
                    row: begun as u32,
                    entry: end as u32,
                    key: *key,
                });
            }
            end += 1;
        }
        if end == self.levels.len() && !self.is_over && begun > 0 {
            // The last row may go on in what is not yet read.
            begun -= 1;
            end = self.levels.iter().rposition(|level| *level == 0).unwrap_or(0);
        }
        for (output, key) in outputs.iter_mut().zip(1..) {
            let start = output.len();
            output.resize(start + begun, ABSENT);
            let mut last = 0;
            for found in self.found.iter().filter(|found| found.key == key) {
                if found.row != last && found.row as usize <= begun {
                    output[start + found.row as usize - 1] = self.codes[found.entry as usize];
                    last = found.row;
                }
            }
        }
        self.levels.drain(..end);
        self.wanted.drain(..end);
        self.codes.drain(..end);
        begun
    }
}

fn uneven() -> Error {
    Error::external("a column of maps has fewer rows or values than its file says")
}

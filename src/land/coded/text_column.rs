//! One column of text gathered for a row group: codes of a dictionary while it pays, the texts themselves behind it.

use std::ops::Range;

use datafusion::common::HashMap;

/// The code of an empty cell.
pub(super) const NULL: u32 = u32::MAX;
/// A dictionary beyond this is given up for the rest of the file, as Parquet writers do.
const MOST_DICTIONARY_BYTES: usize = 1 << 20;
/// What an entry of a dictionary takes beside its text.
const ENTRY_BYTES: usize = 64;
/// Rows and bytes of a page, so that readers need little memory.
pub(super) const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 1 << 20;

/// Texts one behind the other, each with its length before it, as Parquet's plain encoding has them.
#[derive(Default)]
pub(super) struct PlainPage {
    pub values: Vec<u8>,
    /// One bit a row, the lowest first: whether there is a text.
    pub present: Vec<u8>,
    pub rows: usize,
    pub texts: usize,
}

impl PlainPage {
    fn push(&mut self, cell: &[u8]) {
        if self.rows.is_multiple_of(8) {
            self.present.push(0);
        }
        if !cell.is_empty() {
            append(&mut self.values, cell);
            self.texts += 1;
            if let Some(last) = self.present.last_mut() {
                *last |= 1 << (self.rows % 8);
            }
        }
        self.rows += 1;
    }

    fn clear(&mut self) {
        self.values.clear();
        self.present.clear();
        (self.rows, self.texts) = (0, 0);
    }
}

/// The cells of one column of one row group; the memory is used again for the next.
#[derive(Default)]
pub(super) struct TextColumn {
    /// The codes of the first rows.
    codes: Vec<u32>,
    /// The texts in the order of their codes.
    dictionary: Vec<u8>,
    /// By code: where its text lies in the dictionary.
    places: Vec<Range<usize>>,
    code_of: HashMap<Box<[u8]>, u32>,
    last: Option<u32>,
    given_up: bool,
    /// The pages of the other rows; those behind `used` are spare.
    pages: Vec<PlainPage>,
    used: usize,
}

fn append(values: &mut Vec<u8>, cell: &[u8]) {
    values.extend_from_slice(&(cell.len() as u32).to_le_bytes());
    values.extend_from_slice(cell);
}

impl TextColumn {
    /// Adds the cell of the next row; an empty one is null. Returns the bytes that no code spared.
    pub fn push(&mut self, cell: &[u8]) -> usize {
        if self.given_up {
            self.page().push(cell);
            return cell.len();
        }
        let before = self.places.len();
        let code = self.code(cell);
        self.codes.push(code);
        if self.places.len() > before {
            cell.len() + ENTRY_BYTES
        } else {
            0
        }
    }

    fn code(&mut self, cell: &[u8]) -> u32 {
        if cell.is_empty() {
            return NULL;
        }
        // Neighbours are often alike.
        if let Some(code) = self.last
            && self.dictionary[self.places[code as usize].clone()] == *cell
        {
            return code;
        }
        let code = match self.code_of.get(cell) {
            Some(code) => *code,
            None => self.add(cell),
        };
        self.last = Some(code);
        code
    }

    fn add(&mut self, cell: &[u8]) -> u32 {
        let code = self.places.len() as u32;
        append(&mut self.dictionary, cell);
        self.places
            .push(self.dictionary.len() - cell.len()..self.dictionary.len());
        self.code_of.insert(cell.into(), code);
        self.given_up = self.dictionary.len() > MOST_DICTIONARY_BYTES;
        code
    }

    fn page(&mut self) -> &mut PlainPage {
        let full = |page: &PlainPage| page.rows >= PAGE_ROWS || page.values.len() >= PAGE_BYTES;
        if self.used == 0 || full(&self.pages[self.used - 1]) {
            if self.used == self.pages.len() {
                self.pages.push(PlainPage::default());
            }
            self.used += 1;
        }
        &mut self.pages[self.used - 1]
    }

    /// The codes of the first rows.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The dictionary: its texts and how many they are.
    pub fn dictionary(&self) -> (&[u8], usize) {
        (&self.dictionary, self.places.len())
    }

    /// The pages of the rows behind those with codes.
    pub fn plain_pages(&self) -> &[PlainPage] {
        &self.pages[..self.used]
    }

    /// Whether no dictionary is tried any more.
    pub fn given_up(&self) -> bool {
        self.given_up
    }

    /// Empties the column for the next row group.
    pub fn clear(&mut self) {
        self.codes.clear();
        self.dictionary.clear();
        self.places.clear();
        self.code_of.clear();
        self.last = None;
        self.pages.iter_mut().for_each(PlainPage::clear);
        self.used = 0;
    }

    /// No dictionary is tried any more: it did not pay in an earlier row group.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }
}

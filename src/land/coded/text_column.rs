//! One column of text gathered for a row group: codes of a dictionary while it pays, the texts themselves behind it.

use super::dictionary::Dictionary;

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
    dictionary: Dictionary,
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
        if cell.is_empty() {
            self.codes.push(NULL);
            return 0;
        }
        let before = self.dictionary.len();
        self.codes.push(self.dictionary.code(cell));
        if self.dictionary.len() == before {
            return 0;
        }
        self.given_up = self.dictionary.plain().len() > MOST_DICTIONARY_BYTES;
        cell.len() + ENTRY_BYTES
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

    /// What the codes stand for.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
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
        self.pages.iter_mut().for_each(PlainPage::clear);
        self.used = 0;
    }

    /// No dictionary is tried any more: it did not pay in an earlier row group.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }
}

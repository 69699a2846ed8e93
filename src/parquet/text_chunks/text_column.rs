//! One column of text gathered for a row group: codes of a dictionary while it pays, the texts themselves after it.

use datafusion::arrow::array::{Array, StringViewArray};

use super::dictionary::Dictionary;

/// The code of a null.
pub(super) const NULL: u32 = u32::MAX;
/// A dictionary beyond this is given up for the rest of the file, as Parquet writers do.
const MOST_DICTIONARY_BYTES: usize = 1 << 20;
/// What an entry of a dictionary takes beside its text.
const ENTRY_BYTES: usize = 64;
/// Rows and bytes of a page, so that readers need little memory.
pub(super) const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 1 << 20;
/// Views whose codes are remembered within a batch, and how a view finds its place among them.
const KNOWN_VIEWS: usize = 256;
const SPREADING: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const SPREAD_BITS: u32 = 120;

/// Texts one after the other, each with its length before it, as Parquet's plain encoding has them.
#[derive(Default)]
pub(super) struct PlainPage {
    pub values: Vec<u8>,
    /// One bit a row, the lowest first: whether there is a text.
    pub present: Vec<u8>,
    pub rows: usize,
    pub texts: usize,
}

impl PlainPage {
    fn push(&mut self, text: Option<&[u8]>) {
        if self.rows.is_multiple_of(8) {
            self.present.push(0);
        }
        if let Some(text) = text {
            append(&mut self.values, text);
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

/// The texts of one column of one row group; the memory is used again for the next.
#[derive(Default)]
pub struct TextColumn {
    /// The codes of the first rows.
    codes: Vec<u32>,
    dictionary: Dictionary,
    given_up: bool,
    /// The pages of the other rows; those after `used` are spare.
    pages: Vec<PlainPage>,
    used: usize,
}

fn append(values: &mut Vec<u8>, text: &[u8]) {
    values.extend_from_slice(&(text.len() as u32).to_le_bytes());
    values.extend_from_slice(text);
}

impl TextColumn {
    /// Adds the text of the next row, or null. Returns the bytes that no code spared.
    pub fn push(&mut self, text: Option<&[u8]>) -> usize {
        let Some(found) = text.filter(|_| !self.given_up) else {
            return self.push_plainly(text);
        };
        let before = self.dictionary.len();
        self.codes.push(self.dictionary.code(found));
        self.weigh(before, found)
    }

    /// Adds the texts of the next rows. Returns the bytes that no code spared.
    pub fn extend(&mut self, texts: &StringViewArray) -> usize {
        let (views, nulls) = (
            texts.views(),
            texts.nulls().filter(|nulls| nulls.null_count() > 0),
        );
        // Rows share what they were joined to: equal views are equal texts, whose code is known without a look at them.
        let mut known = [(0, 0); KNOWN_VIEWS];
        let mut unspared = 0;
        for (row, view) in views.iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                unspared += self.push(None);
                continue;
            }
            let place = &mut known[(view.wrapping_mul(SPREADING) >> SPREAD_BITS) as usize];
            if place.0 == *view && place.1 > 0 && !self.given_up {
                self.codes.push(place.1 - 1);
                continue;
            }
            unspared += self.push(Some(texts.value(row).as_bytes()));
            if let (Some(code), false) = (self.codes.last(), self.given_up) {
                *place = (*view, code + 1);
            }
        }
        unspared
    }

    fn push_plainly(&mut self, text: Option<&[u8]>) -> usize {
        if self.given_up {
            self.page().push(text);
            return text.map_or(0, <[u8]>::len);
        }
        self.codes.push(NULL);
        0
    }

    /// What a text costs that had no code `before`.
    fn weigh(&mut self, before: usize, text: &[u8]) -> usize {
        if self.dictionary.len() == before {
            return 0;
        }
        self.given_up = self.dictionary.plain().len() > MOST_DICTIONARY_BYTES;
        text.len() + ENTRY_BYTES
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
    pub(super) fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// What the codes stand for.
    pub(super) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The pages of the rows after those with codes.
    pub(super) fn plain_pages(&self) -> &[PlainPage] {
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

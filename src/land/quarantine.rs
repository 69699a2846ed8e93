//! Rows that break the contract: where they stand and why.

/// One rejected row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The file.
    pub source_uri: String,
    /// The row, counted from 1 below the header.
    pub row_number: u64,
    /// The column at fault; empty when it is the row as a whole.
    pub column: String,
    /// Why.
    pub reason: String,
    /// The row's text, cut to what helps.
    pub text: String,
}

/// Rejected rows kept with their text; beyond this number they are only counted.
const KEPT: usize = 10_000;
/// Bytes of a row's text that are kept.
const TEXT_BYTES: usize = 4096;
/// Bytes of a reason and of a column's name that are kept: they may quote what was delivered.
const REASON_BYTES: usize = 1024;

/// The rejections of a slice.
#[derive(Debug, Clone, Default)]
pub struct Quarantine {
    /// The first ones, whole.
    pub rows: Vec<Rejection>,
    /// All of them.
    pub count: u64,
}

impl Quarantine {
    /// Adds one.
    pub fn push(&mut self, mut rejection: Rejection) {
        self.count += 1;
        if self.rows.len() < KEPT {
            cut(&mut rejection.column);
            cut(&mut rejection.reason);
            self.rows.push(rejection);
        }
    }

    /// Keeps the text of so many rows; the others are still counted.
    pub fn keep(&mut self, rows: usize) {
        self.rows.truncate(rows);
        self.rows.shrink_to_fit();
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Quarantine) {
        self.count += other.count;
        let room = KEPT - self.rows.len().min(KEPT);
        self.rows.extend(other.rows.into_iter().take(room));
    }
}

fn cut(text: &mut String) {
    if text.len() > REASON_BYTES {
        text.truncate(text.floor_char_boundary(REASON_BYTES));
        text.push('…');
        text.shrink_to_fit();
    }
}

/// A row's cells as one line of text, cut at [`TEXT_BYTES`].
pub fn row_text<'a>(cells: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            text.push(',');
        }
        let room = TEXT_BYTES.saturating_sub(text.len());
        let cut = &cell[..cell.len().min(room)];
        text.push_str(&String::from_utf8_lossy(cut).replace('\0', "\\0"));
        if text.len() >= TEXT_BYTES {
            text.push('…');
            break;
        }
    }
    text
}

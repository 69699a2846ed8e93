//! CSV files to record batches of text, row by row, in bounded memory.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;
use datafusion::arrow::array::{ArrayRef, StringBuilder};

use super::checks::Checks;
use super::content::TextDigest;
use super::dates::DateEvidence;
use super::foreign_bytes::{hold_columns, hold_names};
use super::large_cells::large_cell;
use super::quarantine::{Quarantine, Rejection, row_text};
use crate::config::Limits;
use crate::domain::period::Period;
use crate::domain::timestamp::DateOrder;
use crate::error::{Error, PlaceKey, Result};
use crate::extract::decode::{ReadAhead, open_text, read_error};
use crate::extract::{Compression, SourceFile};

/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 8192;
/// Bytes of text after which a batch is closed early.
pub(super) const BATCH_BYTES: usize = 16 << 20;
/// Bytes of a batch that a cell takes beside its text.
pub(super) const CELL_BYTES: usize = 4;

/// A batch of accepted rows.
pub struct TextBatch {
    /// One column per header.
    pub columns: Vec<ArrayRef>,
    /// The row numbers in the file.
    pub row_numbers: Vec<i64>,
    /// The period of each row.
    pub periods: Vec<Period>,
}

/// One CSV file.
pub struct CsvFile<'a> {
    /// Where its bytes lie now.
    pub path: &'a Path,
    /// What was delivered.
    pub source: &'a SourceFile,
    /// What it may ask for.
    pub limits: Limits,
}

/// Stops a reader that takes in more than a row may have without finishing a record: a quote is probably not closed.
struct RecordGuard<R> {
    inner: R,
    taken: Arc<AtomicU64>,
    most: u64,
}

/// That a file has no byte, and what to do.
pub fn empty_file(uri: &str) -> Error {
    Error::data("the file is empty: not even a header")
        .at(uri)
        .because("a month without rows is a file with its header alone, and an empty one an upload that broke off")
        .hint("deliver the file again; where the month has no rows, deliver the header alone; else delete the file: it is looked at on every run until then")
}

impl<R: Read> Read for RecordGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.taken.fetch_add(count as u64, Ordering::Relaxed) > self.most {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!(
                    "a row of more than the {} bytes that one may have (`[landing] max_row`): a quote is probably not closed",
                    self.most
                ),
            ));
        }
        Ok(count)
    }
}

type Records = csv::Reader<RecordGuard<Box<dyn BufRead + Send>>>;

/// Who reads: what is landed is digested, and decompressed on a thread of its own, which is worth while to the end.
enum Reading<'a> {
    ToLand(&'a TextDigest),
    ToLook,
}

impl CsvFile<'_> {
    fn open(&self, reading: Reading<'_>) -> Result<(Records, Arc<AtomicU64>)> {
        let text = open_text(self.path, self.source.compression, self.limits.ratio)?;
        let taken = Arc::new(AtomicU64::new(0));
        let guard = RecordGuard {
            inner: match reading {
                Reading::ToLand(digest) if self.source.compression != Compression::None => {
                    Box::new(ReadAhead::start(digest.reader(text))?)
                }
                Reading::ToLand(digest) => digest.reader(text),
                Reading::ToLook => text,
            },
            taken: taken.clone(),
            most: self.limits.row,
        };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 18)
            .from_reader(guard);
        Ok((reader, taken))
    }

    fn fail(&self, error: csv::Error) -> Error {
        match error.into_kind() {
            csv::ErrorKind::Io(io) => read_error(io, &self.source.uri),
            other => Error::data("the CSV cannot be read")
                .at(self.source.uri.clone())
                .because(format!("{other:?}")),
        }
    }

    /// The header.
    ///
    /// # Errors
    /// Data: the file is empty, or its header is not UTF-8 text.
    pub fn headers(&self) -> Result<Vec<String>> {
        let (mut reader, _) = self
            .open(Reading::ToLook)
            .map_err(|e| e.at(self.source.uri.clone()))?;
        let mut record = ByteRecord::new();
        if !reader.read_byte_record(&mut record).map_err(|e| self.fail(e))? {
            return Err(empty_file(&self.source.uri));
        }
        hold_columns(&self.limits, record.len())
            .and_then(|()| hold_names(record.iter().map(<[u8]>::len)))
            .map_err(|e| e.at(self.source.uri.clone()))?;
        record
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let name = std::str::from_utf8(name).ok().filter(|n| !n.contains('\0'));
                name.map(str::to_string).ok_or_else(|| {
                    Error::data("a column name is not UTF-8 text")
                        .at(self.source.uri.clone())
                        .at_key(PlaceKey::Column, index + 1)
                })
            })
            .collect()
    }

    /// Which of day and month dates with slashes name first: as the source is configured, else as the dates of the file
    /// tell, which is then read once more if there are any.
    ///
    /// # Errors
    /// Data: the dates contradict each other or what the source says, or none decides.
    pub fn date_order(&self, checks: &Checks) -> Result<Option<DateOrder>> {
        let columns = checks.date_columns();
        let (mut reader, taken) = self
            .open(Reading::ToLook)
            .map_err(|e| e.at(self.source.uri.clone()))?;
        let mut record = ByteRecord::new();
        let mut evidence = DateEvidence::default();
        let mut rows = 0usize;
        while reader.read_byte_record(&mut record).map_err(|e| self.fail(e))? {
            taken.store(0, Ordering::Relaxed);
            rows += 1;
            for (index, is_start) in &columns {
                if let Some(text) = record.get(*index).and_then(|cell| std::str::from_utf8(cell).ok()) {
                    evidence.add(text, *is_start);
                }
            }
            if rows == 1000 && !evidence.has_slashes() {
                return Ok(self.source.date_order);
            }
        }
        if let Some(told) = self.source.date_order {
            return evidence.confirms(told).map(Some).map_err(|why| {
                Error::data("the dates contradict the source's date_order")
                    .at(self.source.uri.clone())
                    .because(format!("{why}, date_order is \"{}\"", told.as_str()))
                    .hint("change the source's date_order, or give files of another order a source of their own")
            });
        }
        evidence.order().map_err(|why| {
            Error::data("the dates cannot be read")
                .at(self.source.uri.clone())
                .because(why)
                .hint(
                    "say in the source what comes first, date_order = \"mdy\" or \"dmy\", or export the file with ISO dates (2026-01-31)",
                )
        })
    }

    /// Reads every row: accepted rows in batches to `sink`, the others into the quarantine.
    ///
    /// # Errors
    /// Data: a truncated or hostile file. What `sink` returns.
    pub fn read(
        &self,
        headers: &[String],
        checks: &mut Checks,
        order: Option<DateOrder>,
        fixed: Option<Period>,
        mut sink: impl FnMut(TextBatch) -> Result<()>,
    ) -> Result<Quarantine> {
        let mut builders: Vec<StringBuilder> = headers.iter().map(|_| StringBuilder::new()).collect();
        let (mut row_numbers, mut periods, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        let quarantine = self.accepted(headers, checks, order, fixed, |row, period, record| {
            for (builder, cell) in builders.iter_mut().zip(record.iter()) {
                // The row as a whole was found to be UTF-8.
                match std::str::from_utf8(cell) {
                    Ok(text) if !text.is_empty() => builder.append_value(text),
                    _ => builder.append_null(),
                }
            }
            builders[record.len()..]
                .iter_mut()
                .for_each(StringBuilder::append_null);
            bytes += record.as_slice().len() + builders.len() * CELL_BYTES;
            row_numbers.push(row);
            periods.push(period);
            if row_numbers.len() == BATCH_ROWS || bytes > BATCH_BYTES {
                bytes = 0;
                sink(flush(&mut builders, &mut row_numbers, &mut periods))?;
            }
            Ok(())
        })?;
        if !row_numbers.is_empty() {
            sink(flush(&mut builders, &mut row_numbers, &mut periods))?;
        }
        Ok(quarantine)
    }

    /// Reads every row: `each` gets the number, the period and the cells of the accepted ones, which are UTF-8 and may lack
    /// trailing cells; the others go into the quarantine.
    ///
    /// # Errors
    /// Data: a truncated or hostile file. What `each` returns.
    pub fn accepted(
        &self,
        headers: &[String],
        checks: &mut Checks,
        order: Option<DateOrder>,
        fixed: Option<Period>,
        mut each: impl FnMut(i64, Period, &ByteRecord) -> Result<()>,
    ) -> Result<Quarantine> {
        let (mut reader, taken) = self
            .open(Reading::ToLand(&checks.content))
            .map_err(|e| e.at(self.source.uri.clone()))?;
        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(|e| self.fail(e))?;
        let mut quarantine = Quarantine::default();
        let mut row: u64 = 0;
        let mut width = headers.len();
        while reader
            .read_byte_record(&mut record)
            .map_err(|e| self.fail(e).at(format!("after row {row}")))?
        {
            taken.store(0, Ordering::Relaxed);
            row += 1;
            if row == 1 {
                // Some writers leave trailing columns out of every row: then all rows are that short.
                width = width.min(record.len());
            }
            match accept(&record, headers, self.limits, checks, order, fixed, width) {
                Ok(period) => each(row as i64, period, &record)?,
                Err((column, reason)) => quarantine.push(Rejection {
                    source_uri: self.source.uri.clone(),
                    row_number: row,
                    column,
                    reason,
                    text: row_text(record.iter()),
                }),
            }
        }
        Ok(quarantine)
    }
}

/// Closes a batch and empties what it was gathered in.
pub(super) fn flush(
    builders: &mut [StringBuilder],
    row_numbers: &mut Vec<i64>,
    periods: &mut Vec<Period>,
) -> TextBatch {
    TextBatch {
        columns: builders
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef)
            .collect(),
        row_numbers: std::mem::take(row_numbers),
        periods: std::mem::take(periods),
    }
}

fn accept(
    record: &ByteRecord,
    headers: &[String],
    limits: Limits,
    checks: &mut Checks,
    order: Option<DateOrder>,
    fixed: Option<Period>,
    width: usize,
) -> Result<Period, (String, String)> {
    if record.len() != width {
        return Err((
            String::new(),
            format!("the row has {} cells instead of {width}", record.len()),
        ));
    }
    let bytes = record.as_slice();
    if bytes.len() as u64 > limits.cell
        && let Some(index) = record.iter().position(|cell| cell.len() as u64 > limits.cell)
    {
        return Err((
            headers[index].clone(),
            large_cell(record[index].len() as u64, limits.cell),
        ));
    }
    checks.hold_key(limits.key, bytes.len(), |index| {
        record.get(index).map_or(0, <[u8]>::len)
    })?;
    // Cell by cell: two halves of a character in neighbouring cells are no text.
    if !bytes.is_ascii()
        && let Some(index) = record.iter().position(|cell| std::str::from_utf8(cell).is_err())
    {
        return Err((headers[index].clone(), "the cell is not UTF-8 text".to_string()));
    }
    if bytes.contains(&0) {
        let index = record
            .iter()
            .position(|cell| cell.contains(&0))
            .unwrap_or_default();
        return Err((headers[index].clone(), "the cell holds a NUL byte".to_string()));
    }
    checks.row(
        |index| {
            record
                .get(index)
                .and_then(|cell| std::str::from_utf8(cell).ok())
                .unwrap_or("")
        },
        order,
        fixed,
    )
}

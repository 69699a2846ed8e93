//! JSON lines to record batches of text: one object a line, numbers and nested values kept as they are written.
//!
//! A number in a money column with more fraction digits than money has is a double where it comes from: it is rounded as
//! one, see `domain::decimal::double_money`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};
use std::path::Path;

use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, Decimal128Type, DecimalType};
use serde_json::value::RawValue;

use super::checks::{Checks, Fault, Role};
use super::csv_rows::{BATCH_BYTES, BATCH_ROWS, CELL_BYTES, TextBatch, flush};
use super::foreign_bytes::{hold_columns, hold_names};
use super::large_cells::large_cell;
use super::quarantine::{Quarantine, Rejection, row_text};
use crate::config::Limits;
use crate::domain::decimal::{DecimalError, MONEY_SCALE, double_money, money, parse_written};
use crate::domain::period::Period;
use crate::domain::timestamp::DateOrder;
use crate::error::{Error, ErrorKind, PlaceKey, Result};
use crate::extract::SourceFile;
use crate::extract::decode::{open_text, read_error};

/// One file of JSON lines.
pub struct JsonFile<'a> {
    /// Where its bytes lie now.
    pub path: &'a Path,
    /// What was delivered.
    pub source: &'a SourceFile,
    /// What it may ask for.
    pub limits: Limits,
}

/// The cells of a line by name: text as it means, everything else as it is written.
type Cells<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl JsonFile<'_> {
    fn open(&self) -> Result<Box<dyn BufRead + Send>> {
        open_text(self.path, self.source.compression, self.limits.ratio)
            .map_err(|e| e.at(self.source.uri.clone()))
    }

    /// The next line that is not blank, which is row `row`; `false` at the end.
    fn next_line(&self, reader: &mut dyn BufRead, line: &mut Vec<u8>, row: &mut u64) -> Result<bool> {
        loop {
            line.clear();
            let most = self.limits.row.saturating_add(1);
            let taken = reader
                .take(most)
                .read_until(b'\n', line)
                .map_err(|e| read_error(e, &self.source.uri).at(format!("after row {row}")))?;
            if taken == 0 {
                return Ok(false);
            }
            if taken as u64 == most {
                let most = self.limits.row;
                return Err(Error::data(format!("a line has more than the {most} bytes that one may have"))
                    .at(self.source.uri.clone())
                    .at(format!("after row {row}"))
                    .of_kind(ErrorKind::ExceededLimit).hint("JSON files hold one object a line, not one list; `[landing] max_row` sets the limit"));
            }
            if !line.trim_ascii().is_empty() {
                *row += 1;
                return Ok(true);
            }
        }
    }

    /// The names of all cells of all lines, in the order in which they first appear.
    ///
    /// # Errors
    /// Data: the file cannot be read to its end, or none of its lines is a JSON object.
    pub fn headers(&self) -> Result<Vec<String>> {
        let mut reader = self.open()?;
        let (mut line, mut row) = (Vec::new(), 0);
        let mut known: HashMap<String, ()> = HashMap::new();
        let mut headers = Vec::new();
        let (mut objects, mut first_fault) = (0u64, None);
        while self.next_line(reader.as_mut(), &mut line, &mut row)? {
            let cells = match serde_json::from_slice::<Cells<'_>>(&line) {
                Ok(cells) => cells,
                Err(error) => {
                    first_fault.get_or_insert((row, no_object(&error)));
                    continue;
                }
            };
            objects += 1;
            for name in cells.keys() {
                if !known.contains_key(name.as_ref()) {
                    hold_columns(&self.limits, headers.len() + 1)
                        .and_then(|()| hold_names(std::iter::once(name.len())))
                        .map_err(|e| e.at(self.source.uri.clone()).at_key(PlaceKey::Row, row))?;
                    known.insert(name.to_string(), ());
                    headers.push(name.to_string());
                }
            }
        }
        match first_fault.filter(|_| objects == 0) {
            Some((row, fault)) => Err(Error::data("no line of the file is a JSON object")
                .at(self.source.uri.clone())
                .at_key(PlaceKey::Line, row)
                .because(fault)
                .hint("JSON files hold one object a line, not one list or an object over several lines; deliver the file again")),
            None => Ok(headers),
        }
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
        let places: HashMap<&str, usize> = headers.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let mut reader = checks.content.reader(self.open()?);
        let (mut line, mut row) = (Vec::new(), 0);
        let mut quarantine = Quarantine::default();
        let mut builders: Vec<StringBuilder> = headers.iter().map(|_| StringBuilder::new()).collect();
        let (mut row_numbers, mut periods, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        let mut cells: Vec<Option<String>> = vec![None; headers.len()];
        let amounts = amounts(checks, headers.len());
        while self.next_line(reader.as_mut(), &mut line, &mut row)? {
            let outcome =
                parse(&line, &places, headers, self.limits.cell, &amounts, &mut cells).and_then(|()| {
                    checks.hold_key(self.limits.key, line.len(), |index| {
                        cells.get(index).and_then(Option::as_ref).map_or(0, String::len)
                    })?;
                    checks.row(
                        |index| cells.get(index).and_then(Option::as_deref).unwrap_or(""),
                        order,
                        fixed,
                    )
                });
            match outcome {
                Ok(period) => {
                    for (builder, cell) in builders.iter_mut().zip(&cells) {
                        builder.append_option(cell.as_deref().filter(|text| !text.is_empty()));
                    }
                    bytes += line.len() + builders.len() * CELL_BYTES;
                    row_numbers.push(row as i64);
                    periods.push(period);
                }
                Err((column, reason)) => quarantine.push(Rejection {
                    source_uri: self.source.uri.clone(),
                    row_number: row,
                    column,
                    reason,
                    text: row_text(std::iter::once(line.trim_ascii())),
                }),
            }
            if row_numbers.len() == BATCH_ROWS || bytes > BATCH_BYTES {
                sink(flush(&mut builders, &mut row_numbers, &mut periods))?;
                bytes = 0;
            }
        }
        if !row_numbers.is_empty() {
            sink(flush(&mut builders, &mut row_numbers, &mut periods))?;
        }
        Ok(quarantine)
    }
}

/// Which columns hold money whose text must be exact; where amounts are known to be doubles, models round them.
fn amounts(checks: &Checks, columns: usize) -> Vec<bool> {
    let mut amounts = vec![false; columns];
    for (index, _, role) in checks.roles.iter().filter(|_| !checks.doubles) {
        amounts[*index] |= matches!(role, Role::Cost | Role::Money);
    }
    amounts
}

/// A number as money can hold it; `None` when it is good as it is written, or no double's.
fn rounded(number: &str) -> Option<String> {
    match money(number.as_bytes()) {
        Err(DecimalError::Loss) => {
            let value = double_money(parse_written(number.as_bytes()).ok()?).ok()?;
            Some(Decimal128Type::format_decimal(
                value,
                DECIMAL128_MAX_PRECISION,
                MONEY_SCALE as i8,
            ))
        }
        _ => None,
    }
}

/// What is wrong with a line. The reader of one line calls each of them the first.
fn no_object(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("{what}, character {}", error.column())
}

/// Fills `cells` from a line.
fn parse(
    line: &[u8],
    places: &HashMap<&str, usize>,
    headers: &[String],
    most_cell: u64,
    amounts: &[bool],
    cells: &mut [Option<String>],
) -> Result<(), Fault> {
    let whole = |reason: String| (String::new(), reason);
    let named: Cells<'_> = serde_json::from_slice(line)
        .map_err(|e| whole(format!("the line is no JSON object: {}", no_object(&e))))?;
    cells.fill(None);
    for (name, value) in named {
        let Some(&place) = places.get(name.as_ref()) else {
            return Err(whole(format!(
                "the cell `{name}` was not there when the file was first read"
            )));
        };
        let raw = value.get();
        let text = match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(raw)
                .map_err(|e| (headers[place].clone(), format!("the text cannot be read ({e})")))?,
            Some(b'n') => continue,
            Some(b'-' | b'0'..=b'9') if amounts[place] => rounded(raw).unwrap_or_else(|| raw.to_string()),
            _ => raw.to_string(),
        };
        if text.len() as u64 > most_cell {
            return Err((headers[place].clone(), large_cell(text.len() as u64, most_cell)));
        }
        if text.contains('\0') {
            return Err((headers[place].clone(), "the cell holds a NUL byte".to_string()));
        }
        cells[place] = Some(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_what_was_written() {
        let headers: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        let places: HashMap<&str, usize> = headers.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let mut cells = vec![Some("left over".to_string()); 4];
        parse(
            br#"{"a": 0.10000000000000000001, "b": "x\ty", "c": {"id": "1", "n": [1, 2.50]}}"#,
            &places,
            &headers,
            1 << 20,
            &[false; 4],
            &mut cells,
        )
        .unwrap();
        assert_eq!(cells[0].as_deref(), Some("0.10000000000000000001"));
        assert_eq!(cells[1].as_deref(), Some("x\ty"));
        assert_eq!(cells[2].as_deref(), Some(r#"{"id": "1", "n": [1, 2.50]}"#));
        assert_eq!(cells[3], None);
        for line in ["[1]", "{", "3", r#"{"a":"\u0000"}"#] {
            assert!(
                parse(
                    line.as_bytes(),
                    &places,
                    &headers,
                    1 << 20,
                    &[false; 4],
                    &mut cells
                )
                .is_err(),
                "{line}"
            );
        }
    }
    #[test]
    fn numbers_that_are_doubles_are_rounded_to_what_money_holds() {
        for (written, landed) in [
            ("0.0000001234567890123456789", None),
            ("1.234567890123456e-10", Some("0.000000000123456789012346")),
            ("-2.5e-24", Some("-0.000000000000000000000002")),
            ("5e-324", Some("0.000000000000000000000000")),
            ("12.5", None),
            ("1e3", None),
            ("1e60", None),
        ] {
            assert_eq!(rounded(written).as_deref(), landed, "{written}");
        }
    }
}

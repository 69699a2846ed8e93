//! What a row of an extract is known by, however its extract writes it.
//!
//! Extracts of one table differ in ways that do not change a row: one writer leaves out what is null or an empty list, puts
//! the fields of an object in another order or writes `1.0` for `1`; a later extract has columns that earlier ones lack.

use std::collections::BTreeSet;
use std::fmt::Write;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::contract::{Contract, plain};
use super::rows::DeliveredRows;
use crate::domain::nested_text;
use crate::domain::timestamp::parse_timestamp;
use crate::error::{Error, Result};
use crate::extract::Format;
use crate::transform::functions::is_null_text;

/// Columns that are null in no row of a Google export.
const ALWAYS_FILLED: [&str; 12] = [
    "billing_account_id",
    "cost",
    "cost_type",
    "currency",
    "currency_conversion_rate",
    "export_time",
    "invoice",
    "service",
    "sku",
    "usage",
    "usage_end_time",
    "usage_start_time",
];

/// The columns that rows of several files are compared by.
pub(super) struct RowIdentity {
    contract: Contract,
    /// Columns that only some of the files have and that say nothing of the bill, or that the query of the others did not name.
    apart: BTreeSet<String>,
}

/// How a cell's text is read.
#[derive(Clone, Copy)]
enum Reading {
    Number,
    Date,
    Other,
}

impl RowIdentity {
    /// The identity of rows of files with these columns. JSON leaves out what is null, so only what Google always fills is
    /// missing there because nobody asked for it.
    pub fn of<'a>(
        contract: &Contract,
        files: impl Iterator<Item = &'a [Field]> + Clone,
        format: Format,
    ) -> Self {
        let names = |fields: &'a [Field]| fields.iter().map(|field| field.name().as_str());
        let in_all = |name: &str| files.clone().all(|fields| names(fields).any(|n| n == name));
        let is_known = |name: &str| contract.columns.iter().any(|column| plain(column) == plain(name));
        let apart = files
            .clone()
            .flat_map(names)
            .filter(|name| !in_all(name))
            .filter(|name| format != Format::Json || !is_known(name) || ALWAYS_FILLED.contains(name))
            .map(String::from)
            .collect();
        RowIdentity {
            contract: *contract,
            apart,
        }
    }

    /// Columns that rows are not compared by.
    pub fn apart(&self) -> &BTreeSet<String> {
        &self.apart
    }

    /// A hash of each row of a batch; `fields` name its columns.
    pub fn hashes(&self, fields: &[Field], rows: &DeliveredRows) -> Result<Vec<[u8; 32]>> {
        let options = FormatOptions::default();
        let mut columns = fields
            .iter()
            .zip(&rows.columns)
            .filter(|(field, _)| !self.apart.contains(field.name()))
            .map(|(field, column)| {
                let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
                Ok((field.name(), self.reading(field.name()), column, formatter))
            })
            .collect::<Result<Vec<_>>>()?;
        // Files may differ in the order of their columns, and in columns that only the later ones have.
        columns.sort_by_key(|(name, ..)| *name);
        let (mut cell, mut written) = (String::new(), String::new());
        let mut hashes = Vec::with_capacity(rows.row_numbers.len());
        for index in 0..rows.row_numbers.len() {
            let mut hash = Sha256::new();
            for (name, reading, column, formatter) in &columns {
                if column.is_null(index) {
                    continue;
                }
                cell.clear();
                write!(cell, "{}", formatter.value(index))
                    .map_err(|e| Error::internal("a cell has no text").because(e))?;
                written.clear();
                canonical(&cell, *reading, &mut written);
                if written.is_empty() {
                    continue;
                }
                for part in [name.as_str(), &written] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part.as_bytes());
                }
            }
            hashes.push(hash.finalize().into());
        }
        Ok(hashes)
    }

    fn reading(&self, name: &str) -> Reading {
        let role = self.contract.role_name(name);
        let is_in = |lists: &[&[&str]]| lists.iter().any(|names| names.contains(&role.as_str()));
        let contract = &self.contract;
        if is_in(&[contract.cost, contract.money, contract.quantities]) {
            Reading::Number
        } else if is_in(&[contract.required_dates, contract.dates]) {
            Reading::Date
        } else {
            Reading::Other
        }
    }
}

/// The one way of writing a cell; nothing for a cell that says nothing.
fn canonical(text: &str, reading: Reading, written: &mut String) {
    let text = text.trim();
    if is_null_text(text.as_bytes()) {
        return;
    }
    match reading {
        Reading::Number => {
            if let Ok(number) = text.parse::<f64>() {
                written.push_str(&number.to_string());
                return;
            }
        }
        Reading::Date => {
            if let Some(micros) = parse_timestamp(text, None) {
                written.push_str(&micros.to_string());
                return;
            }
        }
        Reading::Other => {
            if let Some(micros) = instant(text) {
                written.push_str(&micros.to_string());
                return;
            }
            if text.starts_with(['{', '['])
                && let Some(value) = nested_text::as_json(text)
                    .ok()
                    .and_then(|json| serde_json::from_str::<Value>(&json).ok())
            {
                put(&value, written);
                return;
            }
        }
    }
    written.push_str(text);
}

/// The microseconds of a text that is a date with a time, in a column of which that is not known.
fn instant(text: &str) -> Option<i64> {
    let has_time = text.len() > 10 && text.as_bytes()[4] == b'-' && text.contains(':');
    has_time.then(|| parse_timestamp(text, None)).flatten()
}

/// Writes a value without what is null or empty, the fields of objects in the order of their names. Lists of objects,
/// such as credits and labels, have no order that says anything.
fn put(value: &Value, written: &mut String) {
    let start = written.len();
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            for name in names {
                let before = written.len();
                written.push_str(&format!("{}:", Value::from(name.as_str())));
                let named = written.len();
                put(&fields[name], written);
                match written.len() == named {
                    true => written.truncate(before),
                    false => written.push(','),
                }
            }
            enclose(written, start, '{', '}');
        }
        Value::Array(values) => {
            let mut items: Vec<String> = Vec::with_capacity(values.len());
            for value in values {
                let mut item = String::new();
                put(value, &mut item);
                items.push(item);
            }
            if values.iter().all(Value::is_object) {
                items.sort();
            }
            for item in items {
                written.push_str(&item);
                written.push(',');
            }
            if !values.is_empty() {
                enclose(written, start, '[', ']');
            }
        }
        Value::Number(number) => match number.as_f64() {
            Some(double) if number.as_u64().is_none_or(|whole| whole < (1 << 53)) => {
                written.push_str(&double.to_string());
            }
            _ => written.push_str(&number.to_string()),
        },
        Value::String(text) if text.is_empty() => {}
        other => written.push_str(&other.to_string()),
    }
}

fn enclose(written: &mut String, start: usize, open: char, close: char) {
    if written.len() > start {
        written.insert(start, open);
        written.push(close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, reading: Reading) -> String {
        let mut written = String::new();
        canonical(text, reading, &mut written);
        written
    }

    #[test]
    fn one_row_is_written_in_many_ways() {
        for (one, other) in [
            (
                r#"{"id":"web","labels":[],"n":1.0}"#,
                r#"{"n": 1, "new": null, "id": "web"}"#,
            ),
            (
                r#"[{"key":"team","value":"web"}]"#,
                "[{'value': 'web', 'key': 'team'}]",
            ),
            ("[]", ""),
            (
                r#"[{"name":"a","amount":-1.5},{"name":"b","amount":-2}]"#,
                r#"[{"amount":-2.0,"name":"b"},{"amount":-1.50,"name":"a"}]"#,
            ),
            ("2025-09-03 00:00:00.5 UTC", "2025-09-03T02:00:00.500+02:00"),
            (r#"{"a":null,"b":{"c":[]}}"#, "null"),
        ] {
            assert_eq!(of(one, Reading::Other), of(other, Reading::Other), "{one}");
        }
        for (one, other) in [("0.50", "0.5"), ("1e-7", "0.0000001"), ("-0.10", "-.1")] {
            assert_eq!(of(one, Reading::Number), of(other, Reading::Number), "{one}");
        }
        for text in [
            "2025-09-03T00:00:00.000Z",
            "2025-09-03 00:00:00+00:00",
            "2025-09-03 00:00:00.000000+00",
            "2025-09-03T00:00:00",
        ] {
            let wanted = of("2025-09-03 00:00:00 UTC", Reading::Date);
            assert_eq!(of(text, Reading::Date), wanted, "{text}");
        }
    }

    #[test]
    fn other_rows_stay_apart() {
        for (one, other) in [
            (r#"{"a":"1"}"#, r#"{"a":1}"#),
            (r#"["a","b"]"#, r#"["b","a"]"#),
            (r#"[["a"],[]]"#, r#"[["a"]]"#),
            (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
            ("007", "7"),
            ("2025-09-03", "2025-09-03 00:00:00"),
            (r#"[{"a":1},{"a":1}]"#, r#"[{"a":1}]"#),
        ] {
            assert_ne!(of(one, Reading::Other), of(other, Reading::Other), "{one}");
        }
        assert_ne!(of("0.1", Reading::Number), of("0.10000000001", Reading::Number));
    }
}

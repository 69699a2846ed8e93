//! A table of text cells, printed as the flags say.

use std::sync::Arc;

use comfy_table::{Cell, CellAlignment};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use super::arguments::Format;
use super::output::{Output, new_table};
use super::visible::visible;
use crate::error::Result;

/// Rows for people and scripts alike; an empty cell is null.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Listing {
    /// Columns by name; a leading `#` marks one of numbers.
    pub fn new(columns: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('#') {
            Some(name) => (name.to_string(), true),
            None => (name.to_string(), false),
        };
        Listing {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// The rows of a query; exact decimals lose the zeros at their end.
    ///
    /// # Errors
    /// Internal when values cannot be formatted.
    pub fn of_batches(schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        let is_number = |t: &DataType| t.is_numeric();
        let columns: Vec<(String, bool)> = schema
            .fields()
            .iter()
            .map(|f| (f.name().clone(), is_number(f.data_type())))
            .collect();
        let options = FormatOptions::default().with_null("");
        let mut rows = Vec::new();
        for batch in batches {
            let formatters: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
                .collect::<std::result::Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                let cells = formatters.iter().zip(&columns);
                rows.push(
                    cells
                        .map(|(f, (_, number))| {
                            if *number {
                                trimmed(&f.value(row).to_string())
                            } else {
                                f.value(row).to_string()
                            }
                        })
                        .collect(),
                );
            }
        }
        Ok(Listing { columns, rows })
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The columns' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column == name)
    }

    /// Changes the cells of every column whose name fits.
    pub fn map_cells(&mut self, fits: impl Fn(&str) -> bool, change: impl Fn(&str) -> String) {
        for (index, _) in self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| fits(name))
        {
            self.rows
                .iter_mut()
                .for_each(|row| row[index] = change(&row[index]));
        }
    }

    /// Gives the columns other names.
    pub fn rename(&mut self, to: impl Fn(&str) -> String) {
        self.columns.iter_mut().for_each(|(name, _)| *name = to(name));
    }

    /// Empties a column when all its cells say no more than `nothing` tells.
    pub fn drop_where_all(&mut self, column: &str, nothing: impl Fn(&str) -> bool) {
        if let Some(index) = self.column(column)
            && self.rows.iter().all(|row| nothing(&row[index]))
        {
            self.rows.iter_mut().for_each(|row| row[index].clear());
        }
    }

    /// Empties the cells of a column that repeat another one's.
    pub fn drop_where_equal(&mut self, column: &str, other: &str) {
        if let (Some(index), Some(other)) = (self.column(column), self.column(other)) {
            self.rows
                .iter_mut()
                .filter(|row| row[index] == row[other])
                .for_each(|row| row[index].clear());
        }
    }

    /// Without the columns that are empty in every row.
    pub fn without_empty_columns(mut self) -> Self {
        let kept: Vec<usize> = (0..self.columns.len())
            .filter(|i| self.rows.iter().any(|r| !r[*i].is_empty()))
            .collect();
        self.columns = kept.iter().map(|i| self.columns[*i].clone()).collect();
        self.rows = self
            .rows
            .iter()
            .map(|r| kept.iter().map(|i| r[*i].clone()).collect())
            .collect();
        self
    }

    /// One row as lines of `column  value`.
    pub fn transposed(&self) -> Self {
        let mut listing = Listing::new(&["column", "value"]);
        if let Some(row) = self.rows.first() {
            let cells = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            cells.for_each(|((name, _), cell)| listing.row([name.clone(), cell.clone()]));
        }
        listing
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let mut table = new_table(self.columns.iter().map(|(name, _)| name.as_str()));
        for (index, _) in self.columns.iter().enumerate().filter(|(_, (_, number))| *number) {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| Cell::new(visible(cell))));
        }
        table.to_string()
    }

    /// The rows as JSON objects; numbers are numbers where JSON keeps all their digits.
    pub fn json(&self) -> Value {
        let object = |row: &Vec<String>| {
            let pairs = self
                .columns
                .iter()
                .zip(row)
                .map(|((name, number), cell)| (name.clone(), json_cell(cell, *number)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// Prints in the chosen format.
    ///
    /// # Errors
    /// External when standard output cannot be written.
    pub fn print(&self, output: &Output) -> Result<()> {
        match output.format {
            Format::Text => output.line(self.text()),
            Format::Json => output.json(&self.json()),
            Format::Csv | Format::Parquet => {
                let fields: Vec<Field> = self
                    .columns
                    .iter()
                    .map(|(name, _)| Field::new(name, DataType::Utf8, true))
                    .collect();
                let column = |i: usize| -> ArrayRef {
                    Arc::new(
                        self.rows
                            .iter()
                            .map(|r| Some(r[i].as_str()).filter(|c| !c.is_empty()))
                            .collect::<StringArray>(),
                    )
                };
                let schema = Arc::new(Schema::new(fields));
                let batch =
                    RecordBatch::try_new(schema.clone(), (0..self.columns.len()).map(column).collect())?;
                output.rows(&schema, &[batch])?;
            }
        }
        Ok(())
    }
}

fn json_cell(cell: &str, number: bool) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    // A longer number would lose digits in most readers.
    let short = number && cell.bytes().filter(u8::is_ascii_digit).count() <= 15;
    let parsed = if short {
        serde_json::from_str(cell).ok()
    } else {
        None
    };
    parsed.unwrap_or_else(|| Value::String(cell.to_string()))
}

/// `1.500000` as `1.5`.
fn trimmed(text: &str) -> String {
    match text.contains('.') && !text.contains(['e', 'E']) {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    }
}

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// A text cut to `width` characters.
pub fn cut(text: &str, width: usize) -> String {
    let flat = text.replace('\n', " ");
    if flat.chars().count() <= width {
        return flat;
    }
    let start: String = flat.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_exact() {
        assert_eq!(trimmed("212.814328974000"), "212.814328974");
        assert_eq!(trimmed("100"), "100");
        assert_eq!(trimmed("0.000"), "0");
        assert_eq!(json_cell("12.5", true), serde_json::json!(12.5));
        assert_eq!(
            json_cell("12345678901234567.5", true),
            serde_json::json!("12345678901234567.5")
        );
        assert_eq!(json_cell("", true), Value::Null);
    }

    #[test]
    fn empty_columns_go() {
        let mut listing = Listing::new(&["a", "#b", "c"]);
        listing.row(["x", "", "z"]);
        let listing = listing.without_empty_columns();
        assert_eq!(listing.json(), serde_json::json!([{ "a": "x", "c": "z" }]));
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}

//! Everything that is printed goes through here.
#![allow(clippy::print_stdout, clippy::print_stderr)] // The one place that prints.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableComponent, presets};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;

use super::arguments::{Arguments, Format};
use super::visible::visible;
use crate::config::redact;
use crate::error::{Error, Result};

/// Where and how results are printed.
pub struct Output {
    /// The format of results.
    pub format: Format,
    /// Nothing but results and errors.
    pub quiet: bool,
    progress: bool,
}

impl Output {
    /// As the flags say; progress bars only on a terminal that can draw them.
    pub fn new(arguments: &Arguments) -> Self {
        let progress = !arguments.no_progress && !arguments.quiet && takes_codes();
        Output {
            format: arguments.output,
            quiet: arguments.quiet,
            progress,
        }
    }

    /// Whether progress bars are drawn.
    pub fn draws_progress(&self) -> bool {
        self.progress
    }

    /// A line of a result for people.
    pub fn line(&self, text: impl AsRef<str>) {
        // A closed pipe ends the output, not the program.
        let _ = writeln!(std::io::stdout(), "{}", visible(text.as_ref()));
    }

    /// A remark beside the result.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", visible(text.as_ref()));
        }
    }

    /// An error and its hint; returns the exit code.
    pub fn fail(&self, error: &Error) -> u8 {
        self.error(error.to_string(), error.hint_text());
        let code = error.blame().exit_code();
        if code == 1 {
            eprintln!(
                "       this is a bug in offgridflow: please report this message and the command that led to it"
            );
        }
        code
    }

    /// An error line and its hint.
    pub fn error(&self, what: impl std::fmt::Display, hint: Option<&str>) {
        let _ = writeln!(std::io::stderr(), "error: {}", visible(&what.to_string()));
        if let Some(hint) = hint {
            let _ = writeln!(std::io::stderr(), "  hint: {}", visible(hint));
        }
    }

    /// A JSON value as a result.
    pub fn json(&self, value: &serde_json::Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Rows as a result, in the chosen format.
    ///
    /// # Errors
    /// Internal when values cannot be formatted.
    pub fn rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        match self.format {
            Format::Text => self.text_table(schema, batches),
            Format::Json => self.json_rows(schema, batches),
            Format::Csv => self.csv_rows(schema, batches),
            Format::Parquet => {
                let mut writer = ArrowWriter::try_new(std::io::stdout(), schema.clone(), None)?;
                for batch in batches {
                    writer.write(batch)?;
                }
                writer.close()?;
                Ok(())
            }
        }
    }

    fn text_table(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        let mut table = new_table(schema.fields().iter().map(|f| f.name().as_str()));
        for (index, field) in schema.fields().iter().enumerate() {
            if is_number(field.data_type())
                && let Some(column) = table.column_mut(index)
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut count = 0;
        for batch in batches {
            for_each_row(batch, "∅", |cells| {
                table.add_row(cells.iter().map(|cell| Cell::new(visible(cell))));
                count += 1;
            })?;
        }
        self.line(table.to_string());
        self.note(format!("{count} {}", if count == 1 { "row" } else { "rows" }));
        Ok(())
    }

    fn json_rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        let mut rows = Vec::new();
        for batch in batches {
            let options = FormatOptions::default();
            let formatters = formatters(batch, &options)?;
            for row in 0..batch.num_rows() {
                let mut object = serde_json::Map::new();
                for (index, field) in schema.fields().iter().enumerate() {
                    let text = formatters[index].value(row).to_string();
                    let value = match batch.column(index).is_null(row) {
                        true => serde_json::Value::Null,
                        // Decimals stay text: a JSON number would lose their digits.
                        false => match field.data_type() {
                            DataType::Boolean => serde_json::Value::Bool(text == "true"),
                            DataType::Int64 | DataType::Int32 | DataType::UInt64 | DataType::Float64 => {
                                serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
                            }
                            _ => serde_json::Value::String(text),
                        },
                    };
                    object.insert(field.name().clone(), value);
                }
                rows.push(serde_json::Value::Object(object));
            }
        }
        self.json(&serde_json::Value::Array(rows));
        Ok(())
    }

    fn csv_rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
        let broken = |e: csv::Error| Error::external("the output cannot be written").because(e);
        writer
            .write_record(schema.fields().iter().map(|f| f.name()))
            .map_err(broken)?;
        for batch in batches {
            let mut result = Ok(());
            for_each_row(batch, "", |cells| {
                if result.is_ok() {
                    result = writer.write_record(cells);
                }
            })?;
            result.map_err(broken)?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// Whether what reads standard error obeys control codes: a terminal that is not a dumb one.
fn takes_codes() -> bool {
    obeys(
        std::io::stderr().is_terminal(),
        std::env::var_os("TERM").as_deref(),
    )
}

/// Whether the log is written in colours: where control codes are obeyed and nobody has set `NO_COLOR`.
pub fn takes_colours() -> bool {
    takes_codes() && !declines(std::env::var_os("NO_COLOR").as_deref())
}

fn obeys(is_terminal: bool, term: Option<&OsStr>) -> bool {
    // Windows sets no TERM.
    is_terminal && term.map_or(cfg!(windows), |term| !term.is_empty() && term != "dumb")
}

fn declines(no_color: Option<&OsStr>) -> bool {
    no_color.is_some_and(|value| !value.is_empty())
}

/// Standard error for log lines: each comes whole, and the URLs of other libraries are masked like those of errors.
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        std::io::stderr().write_all(redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// An empty table in the house style.
pub fn new_table<'a>(header: impl Iterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    for line in [
        TableComponent::HorizontalLines,
        TableComponent::LeftBorderIntersections,
        TableComponent::MiddleIntersections,
        TableComponent::RightBorderIntersections,
        TableComponent::TopBorder,
        TableComponent::BottomBorder,
        TableComponent::TopBorderIntersections,
        TableComponent::BottomBorderIntersections,
    ] {
        table.remove_style(line);
    }
    for line in [
        TableComponent::HeaderLines,
        TableComponent::MiddleHeaderIntersections,
    ] {
        table.set_style(line, '─');
    }
    table.set_header(header.map(Cell::new));
    table
}

fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int64 | DataType::Float64 | DataType::Decimal128(..) | DataType::UInt64 | DataType::Int32
    )
}

fn formatters<'a>(batch: &'a RecordBatch, options: &'a FormatOptions<'a>) -> Result<Vec<ArrayFormatter<'a>>> {
    batch
        .columns()
        .iter()
        .map(|c| Ok(ArrayFormatter::try_new(c.as_ref(), options)?))
        .collect()
}

fn for_each_row(batch: &RecordBatch, null: &str, mut each: impl FnMut(&[String])) -> Result<()> {
    let options = FormatOptions::default().with_null(null);
    let formatters = formatters(batch, &options)?;
    for row in 0..batch.num_rows() {
        let cells: Vec<String> = formatters.iter().map(|f| f.value(row).to_string()).collect();
        each(&cells);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_codes_go_to_a_terminal_that_takes_them() {
        let term = |name: &'static str| Some(OsStr::new(name));
        assert!(obeys(true, term("xterm-256color")));
        for (is_terminal, name) in [
            (false, term("xterm-256color")),
            (true, term("dumb")),
            (true, term("")),
            (false, None),
        ] {
            assert!(!obeys(is_terminal, name), "{is_terminal} {name:?}");
        }
        assert!(declines(term("1")) && !declines(term("")) && !declines(None));
    }
}

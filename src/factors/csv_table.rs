//! A reference CSV as typed columns: numbers where every cell is one, text otherwise.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use crate::error::{Error, PlaceKey, Result};

/// Columns that stay text although their cells may look like numbers.
const TEXT_COLUMNS: &[&str] = &[
    "factor_id",
    "valid_from",
    "valid_to",
    "region",
    "cn_code",
    "unit_raw",
    "unit",
    "alias",
    "family",
];

/// Rows of a CSV file, header apart.
#[derive(Debug, Clone)]
pub struct CsvTable {
    /// Column names.
    pub header: Vec<String>,
    /// Cells; empty is null.
    pub rows: Vec<Vec<String>>,
}

impl CsvTable {
    /// Reads CSV text.
    ///
    /// # Errors
    /// Usage, naming file and row: a row of another length, text that is no CSV.
    pub fn parse(text: &str, file: &str) -> Result<CsvTable> {
        let fail = |error: csv::Error| {
            Error::usage("a factor table cannot be read")
                .at(file.to_string())
                .because(error)
        };
        let mut reader =
            csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader
            .headers()
            .map_err(fail)?
            .iter()
            .map(str::to_string)
            .collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(record.map_err(fail)?.iter().map(str::to_string).collect());
        }
        Ok(CsvTable { header, rows })
    }

    /// Puts an overlay on top: a row with a known `factor_id` replaces it, others are added.
    ///
    /// # Errors
    /// Usage: the overlay names a column that the table does not have, or one twice, or has text where the table has numbers.
    pub fn overlay(&mut self, other: CsvTable, file: &str) -> Result<()> {
        let mut places = Vec::with_capacity(other.header.len());
        for column in &other.header {
            let place = self.header.iter().position(|c| c == column).ok_or_else(|| {
                Error::usage(format!("the overlay has an unknown column `{column}`"))
                    .at(file.to_string())
                    .hint(format!("the table's columns are {}", self.header.join(", ")))
            })?;
            if places.contains(&place) {
                return Err(
                    Error::usage(format!("the overlay has the column `{column}` twice"))
                        .at(file.to_string())
                        .hint("keep one of them"),
                );
            }
            places.push(place);
        }
        // One text in a column of numbers would make a text of every cell of it.
        let types: Vec<DataType> = places.iter().map(|place| self.data_type(*place)).collect();
        for (index, row) in other.rows.iter().enumerate() {
            for ((cell, column), data_type) in row.iter().zip(&other.header).zip(&types) {
                hold_number(cell, data_type).map_err(|error| {
                    error
                        .at_key(PlaceKey::Column, column)
                        .at_key(PlaceKey::Row, index + 1)
                        .at(file.to_string())
                })?;
            }
        }
        let id = self.header.iter().position(|c| c == "factor_id");
        for row in other.rows {
            let mut full = vec![String::new(); self.header.len()];
            for (place, cell) in places.iter().zip(row) {
                full[*place] = cell;
            }
            let same = id.and_then(|id| {
                self.rows
                    .iter()
                    .position(|r| !full[id].is_empty() && r[id] == full[id])
            });
            match same {
                Some(position) => self.rows[position] = full,
                None => self.rows.push(full),
            }
        }
        Ok(())
    }

    /// The cells of a column, `None` for an empty one.
    fn cells(&self, index: usize) -> impl Iterator<Item = Option<&str>> {
        self.rows
            .iter()
            .map(move |row| row.get(index).map(String::as_str).filter(|cell| !cell.is_empty()))
    }

    /// The type of a column, known by its name and by the cells that it has.
    fn data_type(&self, index: usize) -> DataType {
        let name = &self.header[index];
        let mut filled = self.cells(index).flatten().peekable();
        let any = filled.peek().is_some();
        let are_numbers = !TEXT_COLUMNS.contains(&name.as_str()) && filled.all(|cell| number(cell).is_some());
        match are_numbers {
            true if name == "year" || name.ends_with("_year") => DataType::Int64,
            true if any || is_number_column(name) => DataType::Float64,
            _ => DataType::Utf8,
        }
    }

    /// The rows as one record batch.
    ///
    /// # Errors
    /// Internal: columns of different lengths.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let mut fields = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (index, name) in self.header.iter().enumerate() {
            let cells = self.cells(index);
            let numbers = self.cells(index).map(|cell| number(cell?));
            let column: ArrayRef = match self.data_type(index) {
                DataType::Int64 => Arc::new(numbers.map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
                DataType::Float64 => Arc::new(numbers.collect::<Float64Array>()),
                _ => Arc::new(cells.collect::<StringArray>()),
            };
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok()
}

/// Characters of a cell that a message shows.
const SHOWN: usize = 40;

/// Refuses a cell of an overlay that is no number of its column's type.
fn hold_number(cell: &str, data_type: &DataType) -> Result<()> {
    let (is_one, what) = match data_type {
        DataType::Int64 => (cell.trim().parse::<i32>().is_ok(), "year"),
        DataType::Float64 => (number(cell).is_some_and(f64::is_finite), "number"),
        _ => return Ok(()),
    };
    if is_one || cell.is_empty() {
        return Ok(());
    }
    let shown: String = cell.chars().take(SHOWN).collect();
    Err(Error::usage(format!("`{shown}` is no {what}"))
        .hint("write 0.25, with a point and without a unit; an empty cell is an unknown"))
}

/// Columns that are numbers even where no row has one.
fn is_number_column(name: &str) -> bool {
    [
        "_watts_per_vcpu",
        "_watts_per_gpu",
        "_gb",
        "_pct",
        "_kgco2e",
        "_kwh",
        "_per_kwh",
        "_per_unit",
        "_ratio",
        "_count",
    ]
    .iter()
    .any(|suffix| name.ends_with(suffix))
        || [
            "value",
            "multiplier",
            "relative_uncertainty",
            "memory_gb_per_chip_baseline",
        ]
        .contains(&name)
}

/// The type a column has, for documentation.
pub fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Float64 => "number",
        DataType::Int64 => "year",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text() {
        let table = CsvTable::parse(
            "factor_id,year,min_watts_per_vcpu,name\na/1,2024,0.65,x\na/2,,,y\n",
            "t.csv",
        )
        .unwrap();
        let batch = table.to_batch().unwrap();
        let types: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        assert_eq!(
            types,
            [DataType::Utf8, DataType::Int64, DataType::Float64, DataType::Utf8]
        );
        assert_eq!(batch.column(2).null_count(), 1);
    }

    #[test]
    fn an_overlay_replaces_by_factor_id_and_refuses_unknown_columns() {
        let mut table = CsvTable::parse("factor_id,value\na,1\nb,2\n", "t.csv").unwrap();
        table
            .overlay(
                CsvTable::parse("value,factor_id\n9,a\n3,c\n", "o.csv").unwrap(),
                "o.csv",
            )
            .unwrap();
        assert_eq!(table.rows, [["a", "9"], ["b", "2"], ["c", "3"]]);
        let error = table
            .overlay(CsvTable::parse("colour\nred\n", "o.csv").unwrap(), "o.csv")
            .unwrap_err();
        assert!(error.to_string().contains("colour"), "{error}");
    }

    #[test]
    fn an_overlay_with_no_number_where_one_stands_is_refused_with_row_and_column() {
        let overlaid = |text: &str| {
            let mut table = CsvTable::parse("factor_id,year,value,name\na,2024,1,x\n", "t.csv").unwrap();
            table.overlay(CsvTable::parse(text, "o.csv").unwrap(), "o.csv")
        };
        for cell in ["abc", "NaN", "inf", "1e999", "\"1,5\"", "0x1", "3 kg"] {
            let error = overlaid(&format!("factor_id,value\na,\nb,{cell}\n"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("is no number, column value, row 2, o.csv"),
                "{cell}: {error}"
            );
        }
        for year in ["2024.5", "x", "1e3"] {
            let error = overlaid(&format!("factor_id,year\nb,{year}\n"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("is no year, column year, row 1, o.csv"),
                "{year}: {error}"
            );
        }
        let error = overlaid("factor_id,value,value\nb,1,2\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("column `value` twice"), "{error}");
        overlaid("factor_id,year,value,name\nb,, 1e-3 ,5\nc,2025,-1,\n").unwrap();
    }
}

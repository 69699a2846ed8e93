//! Decimals of more digits than their type says: arrow computes them and nobody reads them right.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::arrow::util::display::array_value_to_string;

use crate::error::{Error, Result};

/// Columns of a row that name it.
const MOST_NAMED: usize = 12;

/// Refuses rows with a decimal of more digits than its column holds; `are_named` where the columns have names that people know.
///
/// # Errors
/// Data: names the column and the row by what else stands in it.
pub fn refuse_too_many_digits(rows: &RecordBatch, are_named: bool) -> Result<()> {
    for (index, column) in rows.columns().iter().enumerate() {
        let (Some(values), DataType::Decimal128(precision, scale)) =
            (column.as_primitive_opt::<Decimal128Type>(), column.data_type())
        else {
            continue;
        };
        let bound = 10u128.pow(u32::from(*precision).min(38));
        let is_beyond = |row: &usize| values.value(*row).unsigned_abs() >= bound && values.is_valid(*row);
        let Some(row) = (0..values.len()).find(is_beyond) else {
            continue;
        };
        let schema = rows.schema();
        let what = match are_named {
            true => format!("`{}`", schema.field(index).name()),
            false => "a sum".to_string(),
        };
        let what = format!("{what} has more digits than its column holds");
        let limit = i16::from(*precision) - i16::from(*scale);
        let error =
            Error::data(what).because(format!("DECIMAL({precision}, {scale}) is less than 10^{limit}"));
        return Err(match key_of(rows, row, are_named) {
            key if key.is_empty() => error,
            key => error.at(format!("in the row of {key}")),
        });
    }
    Ok(())
}

/// The first texts and dates of a row.
fn key_of(rows: &RecordBatch, row: usize, are_named: bool) -> String {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns());
    let named = columns.filter(|(_, column)| {
        let mut data_type = column.data_type();
        if let DataType::Dictionary(_, value) = data_type {
            data_type = value;
        }
        let is_name = data_type.is_string() || matches!(data_type, DataType::Date32);
        is_name && column.is_valid(row)
    });
    let cells = named.filter_map(|(field, column)| {
        let text = array_value_to_string(column, row).ok()?;
        Some(match are_named {
            true => format!("{}={text}", field.name()),
            false => text,
        })
    });
    cells.take(MOST_NAMED).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Decimal128Array, StringArray};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn the_row_of_too_many_digits_is_named() {
        let nines = 10i128.pow(38) - 1;
        let rows = |largest: i128| {
            let schema = Schema::new(vec![
                Field::new("tenant", DataType::Utf8, true),
                Field::new("cost", DataType::Decimal128(38, 24), true),
            ]);
            let costs = Decimal128Array::from(vec![Some(1), Some(largest), None]);
            let costs = costs.with_precision_and_scale(38, 24).unwrap();
            let tenants = StringArray::from(vec!["a", "b", "c"]);
            RecordBatch::try_new(Arc::new(schema), vec![Arc::new(tenants), Arc::new(costs)]).unwrap()
        };
        assert!(refuse_too_many_digits(&rows(nines), true).is_ok());
        assert!(refuse_too_many_digits(&rows(-nines), true).is_ok());
        for largest in [nines + 1, -nines - 1, i128::MIN] {
            let told = refuse_too_many_digits(&rows(largest), true)
                .unwrap_err()
                .to_string();
            assert!(
                told.contains("`cost`") && told.contains("tenant=b") && told.contains("10^14"),
                "{told}"
            );
        }
    }
}

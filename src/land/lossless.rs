//! A delivered column in the raw table's type, to the last digit or not at all.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::nested_cells::{as_json, is_nested};
use crate::error::{Error, PlaceKey, Result};

/// The column in the table's type, refused when a value would change.
///
/// # Errors
/// Data: a value that the type cannot hold.
pub(super) fn lossless(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    converted(column, field.data_type()).map_err(|e| e.at_key(PlaceKey::Column, field.name()))
}

fn converted(column: &ArrayRef, kept: &DataType) -> Result<ArrayRef> {
    if column.data_type() == kept {
        return Ok(column.clone());
    }
    if let DataType::Dictionary(_, value) = column.data_type() {
        return converted(&cast(column, value)?, kept);
    }
    if let (
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)),
    ) = (column.data_type(), kept)
        && zone.as_ref() == "UTC"
    {
        // Local times are read as UTC: the numbers stay, only the type says more.
        let times = column.as_primitive::<TimestampMicrosecondType>().clone();
        return Ok(Arc::new(times.with_timezone(zone.clone())));
    }
    match (column.data_type(), kept) {
        (DataType::Null, _) => return Ok(cast(column, kept)?),
        (_, DataType::Utf8) => return exact_text(column),
        (DataType::Float32 | DataType::Float16, DataType::Float64) => return shortest_doubles(column),
        _ => {}
    }
    let refuse = |why: String, hint: &str| {
        Error::data("a column's values do not fit the table's type")
            .because(why)
            .hint(hint)
    };
    if let DataType::Timestamp(TimeUnit::Nanosecond, _) = column.data_type() {
        let nanos = column.as_primitive::<TimestampNanosecondType>();
        if nanos.iter().flatten().any(|n| n % 1000 != 0) {
            return Err(refuse(
                "timestamps finer than a microsecond".to_string(),
                "export the timestamps in microseconds",
            ));
        }
    }
    let hint = "export the column in the type that it had before";
    let cast_to = cast(column, kept).map_err(|e| refuse(e.to_string(), hint))?;
    if !matches!(column.data_type(), DataType::Timestamp(..) | DataType::Map(..)) {
        let back = cast(&cast_to, column.data_type()).map_err(|e| refuse(e.to_string(), hint))?;
        if back.to_data() != column.to_data() {
            return Err(refuse(format!("{} to {kept}", column.data_type()), hint));
        }
    }
    Ok(cast_to)
}

/// Every value as it is written: numbers by their shortest exact text, times by ISO 8601, lists and objects as JSON.
fn exact_text(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => Ok(cast(column, &DataType::Utf8)?),
        nested if is_nested(nested) => as_json(column),
        DataType::Float64 => {
            let numbers = column.as_primitive::<Float64Type>().iter();
            Ok(Arc::new(
                numbers.map(|n| n.map(|n| n.to_string())).collect::<StringArray>(),
            ))
        }
        DataType::Float32 => {
            let numbers = column.as_primitive::<Float32Type>().iter();
            Ok(Arc::new(
                numbers.map(|n| n.map(|n| n.to_string())).collect::<StringArray>(),
            ))
        }
        DataType::Float16 => exact_text(&cast(column, &DataType::Float32)?),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(column, &DataType::Binary)?;
            let texts = bytes
                .as_binary::<i32>()
                .iter()
                .map(|cell| cell.map(std::str::from_utf8).transpose());
            let texts = texts
                .collect::<std::result::Result<StringArray, _>>()
                .map_err(|e| {
                    Error::data("a column's bytes are no UTF-8 text")
                        .because(e)
                        .hint("export the column as text")
                })?;
            Ok(Arc::new(texts))
        }
        _ => {
            let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default())?;
            let texts =
                (0..column.len()).map(|row| column.is_valid(row).then(|| formatter.value(row).to_string()));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
    }
}

/// Narrow floating-point numbers as the doubles with the same shortest text: 0.1 stays 0.1.
fn shortest_doubles(column: &ArrayRef) -> Result<ArrayRef> {
    let narrow = cast(column, &DataType::Float32)?;
    let numbers = narrow.as_primitive::<Float32Type>().iter();
    let doubles =
        numbers.map(|number| number.map(|number| number.to_string().parse().unwrap_or(f64::from(number))));
    Ok(Arc::new(doubles.collect::<Float64Array>()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float32Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn text(column: ArrayRef) -> Vec<Option<String>> {
        let texts = lossless(&column, &Field::new("a", DataType::Utf8, true)).unwrap();
        texts
            .as_string::<i32>()
            .iter()
            .map(|t| t.map(str::to_string))
            .collect()
    }

    #[test]
    fn text_keeps_every_digit() {
        let decimals = Decimal128Array::from(vec![Some(3_500_000_000_000_000_001), None]);
        let decimals = decimals.with_precision_and_scale(38, 18).unwrap();
        assert_eq!(
            text(Arc::new(decimals)),
            [Some("3.500000000000000001".to_string()), None]
        );
        let doubles = Float64Array::from(vec![0.1, 1.2345678901234568e-10, -3.0]);
        assert_eq!(
            text(Arc::new(doubles)),
            ["0.1", "0.00000000012345678901234568", "-3"].map(|t| Some(t.to_string()))
        );
        assert_eq!(
            text(Arc::new(Int64Array::from(vec![i64::MAX]))),
            [Some("9223372036854775807".to_string())]
        );
        let times = TimestampMicrosecondArray::from(vec![1_659_402_672_066_000]).with_timezone("UTC");
        let written = text(Arc::new(times)).remove(0).unwrap();
        assert_eq!(
            crate::domain::timestamp::parse_timestamp(&written, None),
            Some(1_659_402_672_066_000),
            "{written}"
        );
    }

    #[test]
    fn a_narrow_number_is_the_double_of_its_shortest_text() {
        let narrow: ArrayRef = Arc::new(Float32Array::from(vec![0.1, -2.5, f32::MAX]));
        let doubles = lossless(&narrow, &Field::new("a", DataType::Float64, true)).unwrap();
        assert_eq!(doubles.as_primitive::<Float64Type>().values()[..2], [0.1, -2.5]);
    }
}

//! Nested cells of Parquet files as JSON text, to the last digit.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// Whether a column holds lists or objects.
pub fn is_nested(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Struct(_)
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::Map(..)
    )
}

/// The column as text: one JSON value a cell, null stays null.
///
/// # Errors
/// Data: a type within it has no spelling in JSON.
pub fn as_json(column: &ArrayRef) -> Result<ArrayRef> {
    let mut output = StringBuilder::with_capacity(column.len(), column.len() * 64);
    let mut text = String::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            output.append_null();
            continue;
        }
        text.clear();
        write(&mut text, column.as_ref(), row)?;
        output.append_value(&text);
    }
    Ok(Arc::new(output.finish()))
}

fn write(text: &mut String, array: &dyn Array, row: usize) -> Result<()> {
    if array.is_null(row) {
        text.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        // Its cells are all null, and say so of the whole column alone.
        DataType::Null => {
            text.push_str("null");
            Ok(())
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let entries = fields.iter().zip(columns);
            separated(text, '{', '}', entries, |text, (field, column)| {
                quoted(text, field.name())?;
                text.push(':');
                write(text, column.as_ref(), row)
            })
        }
        DataType::List(_) => list(text, array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => list(text, array.as_list::<i64>().value(row).as_ref()),
        DataType::FixedSizeList(..) => list(text, array.as_fixed_size_list().value(row).as_ref()),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0).clone(), entries.column(1).clone());
            separated(text, '{', '}', 0..entries.len(), |text, entry| {
                quoted(text, &displayed(keys.as_ref(), entry)?)?;
                text.push(':');
                write(text, values.as_ref(), entry)
            })
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = dictionary.normalized_keys()[row];
            write(text, dictionary.values().as_ref(), key)
        }
        DataType::Boolean => {
            text.push_str(if array.as_boolean().value(row) {
                "true"
            } else {
                "false"
            });
            Ok(())
        }
        DataType::Float64 => float(text, array.as_primitive::<Float64Type>().value(row)),
        // The shortest text of the narrow type, not of what it widens to.
        DataType::Float32 => match array.as_primitive::<Float32Type>().value(row) {
            value if value.is_finite() => {
                text.push_str(&value.to_string());
                Ok(())
            }
            value => quoted(text, &value.to_string()),
        },
        data_type if data_type.is_integer() => plain(text, array, row),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => plain(text, array, row),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::Timestamp(..) => quoted(text, &displayed(array, row)?),
        other => Err(Error::data("a nested value has a type that cannot be landed")
            .because(other)
            .hint("export the table without this column, or as JSON lines")),
    }
}

/// Not a number and the infinities have no spelling in JSON: as text they are refused where a number is needed.
fn float(text: &mut String, value: f64) -> Result<()> {
    if !value.is_finite() {
        return quoted(text, &value.to_string());
    }
    text.push_str(
        &serde_json::to_string(&value).map_err(|e| Error::internal("a number is no JSON").because(e))?,
    );
    Ok(())
}

fn list(text: &mut String, items: &dyn Array) -> Result<()> {
    separated(text, '[', ']', 0..items.len(), |text, item| {
        write(text, items, item)
    })
}

fn separated<T>(
    text: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut String, T) -> Result<()>,
) -> Result<()> {
    text.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        each(text, item)?;
    }
    text.push(close);
    Ok(())
}

fn displayed(array: &dyn Array, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    Ok(ArrayFormatter::try_new(array, &options)?.value(row).to_string())
}

fn plain(text: &mut String, array: &dyn Array, row: usize) -> Result<()> {
    text.push_str(&displayed(array, row)?);
    Ok(())
}

fn quoted(text: &mut String, value: &str) -> Result<()> {
    let json = serde_json::to_string(value).map_err(|e| Error::internal("a text is no JSON").because(e))?;
    text.push_str(&json);
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::{Field, Fields};

    use super::*;

    #[test]
    fn a_member_that_is_null_in_every_row_is_null() {
        let fields = Fields::from(vec![
            Field::new("team", DataType::Utf8, true),
            Field::new("cost_center", DataType::Null, true),
        ]);
        let tags: ArrayRef = Arc::new(StructArray::new(
            fields,
            vec![
                Arc::new(StringArray::from(vec!["a"])),
                Arc::new(datafusion::arrow::array::NullArray::new(1)),
            ],
            None,
        ));
        let text = as_json(&tags).unwrap();
        assert_eq!(
            text.as_string::<i32>().value(0),
            r#"{"team":"a","cost_center":null}"#
        );
    }

    #[test]
    fn lists_of_objects_keep_every_digit() {
        let fields = Fields::from(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("amount", DataType::Float64, true),
            Field::new("price", DataType::Decimal128(38, 9), true),
        ]);
        let items = StructArray::new(
            fields.clone(),
            vec![
                Arc::new(StringArray::from(vec![Some("a \"b\""), None])),
                Arc::new(Float64Array::from(vec![-5e-6, 0.1 + 0.2])),
                Arc::new(
                    Decimal128Array::from(vec![123_456_789, -1])
                        .with_precision_and_scale(38, 9)
                        .unwrap(),
                ),
            ],
            None,
        );
        let item = Arc::new(Field::new("item", DataType::Struct(fields), true));
        let lists = ListArray::new(item, OffsetBuffer::from_lengths([2, 0]), Arc::new(items), None);
        let column: ArrayRef = Arc::new(lists);
        assert!(is_nested(column.data_type()));
        let texts = as_json(&column).unwrap();
        assert_eq!(
            texts.as_string::<i32>().value(0),
            r#"[{"name":"a \"b\"","amount":-5e-6,"price":0.123456789},{"name":null,"amount":0.30000000000000004,"price":-0.000000001}]"#
        );
        assert_eq!(texts.as_string::<i32>().value(1), "[]");
    }
}

//! One type per column of a raw table, whatever the files of its sources say.
//!
//! The first file that brings a column decides its type. A file of another type lands in it where the type alone tells that
//! every value fits; else its values are kept exactly as text in a column beside it, `<name>__text`, and the engine shows both
//! as one (`transform::raw_types`).

use std::collections::BTreeMap;
use std::sync::Mutex;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

use super::contract::Contract;
use super::nested_cells::is_nested;
use super::raw_columns::raw_field;
use crate::transform::functions::map_type;

/// Ends the name of the column that keeps values of another type than its neighbour's as exact text.
pub const TEXT_SUFFIX: &str = "__text";

/// The columns that the slices of one run give each raw table, agreed on before any of them is written: slices that land side
/// by side would else each choose a type of their own.
#[derive(Debug, Default)]
pub struct AgreedColumns(Mutex<BTreeMap<String, Vec<Field>>>);

impl AgreedColumns {
    /// Lets `choose` add columns to those that the table has or will have, and returns all of them with its result.
    pub(super) fn agree<T>(
        &self,
        table: &str,
        existing: &[Field],
        choose: impl FnOnce(&mut Vec<Field>) -> T,
    ) -> (T, Vec<Field>) {
        let mut tables = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let agreed = tables
            .entry(table.to_string())
            .or_insert_with(|| existing.to_vec());
        let chosen = choose(agreed);
        (chosen, agreed.clone())
    }
}

/// A column of a delivered file.
#[derive(Debug, Clone)]
pub(super) struct DeliveredColumn {
    /// The header.
    pub header: String,
    /// Its name in the raw table.
    pub name: String,
    /// Its type in the file.
    pub data_type: DataType,
}

/// The table's field for each delivered column; those that the table lacks are added to `table`.
pub(super) fn table_fields(
    columns: &[DeliveredColumn],
    contract: &Contract,
    table: &mut Vec<Field>,
) -> Vec<Field> {
    let nested_as_text = !contract.nested.is_empty();
    let known = |table: &[Field], name: &str| table.iter().find(|field| field.name() == name).cloned();
    columns
        .iter()
        .map(|column| {
            let field = match known(table, &column.name) {
                Some(field) if fits(&column.data_type, field.data_type()) => return field,
                Some(_) => {
                    let beside = format!("{}{TEXT_SUFFIX}", column.name);
                    match known(table, &beside) {
                        Some(field) => return field,
                        None => raw_field(&beside, &column.header, DataType::Utf8),
                    }
                }
                None => {
                    let declared = || contract.declared_type(&column.name);
                    let data_type = match &column.data_type {
                        DataType::Null => declared().unwrap_or(DataType::Utf8),
                        nested if nested_as_text && is_nested(nested) => DataType::Utf8,
                        delivered => landed_type(delivered),
                    };
                    raw_field(&column.name, &column.header, data_type)
                }
            };
            table.push(field.clone());
            field
        })
        .collect()
}

/// The type that a delivered column gives a raw table's new column.
pub(super) fn landed_type(delivered: &DataType) -> DataType {
    match delivered {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::Dictionary(_, value) => landed_type(value),
        DataType::Timestamp(..) | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Map(entries, _) if map_values(entries).is_some_and(is_text) => map_type(),
        DataType::Map(entries, _) if map_values(entries).is_some_and(DataType::is_numeric) => {
            delivered.clone()
        }
        DataType::Boolean
        | DataType::Int64
        | DataType::Float64
        | DataType::Date32
        | DataType::Binary
        | DataType::Decimal128(..) => delivered.clone(),
        // Lists and objects grow fields, and times of day and wider decimals have no type in every reader.
        _ => DataType::Utf8,
    }
}

/// Whether every value of a delivered type is, unchanged, a value of the column's type.
fn fits(delivered: &DataType, kept: &DataType) -> bool {
    let whole_digits = |data_type: &DataType| match data_type {
        DataType::Int8 | DataType::UInt8 => Some(3),
        DataType::Int16 | DataType::UInt16 => Some(5),
        DataType::Int32 | DataType::UInt32 => Some(10),
        DataType::Int64 => Some(19),
        DataType::UInt64 => Some(20),
        _ => None,
    };
    if let DataType::Dictionary(_, value) = delivered {
        return fits(value, kept);
    }
    if delivered == kept || delivered == &DataType::Null || landed_type(delivered) == *kept {
        return true;
    }
    match kept {
        DataType::Utf8 => true,
        DataType::Float64 => whole_digits(delivered).is_some_and(|digits| digits <= 10),
        DataType::Decimal128(precision, scale) => {
            let room = i16::from(*precision) - i16::from(*scale);
            match delivered {
                DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                    s <= scale && i16::from(*p) - i16::from(*s) <= room
                }
                _ => *scale >= 0 && whole_digits(delivered).is_some_and(|digits| digits <= room),
            }
        }
        DataType::Timestamp(..) => delivered == &DataType::Date32,
        _ => false,
    }
}

/// Whether cells are text.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        _ => matches!(
            data_type,
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
        ),
    }
}

/// Whether cells are binary floating-point numbers.
pub(super) fn is_float(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_float(value),
        _ => data_type.is_floating(),
    }
}

/// The type of the values of a map with text keys.
fn map_values(entries: &Field) -> Option<&DataType> {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 && is_text(fields[0].data_type()) => {
            Some(fields[1].data_type())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;

    fn column(name: &str, data_type: DataType) -> DeliveredColumn {
        DeliveredColumn {
            header: name.into(),
            name: name.into(),
            data_type,
        }
    }

    fn landed(table: &mut Vec<Field>, name: &str, data_type: DataType) -> (String, DataType) {
        let contract = Contract::of(SourceKind::Focus);
        let field = table_fields(&[column(name, data_type)], &contract, table).remove(0);
        (field.name().clone(), field.data_type().clone())
    }

    #[test]
    fn a_column_of_another_type_is_kept_as_text_beside_the_first() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let decimal = DataType::Decimal128(38, 18);
        for (table, first, second) in [
            (&mut one, DataType::Float64, decimal.clone()),
            (&mut other, decimal, DataType::Float64),
        ] {
            assert_eq!(
                landed(table, "BilledCost", first.clone()),
                ("BilledCost".into(), first)
            );
            let beside = ("BilledCost__text".to_string(), DataType::Utf8);
            assert_eq!(landed(table, "BilledCost", second.clone()), beside);
            assert_eq!(landed(table, "BilledCost", second), beside);
            assert_eq!(table.len(), 2);
        }
    }

    #[test]
    fn an_empty_column_has_the_type_that_the_contract_declares() {
        let mut table = Vec::new();
        assert_eq!(
            landed(&mut table, "ListCost", DataType::Null).1,
            DataType::Float64
        );
        assert_eq!(landed(&mut table, "ListCost", DataType::Float64).0, "ListCost");
        assert_eq!(landed(&mut table, "ListCost", DataType::Null).0, "ListCost");
        assert_eq!(landed(&mut table, "Tags", DataType::Null).1, DataType::Utf8);
        assert_eq!(landed(&mut table, "Tags", map_type()).0, "Tags");
    }

    #[test]
    fn only_types_whose_every_value_fits_share_a_column() {
        let decimal = |precision, scale| DataType::Decimal128(precision, scale);
        for (kept, delivered, shared) in [
            (DataType::Float64, DataType::Float32, true),
            (DataType::Float64, DataType::Int32, true),
            (DataType::Float64, DataType::Int64, false),
            (DataType::Float64, decimal(38, 18), false),
            (decimal(38, 18), decimal(20, 2), true),
            (decimal(38, 18), decimal(38, 20), false),
            (decimal(38, 18), decimal(38, 2), false),
            (decimal(38, 18), DataType::Int64, true),
            (DataType::Int64, DataType::UInt64, false),
            (DataType::Int64, DataType::Utf8, false),
            (DataType::Utf8, DataType::Int64, true),
            (landed_type(&DataType::Date64), DataType::Date32, true),
            (DataType::Date32, DataType::Date64, false),
            (map_type(), DataType::Utf8, false),
        ] {
            assert_eq!(fits(&delivered, &kept), shared, "{delivered} in {kept}");
        }
    }
}

//! Whether a delivered column has the very bytes that the raw table's type would be written with.

use std::sync::Arc;

use datafusion::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use datafusion::parquet::errors::Result;
use datafusion::parquet::schema::types::{BasicTypeInfo, Type, TypePtr};

/// What a leaf's bytes mean, without the many ways in which writers say the same.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// As the physical type says.
    Itself,
    Text,
    Date,
    /// UTC; landing reads local times as UTC.
    Microseconds,
    Decimal(i32, i32),
    /// Anything else, never taken over.
    Other,
}

/// `wanted` with the delivered column's own optional and required parts, when its bytes can be taken over as they are.
///
/// # Errors
/// The type could not be put together.
pub fn taken_over(delivered: &Type, wanted: &Type) -> Result<Option<TypePtr>> {
    same(delivered, wanted, false)
}

/// `within` a map or list the names of the parts are the writer's own.
fn same(delivered: &Type, wanted: &Type, within: bool) -> Result<Option<TypePtr>> {
    let (info, wanted_info) = (delivered.get_basic_info(), wanted.get_basic_info());
    let Some(repetition) = repetition(info, wanted_info) else {
        return Ok(None);
    };
    match (delivered, wanted) {
        (
            Type::PrimitiveType {
                physical_type,
                type_length,
                scale,
                precision,
                ..
            },
            Type::PrimitiveType {
                physical_type: wanted_physical,
                type_length: wanted_length,
                scale: wanted_scale,
                precision: wanted_precision,
                ..
            },
        ) => {
            let same_bytes = physical_type == wanted_physical
                && (*physical_type != Physical::FIXED_LEN_BYTE_ARRAY || type_length == wanted_length);
            let told = meaning(info, *physical_type, *precision, *scale);
            if !same_bytes
                || told == Meaning::Other
                || told != meaning(wanted_info, *physical_type, *wanted_precision, *wanted_scale)
            {
                return Ok(None);
            }
            let leaf = Type::primitive_type_builder(wanted.name(), *wanted_physical)
                .with_repetition(repetition)
                .with_logical_type(wanted_info.logical_type_ref().cloned())
                .with_converted_type(wanted_info.converted_type())
                .with_length(*wanted_length)
                .with_precision(*wanted_precision)
                .with_scale(*wanted_scale)
                .build()?;
            Ok(Some(Arc::new(leaf)))
        }
        (Type::GroupType { fields, .. }, Type::GroupType { fields: others, .. }) => {
            let (kind, wanted_kind) = (group(info), group(wanted_info));
            if kind != wanted_kind || fields.len() != others.len() {
                return Ok(None);
            }
            let within = within || kind != Group::Plain;
            let mut parts = Vec::with_capacity(fields.len());
            for (field, other) in fields.iter().zip(others) {
                let named_alike = within || field.name() == other.name();
                match same(field, other, within)?.filter(|_| named_alike) {
                    Some(part) => parts.push(part),
                    None => return Ok(None),
                }
            }
            let group = Type::group_type_builder(wanted.name())
                .with_repetition(repetition)
                .with_logical_type(wanted_info.logical_type_ref().cloned())
                .with_converted_type(wanted_info.converted_type())
                .with_fields(parts)
                .build()?;
            Ok(Some(Arc::new(group)))
        }
        _ => Ok(None),
    }
}

/// A required column may stand for an optional one, never the other way round.
fn repetition(delivered: &BasicTypeInfo, wanted: &BasicTypeInfo) -> Option<Repetition> {
    if !delivered.has_repetition() || !wanted.has_repetition() {
        return None;
    }
    match (delivered.repetition(), wanted.repetition()) {
        (one, other) if one == other => Some(one),
        (Repetition::REQUIRED, Repetition::OPTIONAL) => Some(Repetition::REQUIRED),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
enum Group {
    Plain,
    Map,
    List,
}

fn group(info: &BasicTypeInfo) -> Group {
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Map), _) | (None, ConvertedType::MAP) => Group::Map,
        (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => Group::List,
        _ => Group::Plain,
    }
}

fn meaning(info: &BasicTypeInfo, physical: Physical, precision: i32, scale: i32) -> Meaning {
    let whole = |bits: i8| match physical {
        Physical::INT32 => bits == 32,
        Physical::INT64 => bits == 64,
        _ => false,
    };
    match info.logical_type_ref() {
        Some(LogicalType::String | LogicalType::Json | LogicalType::Enum) => Meaning::Text,
        Some(LogicalType::Date) => Meaning::Date,
        Some(LogicalType::Timestamp(told)) if told.unit == TimeUnit::MICROS => Meaning::Microseconds,
        Some(LogicalType::Decimal(told)) => Meaning::Decimal(told.precision, told.scale),
        Some(LogicalType::Integer(told)) if told.is_signed && whole(told.bit_width) => Meaning::Itself,
        Some(_) => Meaning::Other,
        None => match info.converted_type() {
            ConvertedType::NONE => Meaning::Itself,
            ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM => Meaning::Text,
            ConvertedType::DATE => Meaning::Date,
            ConvertedType::TIMESTAMP_MICROS => Meaning::Microseconds,
            ConvertedType::DECIMAL => Meaning::Decimal(precision, scale),
            ConvertedType::INT_32 if whole(32) => Meaning::Itself,
            ConvertedType::INT_64 if whole(64) => Meaning::Itself,
            _ => Meaning::Other,
        },
    }
}

#[cfg(test)]
mod tests;

//! `canonical_quantity(raw, multiplier, per_month, at)`: a quantity in the canonical unit, rounded once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Builder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::money::written;
use super::text::as_text;
use crate::domain::decimal::{DecimalError, Multiplier, QUANTITY_SCALE, written_f64};
use crate::domain::period::Period;
use crate::error::Error;

/// `canonical_quantity(raw, multiplier, per_month, at)`.
///
/// `raw` as delivered; `multiplier` of `reference.units` (null: the quantity stays as it is);
/// `per_month` is `'true'` for units sold per calendar month, whose hours then multiply; `at` is the
/// date the month is taken from. Null in, null out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CanonicalQuantity(Signature);

impl Default for CanonicalQuantity {
    fn default() -> Self {
        CanonicalQuantity(Signature::any(4, Volatility::Immutable))
    }
}

/// Hours of the calendar month that holds a day.
pub fn hours_of_month(epoch_day: i32) -> Option<i64> {
    let month = Period::of_epoch_day(epoch_day)?;
    Some((month.next().first_day() - month.first_day()).num_hours())
}

/// Multipliers remembered at once.
const MOST_MULTIPLIERS: usize = 64;

fn convert(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let multipliers = cast(&arrays[1], &DataType::Float64)?;
    let multipliers = multipliers.as_primitive::<Float64Type>();
    let per_month = as_text(&arrays[2])?;
    let days = cast(&arrays[3], &DataType::Date32)?;
    let days = days.as_primitive::<Date32Type>();
    let one = 10i128.pow(QUANTITY_SCALE);
    // A bill has few units, and months have one of four lengths.
    let mut known: Vec<(Option<f64>, i64, Multiplier)> = Vec::new();
    let mut last_hours: (i32, i64) = (i32::MIN, 0);
    let mut output = Decimal128Builder::with_capacity(days.len());
    let mut failure = None;
    let mut row = 0;
    written(&arrays[0], |value| {
        let converted = value.map(|value| -> Result<i128, DecimalError> {
            let multiplier = multipliers.is_valid(row).then(|| multipliers.value(row));
            let is_per_month = per_month.is_valid(row) && per_month.value(row) == "true";
            let mut hours = 1;
            if is_per_month && days.is_valid(row) {
                let day = days.value(row);
                if last_hours.0 != day {
                    last_hours = (day, hours_of_month(day).ok_or(DecimalError::Overflow)?);
                }
                hours = last_hours.1;
            }
            let prepared = match known.iter().find(|k| k.0 == multiplier && k.1 == hours) {
                Some(known) => known.2,
                None => {
                    let exact = match multiplier {
                        Some(multiplier) => written_f64(multiplier)?.exact(QUANTITY_SCALE)?,
                        None => one,
                    };
                    let prepared = Multiplier::new(exact, hours)?;
                    // Where prices take the multiplier's place there are many.
                    if known.len() == MOST_MULTIPLIERS {
                        known.clear();
                    }
                    known.push((multiplier, hours, prepared));
                    prepared
                }
            };
            prepared.of(value?)
        });
        match converted.transpose() {
            Ok(value) => output.append_option(value),
            Err(error) => {
                failure.get_or_insert((row, error));
                output.append_null();
            }
        }
        row += 1;
    })?;
    if let Some((row, error)) = failure {
        let text = as_text(&arrays[0])?.value(row).to_string();
        return Err(Error::data(format!("`{text}` is no usage quantity"))
            .because(error)
            .into());
    }
    Ok(Arc::new(
        output
            .finish()
            .with_precision_and_scale(38, QUANTITY_SCALE as i8)?,
    ))
}

impl ScalarUDFImpl for CanonicalQuantity {
    fn name(&self) -> &str {
        "canonical_quantity"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, QUANTITY_SCALE as i8))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(convert(&arrays)?))
    }
}

#[cfg(test)]
mod tests {
    use super::hours_of_month;

    #[test]
    fn months_have_their_own_hours() {
        assert_eq!(hours_of_month(19_768), Some(29 * 24)); // 2024-02-15
        assert_eq!(hours_of_month(20_089), Some(31 * 24)); // 2025-01-01
    }
}

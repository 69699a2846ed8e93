//! `money(x)` and `double_money(x)`: text or a native number to DECIMAL(38,24), exactly or not at all.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal128Builder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};
use crate::domain::decimal::{DecimalError, MONEY_SCALE, Written, double_money, parse_written, written_f64};
use crate::error::Error;

/// The numbers of a column as they were written; null stays null.
pub(super) fn written(
    array: &ArrayRef,
    mut each: impl FnMut(Option<Result<Written, DecimalError>>),
) -> Result<()> {
    match array.data_type() {
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .iter()
            .for_each(|v| each(v.map(written_f64))),
        DataType::Float32 => {
            let wide = cast(array, &DataType::Float64)?;
            wide.as_primitive::<Float64Type>()
                .iter()
                .for_each(|v| each(v.map(written_f64)));
        }
        DataType::Decimal128(_, scale) => {
            let exponent = -i32::from(*scale);
            array
                .as_primitive::<Decimal128Type>()
                .iter()
                .for_each(|v| each(v.map(|digits| Ok(Written { digits, exponent }))));
        }
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => {
            let wide = cast(array, &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().iter().for_each(|v| {
                each(v.map(|d| {
                    Ok(Written {
                        digits: i128::from(d),
                        exponent: 0,
                    })
                }))
            });
        }
        _ => as_text(array)?.iter().for_each(|t| {
            each(
                t.filter(|t| !is_null_text(t.as_bytes()))
                    .map(|t| parse_written(t.as_bytes())),
            )
        }),
    }
    Ok(())
}

/// `money(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Money(Signature);

impl Default for Money {
    fn default() -> Self {
        Money(Signature::any(1, Volatility::Immutable))
    }
}

/// `double_money(x)`: money that is a double where it comes from, also as text. Digits beyond 24 places are noise then.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DoubleMoney(Signature);

impl Default for DoubleMoney {
    fn default() -> Self {
        DoubleMoney(Signature::any(1, Volatility::Immutable))
    }
}

/// A number as an amount.
type ToMoney = fn(Written) -> Result<i128, DecimalError>;

fn parse(array: &ArrayRef, of_text: ToMoney) -> Result<Decimal128Array> {
    let mut output = Decimal128Builder::with_capacity(array.len());
    let mut failure = None;
    let mut row = 0;
    // A double carries 15 to 17 digits: what it has beyond 24 places is noise. Text is exact or refused.
    let to_money: ToMoney = match array.data_type() {
        DataType::Float32 | DataType::Float64 => |written| written.rounded(MONEY_SCALE),
        _ => of_text,
    };
    written(array, |value| {
        match value.map(|w| w.and_then(to_money)).transpose() {
            Ok(value) => output.append_option(value),
            Err(error) => {
                failure.get_or_insert((row, error));
                output.append_null();
            }
        }
        row += 1;
    })?;
    if let Some((row, error)) = failure {
        let text = as_text(array)
            .ok()
            .filter(|t| t.is_valid(row))
            .map(|t| t.value(row).to_string())
            .unwrap_or_default();
        return Err(Error::data(format!("`{text}` is no exact amount of money"))
            .because(error)
            .into());
    }
    Ok(output.finish().with_precision_and_scale(38, MONEY_SCALE as i8)?)
}

impl ScalarUDFImpl for Money {
    fn name(&self) -> &str {
        "money"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, MONEY_SCALE as i8))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let amounts = parse(&arrays[0], |written| written.exact(MONEY_SCALE))?;
        Ok(ColumnarValue::Array(Arc::new(amounts)))
    }
}

impl ScalarUDFImpl for DoubleMoney {
    fn name(&self) -> &str {
        "double_money"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, MONEY_SCALE as i8))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(Arc::new(parse(&arrays[0], double_money)?)))
    }
}

//! `json_text(x)` and `json_sum(x, path)`: lists and objects written as text, in JSON or as Python prints them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Decimal128Builder, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};
use crate::domain::decimal::{MONEY_SCALE, Sum, double_money};
use crate::domain::nested_text;
use crate::error::Error;

/// The texts of a column as JSON; null stays null, what is no list or object is refused.
fn each_json(
    column: &ArrayRef,
    mut each: impl FnMut(Option<&str>) -> std::result::Result<(), String>,
) -> Result<()> {
    let texts: StringViewArray = as_text(column)?;
    for text in texts.iter() {
        match text.filter(|t| !is_null_text(t.as_bytes())) {
            None => each(None),
            Some(text) => nested_text::as_json(text).and_then(|json| each(Some(&json))),
        }
        .map_err(|why| Error::data("a nested value cannot be read").because(why))?;
    }
    Ok(())
}

/// `json_text(x)`: the value as JSON, whether it is written so or as Python prints it; null stays null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct JsonText(Signature);

impl Default for JsonText {
    fn default() -> Self {
        JsonText(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mut output = StringViewBuilder::with_capacity(arrays[0].len());
        each_json(&arrays[0], |json| {
            output.append_option(json);
            Ok(())
        })?;
        Ok(ColumnarValue::Array(Arc::new(output.finish())))
    }
}

/// `json_sum(x, path)`: the exact sum of the amounts at a path of a list's objects, DECIMAL(38,24); null stays null, an
/// empty list is 0.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct JsonSum(Signature);

impl Default for JsonSum {
    fn default() -> Self {
        JsonSum(Signature::any(2, Volatility::Immutable))
    }
}

fn sum(json: &str, path: &str) -> std::result::Result<i128, String> {
    let mut sum = Sum::default();
    for number in nested_text::numbers_at(json, path)? {
        sum.add(double_money(number).map_err(|e| format!("an amount is {e}"))?);
    }
    sum.within(38).ok_or_else(|| "the sum is too large".to_string())
}

impl ScalarUDFImpl for JsonSum {
    fn name(&self) -> &str {
        "json_sum"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, MONEY_SCALE as i8))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let paths = as_text(&arrays[1])?;
        let mut paths = paths.iter();
        let mut output = Decimal128Builder::with_capacity(arrays[0].len());
        each_json(&arrays[0], |json| {
            let path = paths.next().flatten();
            output.append_option(json.zip(path).map(|(json, path)| sum(json, path)).transpose()?);
            Ok(())
        })?;
        let output = output.finish().with_precision_and_scale(38, MONEY_SCALE as i8)?;
        Ok(ColumnarValue::Array(Arc::new(output)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_exactly_in_both_spellings() {
        let column: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some(r#"[{"amount": -0.1}, {"amount": -0.2}]"#),
            Some("[{'amount': -5e-06, 'full_name': None}]"),
            Some("[]"),
            None,
        ]));
        let mut sums = Vec::new();
        each_json(&column, |json| {
            sums.push(json.map(|json| sum(json, "amount")).transpose()?);
            Ok(())
        })
        .unwrap();
        let unit = 10i128.pow(MONEY_SCALE);
        assert_eq!(
            sums,
            [Some(-3 * unit / 10), Some(-5 * unit / 1_000_000), Some(0), None]
        );
        let damaged: ArrayRef = Arc::new(StringViewArray::from(vec!["[{'amount'"]));
        assert!(each_json(&damaged, |_| Ok(())).is_err());
    }
}

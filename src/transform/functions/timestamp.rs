//! `usage_timestamp(x, date_order)`: text in any dialect of the exports, or a native timestamp, to UTC microseconds; null when it is
//! neither, or of a year that no bill is of.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};
use crate::domain::timestamp::{DateOrder, is_usual_year, parse_timestamp};

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `usage_timestamp(x, date_order)`; `date_order` is what landing found for the file (`mdy`, `dmy` or null).
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct UsageTimestamp(Signature);

impl Default for UsageTimestamp {
    fn default() -> Self {
        UsageTimestamp(Signature::any(2, Volatility::Immutable))
    }
}

fn parse(values: &ArrayRef, orders: &ArrayRef) -> Result<ArrayRef> {
    if matches!(
        values.data_type(),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Null
    ) {
        // A bill without a zone means UTC.
        let times = cast(values, &utc())?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        if times.iter().flatten().all(is_usual_year) {
            return Ok(Arc::new(times.clone()));
        }
        let usual = times.iter().map(|time| time.filter(|time| is_usual_year(*time)));
        let usual: TimestampMicrosecondArray = usual.collect();
        return Ok(Arc::new(usual.with_timezone("UTC")));
    }
    let (texts, orders) = (as_text(values)?, as_text(orders)?);
    let mut output = TimestampMicrosecondBuilder::with_capacity(texts.len());
    // Files name day and month in different orders: a text is known for its order alone.
    let mut last: (&str, Option<DateOrder>, Option<i64>) = ("", None, None);
    for row in 0..texts.len() {
        if texts.is_null(row) || is_null_text(texts.value(row).as_bytes()) {
            output.append_null();
            continue;
        }
        let text = texts.value(row);
        let order = match orders.is_valid(row) {
            true => DateOrder::parse(orders.value(row)),
            false => None,
        };
        if (text, order) != (last.0, last.1) {
            last = (
                text,
                order,
                parse_timestamp(text, order).filter(|time| is_usual_year(*time)),
            );
        }
        // Dates that every row needs were checked when the row was landed; others may be no date.
        output.append_option(last.2);
    }
    Ok(Arc::new(output.finish().with_timezone("UTC")))
}

impl ScalarUDFImpl for UsageTimestamp {
    fn name(&self) -> &str {
        "usage_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(utc())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(parse(&arrays[0], &arrays[1])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Date32Array, StringArray};

    #[test]
    fn a_year_that_no_bill_is_of_is_no_time() {
        let orders: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 3]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            "9999-12-31T00:00:00Z",
            "2026-09-01",
            "0001-01-01",
        ]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![2_932_896, 20_697, -719_162]));
        for values in [texts, days] {
            let times = parse(&values, &orders).unwrap();
            let is_null: Vec<bool> = (0..3).map(|row| times.is_null(row)).collect();
            assert_eq!(is_null, [true, false, true], "{values:?}");
        }
    }
}

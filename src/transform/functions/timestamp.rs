//! `usage_timestamp(x, date_order)`: text in any dialect of the exports, or a native timestamp, to UTC microseconds; null when it is neither.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, TimestampMicrosecondBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};
use crate::domain::timestamp::{DateOrder, parse_timestamp};

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
        return Ok(cast(values, &utc())?);
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
            last = (text, order, parse_timestamp(text, order));
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

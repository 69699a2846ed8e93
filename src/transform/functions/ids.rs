//! `clean_id`: ids without the spellings of null and of doubles.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, clean};
use crate::domain::id_text::as_id;

/// `clean_id(x)`: as `clean_text`, and an id that is written as a whole double reads as its digits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CleanId(Signature);

impl Default for CleanId {
    fn default() -> Self {
        CleanId(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for CleanId {
    fn name(&self) -> &str {
        "clean_id"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let ids = clean(&as_text(&arrays[0])?);
        let texts = ids.as_string_view();
        if texts.iter().flatten().all(|id| as_id(id) == id) {
            return Ok(ColumnarValue::Array(ids));
        }
        let meant: StringViewArray = texts.iter().map(|id| id.map(as_id)).collect();
        Ok(ColumnarValue::Array(Arc::new(meant)))
    }
}

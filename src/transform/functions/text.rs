//! `clean_text` and `json_value`: text without the spellings of null.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde_json::value::RawValue;

/// Whether a cell means "no value": empty, `NULL`, `null`, `(null)` or `None`.
pub fn is_null_text(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.is_empty()
        || (text.len() <= 6
            && (text.eq_ignore_ascii_case(b"null")
                || text.eq_ignore_ascii_case(b"(null)")
                || text == b"None"))
}

/// Any column as text views.
pub(super) fn as_text(array: &ArrayRef) -> Result<StringViewArray> {
    let array = match array.data_type() {
        DataType::Utf8View => array.clone(),
        _ => cast(array, &DataType::Utf8View)?,
    };
    Ok(array.as_string_view().clone())
}

/// `clean_text(x)`: trimmed text, null where [`is_null_text`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CleanText(Signature);

impl Default for CleanText {
    fn default() -> Self {
        CleanText(Signature::any(1, Volatility::Immutable))
    }
}

pub(super) fn clean(text: &StringViewArray) -> ArrayRef {
    if text
        .iter()
        .flatten()
        .any(|t| t.len() != t.trim_ascii().len() && !is_null_text(t.as_bytes()))
    {
        let cleaned: StringViewArray = text
            .iter()
            .map(|t| t.map(str::trim).filter(|t| !is_null_text(t.as_bytes())))
            .collect();
        return Arc::new(cleaned);
    }
    // Nothing to trim: the same views under another validity, no byte is copied.
    let valid = BooleanBuffer::collect_bool(text.len(), |row| {
        text.is_valid(row) && !is_null_text(text.value(row).as_bytes())
    });
    let (views, buffers, _) = text.clone().into_parts();
    match StringViewArray::try_new(views, buffers, Some(NullBuffer::new(valid))) {
        Ok(array) => Arc::new(array),
        Err(_) => Arc::new(text.clone()),
    }
}

impl ScalarUDFImpl for CleanText {
    fn name(&self) -> &str {
        "clean_text"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(clean(&as_text(&arrays[0])?)))
    }
}

/// `json_value(text, key)`: the value of a key of a JSON object as text, a number as it is written; null when there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct JsonValue(Signature);

impl Default for JsonValue {
    fn default() -> Self {
        JsonValue(Signature::any(2, Volatility::Immutable))
    }
}

fn json_field(text: &str, key: &str) -> Option<String> {
    let object: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let value = object
        .iter()
        .find(|(k, _)| k.eq_ignore_ascii_case(key))
        .map(|(_, v)| v.get())?;
    match value.as_bytes().first() {
        Some(b'n') => None,
        Some(b'"') => serde_json::from_str::<String>(value)
            .ok()
            .filter(|t| !is_null_text(t.as_bytes())),
        _ => Some(value.to_string()),
    }
}

impl ScalarUDFImpl for JsonValue {
    fn name(&self) -> &str {
        "json_value"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (texts, keys) = (as_text(&arrays[0])?, as_text(&arrays[1])?);
        let mut output = StringViewBuilder::with_capacity(texts.len());
        for (text, key) in texts.iter().zip(keys.iter()) {
            output.append_option(
                text.zip(key)
                    .filter(|(t, _)| t.starts_with('{'))
                    .and_then(|(t, k)| json_field(t, k)),
            );
        }
        Ok(ColumnarValue::Array(Arc::new(output.finish())))
    }
}

//! Tags: a JSON text, a map or one column per key, to a map whose keys have no `user:` prefix.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, MapArray, MapBuilder, MapFieldNames, StringBuilder, StringViewArray,
    StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};

/// The type of every tag map here.
pub fn map_type() -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("key_value", DataType::Struct(entries), false)),
        false,
    )
}

fn builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames {
        entry: "key_value".into(),
        key: "key".into(),
        value: "value".into(),
    };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

/// `user:team` and `user_team` are the key `team`; `aws:` and other prefixes stay.
pub fn clean_key(key: &str) -> &str {
    key.strip_prefix("user:")
        .or_else(|| key.strip_prefix("user_"))
        .unwrap_or(key)
}

/// The entries of a tags cell written as JSON; braces may be missing, as in some Azure exports.
pub fn json_entries(text: &str) -> Vec<(String, String)> {
    let text = text.trim();
    if text.starts_with('[') {
        return listed_entries(text);
    }
    let parsed = if text.starts_with('{') {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
    } else {
        serde_json::from_str(&format!("{{{text}}}"))
    };
    let Ok(object) = parsed else { return Vec::new() };
    object
        .into_iter()
        .filter_map(|(key, value)| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(value) => Some((clean_key(&key).to_string(), value)),
            other => Some((clean_key(&key).to_string(), other.to_string())),
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// `[{"key": "team", "value": "web"}]`, as Google's FOCUS export writes tags.
fn listed_entries(text: &str) -> Vec<(String, String)> {
    let items: Vec<serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            Some((
                clean_key(item["key"].as_str()?).to_string(),
                item["value"].as_str()?.to_string(),
            ))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Keys and values of one row of a map column, the keys cleaned.
fn map_entries(
    map: &MapArray,
    keys: &StringViewArray,
    values: &StringViewArray,
    row: usize,
) -> Vec<(String, String)> {
    let offsets = map.value_offsets();
    (offsets[row] as usize..offsets[row + 1] as usize)
        .filter(|i| values.is_valid(*i) && !values.value(*i).is_empty())
        .map(|i| (clean_key(keys.value(i)).to_string(), values.value(i).to_string()))
        .collect()
}

/// `clean_tags(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CleanTags(Signature);

impl Default for CleanTags {
    fn default() -> Self {
        CleanTags(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for CleanTags {
    fn name(&self) -> &str {
        "clean_tags"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(map_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mut output = builder();
        let push = |entries: Vec<(String, String)>, output: &mut MapBuilder<StringBuilder, StringBuilder>| {
            for (key, value) in entries {
                output.keys().append_value(key);
                output.values().append_value(value);
            }
            output.append(true)
        };
        if let Some(map) = arrays[0].as_map_opt() {
            let (keys, values) = (as_text(map.keys())?, as_text(map.values())?);
            for row in 0..map.len() {
                let entries = if map.is_valid(row) {
                    map_entries(map, &keys, &values, row)
                } else {
                    Vec::new()
                };
                push(entries, &mut output)?;
            }
        } else {
            let texts = as_text(&arrays[0])?;
            for text in texts.iter() {
                let entries = text
                    .filter(|t| !is_null_text(t.as_bytes()))
                    .map(json_entries)
                    .unwrap_or_default();
                push(entries, &mut output)?;
            }
        }
        Ok(ColumnarValue::Array(Arc::new(output.finish())))
    }
}

/// `tag_value(tags, key)`: the value of one key, or null. Reads a map whose keys still have their prefix as well.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TagValue(Signature);

impl Default for TagValue {
    fn default() -> Self {
        TagValue(Signature::any(2, Volatility::Immutable))
    }
}

/// The value of one key of each map, null where there is none.
///
/// # Errors
/// Keys or values that are no text.
pub fn tag_values(map: &MapArray, key: &str) -> Result<ArrayRef> {
    let (keys, values) = (as_text(map.keys())?, as_text(map.values())?);
    let mut output = StringViewBuilder::with_capacity(map.len());
    let offsets = map.value_offsets();
    for row in 0..map.len() {
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        let found = if map.is_valid(row) {
            entries.clone().find(|i| clean_key(keys.value(*i)) == key)
        } else {
            None
        };
        output.append_option(
            found
                .filter(|i| values.is_valid(*i))
                .map(|i| values.value(i))
                .filter(|v| !v.is_empty()),
        );
    }
    Ok(Arc::new(output.finish()))
}

impl ScalarUDFImpl for TagValue {
    fn name(&self) -> &str {
        "tag_value"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let key = match &args.args[1] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(key)) | ScalarValue::Utf8View(Some(key))) => {
                key.clone()
            }
            _ => return exec_err!("tag_value takes a literal key"),
        };
        let map = args.args[0].to_array(args.number_rows)?;
        match map.as_map_opt() {
            Some(map) => Ok(ColumnarValue::Array(tag_values(map, &key)?)),
            None => exec_err!("tag_value reads a map"),
        }
    }
}

/// `tags_from_columns(key, column, key, column, …)`: one map out of one column per tag key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TagsFromColumns(Signature);

impl Default for TagsFromColumns {
    fn default() -> Self {
        TagsFromColumns(Signature::variadic_any(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for TagsFromColumns {
    fn name(&self) -> &str {
        "tags_from_columns"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(map_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut columns: Vec<(String, StringViewArray)> = Vec::new();
        for pair in args.args.chunks_exact(2) {
            let ColumnarValue::Scalar(ScalarValue::Utf8(Some(key)) | ScalarValue::Utf8View(Some(key))) =
                &pair[0]
            else {
                return exec_err!("tags_from_columns takes literal keys");
            };
            columns.push((
                clean_key(key).to_string(),
                as_text(&pair[1].to_array(args.number_rows)?)?,
            ));
        }
        let mut output = builder();
        for row in 0..args.number_rows {
            let mut seen: Vec<&str> = Vec::new();
            for (key, column) in &columns {
                if column.is_valid(row)
                    && !is_null_text(column.value(row).as_bytes())
                    && !seen.contains(&key.as_str())
                {
                    output.keys().append_value(key);
                    output.values().append_value(column.value(row));
                    seen.push(key);
                }
            }
            output.append(true)?;
        }
        Ok(ColumnarValue::Array(Arc::new(output.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_and_without_braces() {
        let expected = vec![
            ("a".to_string(), "1".to_string()),
            ("team".to_string(), "web".to_string()),
        ];
        assert_eq!(
            json_entries(r#"{"a": 1, "user_team": "web", "b": null}"#),
            expected
        );
        assert_eq!(json_entries(r#""a": "1","user:team": "web""#), expected);
        assert_eq!(
            json_entries(r#"[{"key": "a", "value": "1"}, {"key": "user:team", "value": "web"}]"#),
            expected
        );
        assert!(json_entries("not json").is_empty());
    }
}

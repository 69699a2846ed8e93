//! Tags: in whatever shape a bill writes them, to a map whose keys have no `user:` prefix.
//!
//! A column of tags is a map, a list of objects with a key and a value, or one of both as JSON text. Keys are case sensitive.
//! Of several entries with one key the first counts, and an empty value is none.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, MapArray, MapBuilder, MapFieldNames, StringBuilder, StringViewArray,
    StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text::{as_text, is_null_text};
use crate::domain::tag_text::pairs;

/// Before the keys of resource tags, in AWS's column of all tags.
const RESOURCE_TAG: &str = "resourceTags/";

/// Before the keys of account tags there.
pub const ACCOUNT_TAG: &str = "accountTag/";

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

/// `user:team`, `user_team`, `resourceTags/team` and `resourceTags/user:team` are the key `team`; `aws:` and other prefixes
/// stay.
pub fn clean_key(key: &str) -> &str {
    let key = key.strip_prefix(RESOURCE_TAG).unwrap_or(key);
    key.strip_prefix("user:")
        .or_else(|| key.strip_prefix("user_"))
        .unwrap_or(key)
}

/// A column of tags, open for reading row by row.
enum Tags {
    /// A map, or a list of objects: where each row's entries begin, then the entries.
    Entries {
        column: ArrayRef,
        offsets: Vec<usize>,
        keys: StringViewArray,
        values: StringViewArray,
    },
    /// JSON text.
    Text(StringViewArray),
}

impl Tags {
    /// # Errors
    /// A list of something else than keys and values, and what arrow says of a type that is no text.
    fn open(column: &ArrayRef) -> Result<Tags> {
        if let Some(map) = column.as_map_opt() {
            return Ok(Tags::Entries {
                column: column.clone(),
                offsets: map.value_offsets().iter().map(|o| *o as usize).collect(),
                keys: as_text(map.keys())?,
                values: as_text(map.values())?,
            });
        }
        let (offsets, entries) = match (column.as_list_opt::<i32>(), column.as_list_opt::<i64>()) {
            (Some(list), _) => (
                list.value_offsets().iter().map(|o| *o as usize).collect(),
                list.values(),
            ),
            (_, Some(list)) => (
                list.value_offsets().iter().map(|o| *o as usize).collect(),
                list.values(),
            ),
            _ => return Ok(Tags::Text(as_text(column)?)),
        };
        let member = |name: &str| {
            let objects = entries.as_struct_opt()?;
            let place = objects
                .fields()
                .iter()
                .position(|f| f.name().eq_ignore_ascii_case(name))?;
            Some(objects.column(place))
        };
        match (member("key"), member("value")) {
            (Some(keys), Some(values)) => Ok(Tags::Entries {
                column: column.clone(),
                offsets,
                keys: as_text(keys)?,
                values: as_text(values)?,
            }),
            _ => exec_err!(
                "tags are a list of {}, not of keys and values",
                entries.data_type()
            ),
        }
    }

    fn len(&self) -> usize {
        match self {
            Tags::Entries { column, .. } => column.len(),
            Tags::Text(texts) => texts.len(),
        }
    }

    /// The entries of a row as they are written: key and value, an empty one for null.
    fn row(&self, row: usize) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        match self {
            Tags::Entries {
                column,
                offsets,
                keys,
                values,
            } if column.is_valid(row) => (offsets[row]..offsets[row + 1])
                .filter(|entry| keys.is_valid(*entry))
                .map(|entry| {
                    let value = if values.is_valid(entry) {
                        values.value(entry)
                    } else {
                        ""
                    };
                    (Cow::Borrowed(keys.value(entry)), Cow::Borrowed(value))
                })
                .collect(),
            Tags::Text(texts) if texts.is_valid(row) && !is_null_text(texts.value(row).as_bytes()) => {
                let pairs = pairs(texts.value(row)).into_iter();
                pairs
                    .map(|(key, value)| (Cow::Owned(key), Cow::Owned(value)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The tags of one row.
#[derive(Default)]
struct Collected(Vec<(String, String)>);

impl Collected {
    /// Takes the entries of a column whose keys are not there yet.
    fn take<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a str)>) {
        let known = self.0.len();
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in entries {
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            if !value.is_empty() && self.0[..known].iter().all(|(other, _)| other != key) {
                self.0.push((key.to_string(), value.to_string()));
            }
        }
    }
}

/// Maps under construction.
struct Maps(MapBuilder<StringBuilder, StringBuilder>);

impl Maps {
    fn new() -> Maps {
        let names = MapFieldNames {
            entry: "key_value".into(),
            key: "key".into(),
            value: "value".into(),
        };
        Maps(MapBuilder::new(
            Some(names),
            StringBuilder::new(),
            StringBuilder::new(),
        ))
    }

    /// Adds a row; its keys are in order, so that the same tags are the same map.
    fn push(&mut self, mut tags: Collected) -> Result<()> {
        tags.0.sort();
        for (key, value) in tags.0 {
            self.0.keys().append_value(key);
            self.0.values().append_value(value);
        }
        Ok(self.0.append(true)?)
    }

    fn finish(mut self) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(self.0.finish()))
    }
}

/// One map per row out of all columns; `key` is what a written key becomes.
fn one_map(args: ScalarFunctionArgs, key: impl Fn(&str) -> &str) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let columns = arrays.iter().map(Tags::open).collect::<Result<Vec<_>>>()?;
    let mut output = Maps::new();
    for row in 0..columns.first().map_or(0, Tags::len) {
        let mut tags = Collected::default();
        for column in &columns {
            let entries = column.row(row);
            tags.take(
                entries
                    .iter()
                    .map(|(written, value)| (key(written), value.as_ref())),
            );
        }
        output.push(tags)?;
    }
    Ok(output.finish())
}

/// `clean_tags(x, y, …)`: one map out of columns of tags. Of a key in several columns the first column's value counts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CleanTags(Signature);

impl Default for CleanTags {
    fn default() -> Self {
        CleanTags(Signature::variadic_any(Volatility::Immutable))
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
        one_map(args, clean_key)
    }
}

/// `written_tags(x, y, …)`: as `clean_tags`, with the keys as they are written, for columns that are one column in two shapes.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WrittenTags(Signature);

impl Default for WrittenTags {
    fn default() -> Self {
        WrittenTags(Signature::variadic_any(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for WrittenTags {
    fn name(&self) -> &str {
        "written_tags"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(map_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_map(args, |key| key)
    }
}

/// `aws_tags(x)`: the tags of AWS's column of all tags. Account tags are tags as resource tags are, and give way to them;
/// the keys of cost categories and user attributes keep their prefix.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct AwsTags(Signature);

impl Default for AwsTags {
    fn default() -> Self {
        AwsTags(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for AwsTags {
    fn name(&self) -> &str {
        "aws_tags"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(map_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let column = Tags::open(&arrays[0])?;
        let mut output = Maps::new();
        for row in 0..column.len() {
            let mut tags = Collected::default();
            let entries = column.row(row);
            let (mut own, mut account) = (Vec::new(), Vec::new());
            for (key, value) in &entries {
                match key.strip_prefix(ACCOUNT_TAG) {
                    Some(key) => account.push((key, value.as_ref())),
                    None => own.push((clean_key(key), value.as_ref())),
                }
            }
            tags.take(own.into_iter());
            tags.take(account.into_iter());
            output.push(tags)?;
        }
        Ok(output.finish())
    }
}

/// `tag_value(tags, key)`: the value of one key, or null. Reads every shape of tags, with prefixes before keys or without.
/// `exact_tag_value(tags, key)` takes keys as they are written: a customer's own `user_team` is not `team`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TagValue {
    signature: Signature,
    is_exact: bool,
}

impl Default for TagValue {
    fn default() -> Self {
        TagValue {
            signature: Signature::any(2, Volatility::Immutable),
            is_exact: false,
        }
    }
}

impl TagValue {
    /// Of keys as they are written.
    pub fn exact() -> Self {
        TagValue {
            is_exact: true,
            ..TagValue::default()
        }
    }

    /// What a written key is called.
    fn key_of<'a>(&self, written: &'a str) -> &'a str {
        match self.is_exact {
            true => written,
            false => clean_key(written),
        }
    }
}

/// The value of one key of each map, null where there is none.
///
/// # Errors
/// Keys or values that are no text.
pub fn tag_values(map: &MapArray, key: &str) -> Result<ArrayRef> {
    values_of(map, |written| clean_key(written) == key)
}

fn values_of(map: &MapArray, is_key: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let (keys, values) = (as_text(map.keys())?, as_text(map.values())?);
    let mut output = StringViewBuilder::with_capacity(map.len());
    let offsets = map.value_offsets();
    for row in 0..map.len() {
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        let found = if map.is_valid(row) {
            entries.clone().find(|i| is_key(keys.value(*i)))
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
        match self.is_exact {
            true => "exact_tag_value",
            false => "tag_value",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let key = match &args.args[1] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(key)) | ScalarValue::Utf8View(Some(key))) => {
                key.clone()
            }
            _ => return exec_err!("{} takes a literal key", self.name()),
        };
        let column = args.args[0].to_array(args.number_rows)?;
        if let Some(map) = column.as_map_opt() {
            let is_key = |written: &str| self.key_of(written) == key;
            return Ok(ColumnarValue::Array(values_of(map, is_key)?));
        }
        let tags = Tags::open(&column)?;
        let mut output = StringViewBuilder::with_capacity(tags.len());
        for row in 0..tags.len() {
            let entries = tags.row(row);
            let found = entries.iter().find(|(written, _)| self.key_of(written) == key);
            output.append_option(found.map(|(_, value)| value).filter(|value| !value.is_empty()));
        }
        Ok(ColumnarValue::Array(Arc::new(output.finish())))
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
        let mut output = Maps::new();
        for row in 0..args.number_rows {
            let mut tags = Collected::default();
            let delivered = columns
                .iter()
                .filter(|(_, column)| column.is_valid(row) && !is_null_text(column.value(row).as_bytes()));
            tags.take(delivered.map(|(key, column)| (key.as_str(), column.value(row))));
            output.push(tags)?;
        }
        Ok(output.finish())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ListArray, StringArray, StructArray};
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::prelude::SessionContext;

    use super::*;

    /// A map with these entries in one row.
    fn map(entries: &[(&str, &str)]) -> ArrayRef {
        let mut maps = Maps::new().0;
        for (key, value) in entries {
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true).unwrap();
        Arc::new(maps.finish())
    }

    fn list(key: &str, value: &str, entries: &[(&str, &str)]) -> ArrayRef {
        let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        let keys: StringArray = entries.iter().map(|(key, _)| Some(*key)).collect();
        let values: StringArray = entries.iter().map(|(_, value)| Some(*value)).collect();
        let objects = StructArray::from(vec![
            (field(key), Arc::new(keys) as ArrayRef),
            (field(value), Arc::new(values) as ArrayRef),
        ]);
        Arc::new(ListArray::new(
            Arc::new(Field::new("item", objects.data_type().clone(), true)),
            OffsetBuffer::from_lengths([entries.len()]),
            Arc::new(objects),
            None,
        ))
    }

    fn text(json: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![json]))
    }

    /// What a call over columns `a`, `b`, … gives for its one row, as the engine prints it.
    fn call(expression: &str, columns: &[ArrayRef]) -> String {
        let context = SessionContext::new();
        super::super::register(&context);
        let named = columns
            .iter()
            .zip(["a", "b", "c"])
            .map(|(column, name)| (name, column.clone()));
        let batch = datafusion::arrow::array::RecordBatch::try_from_iter(named).unwrap();
        context.register_batch("t", batch).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let batches = runtime.block_on(async {
            let query = format!("SELECT {expression} AS x FROM t");
            context.sql(&query).await.unwrap().collect().await.unwrap()
        });
        let column = batches[0].column(0);
        datafusion::arrow::util::display::array_value_to_string(column, 0).unwrap()
    }

    #[test]
    fn every_shape_of_a_columns_tags_gives_the_same_map() {
        let entries = [
            ("user_team", "web"),
            ("Team", "a"),
            ("user:team", "late"),
            ("aws:x", ""),
        ];
        for column in [
            map(&entries),
            list("Key", "Value", &entries),
            list("key", "value", &entries),
            text(r#"{"user_team": "web", "Team": "a", "user:team": "late", "aws:x": ""}"#),
            text(
                r#"[{"Key": "user_team", "Value": "web"}, {"Key": "Team", "Value": "a"}, {"key": "user:team", "value": "late"}]"#,
            ),
            text(r#""user_team": "web","Team": "a","team": "late""#),
        ] {
            let columns = std::slice::from_ref(&column);
            assert_eq!(
                call("clean_tags(a)", columns),
                "{Team: a, team: web}",
                "{column:?}"
            );
            assert_eq!(call("tag_value(a, 'team')", columns), "web", "{column:?}");
            assert_eq!(call("tag_value(a, 'aws:x')", columns), "", "{column:?}");
            assert_eq!(
                call("exact_tag_value(a, 'user_team')", columns),
                "web",
                "{column:?}"
            );
            let written = "exact_tag_value(written_tags(a), 'Team')";
            assert_eq!(call(written, columns), "a", "{column:?}");
        }
    }

    #[test]
    fn the_first_column_with_a_key_counts() {
        let columns = [
            list("Key", "Value", &[("team", ""), ("env", "prod")]),
            map(&[("team", "web"), ("env", "test")]),
            text(r#"{"unit": "shop"}"#),
        ];
        assert_eq!(
            call("clean_tags(a, b, c)", &columns),
            "{env: prod, team: web, unit: shop}"
        );
    }

    #[test]
    fn account_tags_give_way_to_resource_tags_and_other_kinds_keep_their_prefix() {
        let entries = [
            ("accountTag/team", "finance"),
            ("accountTag/env", "prod"),
            ("resourceTags/user:team", "web"),
            ("resourceTags/aws:createdBy", "me"),
            ("costCategory/team", "shop"),
            ("userAttribute/team", "ops"),
        ];
        assert_eq!(
            call("clean_tags(aws_tags(a))", &[map(&entries)]),
            "{aws:createdBy: me, costCategory/team: shop, env: prod, team: web, userAttribute/team: ops}"
        );
    }
}

//! Tags written as text: JSON objects, with or without their braces, and JSON lists of objects with a key and a value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The entries of an object in the order in which they are written, doubled keys included.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Object {
    /// The member of a name, in any case.
    fn member(&self, name: &str) -> Option<&Value> {
        let mut entries = self.0.iter();
        entries
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A value as text; null is empty.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Keys and values in the order in which they are written; null is an empty value, and what is no JSON has no tags.
///
/// An object's members are tags, whatever they are called. A list holds one object per tag, whose members are called key
/// and value in any case.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let text = text.trim();
    if text.starts_with('[') {
        let items: Vec<Object> = serde_json::from_str(text).unwrap_or_default();
        let pair = |item: &Object| {
            Some((
                item.member("key")?.as_str()?.to_string(),
                written(item.member("value")?),
            ))
        };
        return items.iter().filter_map(pair).collect();
    }
    let object: Option<Object> = match text.starts_with('{') {
        true => serde_json::from_str(text).ok(),
        // Some of Azure's exports leave the braces out.
        false => serde_json::from_str(&format!("{{{text}}}")).ok(),
    };
    let entries = object.map_or(Vec::new(), |object| object.0);
    entries
        .into_iter()
        .map(|(key, value)| (key, written(&value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let pairs = pairs(text);
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.join(" ")
    }

    #[test]
    fn objects_and_lists_are_read_in_their_order() {
        assert_eq!(read(r#"{"b": 1, "a": "web", "c": null}"#), "b=1 a=web c=");
        assert_eq!(read(r#""a": "1","b": "2""#), "a=1 b=2");
        assert_eq!(
            read(r#"[{"Key": "b", "Value": "1"}, {"key": "a", "value": "2", "inherited": true}]"#),
            "b=1 a=2"
        );
        assert_eq!(read("not json"), "");
    }

    #[test]
    fn tags_may_be_called_key_and_value() {
        assert_eq!(read(r#"{"key": "a", "value": "b"}"#), "key=a value=b");
        assert_eq!(
            read(r#"[{"key": "key", "value": "a"}, {"key": "value", "value": "b"}]"#),
            "key=a value=b"
        );
    }

    #[test]
    fn a_doubled_key_keeps_its_place() {
        assert_eq!(read(r#"{"a": "1", "b": "2", "a": "3"}"#), "a=1 b=2 a=3");
    }
}

//! Tags written as text: JSON objects, with or without their braces, JSON lists, maps as query engines print them, and
//! `key=value` pairs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::nested_text;

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

/// Keys and values in the order in which they are written.
type Pairs = Vec<(String, String)>;

/// Keys and values in the order in which they are written; null is an empty value, and what nobody can read has no tags.
///
/// An object's members are tags, whatever they are called. A list holds an object per tag, whose members are called key
/// (or name) and value in any case; or objects of tags, lists of a key and a value, or texts such as `team=web`.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let (pairs, _) = read(text.trim());
    pairs
}

/// Whether everything in a text can be read as tags.
pub fn are_tags(text: &str) -> bool {
    let text = text.trim();
    let is_object = text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    is_object || read(text).1
}

/// What can be read, and whether that is everything.
fn read(text: &str) -> (Pairs, bool) {
    let whole = |pairs: Option<Pairs>| pairs.map(|pairs| (pairs, true));
    let found = match text.as_bytes().first() {
        None => Some((Pairs::new(), true)),
        Some(b'[') => of_list(text).or_else(|| of_list(&nested_text::as_json(text).ok()?)),
        Some(b'{') => whole(
            of_object(text)
                .or_else(|| of_object(&nested_text::as_json(text).ok()?))
                .or_else(|| separated(text.strip_prefix('{')?.strip_suffix('}')?, ',')),
        ),
        // Some of Azure's exports leave the braces out; some tools write JSON within JSON.
        Some(b'"') => whole(of_object(&format!("{{{text}}}"))).or_else(|| {
            let inner: String = serde_json::from_str(text).ok()?;
            (!inner.starts_with('"')).then(|| read(inner.trim()))
        }),
        Some(_) => whole(separated(text, if text.contains(';') { ';' } else { ',' })),
    };
    found.unwrap_or_default()
}

fn of_object(text: &str) -> Option<Pairs> {
    let object: Object = serde_json::from_str(text).ok()?;
    let members = object.0.into_iter();
    Some(members.map(|(key, value)| (key, written(&value))).collect())
}

fn of_list(text: &str) -> Option<(Pairs, bool)> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let (mut pairs, mut whole) = (Pairs::new(), true);
    for item in items {
        match of_item(item.get()) {
            Some(found) => pairs.extend(found),
            None => whole = false,
        }
    }
    Some((pairs, whole))
}

/// The tags of an item of a list.
fn of_item(item: &str) -> Option<Pairs> {
    match item.as_bytes().first()? {
        b'{' => {
            let object: Object = serde_json::from_str(item).ok()?;
            let value = object.member("value").or_else(|| object.member("tagValue"));
            let name = object.member("name").filter(|_| value.is_some());
            if let Some(key) = object.member("key").or_else(|| object.member("tagKey")).or(name) {
                let value = value.map(written).unwrap_or_default();
                return Some(vec![(key.as_str()?.to_string(), value)]);
            }
            let are_plain = object.0.iter().all(|(_, value)| is_plain(value));
            (value.is_none() && are_plain).then(|| of_object(item))?
        }
        b'[' => match serde_json::from_str::<Vec<Value>>(item).ok()?.as_slice() {
            [Value::String(key), value] if is_plain(value) => Some(vec![(key.clone(), written(value))]),
            _ => None,
        },
        b'"' => pair(&serde_json::from_str::<String>(item).ok()?).map(|pair| vec![pair]),
        b'n' => Some(Pairs::new()),
        _ => None,
    }
}

fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

/// `team=web;env=prod` or `team=web, env=prod`, where no more than one reading is possible.
fn separated(text: &str, separator: char) -> Option<Pairs> {
    let parts = text.split(separator).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(pair).collect()
}

/// `team=web`; nothing where a key or value has signs that may mean something else.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    const SIGNS: [char; 7] = ['=', '{', '}', '[', ']', '"', '\''];
    let is_key = !key.is_empty() && !key.contains([',', ';']);
    let value = if value.eq_ignore_ascii_case("null") {
        ""
    } else {
        value
    };
    (is_key && !key.contains(SIGNS) && !value.contains(SIGNS)).then(|| (key.to_string(), value.to_string()))
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
        assert_eq!(read(r#"[{"tagKey": "b", "tagValue": "1"}]"#), "b=1");
        assert_eq!(
            read(r#"[{"Key": "b", "Value": "1"}, {"key": "a", "value": "2", "inherited": true}]"#),
            "b=1 a=2"
        );
    }

    #[test]
    fn other_shapes_are_read_where_they_have_one_meaning() {
        for (text, wanted) in [
            ("team=a", "team=a"),
            ("team=a;env=b;", "team=a env=b"),
            ("team=a, env=b", "team=a env=b"),
            ("team=a,b;env=", "team=a,b env="),
            ("{team=s, env=prod, none=null}", "team=s env=prod none="),
            ("{'team': 'it', 'none': None}", "team=it none="),
            (r#"[{"team":"p"},{"env":"q"}]"#, "team=p env=q"),
            (r#"[{"team":"p","env":1}]"#, "team=p env=1"),
            (r#"[["team","p"],["env","q"]]"#, "team=p env=q"),
            (r#"["team=p","env=q"]"#, "team=p env=q"),
            (r#"[{"name":"team","value":"p"}]"#, "team=p"),
            (r#"[{"key":"team"}, null]"#, "team="),
            (r#""{\"team\":\"p\"}""#, "team=p"),
            ("{}", ""),
            ("[]", ""),
            ("", ""),
        ] {
            assert_eq!(read(text), wanted, "{text}");
            assert!(are_tags(text), "{text}");
        }
    }

    #[test]
    fn what_has_several_meanings_is_no_tags() {
        for text in [
            "not json",
            "team:a",
            "team",
            "=a",
            "team=a=b",
            "team=a;b",
            "team=a,env=b;c=d",
            "{team=s, env={a=b}}",
            "{note=a, b, env=prod}",
            "{team:s}",
            r#"{"team": }"#,
            r#"["team","p"]"#,
            r#"[["team","p","q"]]"#,
            r#"[{"value":"p"}]"#,
            "[1]",
            "5",
            "\"team\"",
        ] {
            assert_eq!(read(text), "", "{text}");
            assert!(!are_tags(text), "{text}");
        }
        let half = r#"[{"key":"team","value":"p"}, 5]"#;
        assert_eq!((read(half).as_str(), are_tags(half)), ("team=p", false));
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

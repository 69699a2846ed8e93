//! Nested values written as text: JSON, or lists and dictionaries as Python prints them.
//!
//! Extracts made with Python libraries hold `[{'amount': -5e-06, 'full_name': None}]` where JSON was meant. That spelling
//! is read exactly, character by character; what is neither is refused, never repaired.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::decimal::{DecimalError, Written, parse_written};

/// Lists within lists deeper than this are no bill.
const MAX_DEPTH: usize = 32;

/// The text as JSON: itself when it is an object or a list, else what Python's spelling means.
///
/// # Errors
/// What is wrong with it, in words.
pub fn as_json(text: &str) -> Result<Cow<'_, str>, String> {
    let text = text.trim();
    if !text.starts_with(['[', '{']) {
        return Err("it is neither a list nor an object".to_string());
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Ok(Cow::Borrowed(text));
    }
    let mut reader = Reader {
        rest: text,
        json: String::with_capacity(text.len()),
    };
    reader.value(0)?;
    reader.skip_space();
    match reader.rest {
        "" => Ok(Cow::Owned(reader.json)),
        _ => Err(reader.unexpected("the end")),
    }
}

/// What stands at a path (`amount`, `scope2.location_based`) of an object, as it is written there.
fn at_path<'a>(object: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    let (name, below) = match path.split_once('.') {
        Some((name, below)) => (name, Some(below)),
        None => (path, None),
    };
    let fields: BTreeMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(object.get()).ok()?;
    let found = *fields.get(name)?;
    match below {
        Some(below) => at_path(found, below),
        None => (found.get() != "null").then_some(found),
    }
}

/// The text at a path of a JSON object; a number as it is written.
pub fn text_at(json: &str, path: &str) -> Option<String> {
    let found = at_path(serde_json::from_str(json).ok()?, path)?.get();
    match found.starts_with('"') {
        true => serde_json::from_str(found).ok(),
        false => Some(found.to_string()),
    }
}

/// The numbers at a path of a JSON object or of each object of a list; what is null or absent is left out.
///
/// # Errors
/// What is wrong with the first that is no number.
pub fn numbers_at(json: &str, path: &str) -> Result<Vec<Written>, String> {
    let wrong = |error: serde_json::Error| format!("it is no JSON ({error})");
    let objects: Vec<&RawValue> = match json.trim_start().starts_with('[') {
        true => serde_json::from_str(json).map_err(wrong)?,
        false => vec![serde_json::from_str(json).map_err(wrong)?],
    };
    let number = |found: &RawValue| {
        let text = found.get();
        let text = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(text);
        parse_written(text.as_bytes()).map_err(|error: DecimalError| format!("`{path}` is `{text}`: {error}"))
    };
    objects
        .into_iter()
        .filter_map(|object| at_path(object, path))
        .map(number)
        .collect()
}

/// Reads Python's spelling and writes JSON.
struct Reader<'a> {
    rest: &'a str,
    json: String,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn unexpected(&self, wanted: &str) -> String {
        let shown: String = self.rest.chars().take(20).collect();
        format!("neither JSON nor Python's spelling: {wanted} is expected at `{shown}`")
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let Some(rest) = self.rest.strip_prefix(token) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        for (word, meaning) in [("None", "null"), ("True", "true"), ("False", "false")] {
            if self.take(word) {
                self.json.push_str(meaning);
                return Ok(());
            }
        }
        match self.rest.chars().next() {
            Some('[') => self.items('[', ']', |reader| reader.value(depth + 1)),
            Some('{') => self.items('{', '}', |reader| {
                reader.string()?;
                if !reader.take(":") {
                    return Err(reader.unexpected("a colon"));
                }
                reader.json.push(':');
                reader.value(depth + 1)
            }),
            Some('\'' | '"') => self.string(),
            _ => self.number(),
        }
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.rest = &self.rest[1..];
        self.json.push(open);
        let close_text = close.to_string();
        let mut first = true;
        while !self.take(&close_text) {
            if !first {
                if !self.take(",") {
                    return Err(self.unexpected("a comma"));
                }
                if self.take(&close_text) {
                    break;
                }
                self.json.push(',');
            }
            first = false;
            item(self)?;
        }
        self.json.push(close);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let length = self
            .rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let text = &self.rest[..length];
        // A number that is JSON as well: both spell them alike, but for `nan` and `inf`, which no bill may hold.
        if length == 0 || serde_json::from_str::<serde_json::Number>(text).is_err() {
            return Err(self.unexpected("a value"));
        }
        self.json.push_str(text);
        self.rest = &self.rest[length..];
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.skip_space();
        let quote = match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err(self.unexpected("a text in quotes")),
        };
        let mut text = String::new();
        let mut characters = self.rest[1..].char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.rest = &self.rest[1 + index + 1..];
                    let quoted = serde_json::to_string(&text).map_err(|e| e.to_string())?;
                    self.json.push_str(&quoted);
                    return Ok(());
                }
                '\\' => {
                    let escape = characters.next().map(|(_, c)| c);
                    let digits = match escape {
                        Some('x') => 2,
                        Some('u') => 4,
                        Some('U') => 8,
                        _ => 0,
                    };
                    text.push(match escape {
                        Some(plain @ ('\\' | '\'' | '"')) => plain,
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some(_) if digits > 0 => {
                            let code: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
                            u32::from_str_radix(&code, 16)
                                .ok()
                                .filter(|_| code.len() == digits)
                                .and_then(char::from_u32)
                                .ok_or_else(|| self.unexpected("a character's code"))?
                        }
                        _ => return Err(self.unexpected("a known escape")),
                    });
                }
                _ => text.push(character),
            }
        }
        Err(self.unexpected("a closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_as_it_is() {
        for text in [
            r#"[{"amount": -1.50, "name": "it's"}]"#,
            "[]",
            r#"{"a": {"b": [1]}}"#,
        ] {
            assert_eq!(as_json(text).unwrap(), text);
        }
    }

    #[test]
    fn pythons_spelling_is_read_to_the_last_character() {
        for (python, json) in [
            (
                "[{'name': 'Free \"Trial\"', 'amount': -5e-06, 'full_name': None, 'ok': True}]",
                r#"[{"name":"Free \"Trial\"","amount":-5e-06,"full_name":null,"ok":true}]"#,
            ),
            (r#"[{'a': "it's", 'b': ''}]"#, r#"[{"a":"it's","b":""}]"#),
            (
                r"['\\', '\'', '\n', '\xe9', '\u20ac']",
                r#"["\\","'","\n","é","€"]"#,
            ),
            ("[{'a': 0.1000,}, ]", r#"[{"a":0.1000}]"#),
            ("{'a': {'b': []}}", r#"{"a":{"b":[]}}"#),
        ] {
            assert_eq!(as_json(python).unwrap(), json, "{python}");
        }
    }

    #[test]
    fn paths_lead_to_what_is_written() {
        let text =
            r#"{"scope1": 10, "scope2": {"market": "0.10000000000000000001", "none": null}, "amount": "x"}"#;
        assert_eq!(text_at(text, "scope1").as_deref(), Some("10"));
        assert_eq!(
            text_at(text, "scope2.market").as_deref(),
            Some("0.10000000000000000001")
        );
        assert_eq!(text_at(text, "scope2.none"), None);
        assert_eq!(text_at(text, "scope3.market"), None);
        assert_eq!(
            numbers_at(text, "scope2.market").unwrap(),
            [parse_written(b"0.10000000000000000001").unwrap()]
        );
        assert!(numbers_at(text, "amount").is_err());
        let list = r#"[{"amount": -1.5}, {"amount": null}, {"name": "x"}, {"amount": 2e-3}]"#;
        assert_eq!(numbers_at(list, "amount").unwrap().len(), 2);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "text",
            "5",
            "[{'a': 1}",
            "[{'a' 1}]",
            "[{'a': nan}]",
            "[{'a': Decimal('1')}]",
            "[1] [2]",
            "['a",
            r"['\q']",
            "[1 2]",
            "[datetime.datetime(2020, 1, 1)]",
        ] {
            assert!(as_json(text).is_err(), "{text}");
        }
        assert!(as_json(&"[".repeat(40)).is_err());
    }
}

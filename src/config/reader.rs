//! Reads a table of the tree by key; what is unknown, missing or of a wrong type becomes a problem.

use std::cell::RefCell;

use super::problem::Problems;
use super::suggest;
use super::tree::{Entries, Item, Value, ValueOrigin};

/// One table of the configuration while it is read.
pub struct Reader<'a> {
    entries: &'a Entries,
    origin: &'a ValueOrigin,
    path: String,
    problems: &'a Problems,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    /// A reader of `entries`, which stand at `path`.
    pub fn new(entries: &'a Entries, origin: &'a ValueOrigin, path: &str, problems: &'a Problems) -> Self {
        Reader {
            entries,
            origin,
            path: path.to_string(),
            problems,
            known: RefCell::default(),
        }
    }

    /// `tenant.source.url`
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The table's entries, for keys that are free text.
    pub fn entries(&self) -> &'a Entries {
        self.entries
    }

    /// Whether a key is there that may be left out.
    pub fn is_given(&self, key: &'static str) -> bool {
        self.item(key).is_some()
    }

    /// Where the value of a key was set; the table's own origin when it is missing.
    pub fn origin(&self, key: &str) -> &'a ValueOrigin {
        self.entries.get(key).map_or(self.origin, |item| &item.origin)
    }

    /// Notes a problem of the value of `key`.
    pub fn problem(&self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.add(&self.key(key), self.origin(key), what, hint);
    }

    /// The same for a value inside the list of `key`.
    pub fn problem_at(
        &self,
        key: &str,
        origin: &ValueOrigin,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.add(&self.key(key), origin, what, hint);
    }

    fn item(&self, key: &'static str) -> Option<&'a Item> {
        self.known.borrow_mut().push(key);
        self.entries.get(key)
    }

    fn wrong_type(&self, key: &str, item: &Item, wanted: &str) {
        self.problem(
            key,
            format!("`{key}` must be {wanted}, not {}", item.value.type_name()),
            example(wanted, &item.value),
        );
    }

    /// A text; `None` when it is missing or empty.
    pub fn text(&self, key: &'static str) -> Option<String> {
        let item = self.item(key)?;
        match &item.value {
            Value::Text(text) => Some(text.trim().to_string()).filter(|text| !text.is_empty()),
            _ => {
                self.wrong_type(key, item, "text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &'static str, example: &str) -> String {
        let text = self.text(key);
        if text.is_none() {
            let state = match self.entries.get(key) {
                None => Some("missing"),
                Some(item) => item.text().map(|_| "empty"),
            };
            if let Some(state) = state {
                self.problem(
                    key,
                    format!("`{key}` is {state}"),
                    format!("for example {key} = \"{example}\""),
                );
            }
        }
        text.unwrap_or_default()
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> bool {
        match self.item(key) {
            Some(Item {
                value: Value::Boolean(boolean),
                ..
            }) => *boolean,
            Some(item) => {
                self.wrong_type(key, item, "true or false");
                false
            }
            None => false,
        }
    }

    /// A whole number from 0.
    pub fn count(&self, key: &'static str) -> u64 {
        let Some(item) = self.item(key) else { return 0 };
        match item.value {
            Value::Integer(number) => u64::try_from(number).unwrap_or_else(|_| {
                self.problem(key, format!("`{key}` must not be negative"), "");
                0
            }),
            _ => {
                self.wrong_type(key, item, "a whole number");
                0
            }
        }
    }

    /// A number from 0 to `highest`; it must be there.
    pub fn number(&self, key: &'static str, highest: f64) -> f64 {
        let number = match self.item(key) {
            Some(Item {
                value: Value::Float(number),
                ..
            }) => *number,
            Some(Item {
                value: Value::Integer(number),
                ..
            }) => *number as f64,
            Some(item) => {
                self.wrong_type(key, item, "a number");
                return 0.0;
            }
            None => {
                self.problem(
                    key,
                    format!("`{key}` is missing"),
                    format!("for example {key} = 0.5"),
                );
                return 0.0;
            }
        };
        if !(0.0..=highest).contains(&number) {
            let range = if highest.is_finite() {
                format!("between 0 and {highest}")
            } else {
                "a number from 0".to_string()
            };
            self.problem(key, format!("`{key}` is {number}, it must be {range}"), "");
        }
        number
    }

    /// A text read by `read`; `None` and a problem when it cannot.
    pub fn parsed<T>(&self, key: &'static str, example: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.required_text(key, example);
        if text.is_empty() {
            return None;
        }
        let value = read(&text);
        if value.is_none() {
            self.problem(
                key,
                format!("`{text}` is no value for `{key}`"),
                format!("for example {key} = \"{example}\""),
            );
        }
        value
    }

    /// One of a list of names.
    pub fn choice<T>(
        &self,
        key: &'static str,
        names: &[&str],
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.entries.get(key).and_then(Item::text);
        if given.is_some_and(|text| text.trim().is_empty()) {
            self.known.borrow_mut().push(key);
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let hint = format!("it is one of {}", names.join(", "));
            self.problem(key, format!("`{key}` is empty"), hint);
            return None;
        }
        let text = self.required_text(key, names.first().unwrap_or(&""));
        if text.is_empty() {
            return None;
        }
        let value = read(&text);
        if value.is_none() {
            self.problem(
                key,
                format!("unknown {key} `{text}`"),
                suggest::hint(&text, names, "values"),
            );
        }
        value
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let item = self.item(key)?;
        match item.entries() {
            Some(entries) => Some(Reader::new(entries, &item.origin, &self.key(key), self.problems)),
            None => {
                self.wrong_type(key, item, "a table");
                None
            }
        }
    }

    /// The tables of `[[key]]`.
    pub fn tables(&self, key: &'static str) -> Vec<Reader<'a>> {
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let Value::List(items) = &item.value else {
            let (full, kind) = (self.key(key), item.value.type_name());
            self.problem(
                key,
                format!("`{key}` must be a list of tables, not {kind}"),
                format!("write [[{full}]] above each one"),
            );
            return Vec::new();
        };
        let reader = |item: &'a Item| match item.entries() {
            Some(entries) => Some(Reader::new(entries, &item.origin, &self.key(key), self.problems)),
            None => {
                let what = format!(
                    "`{key}` must be a list of tables, not of {}",
                    item.value.type_name()
                );
                self.problems.add(&self.key(key), &item.origin, what, "");
                None
            }
        };
        items.iter().filter_map(reader).collect()
    }

    /// A list of texts, each with its origin.
    pub fn texts(&self, key: &'static str) -> Vec<(&'a str, &'a ValueOrigin)> {
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let Value::List(items) = &item.value else {
            self.wrong_type(key, item, "a list");
            return Vec::new();
        };
        let read = |item: &'a Item| match item.text() {
            Some(text) => Some((text, &item.origin)),
            None => {
                let what = format!(
                    "`{key}` must be a list of texts, not of {}",
                    item.value.type_name()
                );
                self.problems
                    .add(&self.key(key), &item.origin, what, "put each one in quotes");
                None
            }
        };
        items.iter().filter_map(read).collect()
    }

    /// Refuses the keys that nobody asked for.
    pub fn finish(self) {
        // A key that may be left out is asked for twice.
        let mut known: Vec<&str> = Vec::new();
        for key in self.known.borrow().iter() {
            if !known.contains(key) {
                known.push(key);
            }
        }
        for key in self.entries.keys().filter(|key| !known.contains(&key.as_str())) {
            let section =
                self.path.is_empty() && self.entries.get(key).is_some_and(|item| item.entries().is_some());
            let what = if section {
                format!("unknown section `{key}`")
            } else {
                format!("unknown key `{key}`")
            };
            self.problem(
                key,
                what,
                suggest::hint(key, &known, if section { "sections" } else { "keys" }),
            );
        }
    }
}

fn example(wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        ("text in quotes", Value::Integer(number)) => format!("put it in quotes: \"{number}\""),
        ("text in quotes", Value::Float(number)) => format!("put it in quotes: \"{number}\""),
        ("a list", Value::Text(text)) => format!("put it in brackets: [\"{text}\"]"),
        ("true or false" | "a whole number" | "a number", Value::Text(text)) => {
            format!("write it without quotes: {text}")
        }
        _ => String::new(),
    }
}

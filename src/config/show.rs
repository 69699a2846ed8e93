//! `config show`: the merged configuration as TOML, each value with its origin, secrets redacted.

use std::fmt::Write as _;

use super::redaction::redact;
use super::secret::looks_secret;
use super::tree::{Entries, Item, Value};
use super::types::Config;

/// The order in which keys are read best; the others follow by name.
const FIRST: [&str; 19] = [
    "warehouse",
    "database",
    "engine",
    "method",
    "factors",
    "landing",
    "tenant",
    "id",
    "name",
    "kind",
    "url",
    "profile",
    "role",
    "when",
    "set",
    "entity",
    "site",
    "source",
    "mapping",
];
/// Where the origins stand.
const COMMENT_COLUMN: usize = 64;

impl Config {
    /// The configuration as TOML that reads back to itself, secrets redacted.
    pub fn show(&self) -> String {
        let mut text = match &self.file {
            Some(file) => format!("# {}\n", file.display()),
            None => String::new(),
        };
        if let Some(root) = self.tree.entries() {
            sections(&mut text, root, "");
        }
        text
    }
}

fn ordered(entries: &Entries) -> Vec<(&String, &Item)> {
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_by_key(|(key, _)| {
        (
            FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()),
            *key,
        )
    });
    ordered
}

fn is_section(key: &str, item: &Item) -> bool {
    match &item.value {
        Value::Table(_) => !matches!(key, "when" | "set"),
        Value::List(items) => items.first().is_some_and(|item| item.entries().is_some()),
        _ => false,
    }
}

fn sections(text: &mut String, entries: &Entries, path: &str) {
    for (key, item) in ordered(entries)
        .into_iter()
        .filter(|(key, item)| is_section(key, item))
    {
        let path = if path.is_empty() {
            name(key)
        } else {
            format!("{path}.{}", name(key))
        };
        match &item.value {
            Value::Table(entries) => {
                if path != "profile" {
                    let _ = write!(text, "\n[{path}]\n");
                }
                values(text, entries);
                sections(text, entries, &path);
            }
            Value::List(items) => {
                for entries in items.iter().filter_map(Item::entries) {
                    let _ = write!(text, "\n[[{path}]]\n");
                    values(text, entries);
                    sections(text, entries, &path);
                }
            }
            _ => {}
        }
    }
}

fn values(text: &mut String, entries: &Entries) {
    for (key, item) in ordered(entries)
        .into_iter()
        .filter(|(key, item)| !is_section(key, item))
    {
        let line = format!("{} = {}", name(key), written(key, &item.value));
        let _ = writeln!(text, "{line:<COMMENT_COLUMN$} # {}", item.origin);
    }
}

fn name(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_string() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn written(key: &str, value: &Value) -> String {
    match value {
        Value::Text(text) if looks_secret(key) && !text.starts_with("env:") && !text.starts_with("file:") => {
            quoted("***")
        }
        Value::Text(text) => quoted(&redact(text)),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => toml::Value::Float(*number).to_string(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Other(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| written(key, &item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entries: Vec<String> = ordered(entries)
                .into_iter()
                .map(|(key, item)| format!("{} = {}", name(key), written("", &item.value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

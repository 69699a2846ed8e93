//! TOML as a tree whose every value knows where it came from.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// `defaults.toml`
    Default,
    /// A default that follows another value.
    Derived(&'static str),
    /// The configuration file.
    File {
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

impl ValueOrigin {
    /// The height of its layer: a higher one wins.
    pub fn layer(&self) -> u8 {
        match self {
            ValueOrigin::Default | ValueOrigin::Derived(_) => 0,
            ValueOrigin::File { .. } => 1,
            ValueOrigin::Environment(_) => 2,
            ValueOrigin::Flag => 3,
        }
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueOrigin::Default => f.write_str("default"),
            ValueOrigin::Derived(from) => write!(f, "default, {from}"),
            ValueOrigin::File { line } => write!(f, "file, line {line}"),
            ValueOrigin::Environment(name) => write!(f, "environment, {name}"),
            ValueOrigin::Flag => f.write_str("flag"),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub value: Value,
    pub origin: ValueOrigin,
}

/// A table's entries.
pub type Entries = BTreeMap<String, Item>;

/// The TOML types that a configuration uses.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Item>),
    Table(Entries),
    /// A date or a number out of range, as written.
    Other(String),
}

impl Value {
    /// What a person calls this type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "text in quotes",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(_) => "a date or time",
        }
    }

    /// Reads a text from the environment or the command line as the type of this value.
    pub fn read_like(&self, text: &str) -> Option<Value> {
        match self {
            Value::Text(_) => Some(Value::Text(text.to_string())),
            Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
            Value::Float(_) => text.trim().parse().ok().map(Value::Float),
            Value::Boolean(_) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => Some(Value::Boolean(true)),
                "false" | "0" | "no" => Some(Value::Boolean(false)),
                _ => None,
            },
            Value::List(_) | Value::Table(_) | Value::Other(_) => None,
        }
    }
}

impl Item {
    /// The entries when this is a table.
    pub fn entries(&self) -> Option<&Entries> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The same, to change them.
    pub fn entries_mut(&mut self) -> Option<&mut Entries> {
        match &mut self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The text when this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Puts the values of a higher layer over this one: tables are merged, all else is replaced.
    pub fn overlay(&mut self, higher: Item) {
        match (&mut self.value, higher) {
            (
                Value::Table(own),
                Item {
                    value: Value::Table(entries),
                    origin,
                },
            ) => {
                self.origin = origin;
                for (key, item) in entries {
                    match own.get_mut(&key) {
                        Some(existing) => existing.overlay(item),
                        None => {
                            own.insert(key, item);
                        }
                    }
                }
            }
            (_, higher) => *self = higher,
        }
    }
}

/// Why a text is no TOML: the line and the parser's words.
#[derive(Debug)]
pub struct SyntaxError {
    pub line: usize,
    pub message: String,
}

/// Reads TOML; `origin` turns a line into the origin of its values.
pub fn parse(text: &str, origin: &dyn Fn(usize) -> ValueOrigin) -> Result<Item, SyntaxError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: error.span().map_or(1, |span| lines.line(span.start)),
        message: error.message().to_string(),
    })?;
    Ok(Item {
        value: Value::Table(entries(table.get_ref(), &lines, origin)),
        origin: origin(1),
    })
}

fn entries(table: &DeTable<'_>, lines: &Lines, origin: &dyn Fn(usize) -> ValueOrigin) -> Entries {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let value = Item {
            value: convert(value.get_ref(), lines, origin),
            origin: origin(lines.line(key.span().start)),
        };
        (
            String::clone(&std::borrow::Cow::into_owned(std::borrow::Cow::clone(
                key.get_ref(),
            ))),
            value,
        )
    };
    table.iter().map(entry).collect()
}

fn convert(value: &DeValue<'_>, lines: &Lines, origin: &dyn Fn(usize) -> ValueOrigin) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Other(number.as_str().to_string()),
        },
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::Other(datetime.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Item {
                    value: convert(item.get_ref(), lines, origin),
                    origin: origin(lines.line(item.span().start)),
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, lines, origin)),
    }
}

/// Byte offsets of line ends.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Lines(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(offset, _)| offset)
                .collect(),
        )
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

//! Partitions that a run cannot bring up to date, and what reads them.

use std::collections::BTreeMap;

use super::staleness::Staleness;
use crate::config::{Config, Kind};
use crate::model::Model;
use crate::transform::OutputKey;
use crate::transform::partitions::key_text;

/// Partitions that a message names.
const MOST_NAMED: usize = 3;

/// A part of a table that keeps its last good data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbuilt {
    /// The table.
    pub table: String,
    /// Which of its partitions, values by column; all of them without any.
    values: BTreeMap<String, String>,
}

impl Unbuilt {
    /// One partition.
    pub fn partition(model: &Model, key: &OutputKey) -> Unbuilt {
        Unbuilt {
            table: model.name.clone(),
            values: model.partition.iter().cloned().zip(key.iter().cloned()).collect(),
        }
    }

    /// What cannot be read of a table whose log is damaged: of a raw table the rows of its kind's sources, else all.
    pub fn of_damaged(table: &str, config: &Config) -> Vec<Unbuilt> {
        let whole = Unbuilt {
            table: table.to_string(),
            values: BTreeMap::new(),
        };
        let Some(raw) = table.strip_prefix("raw.") else {
            return vec![whole];
        };
        let Some(kind) = Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == raw.strip_suffix("_parquet").unwrap_or(raw))
        else {
            return vec![whole];
        };
        let sources = config
            .tenants
            .iter()
            .flat_map(|t| t.sources.iter().map(move |s| (t, s)));
        let of_kind = sources.filter(|(_, source)| source.kind == kind);
        let parts = of_kind.map(|(tenant, source)| Unbuilt {
            table: table.to_string(),
            values: BTreeMap::from([
                ("tenant".to_string(), tenant.id.clone()),
                ("source".to_string(), source.id.clone()),
            ]),
        });
        parts.collect()
    }

    /// Whether a partition may be made from rows of it: every column that both have agrees.
    fn concerns(&self, columns: &[String], key: &OutputKey) -> bool {
        let mut values = columns.iter().zip(key);
        values.all(|(column, value)| self.values.get(column).is_none_or(|own| own == value))
    }

    fn name(&self) -> String {
        let values = self
            .values
            .iter()
            .map(|(column, value)| format!("{column}={value}"));
        values.collect::<Vec<_>>().join("/")
    }
}

/// Takes the partitions out that would read what could not be built: they stay as they are. Which, and why: behind
/// "was not rebuilt".
pub fn leave_out(model: &Model, staleness: &mut Staleness, unbuilt: &[Unbuilt]) -> Option<String> {
    let first = unbuilt.first()?;
    let is_left = |key: &OutputKey| unbuilt.iter().any(|part| part.concerns(&model.partition, key));
    let mut left: Vec<String> = Vec::new();
    staleness.stale.retain(|(key, _)| {
        let is_left = is_left(key);
        if is_left {
            left.push(key_text(&model.partition, key));
        }
        !is_left
    });
    staleness.orphaned.retain(|key| !is_left(key));
    let table = &first.table;
    if staleness.stale.is_empty() && staleness.current.iter().all(is_left) {
        return Some(format!("because {table} failed"));
    }
    if left.is_empty() {
        left = unbuilt.iter().map(Unbuilt::name).collect();
    }
    Some(format!("for {}, because {table} failed there", some_of(&left)))
}

/// The first of some names, and how many more there are.
pub fn some_of(names: &[String]) -> String {
    let first = names
        .iter()
        .take(MOST_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

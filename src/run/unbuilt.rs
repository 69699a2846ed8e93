//! Partitions that a run cannot bring up to date, and what reads them.

use std::collections::{BTreeMap, BTreeSet};

use super::staleness::Staleness;
use crate::config::{Config, SourceKind};
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
    /// Why, after "because".
    why: String,
}

impl Unbuilt {
    /// One partition.
    pub fn partition(model: &Model, key: &OutputKey) -> Unbuilt {
        Unbuilt {
            table: model.name.clone(),
            why: format!("{} failed", model.name),
            values: model.partition.iter().cloned().zip(key.iter().cloned()).collect(),
        }
    }

    /// What cannot be read of a table whose log is damaged: of a raw table the rows of its kind's sources, else all.
    pub fn of_damaged(table: &str, config: &Config) -> Vec<Unbuilt> {
        let why = format!("{table} failed");
        let whole = Unbuilt {
            table: table.to_string(),
            values: BTreeMap::new(),
            why: why.clone(),
        };
        let Some(raw) = table.strip_prefix("raw.") else {
            return vec![whole];
        };
        let Some(kind) = SourceKind::ALL
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
            why: why.clone(),
        });
        parts.collect()
    }

    /// The rows of a source that counts twice.
    pub fn of_overlap(tenant: &str, source: &str, kind: &str) -> [Unbuilt; 2] {
        [format!("raw.{kind}"), format!("raw.{kind}_parquet")].map(|table| Unbuilt {
            table,
            values: BTreeMap::from([
                ("tenant".to_string(), tenant.to_string()),
                ("source".to_string(), source.to_string()),
            ]),
            why: "rows would count twice".to_string(),
        })
    }

    /// What of `parts` a model reads: that of its own table and its inputs, and what `parents` could not be built of.
    pub fn read_by<'a>(
        model: &Model,
        inputs: &BTreeSet<String>,
        parts: &'a [Unbuilt],
        of_parents: impl Iterator<Item = &'a Unbuilt>,
    ) -> Vec<Unbuilt> {
        let is_read = |part: &&Unbuilt| part.table == model.name || inputs.contains(&part.table);
        let mut read: Vec<Unbuilt> = parts.iter().filter(is_read).cloned().collect();
        for part in of_parents {
            if !read.contains(part) {
                read.push(part.clone());
            }
        }
        read
    }

    /// Whether a partition may be made from rows of it: every column that both have agrees.
    pub fn concerns(&self, columns: &[String], key: &OutputKey) -> bool {
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

/// Takes the partitions out that would read what could not be built: they stay as they are. Which, and why: after
/// "not rebuilt", once for each reason.
pub fn leave_out(model: &Model, staleness: &mut Staleness, unbuilt: &[Unbuilt]) -> Vec<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for part in unbuilt {
        if !reasons.contains(&part.why.as_str()) {
            reasons.push(&part.why);
        }
    }
    let reason = |key: &OutputKey| {
        let mut parts = unbuilt.iter();
        let part = parts.find(|part| part.concerns(&model.partition, key));
        part.map(|part| part.why.as_str())
    };
    let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    staleness.stale.retain(|(key, _)| {
        let why = reason(key);
        if let Some(why) = why {
            left.entry(why).or_default().push(key_text(&model.partition, key));
        }
        why.is_none()
    });
    staleness.orphaned.retain(|key| reason(key).is_none());
    let is_whole = staleness.stale.is_empty() && staleness.current.iter().all(|key| reason(key).is_some());
    if is_whole && !reasons.is_empty() {
        return vec![format!("because {}", reasons.join(" and "))];
    }
    if left.is_empty() {
        for part in unbuilt {
            let names = left.entry(&part.why).or_default();
            if !names.contains(&part.name()) {
                names.push(part.name());
            }
        }
    }
    let told = reasons.into_iter().filter_map(|why| {
        let names = left.get(why)?;
        let mut parts: Vec<String> = Vec::new();
        for part in unbuilt.iter().filter(|part| part.why == why) {
            let name = part.name();
            if !name.is_empty() && !parts.contains(&name) {
                parts.push(name);
            }
        }
        let place = match parts.is_empty() || parts == *names {
            true => "there".to_string(),
            false => format!("in {}", some_of(&parts)),
        };
        Some(format!("for {}, because {why} {place}", some_of(names)))
    });
    told.collect()
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

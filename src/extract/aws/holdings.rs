//! Which months there are of which export (an account, a model's version): a cheap call tells, and is remembered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::period::Period;
use crate::extract::connector::Known;

/// The exports of a source with their months, as they were listed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holdings {
    at: DateTime<Utc>,
    since: String,
    until: String,
    months: BTreeMap<String, BTreeSet<String>>,
}

impl Holdings {
    /// An empty list of what is asked for now.
    pub(super) fn new(known: &Known) -> Self {
        Holdings {
            at: known.now,
            since: known.since.to_string(),
            until: known.until.to_string(),
            months: BTreeMap::new(),
        }
    }

    /// The list of an earlier run, when it is fresh and covers what is asked for now.
    pub(super) fn remembered(known: &Known) -> Option<Self> {
        let list: Holdings = serde_json::from_str(known.cursor.as_deref()?).ok()?;
        let covers = list.since <= known.since.to_string() && list.until >= known.until.to_string();
        let age = (known.now - list.at).to_std().unwrap_or_default();
        (covers && age < known.refresh && !known.force).then_some(list)
    }

    /// Adds a month of an export.
    pub(super) fn add(&mut self, export: &str, month: &str) {
        self.months
            .entry(export.to_string())
            .or_default()
            .insert(month.to_string());
    }

    /// Every export with its months.
    pub(super) fn pairs(&self) -> BTreeSet<(String, Period)> {
        let pairs = self
            .months
            .iter()
            .flat_map(|(export, months)| months.iter().map(move |month| (export, month)));
        pairs
            .filter_map(|(export, month)| Some((export.clone(), month.parse().ok()?)))
            .collect()
    }

    /// The text to be remembered.
    pub(super) fn cursor(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_good_while_it_is_fresh_and_covers_what_is_asked_for() {
        let mut known = Known {
            now: "2026-11-24T06:00:00Z".parse().unwrap(),
            since: "2026-01".parse().unwrap(),
            until: "2026-12".parse().unwrap(),
            lookback_months: 3,
            refresh: std::time::Duration::from_secs(6 * 3600),
            force: false,
            checks: BTreeMap::new(),
            cursor: None,
        };
        let mut list = Holdings::new(&known);
        list.add("111111111111", "2026-02");
        known.cursor = list.cursor();
        let held = |known: &Known| Holdings::remembered(known).map(|list| list.pairs().len());
        known.now += chrono::Duration::hours(5);
        known.since = "2026-02".parse().unwrap();
        assert_eq!(held(&known), Some(1));
        for change in [
            |known: &mut Known| known.force = true,
            |known: &mut Known| known.until = "2027-01".parse().unwrap(),
            |known: &mut Known| known.since = "2025-12".parse().unwrap(),
            |known: &mut Known| known.now += chrono::Duration::hours(1),
            |known: &mut Known| known.cursor = Some("something else".to_string()),
        ] {
            let mut other = known.clone();
            change(&mut other);
            assert_eq!(held(&other), None);
        }
    }
}

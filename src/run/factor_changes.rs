//! What two factor sets differ in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::workspace::Workspace;
use crate::error::Result;
use crate::factors::csv_table::CsvTable;
use crate::factors::{FactorSet, archive};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// Only the later set has it.
    Added,
    /// Only the earlier set has it.
    Removed,
    /// One of its cells differs.
    Changed,
}

impl RowChange {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            RowChange::Added => "added",
            RowChange::Removed => "removed",
            RowChange::Changed => "changed",
        }
    }
}

/// One difference of two factor sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorChange {
    /// The factor table.
    pub table: String,
    /// What became of the row.
    pub what: RowChange,
    /// The row's factor id, or its cells where a table has no ids.
    pub factor: String,
    /// The column that differs; empty for a row that was added or removed.
    pub column: String,
    /// Its cell in the earlier set.
    pub before: String,
    /// Its cell in the later set.
    pub after: String,
}

/// The factor set of a version: `current`, `embedded`, or one that a run computed with.
///
/// # Errors
/// Usage: no such version; external when the archive cannot be read.
pub async fn set_of_version(workspace: &Workspace, name: &str) -> Result<FactorSet> {
    if name == "current" || name == workspace.tables.factors.version() {
        let (base, overlay) = workspace.tables.factors.texts();
        return Ok(FactorSet::of(base.clone(), overlay.clone()));
    }
    if name == "embedded" {
        return FactorSet::load(None::<&Path>);
    }
    archive::load(&workspace.warehouse, name).await
}

/// What two sets differ in, by table, row and column.
///
/// # Errors
/// What reading a table of a set gives.
pub fn changes(before: &FactorSet, after: &FactorSet) -> Result<Vec<FactorChange>> {
    let names: BTreeSet<&str> = before.tables().chain(after.tables()).collect();
    let rows = |set: &FactorSet, name: &str| match set.tables().any(|t| t == name) {
        true => set.rows(name).map(keyed),
        false => Ok(BTreeMap::new()),
    };
    let mut changes = Vec::new();
    for name in names {
        changes.extend(changes_of_table(name, &rows(before, name)?, &rows(after, name)?));
    }
    Ok(changes)
}

/// A row's cells by column.
type Cells = BTreeMap<String, String>;

/// Rows by their factor id; a table without ids goes by its whole rows.
fn keyed(table: CsvTable) -> BTreeMap<String, Cells> {
    let id = table.header.iter().position(|c| c == "factor_id");
    let mut keyed = BTreeMap::new();
    for row in table.rows {
        let base = match id.map(|i| row[i].clone()).filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => row.join(" · "),
        };
        // Rows may share an id: they are told apart by their place among them.
        let mut key = base.clone();
        let mut place = 1;
        while keyed.contains_key(&key) {
            place += 1;
            key = format!("{base} #{place}");
        }
        keyed.insert(key, table.header.iter().cloned().zip(row).collect());
    }
    keyed
}

fn changes_of_table(
    table: &str,
    before: &BTreeMap<String, Cells>,
    after: &BTreeMap<String, Cells>,
) -> Vec<FactorChange> {
    let row = |factor: &str, what: RowChange| FactorChange {
        table: table.to_string(),
        what,
        factor: factor.to_string(),
        column: String::new(),
        before: String::new(),
        after: String::new(),
    };
    let mut changes = Vec::new();
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        match (before.get(key), after.get(key)) {
            (Some(_), None) => changes.push(row(key, RowChange::Removed)),
            (None, Some(_)) => changes.push(row(key, RowChange::Added)),
            (Some(old), Some(new)) => {
                let columns: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for column in columns {
                    let (old, new) = (
                        old.get(column).cloned().unwrap_or_default(),
                        new.get(column).cloned().unwrap_or_default(),
                    );
                    if old != new {
                        changes.push(FactorChange {
                            column: column.clone(),
                            before: old,
                            after: new,
                            ..row(key, RowChange::Changed)
                        });
                    }
                }
            }
            (None, None) => {}
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_differ_by_row_and_column() {
        let table = |text: &str| keyed(CsvTable::parse(text, "t.csv").unwrap());
        let before = table("factor_id,value\na,1\nb,2\n");
        let after = table("factor_id,value\na,9\nc,3\n");
        let found = changes_of_table("t", &before, &after);
        let words: Vec<(&str, &str)> = found.iter().map(|c| (c.what.name(), c.factor.as_str())).collect();
        assert_eq!(words, [("changed", "a"), ("removed", "b"), ("added", "c")]);
        assert_eq!((found[0].before.as_str(), found[0].after.as_str()), ("1", "9"));
    }
}

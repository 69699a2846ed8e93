//! What a run has to say of the columns that it landed, once per source.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::SourceKind;
use crate::land::Landed;
use crate::land::unreadable_tags::{UnreadableTags, add_up};

/// Which usual columns the new files of each source lack: what the models read there is null.
pub(super) fn missing_columns<'a>(
    landed: impl Iterator<Item = (&'a str, SourceKind, &'a Landed)>,
) -> Vec<String> {
    let mut missing: BTreeMap<(&str, SourceKind), BTreeSet<&str>> = BTreeMap::new();
    for (id, kind, landed) in landed {
        let of_source = missing.entry((id, kind)).or_default();
        of_source.extend(&landed.missing_columns);
    }
    let told = missing.into_iter().filter(|(_, columns)| !columns.is_empty());
    told.map(|((id, kind), columns)| {
        let columns: Vec<&str> = columns.into_iter().collect();
        format!(
            "{id}: files lack columns that kind `{kind}` usually has, and these read as null: {}",
            columns.join(", ")
        )
    })
    .collect()
}

/// In which columns and rows of the new files of each source tags stand that cannot be read.
pub(super) fn unreadable_tags<'a>(
    landed: impl Iterator<Item = (&'a str, SourceKind, &'a Landed)>,
) -> Vec<String> {
    let mut unreadable: BTreeMap<&str, UnreadableTags> = BTreeMap::new();
    for (id, _, landed) in landed {
        add_up(unreadable.entry(id).or_default(), &landed.unreadable_tags);
    }
    let told = unreadable.into_iter().filter(|(_, columns)| !columns.is_empty());
    told.map(|(id, columns)| {
        let columns = columns.into_iter().map(|(column, (rows, example))| {
            let rows = match rows {
                1 => "1 row".to_string(),
                _ => format!("{rows} rows"),
            };
            format!("`{column}` in {rows} (`{example}`)")
        });
        format!(
            "{id}: tags cannot be read and count as none: {}; JSON, key=value pairs and maps are read",
            columns.collect::<Vec<_>>().join(", ")
        )
    })
    .collect()
}

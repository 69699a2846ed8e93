//! Tags that nobody can read: they land as they are, and the run tells of them.

use std::collections::BTreeMap;

use crate::domain::tag_text::are_tags;
use crate::transform::functions::is_null_text;

/// By column: in how many rows no tags can be read of what stands there, and what stands in the first of them.
pub type UnreadableTags = BTreeMap<String, (u64, String)>;

/// Adds what was found in further rows.
pub fn add_up(found: &mut UnreadableTags, further: &UnreadableTags) {
    for (column, (rows, example)) in further {
        found
            .entry(column.clone())
            .or_insert_with(|| (0, example.clone()))
            .0 += rows;
    }
}

/// Whether a cell of a column of tags says nothing or can be read as tags.
pub(super) fn can_be_tags(text: &str) -> bool {
    is_null_text(text.as_bytes()) || are_tags(text)
}

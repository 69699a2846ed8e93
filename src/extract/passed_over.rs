//! Files that a source passes over for their names alone: no store can read one, or it begins with a dot.

use std::collections::BTreeSet;

use super::unread::{is_read, keys, named};
use super::{Discovery, format};
use crate::config::SourceKind;
use crate::error::Error;
use crate::warehouse::store::{Location, Object};

/// Notes files and folders whose names cannot be read: what they hold stays out, the others land.
pub fn note_unknown(location: &Location, names: &[String], found: &mut Discovery) {
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    found.failures.push(
        Error::data(match names.len() {
            1 => "a file or folder has a name that cannot be read".to_string(),
            count => format!("{count} files or folders have names that cannot be read"),
        })
        .at(location.uri(&location.prefix))
        .because(named(&names))
        .hint("rename or remove it: a control character, or bytes that are no UTF-8, cannot be part of a name; the other files are landed"),
    );
}

/// Warns of files that would be read, were there no dot at the start of their names or of a folder's; not of those that a
/// manifest names, which are.
pub fn note_behind_dots(
    location: &Location,
    kind: SourceKind,
    objects: &[Object],
    taken: &BTreeSet<String>,
    found: &mut Discovery,
) {
    let is_left = |object: &&Object| {
        object.size > 0
            && object.path != location.prefix
            && format::is_behind_a_dot(&object.key)
            && is_read(kind, &object.key)
            && !taken.contains(object.path.as_ref())
    };
    let left: Vec<&Object> = objects.iter().filter(is_left).collect();
    if !left.is_empty() {
        found.warnings.push(format!(
            "{}: a name that begins with a dot is of a hidden or unfinished file or folder, so {} passed over: {}; rename what is a \
             delivery",
            location.uri(&location.prefix),
            match left.len() {
                1 => "1 file is".to_string(),
                count => format!("{count} files are"),
            },
            named(&keys(&left))
        ));
    }
}

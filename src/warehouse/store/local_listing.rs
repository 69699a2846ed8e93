//! Local folders that hold a name which no store knows: the store's client ends its listing there, this one passes it over.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path as LocalPath;

use object_store::path::Path;
use walkdir::WalkDir;

use super::Location;
use crate::error::{Error, Result};

/// What lies below a local folder.
#[derive(Debug, Default)]
pub(super) struct LocalNames {
    /// Files whose paths a store knows.
    pub known: Vec<Path>,
    /// Files and folders with other names, as they may be printed.
    pub unknown: Vec<String>,
}

/// Whether a listing failed for a name.
pub(super) fn is_name(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::InvalidPath { .. })
}

impl LocalNames {
    /// Looks at all files below a local location.
    ///
    /// # Errors
    /// External when a folder cannot be read.
    pub fn below(location: &Location) -> Result<LocalNames> {
        let mut names = LocalNames::default();
        let Some(folder) = location.local_path(&location.prefix) else {
            return Ok(names);
        };
        let mut walk = WalkDir::new(&folder).min_depth(1).follow_links(true).into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // A link to nothing, or a file that went away meanwhile.
                Err(error) if error.io_error().is_some_and(|e| e.kind() == ErrorKind::NotFound) => continue,
                Err(error) => {
                    return Err(Error::external("a folder cannot be read")
                        .at(location.uri(&location.prefix))
                        .because(error)
                        .hint("check its permissions"));
                }
            };
            let is_folder = entry.file_type().is_dir();
            match path_of(entry.path()) {
                Some(path) if entry.file_type().is_file() && !is_unfinished(path.as_ref()) => {
                    names.known.push(path)
                }
                Some(_) => {}
                None => {
                    names.unknown.push(shown(entry.path(), &folder));
                    if is_folder {
                        walk.skip_current_dir();
                    }
                }
            }
        }
        names.unknown.sort();
        Ok(names)
    }
}

/// What lies below a folder of the warehouse, by its path below it, with its bytes; none when there is no folder. Links are
/// what lies there, not what they name.
pub(in crate::warehouse) fn sizes(folder: &LocalPath) -> std::io::Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.io_error().is_some_and(|e| e.kind() == ErrorKind::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let name = below.to_string_lossy();
        if !entry.file_type().is_dir() && !is_unfinished(&name) {
            sizes.insert(name.into_owned(), entry.metadata()?.len());
        }
    }
    Ok(sizes)
}

/// The names of the folders directly in a local one, without those that no store knows.
pub(super) fn folders(folder: &LocalPath) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir()
            && let Some(known) = path_of(&path)
        {
            names.extend(known.filename().map(String::from));
        }
    }
    names.sort();
    Ok(names)
}

fn path_of(path: &LocalPath) -> Option<Path> {
    // What the client would write otherwise than it is, it could not find again.
    Path::from_absolute_path(path)
        .ok()
        .filter(|known| LocalPath::new(&format!("/{known}")) == path)
}

/// What the store's client begins to write and has not finished: `name#1`.
fn is_unfinished(path: &str) -> bool {
    let suffix = path.rsplit_once('#');
    suffix.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// A path below a folder, with control characters escaped.
fn shown(path: &LocalPath, folder: &LocalPath) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .escape_debug()
        .to_string()
}

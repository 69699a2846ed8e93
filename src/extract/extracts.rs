//! Extracts of a table that only grows: each file holds what was new when it was made, and files may overlap.
//!
//! All files of a folder are one delivery, so that rows that two of them hold can be told apart from rows that are there
//! twice (`land::overlap`). Folders that only sort files by date belong to the folder above them.

use std::collections::BTreeMap;

use super::{Delivery, Discovery, SourceFile, format, layout};
use crate::error::Error;
use crate::warehouse::store::{Location, Object};

/// Takes the data files of every folder as one delivery.
pub fn from_folders(location: &Location, objects: &[&Object], found: &mut Discovery) {
    let mut exports: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
    for object in objects {
        let Some((format, compression)) = format::of_extract_name(&object.key) else {
            continue;
        };
        exports
            .entry(export_of(location, object))
            .or_default()
            .push(SourceFile {
                object: (*object).clone(),
                uri: location.uri(&object.path),
                format,
                compression,
                days: None,
                date_order: None,
            });
    }
    for (export, files) in exports {
        let first = &files[0];
        match files.iter().find(|file| file.format != first.format) {
            // Rows of two formats are never written alike, so that a row in both would count twice.
            Some(other) => found.failures.push(
                Error::data("a folder of billing extracts holds files of two formats")
                    .at(first.uri.clone())
                    .because(format!("{} is of another format", other.uri))
                    .hint("put the files of each format under a source of its own, or keep one format"),
            ),
            None => found.deliveries.push(Delivery::new(export, None, "", files)),
        }
    }
}

/// Whether an extract is of another format than one that was found.
pub fn is_of_other_format(uri: &str, file: &SourceFile) -> bool {
    format::of_extract_name(uri).is_some_and(|(format, _)| format != file.format)
}

/// The folder below the source, without the folders that sort by date or name a run (`dt=2026-09-01`, `2026/09`, a UUID).
fn export_of(location: &Location, object: &Object) -> String {
    if object.path == location.prefix {
        return object.key.clone();
    }
    let folder: Vec<&str> = format::folder(&object.key)
        .split('/')
        .take_while(|part| !part.is_empty() && !sorts_by_date(part))
        .collect();
    match folder.is_empty() {
        true => layout::name_of(location.prefix.as_ref()),
        false => folder.join("/"),
    }
}

fn sorts_by_date(folder: &str) -> bool {
    layout::is_run(folder)
        || folder.contains('=')
        || folder
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '-' | '_' | 'T' | ':'))
}

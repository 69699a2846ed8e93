//! What lies at a source and is not read: named once for the whole source, with the formats that are.

use super::{Discovery, format};
use crate::config::SourceKind;
use crate::error::Error;
use crate::warehouse::store::{Location, Object};

/// How many files a message names.
const NAMED: usize = 3;

/// Whether a file holds rows that this kind of source reads, known by its name.
pub fn is_read(kind: SourceKind, key: &str) -> bool {
    match kind {
        SourceKind::GcpBillingFiles => format::of_extract_name(key).is_some(),
        SourceKind::Focus => format::of_name(key).is_some(),
        _ => format::of_name(key).is_some_and(|(format, _)| format != super::Format::Json),
    }
}

/// The name endings that a kind reads, for messages.
pub fn formats(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::GcpBillingFiles => {
            ".csv (also as .gz, .zst or .zip), .json, .jsonl, .ndjson (also as .gz or .zst) and .parquet are read"
        }
        SourceKind::Focus => {
            ".csv (also as .gz, .zst or .zip), .jsonl, .ndjson (also as .gz or .zst) and .parquet are read"
        }
        _ => ".csv (also as .gz, .zst or .zip) and .parquet are read",
    }
}

/// Notes what of the listed files is not read: a warning beside what is, a failure where nothing else is there.
pub fn note(location: &Location, kind: SourceKind, objects: &[&Object], found: &mut Discovery) {
    let unread: Vec<&Object> = objects
        .iter()
        .copied()
        .filter(|object| object.size > 0 || object.path == location.prefix)
        .filter(|object| !is_read(kind, &object.key))
        .collect();
    let reads_manifests = !matches!(
        kind,
        SourceKind::GcpBillingFiles | SourceKind::Activity | SourceKind::Instruments
    );
    let has_data = objects.iter().any(|object| is_read(kind, &object.key));
    let is_manifest = |object: &Object| (reads_manifests || has_data) && format::is_manifest(&object.key);
    let is_plain = |object: &Object| !format::is_companion(&object.key);
    if let [only] = unread.as_slice()
        && only.path == location.prefix
    {
        found.failures.push(
            Error::data(format!(
                "a source of kind `{kind}` does not read a file of this name"
            ))
            .at(location.uri(&only.path))
            .hint(formats(kind)),
        );
        return;
    }
    // Notes beside the data need no word, but JSON and text may be what was meant as data.
    let told: Vec<&Object> = unread
        .into_iter()
        .filter(|object| !is_manifest(object) && (is_plain(object) || may_be_data(&object.key)))
        .collect();
    if told.is_empty() {
        return;
    }
    let names = named(&keys(&told));
    let nothing_else = !has_data && found.deliveries.is_empty() && found.failures.is_empty();
    let uri = location.uri(&location.prefix);
    if nothing_else {
        found.failures.push(
            Error::data(format!(
                "a source of kind `{kind}` holds no file that is read, but others: {names}"
            ))
            .at(uri)
            .hint(formats(kind)),
        );
    } else {
        found.warnings.push(format!(
            "{uri}: {} no data and passed over: {names}; {}",
            match told.len() {
                1 => "1 file is".to_string(),
                count => format!("{count} files are"),
            },
            formats(kind)
        ));
    }
}

/// The keys of some objects.
pub(super) fn keys<'a>(objects: &[&'a Object]) -> Vec<&'a str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

/// The first few names, and how many more there are.
pub(super) fn named(names: &[&str]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Whether a companion could be what somebody meant to deliver.
fn may_be_data(key: &str) -> bool {
    let name = format::file_name(key).to_ascii_lowercase();
    let is_note = ["readme", "license", "_"]
        .iter()
        .any(|start| name.starts_with(start));
    !is_note && [".json", ".txt"].iter().any(|ending| name.ends_with(ending))
}

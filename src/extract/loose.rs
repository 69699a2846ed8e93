//! Data files that no manifest speaks for: whole period folders, and files that stand alone.

use std::collections::{BTreeMap, BTreeSet};

use super::format;
use super::layout::{self, PeriodFolder, Spelling};
use super::name_stamps;
use super::runs::Run;
use super::select::Claims;
use super::{Delivery, Discovery, SourceFile};
use crate::config::SourceKind;
use crate::domain::days::DaySpan;
use crate::error::{Error, Result};
use crate::warehouse::store::{Location, Object};

/// Takes period folders without a manifest as they are, each run of them for itself.
pub fn from_period_folders(
    location: &Location,
    kind: SourceKind,
    objects: &[&Object],
    claims: &Claims,
    taken: &mut BTreeSet<String>,
) -> Vec<Run> {
    let mut runs: BTreeMap<(String, DaySpan, String), (String, Vec<SourceFile>)> = BTreeMap::new();
    let named = runs_by_name(location, objects, claims);
    for object in objects
        .iter()
        .filter(|object| !claims.files.contains(object.path.as_ref()))
    {
        let Some(folder) = PeriodFolder::of(object.path.as_ref()) else {
            continue;
        };
        let Some(file) = SourceFile::of(location, object) else {
            continue;
        };
        taken.insert(object.path.to_string());
        if claims.folders.contains(&folder.path) {
            continue;
        }
        let days = folder_days(kind, &folder);
        let slot = (
            export_of(location, &folder, claims),
            days,
            named
                .get(object.key.as_str())
                .cloned()
                .unwrap_or_else(|| run_of(&folder, object)),
        );
        runs.entry(slot)
            .or_insert_with(|| (location.uri(&folder.path.as_str().into()), Vec::new()))
            .1
            .push(file);
    }
    runs.into_iter()
        .map(|((export, days, id), (place, files))| {
            let newest_file = files.iter().map(|file| file.object.modified).max();
            let newest_name = files.iter().map(|file| file.object.key.clone()).max();
            let dated = name_stamps::dated(&place, &files);
            let (files, mut warnings) = one_format(&place, files);
            warnings.extend(dated);
            let time = layout::run_time(&id).or(newest_file).unwrap_or_default();
            Run {
                export,
                days,
                named_days: days,
                place: match id.is_empty() {
                    true => place,
                    false => format!("{place}/{id}"),
                },
                id,
                is_top: false,
                age: (time, None, newest_name.unwrap_or_default()),
                manifest: None,
                export_type: None,
                files,
                warnings,
            }
        })
        .collect()
}

/// The runs that the names of the files of a folder tell, where no folder below it does.
fn runs_by_name<'a>(
    location: &Location,
    objects: &[&'a Object],
    claims: &Claims,
) -> BTreeMap<&'a str, String> {
    let mut folders: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for object in objects
        .iter()
        .filter(|object| !claims.files.contains(object.path.as_ref()))
    {
        let folder = PeriodFolder::of(object.path.as_ref()).filter(|folder| folder.run.is_empty());
        if let (Some(folder), Some(_)) = (folder, SourceFile::of(location, object)) {
            folders.entry(folder.path).or_default().push(object.key.as_str());
        }
    }
    folders
        .values()
        .flat_map(|keys| name_stamps::runs(keys))
        .collect()
}

/// An export that was changed from one format to another leaves the old files beside the new ones, and each row would count
/// twice: a part that lies there in two formats is refused, two formats of other names are warned of.
fn one_format(place: &str, files: Vec<SourceFile>) -> (Result<Vec<SourceFile>>, Vec<String>) {
    let mut parts: BTreeMap<&str, &SourceFile> = BTreeMap::new();
    let mut formats: BTreeSet<bool> = BTreeSet::new();
    let mut twice = None;
    for file in &files {
        formats.insert(file.format.is_typed());
        let key = &file.object.key;
        let folder = key.len() - format::file_name(key).len();
        let part = &key[..key[folder..].find('.').map_or(key.len(), |dot| folder + dot)];
        match parts.insert(part, file) {
            Some(other) if other.format != file.format => {
                twice = Some(format!("{} and {}", other.object.key, file.object.key));
            }
            _ => {}
        }
    }
    if let Some(names) = twice {
        let error = Error::data("one part of a bill lies there in two formats")
            .at(place.to_string())
            .because(names)
            .hint("the export was changed from one format to the other: take the older files of this period away, then run again");
        return (Err(error), Vec::new());
    }
    let warnings = match formats.len() {
        2 => vec![format!(
            "{place} holds Parquet and text files, and all of them count: where one is the other in another format, take the older one away"
        )],
        _ => Vec::new(),
    };
    (Ok(files), warnings)
}

/// The days of a folder without a manifest: its month, or its range of kinds that export any days.
///
/// AWS names a month by its first day and that of the next month; the last day that Azure names belongs to the range.
pub(super) fn folder_days(kind: SourceKind, folder: &PeriodFolder) -> DaySpan {
    let month = DaySpan::of_month(folder.period);
    let is_month =
        folder.days.first() == month.first() && folder.days.last() == folder.period.next().first_day();
    match kind {
        SourceKind::AzureCost => folder.days,
        SourceKind::Focus if !is_month => folder.days,
        _ => month,
    }
}

fn export_of(location: &Location, folder: &PeriodFolder, claims: &Claims) -> String {
    match layout::below(location.prefix.as_ref(), &folder.above) {
        Some(export) => export.to_string(),
        None => claims
            .names
            .get(&folder.above)
            .cloned()
            .unwrap_or_else(|| layout::name_of(&folder.above)),
    }
}

/// Older Azure exports write each run as one file, with the run's id in its name.
fn run_of(folder: &PeriodFolder, object: &Object) -> String {
    if folder.run.is_empty() && folder.spelling == Spelling::Range {
        return layout::run_of_name(format::file_name(&object.key))
            .unwrap_or_default()
            .to_string();
    }
    folder.run.clone()
}

/// Takes every remaining data file as a delivery of its own.
pub fn from_bare_files(
    location: &Location,
    objects: &[&Object],
    taken: &BTreeSet<String>,
    found: &mut Discovery,
) {
    for object in objects
        .iter()
        .filter(|object| !taken.contains(object.path.as_ref()))
    {
        if let Some(file) = SourceFile::of(location, object) {
            found
                .deliveries
                .push(Delivery::new(object.key.clone(), None, "", vec![file]));
        }
    }
}

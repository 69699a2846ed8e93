//! Data files that no manifest speaks for: whole period folders, and files that stand alone.

use std::collections::{BTreeMap, BTreeSet};

use super::format;
use super::layout::{self, PeriodFolder, Spelling};
use super::select::Claims;
use super::{Delivery, Discovery, SourceFile};
use crate::domain::period::Period;
use crate::warehouse::store::{Location, Object};

/// The runs of one export's period, each with its files.
type Runs = BTreeMap<String, Vec<SourceFile>>;

/// Takes period folders without a manifest as they are; of several runs the newest, because each holds the month whole.
pub fn from_period_folders(
    location: &Location,
    objects: &[&Object],
    claims: &Claims,
    found: &mut Discovery,
    taken: &mut BTreeSet<String>,
) {
    let mut periods: BTreeMap<(String, Period), Runs> = BTreeMap::new();
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
        let export = export_of(location, &folder, claims);
        periods
            .entry((export, folder.period))
            .or_default()
            .entry(run_of(&folder, object))
            .or_default()
            .push(file);
    }
    for ((export, period), mut runs) in periods {
        let Some(newest) = runs
            .iter()
            .max_by_key(|(run, files)| (layout::run_time(run).or(newest_file(files)), newest_name(files)))
            .map(|(run, _)| run.clone())
        else {
            continue;
        };
        let files = runs.remove(&newest).unwrap_or_default();
        let mut warning = format!(
            "no manifest speaks for {export} {period}: its {} files are taken as they are",
            files.len()
        );
        if !runs.is_empty() {
            warning.push_str(&format!(", {} older runs are left out", runs.len()));
        }
        let mut delivery = Delivery::new(export, Some(period), &newest, files);
        delivery.warnings.push(warning);
        found.deliveries.push(delivery);
    }
}

fn newest_file(files: &[SourceFile]) -> Option<chrono::DateTime<chrono::Utc>> {
    files.iter().map(|file| file.object.modified).max()
}

/// Decides between runs whose files were copied in the same instant.
fn newest_name(files: &[SourceFile]) -> Option<String> {
    files.iter().map(|file| file.object.key.clone()).max()
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

//! Chooses the manifest that counts for each export and period, and finds its files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, stream};

use super::format::{self, file_name, folder};
use super::layout::{self, PeriodFolder, Spelling};
use super::manifest::{Finder, Manifest, stem};
use super::{Delivery, Discovery, SourceFile};
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::warehouse::store::{Location, Object};

/// Manifests list file names: a larger one is broken or hostile.
const MAX_MANIFEST_BYTES: usize = 16 << 20;
const READ_AT_ONCE: usize = 8;

/// What manifests speak for, whether it is landed, superseded or failed.
#[derive(Debug, Default)]
pub struct Claims {
    /// Paths of files.
    pub files: BTreeSet<String>,
    /// Period folders: what no manifest names there is of an older or unfinished run.
    pub folders: BTreeSet<String>,
    /// The name of the export at a folder, so that months without a manifest go under the same name.
    pub names: BTreeMap<String, String>,
}

/// A manifest that was read, and what its keys mean here.
struct Candidate<'a> {
    object: &'a Object,
    export: String,
    period: Option<Period>,
    outcome: Result<Delivery>,
}

/// Turns manifests into deliveries and failures.
pub async fn from_manifests(location: &Location, objects: &[&Object], found: &mut Discovery) -> Claims {
    let by_path: HashMap<&str, &Object> = objects
        .iter()
        .map(|object| (object.path.as_ref(), *object))
        .collect();
    let mut claims = Claims::default();

    // The versions of one report's period lie in one folder under one name: only the best is read.
    let mut best: BTreeMap<(String, String), &Object> = BTreeMap::new();
    for object in objects.iter().filter(|object| format::is_manifest(&object.key)) {
        let path = object.path.as_ref();
        let slot = match PeriodFolder::of(path) {
            Some(period) => {
                claims.folders.extend(period.data_folder());
                (period.path, file_name(path).to_ascii_lowercase())
            }
            None => (path.to_string(), String::new()),
        };
        claims.folders.insert(slot.0.clone());
        let kept = best.entry(slot).or_insert(object);
        if rank(object) > rank(kept) {
            *kept = object;
        }
    }

    let read: Vec<(&Object, Result<Manifest>)> = stream::iter(best.into_values())
        .map(|object| async move { (object, read(location, object).await) })
        .buffered(READ_AT_ONCE)
        .collect()
        .await;

    let mut chosen: BTreeMap<(String, Period), Candidate> = BTreeMap::new();
    for (object, manifest) in read {
        let candidate = match manifest {
            Ok(manifest) => {
                let candidate = resolve(location, object, &manifest, &by_path, &mut claims);
                if let Some(other) = manifest.export_type.filter(|name| !exports_costs(name)) {
                    found.warnings.push(format!(
                        "{} exports {other}, which is no cost: it is passed over",
                        location.uri(&object.path)
                    ));
                    continue;
                }
                candidate
            }
            Err(error) => {
                // Nobody knows which of its neighbours it speaks for.
                let beside = objects
                    .iter()
                    .map(|other| other.path.as_ref())
                    .filter(|path| folder(path) == folder(object.path.as_ref()));
                claims.files.extend(beside.map(String::from));
                found.failures.push(error);
                continue;
            }
        };
        let Some(period) = candidate.period else {
            found.failures.extend(candidate.outcome.err());
            continue;
        };
        let key = (candidate.export.clone(), period);
        match chosen.get(&key) {
            Some(kept) if rank(kept.object) >= rank(candidate.object) => {}
            _ => {
                chosen.insert(key, candidate);
            }
        }
    }
    for candidate in chosen.into_values() {
        match candidate.outcome {
            Ok(delivery) => found.deliveries.push(delivery),
            Err(error) => found.failures.push(error),
        }
    }
    claims
}

/// The overwritten top-level manifest first, then the newest: as its run's folder says, which a copy does not change.
fn rank(manifest: &Object) -> (bool, chrono::DateTime<chrono::Utc>, &str) {
    let path = manifest.path.as_ref();
    let run = match PeriodFolder::of(path) {
        Some(period) => period.run,
        None => Some(file_name(folder(path)))
            .filter(|name| layout::is_run(name))
            .unwrap_or_default()
            .to_string(),
    };
    let time = layout::run_time(&run).unwrap_or(manifest.modified);
    (run.is_empty(), time, &manifest.key)
}

async fn read(location: &Location, object: &Object) -> Result<Manifest> {
    let bytes = location.read_small(&object.path, MAX_MANIFEST_BYTES).await?;
    Manifest::parse(&bytes).map_err(|reason| {
        Error::data("a manifest cannot be read").at(location.uri(&object.path)).because(reason).hint(
            "nothing of its delivery was landed; have the provider deliver it again, or move a file that is no manifest away",
        )
    })
}

/// Azure exports price sheets and reservations to the same containers as costs.
fn exports_costs(export_type: &str) -> bool {
    let name = export_type.to_ascii_lowercase();
    name.ends_with("cost") || name == "usage"
}

/// Finds a manifest's export, period and files, and claims all that it speaks for.
fn resolve<'a>(
    location: &Location,
    object: &'a Object,
    manifest: &Manifest,
    objects: &HashMap<&str, &Object>,
    claims: &mut Claims,
) -> Candidate<'a> {
    let path = object.path.as_ref();
    let at = PeriodFolder::of(path);
    let above = export_folder(path, at.as_ref());
    let export = layout::below(location.prefix.as_ref(), &above)
        .map(String::from)
        .or_else(|| manifest.name.clone())
        .or_else(|| stem(&object.key).map(String::from))
        .unwrap_or_else(|| layout::name_of(&above));
    claims.names.insert(above, export.clone());

    let period = period_of(manifest, at.as_ref());
    let files = find_files(location, object, manifest, objects, claims);
    let outcome = files.and_then(|(files, warnings)| {
        let period = period.ok_or_else(|| {
            Error::data("a manifest names no billing period")
                .at(location.uri(&object.path))
                .hint("keep the delivery in its period's folder, such as BILLING_PERIOD=2026-01 or 20260101-20260201")
        })?;
        let mut delivery = Delivery::new(export.clone(), Some(period), &manifest.run, files);
        delivery.manifest = Some(object.clone());
        delivery.told_rows = manifest.rows;
        delivery.export_type = manifest.export_type.clone();
        delivery.warnings = warnings;
        Ok(delivery)
    });
    Candidate {
        object,
        export,
        period,
        outcome,
    }
}

/// The folder of the export that a manifest belongs to.
fn export_folder(path: &str, at: Option<&PeriodFolder>) -> String {
    match at {
        Some(period) => period.above.clone(),
        None => {
            let mut above = folder(path);
            while layout::is_run(file_name(above)) || file_name(above) == "metadata" {
                above = folder(above);
            }
            above.to_string()
        }
    }
}

fn period_of(manifest: &Manifest, at: Option<&PeriodFolder>) -> Option<Period> {
    let of_keys = manifest
        .keys
        .iter()
        .flatten()
        .find_map(|key| PeriodFolder::of(key));
    let named = |folder: &PeriodFolder| (folder.spelling == Spelling::Named).then_some(folder.period);
    at.and_then(named)
        .or_else(|| of_keys.as_ref().and_then(named))
        .or(manifest.billing_period)
        .or_else(|| at.map(|folder| folder.period))
        .or_else(|| of_keys.map(|folder| folder.period))
        .or(manifest.run_period)
}

fn find_files(
    location: &Location,
    object: &Object,
    manifest: &Manifest,
    objects: &HashMap<&str, &Object>,
    claims: &mut Claims,
) -> Result<(Vec<SourceFile>, Vec<String>)> {
    let path = object.path.as_ref();
    let Some(keys) = &manifest.keys else {
        return list_data_folder(location, object, objects);
    };
    let finder = Finder::new(objects, path);
    let mut files = Vec::with_capacity(keys.len());
    let mut missing = Vec::new();
    for key in keys {
        match finder.find(key) {
            Some(file) => {
                claims.files.insert(file.path.to_string());
                claims
                    .folders
                    .extend(PeriodFolder::of(file.path.as_ref()).map(|period| period.path));
                files.push(file);
            }
            None => {
                // Leftovers where the file should be are of another run.
                claims.folders.extend(
                    finder
                        .candidates(key)
                        .filter_map(|path| PeriodFolder::of(&path))
                        .map(|period| period.path),
                );
                missing.push(key.as_str());
            }
        }
    }
    if let Some(first) = missing.first() {
        let others = match missing.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        return Err(Error::external(format!("a manifest names `{first}`{others}, which is not there"))
            .at(location.uri(&object.path))
            .hint("nothing of this delivery was landed: let the provider finish or repeat it, or copy the missing files, then run again"));
    }
    let files = files.into_iter().map(|file| {
        SourceFile::of(location, file).ok_or_else(|| {
            Error::data("a manifest names a file of a format that is not read")
                .at(location.uri(&file.path))
                .at(format!("manifest {}", location.uri(&object.path)))
                .hint("files end in .csv, .csv.gz, .csv.zst, .csv.zip, .jsonl or .parquet")
        })
    });
    Ok((files.collect::<Result<_>>()?, Vec::new()))
}

/// The files of a Data Export whose manifest lists none: what its data folder holds.
fn list_data_folder(
    location: &Location,
    object: &Object,
    objects: &HashMap<&str, &Object>,
) -> Result<(Vec<SourceFile>, Vec<String>)> {
    let uri = location.uri(&object.path);
    let period = PeriodFolder::of(object.path.as_ref());
    let Some(mut data) = period.as_ref().and_then(PeriodFolder::data_folder) else {
        return Err(
            Error::data("a manifest lists no files (reportKeys, dataFiles, blobs)")
                .at(uri)
                .hint("move a file that is no billing manifest away, or have the provider deliver it again"),
        );
    };
    if let Some(run) = period.map(|period| period.run).filter(|run| !run.is_empty()) {
        data = format!("{data}/{run}");
    }
    let files = objects
        .values()
        .filter(|file| layout::below(&data, file.path.as_ref()).is_some())
        .filter_map(|file| SourceFile::of(location, file))
        .collect();
    Ok((
        files,
        vec![format!(
            "{uri} lists no files: those in its data folder are taken"
        )],
    ))
}

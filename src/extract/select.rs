//! Reads the manifests that may count, and finds the days and the files of their runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, stream};

use super::format::{self, file_name, folder};
use super::layout::{self, PeriodFolder, Spelling};
use super::loose::folder_days;
use super::manifest::{Finder, Manifest, stem};
use super::runs::Run;
use super::{Discovery, SourceFile};
use crate::config::SourceKind;
use crate::domain::days::DaySpan;
use crate::domain::period::Period;
use crate::error::{Error, PlaceKey, Result};
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

/// Turns manifests into runs; what speaks for no run is among the failures.
///
/// A file that a manifest names is found whatever its name begins with.
pub async fn from_manifests(
    location: &Location,
    kind: SourceKind,
    listed: &[Object],
    found: &mut Discovery,
) -> (Claims, Vec<Run>) {
    let by_path: HashMap<&str, &Object> = listed
        .iter()
        .map(|object| (object.path.as_ref(), object))
        .collect();
    let objects: Vec<&Object> = listed
        .iter()
        .filter(|object| !format::is_passed_over(&object.key))
        .collect();
    let mut claims = Claims::default();

    // The versions of one report's period lie in one folder under one name: only the best is read.
    let mut slots: BTreeMap<(String, String), Vec<&Object>> = BTreeMap::new();
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
        slots.entry(slot).or_default().push(object);
    }
    let mut best = Vec::with_capacity(slots.len());
    let mut older = Vec::new();
    for (_, mut versions) in slots {
        versions.sort_by(|a, b| rank(b).cmp(&rank(a)));
        let mut versions = versions.into_iter();
        best.extend(versions.next());
        older.push(versions.collect::<Vec<_>>());
    }
    let mut read = read_all(location, best).await;
    // A run of fewer days than its folder names leaves days to the runs before it; which of several of one minute is the
    // newest, their manifests say.
    let further = read.iter().zip(older).filter(|((object, manifest), _)| {
        holds_days(kind)
            && PeriodFolder::of(object.path.as_ref()).is_some()
            && manifest.as_ref().is_ok_and(|manifest| manifest.is_azure)
    });
    let further = further.flat_map(|((object, manifest), older)| {
        let folder = PeriodFolder::of(object.path.as_ref());
        let is_narrow = manifest.as_ref().is_ok_and(|manifest| {
            days_of(kind, manifest, folder.as_ref()) != folder.as_ref().map(|f| f.days)
        });
        let (is_top, time, _) = rank(object);
        let is_further =
            move |object: &&Object| is_narrow || (is_top, time) == (rank(object).0, rank(object).1);
        older.into_iter().filter(is_further)
    });
    let further = further.collect();
    read.extend(read_all(location, further).await);

    let mut runs = Vec::new();
    let mut broken = Vec::new();
    for (object, manifest) in read {
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => {
                // Nobody knows which of its neighbours it speaks for.
                let beside = objects
                    .iter()
                    .map(|other| other.path.as_ref())
                    .filter(|path| folder(path) == folder(object.path.as_ref()));
                claims.files.extend(beside.map(String::from));
                broken.push((object, error));
                continue;
            }
        };
        let run = resolve(location, kind, object, &manifest, &by_path, &mut claims);
        if let Some(other) = manifest.export_type.filter(|name| !exports_costs(name)) {
            found.warnings.push(format!(
                "{} exports {other}, which is no cost: it is passed over",
                location.uri(&object.path)
            ));
            continue;
        }
        match run {
            Ok(run) => runs.push(run),
            Err(error) => found.failures.push(error),
        }
    }
    for (object, error) in broken {
        match unreadable(location, kind, object, &error, &claims) {
            Some(run) => runs.push(run),
            None => found.failures.push(error),
        }
    }
    (claims, runs)
}

/// Whether runs of a kind hold any days that somebody chose, and not always a month.
fn holds_days(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::AzureCost | SourceKind::Focus)
}

/// A manifest that cannot be read stands for the days of its folder: no older run may stand for them instead.
fn unreadable(
    location: &Location,
    kind: SourceKind,
    object: &Object,
    error: &Error,
    claims: &Claims,
) -> Option<Run> {
    let at = PeriodFolder::of(object.path.as_ref()).filter(|_| holds_days(kind))?;
    let export = layout::below(location.prefix.as_ref(), &at.above).map(String::from);
    let export = export
        .or_else(|| claims.names.get(&at.above).cloned())
        .unwrap_or_else(|| layout::name_of(&at.above));
    let (is_top, time, key) = rank(object);
    let days = folder_days(kind, &at);
    Some(Run {
        export,
        days,
        named_days: days,
        id: String::new(),
        place: location.uri(&object.path),
        is_top,
        age: (time, None, key.to_string()),
        manifest: Some((object.clone(), None)),
        export_type: None,
        files: Err(error.clone()),
        warnings: Vec::new(),
    })
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

async fn read_all<'a>(
    location: &Location,
    manifests: Vec<&'a Object>,
) -> Vec<(&'a Object, Result<Manifest>)> {
    stream::iter(manifests)
        .map(|object| async move { (object, read(location, object).await) })
        .buffered(READ_AT_ONCE)
        .collect()
        .await
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

/// Finds a manifest's export, days and files, and claims all that it speaks for.
fn resolve(
    location: &Location,
    kind: SourceKind,
    object: &Object,
    manifest: &Manifest,
    objects: &HashMap<&str, &Object>,
    claims: &mut Claims,
) -> Result<Run> {
    let path = object.path.as_ref();
    let at = PeriodFolder::of(path);
    let above = export_folder(path, at.as_ref());
    let export = layout::below(location.prefix.as_ref(), &above)
        .map(String::from)
        .or_else(|| manifest.name.clone())
        .or_else(|| stem(&object.key).map(String::from))
        .unwrap_or_else(|| layout::name_of(&above));
    claims.names.insert(above, export.clone());

    let files = find_files(location, object, manifest, objects, claims);
    let Some(days) = days_of(kind, manifest, at.as_ref()) else {
        files?;
        return Err(Error::data("a manifest names no billing period")
            .at(location.uri(&object.path))
            .hint("keep the delivery in its period's folder, such as BILLING_PERIOD=2026-01 or 20260101-20260201"));
    };
    let named_days = match at.filter(|_| holds_days(kind) && manifest.is_azure) {
        Some(folder) => folder.days,
        None => days,
    };
    let (is_top, time, key) = rank(object);
    let (files, warnings) = match files {
        Ok((files, warnings)) => (Ok(files), warnings),
        Err(error) => (Err(error), Vec::new()),
    };
    Ok(Run {
        export,
        days,
        named_days,
        id: manifest.run.clone(),
        place: location.uri(&object.path),
        is_top,
        age: (time, manifest.submitted, key.to_string()),
        manifest: Some((object.clone(), manifest.rows)),
        export_type: manifest.export_type.clone(),
        files,
        warnings,
    })
}

/// The days of a manifest's run: a month, or of Azure the range that its folder names and it says itself.
fn days_of(kind: SourceKind, manifest: &Manifest, at: Option<&PeriodFolder>) -> Option<DaySpan> {
    let of_keys = manifest
        .keys
        .iter()
        .flatten()
        .find_map(|key| PeriodFolder::of(key));
    if holds_days(kind) && manifest.is_azure {
        let folder = at.or(of_keys.as_ref()).map(|folder| folder.days);
        let both = folder.zip(manifest.run_days).and_then(|(a, b)| a.shared(b));
        if let Some(days) = both.or(folder).or(manifest.run_days) {
            return Some(days);
        }
    }
    period_of(manifest, at, of_keys.as_ref()).map(DaySpan::of_month)
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

fn period_of(
    manifest: &Manifest,
    at: Option<&PeriodFolder>,
    of_keys: Option<&PeriodFolder>,
) -> Option<Period> {
    let named = |folder: &PeriodFolder| (folder.spelling == Spelling::Named).then_some(folder.period);
    at.and_then(named)
        .or_else(|| of_keys.and_then(named))
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
        let missing = match missing.len() - 1 {
            0 => format!("`{first}`, which is not there"),
            others => format!("`{first}` and {others} more, which are not there"),
        };
        return Err(Error::external(format!("a manifest names {missing}"))
            .at(location.uri(&object.path))
            .hint("nothing of this delivery was landed: let the provider finish or repeat it, or copy the missing files, then run again"));
    }
    let files = files.into_iter().map(|file| {
        SourceFile::of(location, file).ok_or_else(|| {
            Error::data("a manifest names a file of a format that is not read")
                .at(location.uri(&file.path))
                .at_key(PlaceKey::Manifest, location.uri(&object.path))
                .hint("files end in .csv, .csv.gz, .csv.zst, .csv.zip, .jsonl or .parquet")
        })
    });
    let files: Vec<SourceFile> = files.collect::<Result<_>>()?;
    let warnings = match files.is_empty() {
        // Its list is there and empty: the provider says that the month has no row.
        true => vec![format!(
            "{} lists no file: its period is empty, whatever lies beside it",
            location.uri(&object.path)
        )],
        false => Vec::new(),
    };
    Ok((files, warnings))
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
        .filter(|file| !format::is_passed_over(&file.key))
        .filter_map(|file| SourceFile::of(location, file))
        .collect();
    Ok((
        files,
        vec![format!(
            "{uri} lists no files: those in its data folder are taken"
        )],
    ))
}

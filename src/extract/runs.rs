//! Runs of exports laid over each other: which run counts for which days of a month.
//!
//! A run holds a range of days, mostly one month. The newest run that holds a month whole is the ground; runs of some of
//! its days that are newer lie on it, each day as its newest run delivered it. A run of several months gives each of them
//! its days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::counted_days::{CountedDays, names};
use super::present_days::PresentDays;
use super::{DeliveredManifest, Delivery, Discovery, SourceFile};
use crate::domain::days::DaySpan;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::warehouse::store::Object;

/// One run of an export.
#[derive(Debug)]
pub struct Run {
    /// The export.
    pub export: String,
    /// The days that it holds, as far as it says.
    pub days: DaySpan,
    /// The days that its folder names, of which it may say that it holds fewer.
    pub named_days: DaySpan,
    /// Its own id, where it has one.
    pub id: String,
    /// Where it lies, for people.
    pub place: String,
    /// A manifest at the top, which each run overwrites, is the newest whatever its time.
    pub is_top: bool,
    /// When it was begun, or else written; of runs of one instant when its manifest says, then what else tells them apart.
    pub age: (DateTime<Utc>, Option<DateTime<Utc>>, String),
    /// The manifest, and the rows that it tells of.
    pub manifest: Option<(Object, Option<u64>)>,
    /// What it exports, in the provider's word.
    pub export_type: Option<String>,
    /// Its files, or why they cannot be read.
    pub files: Result<Vec<SourceFile>>,
    /// What a person should know though nothing failed.
    pub warnings: Vec<String>,
}

/// Turns runs into one delivery for each export and month.
pub fn deliver(runs: Vec<Run>, found: &mut Discovery) {
    let mut months: BTreeMap<(&str, Period), Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        for month in run.days.months() {
            months.entry((run.export.as_str(), month)).or_default().push(run);
        }
    }
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    let mut unfinished: BTreeSet<&str> = BTreeSet::new();
    for ((export, month), runs) in months {
        // An export that writes manifests writes them last: a later run without one is not finished.
        let first_manifest = runs
            .iter()
            .filter(|run| run.manifest.is_some())
            .map(|run| (run.age.0, &run.age.2))
            .min();
        let (left_out, mut runs): (Vec<&Run>, Vec<&Run>) = runs.into_iter().partition(|run| {
            run.manifest.is_none() && first_manifest.is_some_and(|first| (run.age.0, &run.age.2) > first)
        });
        for run in left_out {
            if unfinished.insert(&run.place) {
                found.warnings.push(format!(
                    "{}: no manifest speaks for it, but for earlier runs of {export}: it is left out as unfinished",
                    run.place
                ));
            }
        }
        let layers = laid(month, &mut runs);
        let failures: Vec<(&str, &Error)> = layers
            .iter()
            .filter_map(|layer| Some((layer.run.place.as_str(), layer.run.files.as_ref().err()?)))
            .collect();
        if failures.is_empty() {
            match composed(export, month, &layers, runs.len()) {
                Ok(delivery) => found.deliveries.push(delivery),
                Err(error) => found.failures.push(error),
            }
            continue;
        }
        for (place, error) in failures {
            if failed.insert(place) {
                found.failures.push(error.clone());
            }
        }
    }
}

/// A run and the days of the month for which it counts.
struct Layer<'a> {
    run: &'a Run,
    days: Vec<NaiveDate>,
    is_ground: bool,
}

/// The runs that count, the newest first.
fn laid<'a>(month: Period, runs: &mut [&'a Run]) -> Vec<Layer<'a>> {
    let whole = DaySpan::of_month(month);
    // Between runs of one and the same month the one at the top counts; a run of other days is no copy of it.
    let same = runs.iter().all(|run| run.named_days == whole);
    runs.sort_by(|a, b| (b.is_top && same, &b.age).cmp(&(a.is_top && same, &a.age)));
    let mut free: BTreeSet<NaiveDate> = whole.days().collect();
    let mut layers = Vec::new();
    for run in runs.iter() {
        let own = run.days.shared(whole);
        let days: Vec<NaiveDate> = own
            .into_iter()
            .flat_map(DaySpan::days)
            .filter(|day| free.remove(day))
            .collect();
        let is_ground = run.days.covers(whole);
        if !days.is_empty() || is_ground {
            layers.push(Layer { run, days, is_ground });
        }
        if is_ground {
            break;
        }
    }
    layers
}

/// The delivery of a month; `of` is the number of runs that hold any of its days.
fn composed(export: &str, month: Period, layers: &[Layer<'_>], of: usize) -> Result<Delivery> {
    let whole = DaySpan::of_month(month);
    let alone = match layers {
        [one] => Some(one),
        _ => None,
    };
    let mut files = Vec::new();
    let mut id = Vec::new();
    let mut parts = Vec::new();
    let mut manifests = Vec::new();
    let mut warnings = Vec::new();
    let mut present = Vec::new();
    // The rows of a run of this month alone count whole, whatever their dates: its period is theirs.
    let is_plain = alone.is_some_and(|layer| whole.covers(layer.run.days));
    for layer in layers {
        let run = layer.run;
        let counted = Arc::new(CountedDays {
            month,
            run: run.days,
            counted: DaySpan::joined(layer.days.iter().copied()),
            with_strays: layer.is_ground || alone.is_some(),
        });
        present.push(counted.clone());
        let own = run.files.as_ref().map(Vec::as_slice).unwrap_or_default();
        if let Some((object, rows)) = &run.manifest {
            manifests.push(DeliveredManifest {
                object: object.clone(),
                manifest_row_count: *rows,
                files: own.iter().map(|file| file.object.path.to_string()).collect(),
            });
        }
        warnings.extend(run.warnings.iter().cloned());
        id.push(format!("{} {}", run.id, counted.names()));
        parts.push(format!("{} for {}", run.place, counted.names()));
        let days = (!is_plain).then_some(counted);
        files.extend(own.iter().map(|file| SourceFile {
            days: days.clone(),
            ..file.clone()
        }));
    }
    let Some(newest) = layers.first() else {
        return Err(Error::internal("a month has no run"));
    };
    let types: BTreeSet<&String> = layers.iter().flat_map(|layer| &layer.run.export_type).collect();
    if types.len() > 1 {
        return Err(Error::data("runs of one export hold different costs")
            .at(format!("{export} {month}"))
            .because(parts.join("; "))
            .hint("put the runs of each type of export below a folder of its own"));
    }
    let id = match is_plain {
        true => newest.run.id.clone(),
        false => id.join("\n"),
    };
    let mut delivery = Delivery::new(export.to_string(), Some(month), &id, files);
    delivery.manifests = manifests;
    delivery.export_type = newest.run.export_type.clone();
    let loose = layers.iter().filter(|layer| layer.run.manifest.is_none());
    let loose_files = loose
        .map(|layer| layer.run.files.as_ref().map_or(0, Vec::len))
        .sum::<usize>();
    if loose_files > 0 {
        let files = match loose_files {
            1 => "file is taken as it is".to_string(),
            _ => format!("{loose_files} files are taken as they are"),
        };
        let mut warning = format!("no manifest speaks for {export} {month}: its {files}");
        match of.saturating_sub(layers.len()) {
            0 => {}
            1 => warning.push_str(", 1 older run is left out"),
            older => warning.push_str(&format!(", {older} older runs are left out")),
        }
        delivery.warnings.push(warning);
    }
    delivery.warnings.extend(warnings);
    if !is_plain {
        delivery.warnings.push(match alone {
            Some(layer) => format!(
                "{export} {month}: from a run of {}, {}",
                layer.run.days,
                parts.join("; ")
            ),
            None => format!(
                "{export} {month} is put together from {} runs: {}",
                parts.len(),
                parts.join("; ")
            ),
        });
    }
    let is_named = |day: &NaiveDate| layers.iter().any(|layer| layer.run.named_days.contains(*day));
    let missing = DaySpan::joined(whole.days().filter(|day| !is_named(day)));
    if !missing.is_empty() {
        delivery
            .warnings
            .push(format!("{export} {month}: no run holds {}", names(&missing)));
    }
    delivery.present_days = Some(PresentDays {
        runs: present,
        unnamed: missing,
    });
    Ok(delivery)
}

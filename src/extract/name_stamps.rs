//! Times and dates in the names of files that no manifest speaks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveDateTime};
use regex::Regex;

use super::SourceFile;
use super::format::file_name;

/// `focus_202609120400`, `focus-20260912T040000Z`, `focus_20260912-040000`, and a part's number after it. A number of four
/// digits after a dash is no time of day: it may count parts.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(.*?)(\d{4})-?(\d{2})-?(\d{2})(?:T?(\d{2})[:-]?(\d{2})(?:[:-]?(\d{2}))?|[_ -](\d{2})[:-]?(\d{2})[:-]?(\d{2}))Z?(?:[_-]?(?:part)?[_-]?\d{0,5})$",
    )
    .ok()
});
/// A date and what stands on either side of it.
static DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(.*?)(\d{4})-?(\d{2})-?(\d{2})(\D.*)?$").ok());

/// The time in a file's name, as its digits, and what stands before it.
fn time(key: &str) -> Option<(&str, String)> {
    let stem = file_name(key).split('.').next()?;
    let found = TIME.as_ref()?.captures(stem)?;
    let digits: String = (2..=9)
        .filter_map(|group| found.get(group))
        .map(|group| group.as_str())
        .collect();
    let seconds = format!("{digits:0<14}");
    NaiveDateTime::parse_from_str(&seconds, "%Y%m%d%H%M%S").ok()?;
    Some((found.get(1)?.as_str(), digits))
}

/// The run of each file of a folder whose names tell runs: every file has a time in its name, after the same text.
pub(super) fn runs<'a>(keys: &[&'a str]) -> BTreeMap<&'a str, String> {
    let times: Option<Vec<_>> = keys.iter().map(|key| Some((*key, time(key)?))).collect();
    let times = times.unwrap_or_default();
    let before: BTreeSet<&str> = times.iter().map(|(_, (before, _))| *before).collect();
    match before.len() {
        1 => times.into_iter().map(|(key, (_, run))| (key, run)).collect(),
        _ => BTreeMap::new(),
    }
}

/// A warning where the files of a folder differ by a date in their names alone: one day each, or the month so far each?
pub(super) fn dated(place: &str, files: &[SourceFile]) -> Option<String> {
    let around = |file: &SourceFile| {
        let found = DATE.as_ref()?.captures(file_name(&file.object.key))?;
        let number = |group: usize| found.get(group)?.as_str().parse::<u32>().ok();
        NaiveDate::from_ymd_opt(i32::try_from(number(2)?).ok()?, number(3)?, number(4)?)?;
        let text = |group: usize| found.get(group).map_or("", |text| text.as_str()).to_string();
        Some((text(1), text(5)))
    };
    let names: Option<BTreeSet<_>> = files.iter().map(around).collect();
    (files.len() > 1 && names?.len() == 1).then(|| {
        format!(
            "{place}: the names of its {} files differ by a date alone, and all of them count, as files of one day each do; where each holds the month so far, keep the newest and take the others away",
            files.len()
        )
    })
}

//! Manifests: which files one finished run of an export holds.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::format::{file_name, folder};
use super::layout::PeriodFolder;
use crate::domain::days::DaySpan;
use crate::domain::period::Period;
use crate::warehouse::store::Object;

/// What a manifest says, whichever provider wrote it.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The assembly, execution or run; empty when it is not stated.
    pub run: String,
    /// The report's or export's own name.
    pub name: Option<String>,
    /// The month of `billingPeriod.start`.
    pub billing_period: Option<Period>,
    /// The month of an Azure run's first day, which a folder's name outweighs.
    pub run_period: Option<Period>,
    /// When an Azure run was asked for.
    pub submitted: Option<DateTime<Utc>>,
    /// The days of an Azure run.
    pub run_days: Option<DaySpan>,
    /// Whether it is of the kind that Azure writes, whose runs hold a range of days.
    pub is_azure: bool,
    /// What is exported, in the provider's own word.
    pub export_type: Option<String>,
    /// The rows of all its files together.
    pub rows: Option<u64>,
    /// The keys of its files; `None` when it lists none at all and its data folder is what counts.
    pub keys: Option<Vec<String>>,
}

/// The longest key that any of the stores allows, and then some.
const MAX_KEY_BYTES: usize = 4096;

impl Manifest {
    /// Reads a manifest's JSON; the error is the reason in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let Value::Object(fields) = value else {
            return Err("it is no JSON object".to_string());
        };
        let text = |object: &Map<String, Value>, name: &str| {
            object.get(name).and_then(Value::as_str).map(String::from)
        };
        let inner = |name: &str| fields.get(name).and_then(Value::as_object);
        let run = text(&fields, "assemblyId")
            .or_else(|| text(&fields, "executionId"))
            .or_else(|| text(inner("runInfo")?, "runId"))
            .unwrap_or_default();
        let name = text(&fields, "reportName")
            .or_else(|| text(&fields, "exportName"))
            .or_else(|| text(inner("exportConfig")?, "exportName"))
            .filter(|name| !name.trim().is_empty());
        let day = |name: &str| {
            let text = text(inner("runInfo")?, name)?;
            text.get(..10)?.parse::<chrono::NaiveDate>().ok()
        };
        let is_azure = ["blobs", "blobCount", "runInfo"]
            .iter()
            .any(|name| fields.contains_key(*name));
        let month = |object: Option<&Map<String, Value>>, name: &str| month_of(&text(object?, name)?);
        Ok(Manifest {
            run,
            name,
            billing_period: month(inner("billingPeriod"), "start"),
            run_period: month(inner("runInfo"), "startDate"),
            submitted: inner("runInfo")
                .and_then(|run| text(run, "submittedTime"))
                .and_then(|time| instant(&time)),
            run_days: day("startDate")
                .zip(day("endDate"))
                .and_then(|(first, last)| DaySpan::new(first, last)),
            is_azure,
            export_type: inner("exportConfig").and_then(|export| text(export, "type")),
            rows: fields.get("dataRowCount").and_then(Value::as_u64),
            keys: keys_of(&fields)?,
        })
    }
}

/// An instant; without a zone it is in UTC, as Azure writes it.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let local = || text.parse::<NaiveDateTime>().ok().map(|time| time.and_utc());
    text.parse().ok().or_else(local)
}

/// The month of `20180801T000000.000Z` or `2018-08-01T00:00:00Z`.
fn month_of(text: &str) -> Option<Period> {
    Period::from_compact(text).or_else(|| text.get(..7)?.parse().ok())
}

fn keys_of(fields: &Map<String, Value>) -> Result<Option<Vec<String>>, String> {
    let listed = ["reportKeys", "dataFiles", "blobs"]
        .iter()
        .find_map(|name| Some((*name, fields.get(*name)?)));
    let Some((name, value)) = listed.filter(|(_, value)| !value.is_null()) else {
        // A month without cost may have no list at all.
        let is_empty = ["blobCount", "dataRowCount"]
            .iter()
            .any(|count| fields.get(*count).and_then(Value::as_u64) == Some(0));
        return Ok(is_empty.then(Vec::new));
    };
    let Value::Array(entries) = value else {
        return Err(format!("`{name}` is no list"));
    };
    let keys: Result<Vec<String>, String> = entries
        .iter()
        .map(|entry| {
            let key = if name == "blobs" {
                entry.get("blobName")
            } else {
                Some(entry)
            };
            let key = bare_key(
                key.and_then(Value::as_str)
                    .ok_or_else(|| format!("`{name}` holds an entry that is no file name"))?,
            );
            match key.len() {
                0 => Err(format!("`{name}` holds an empty file name")),
                1..=MAX_KEY_BYTES => Ok(key.to_string()),
                _ => Err(format!("`{name}` holds a file name of {} bytes", key.len())),
            }
        })
        .collect();
    let keys = keys?;
    let told = fields.get("blobCount").and_then(Value::as_u64);
    match told.filter(|told| name == "blobs" && *told != keys.len() as u64) {
        Some(told) => Err(format!("`blobCount` is {told} but `blobs` holds {}", keys.len())),
        None => Ok(Some(keys)),
    }
}

/// The key inside its bucket: without `s3://bucket/`, a web address and container, or slashes before it.
fn bare_key(key: &str) -> &str {
    let Some((scheme, rest)) = key.split_once("://") else {
        return key.trim_start_matches('/');
    };
    let inside = |text: &'_ str| -> usize { text.find('/').map_or(text.len(), |slash| slash + 1) };
    let mut path = &rest[inside(rest)..];
    if scheme.starts_with("http") {
        path = &path[inside(path)..];
    }
    path.trim_start_matches('/')
}

/// Where a manifest looks for its files.
#[derive(Debug)]
pub struct Finder<'a> {
    objects: &'a HashMap<&'a str, &'a Object>,
    /// The manifest's folder and the folders above it, nearest first: one of them is the bucket's root.
    roots: Vec<&'a str>,
    /// Where files may lie when their key tells of a place that is not this one.
    anchors: Vec<String>,
}

impl<'a> Finder<'a> {
    /// A finder for the manifest at `path`.
    pub fn new(objects: &'a HashMap<&'a str, &'a Object>, path: &'a str) -> Self {
        let mut roots = vec![folder(path)];
        while let Some(last) = roots.last().filter(|last| !last.is_empty()) {
            roots.push(folder(last));
        }
        let mut anchors = vec![folder(path).to_string()];
        if let Some(period) = PeriodFolder::of(path)
            && let Some(data) = period.data_folder()
        {
            anchors.push(data.clone());
            if !period.run.is_empty() {
                anchors.push(format!("{data}/{}", period.run));
            }
        }
        Finder {
            objects,
            roots,
            anchors,
        }
    }

    /// The paths that may be meant by a key, best first.
    ///
    /// The whole key counts from any folder above the manifest, because the bucket's root may be any of them. A
    /// shorter ending, of a delivery that was copied elsewhere, counts only right beside the manifest or in its data
    /// folder: further away it could be another run's file of the same name.
    pub fn candidates(&self, key: &str) -> impl Iterator<Item = String> {
        let whole = self.roots.iter().map(|root| join(root, key));
        let endings = std::iter::successors(Some(key), |rest| rest.split_once('/').map(|(_, rest)| rest));
        whole.chain(endings.flat_map(|ending| self.anchors.iter().map(move |anchor| join(anchor, ending))))
    }

    /// The listed object that a key means.
    pub fn find(&self, key: &str) -> Option<&'a Object> {
        self.candidates(key)
            .find_map(|path| self.objects.get(path.as_str()).copied())
    }
}

fn join(folder: &str, rest: &str) -> String {
    if folder.is_empty() {
        rest.to_string()
    } else {
        format!("{folder}/{rest}")
    }
}

/// The export's name in a manifest's file name: `cur` of `cur-Manifest.json`.
pub fn stem(key: &str) -> Option<&str> {
    let name = file_name(key);
    let cut = name.len().checked_sub("-manifest.json".len())?;
    (cut > 0 && name.is_char_boundary(cut)).then(|| &name[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_dialects() {
        let legacy = Manifest::parse(
            br#"{"assemblyId":"a1","reportName":"cur","billingPeriod":{"start":"20180801T000000.000Z"},"bucket":"",
                "reportKeys":["/cur/20180801-20180901/a1/cur-1.csv.gz"]}"#,
        )
        .unwrap();
        assert_eq!(legacy.run, "a1");
        assert_eq!(legacy.billing_period.unwrap().to_string(), "2018-08");
        assert_eq!(legacy.keys.unwrap(), ["cur/20180801-20180901/a1/cur-1.csv.gz"]);

        let export =
            Manifest::parse(br#"{"executionId":"e1","dataFiles":["s3://bucket/p/data/f.parquet"]}"#).unwrap();
        assert_eq!(
            (export.run.as_str(), export.keys.unwrap()),
            ("e1", vec!["p/data/f.parquet".to_string()])
        );

        let azure = Manifest::parse(
            b"\xef\xbb\xbf{\"blobCount\":1,\"blobs\":[{\"blobName\":\"root/f.csv\"}],\"exportConfig\":{\"exportName\":\"costs\"},
              \"runInfo\":{\"runId\":\"r1\",\"startDate\":\"2026-09-01T00:00:00\",\"endDate\":\"2026-09-05T00:00:00\"}}",
        )
        .unwrap();
        assert_eq!((azure.run.as_str(), azure.name.as_deref()), ("r1", Some("costs")));
        assert_eq!(azure.run_period.unwrap().to_string(), "2026-09");
        assert_eq!(azure.run_days.unwrap().to_string(), "2026-09-01 to 2026-09-05");
        assert!(azure.is_azure && !legacy.is_azure && !export.is_azure);
        assert_eq!(azure.keys.unwrap(), ["root/f.csv"]);

        let older = Manifest::parse(
            br#"{"manifestVersion":"2021-01-01","dataRowCount":490,"blobs":[{"blobName":"f.csv","dataRowCount":490}]}"#,
        )
        .unwrap();
        assert_eq!(
            (older.run.as_str(), older.rows, older.export_type),
            ("", Some(490), None)
        );
    }

    #[test]
    fn empty_and_absent_lists_differ() {
        assert_eq!(
            Manifest::parse(br#"{"blobCount":0,"blobs":[]}"#).unwrap().keys,
            Some(vec![])
        );
        assert_eq!(Manifest::parse(br#"{"blobCount":0}"#).unwrap().keys, Some(vec![]));
        assert_eq!(
            Manifest::parse(br#"{"dataRowCount":0,"blobs":null}"#)
                .unwrap()
                .keys,
            Some(vec![])
        );
        assert_eq!(Manifest::parse(br#"{"dataFiles":null}"#).unwrap().keys, None);
        assert_eq!(Manifest::parse(b"{}").unwrap().keys, None);
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        let long = format!(r#"{{"reportKeys":["{}"]}}"#, "a/".repeat(3000));
        for text in [
            "",
            "{",
            "[]",
            "3",
            r#"{"reportKeys":"a"}"#,
            r#"{"reportKeys":[1]}"#,
            r#"{"reportKeys":["s3://bucket"]}"#,
            r#"{"blobs":["a"]}"#,
            r#"{"blobCount":2,"blobs":[{"blobName":"a"}]}"#,
            &long,
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_lose_what_is_before_the_bucket() {
        assert_eq!(bare_key("s3://b/x/y"), "x/y");
        assert_eq!(bare_key("//x/y"), "x/y");
        assert_eq!(
            bare_key("https://account.blob.core.windows.net/container/x/y"),
            "x/y"
        );
    }

    #[test]
    fn file_names_carry_the_report() {
        assert_eq!(stem("a/cur-Manifest.json"), Some("cur"));
        assert_eq!(stem("a/manifest.json"), None);
        assert_eq!(stem("a/-manifest.json"), None);
    }
}

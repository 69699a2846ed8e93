mod extracts;
mod loose;
mod manifests;
mod ranges;

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::config::Profile;
use crate::error::Blame;

const RUN_1: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
const RUN_2: &str = "22222222-aaaa-4bbb-8ccc-000000000002";

fn no_profile() -> Profile {
    Profile {
        name: String::new(),
        values: Default::default(),
    }
}

/// A folder that looks like a bucket; later files are newer.
struct Bucket {
    folder: tempfile::TempDir,
    clock: u64,
}

impl Bucket {
    fn new() -> Self {
        Bucket {
            folder: tempfile::tempdir().unwrap(),
            clock: 1_700_000_000,
        }
    }

    fn put(mut self, key: &str, text: &str) -> Self {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.clock += 60;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock);
        std::fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        self
    }

    fn data(self, key: &str) -> Self {
        self.put(key, "a,b\n1,2\n")
    }

    fn legacy(self, path: &str, run: &str, start: &str, keys: &[&str]) -> Self {
        let manifest = serde_json::json!({
            "assemblyId": run, "reportName": "cur", "bucket": "",
            "billingPeriod": {"start": start}, "reportKeys": keys,
        });
        self.put(path, &manifest.to_string())
    }

    fn export(self, path: &str, run: &str, keys: &[&str]) -> Self {
        self.put(
            path,
            &serde_json::json!({"executionId": run, "dataFiles": keys}).to_string(),
        )
    }

    async fn discover_as(&self, below: &str, kind: SourceKind) -> Discovery {
        let location = Location::open(below, self.folder.path(), &no_profile()).unwrap();
        discover(&location, kind).await.unwrap()
    }

    async fn discover(&self, below: &str) -> Discovery {
        self.discover_as(below, SourceKind::AwsCur).await
    }
}

/// `export period: files` of every delivery.
fn shown(found: &Discovery) -> Vec<String> {
    let line = |delivery: &Delivery| {
        let period = delivery
            .period
            .map_or("-".to_string(), |period| period.to_string());
        let files: Vec<&str> = delivery
            .files
            .iter()
            .map(|file| file.object.key.as_str())
            .collect();
        format!("{} {period}: {}", delivery.export, files.join(" "))
    };
    found.deliveries.iter().map(line).collect()
}

fn clean(found: &Discovery) -> Vec<String> {
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    shown(found)
}

fn failure(found: &Discovery) -> &Error {
    assert_eq!(found.failures.len(), 1, "{:?}", found.failures);
    &found.failures[0]
}

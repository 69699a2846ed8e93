//! What the commits of a table say beside its files, read from its log.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::table::Table;
use crate::error::Result;

/// The name of a commit's facts in its log entry.
pub(super) const FACTS: &str = "facts";
/// Log entries that are read side by side.
const READ_AT_ONCE: usize = 16;

/// A commit.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitNote {
    /// The version that it made.
    pub version: u64,
    /// What was to be known of it.
    pub facts: Option<Value>,
    /// Its file is there and holds nothing: the machine stopped before it was on the disk.
    pub is_empty: bool,
}

impl Table {
    /// The id that the table was created with.
    pub fn id(&self) -> String {
        self.inner
            .snapshot()
            .map(|state| state.metadata().id().to_string())
            .unwrap_or_default()
    }

    /// The commits after version `since` up to this one, or all of them, oldest first. One whose entry is gone is left out.
    ///
    /// # Errors
    /// External when the log cannot be read.
    pub async fn notes_since(&self, since: Option<u64>) -> Result<Vec<CommitNote>> {
        let log = self.location.child("_delta_log");
        let versions: Vec<u64> = match since {
            Some(since) => (since + 1..=self.version()).collect(),
            None => {
                let paths = log.paths().await?;
                let versions = paths.iter().filter_map(|path| {
                    let number = path.strip_suffix(".json")?;
                    (number.len() == 20).then(|| number.parse().ok())?
                });
                let mut versions: Vec<u64> = versions.filter(|v| *v <= self.version()).collect();
                versions.sort_unstable();
                versions
            }
        };
        let notes = versions.into_iter().map(|version| {
            let log = log.clone();
            async move {
                let entry = format!("{version:020}.json");
                match log.exists(&entry).await? {
                    true => Ok(Some(note(version, &log.read(&entry).await?))),
                    false => Ok(None),
                }
            }
        });
        let notes = stream::iter(notes).buffered(READ_AT_ONCE);
        notes.try_filter_map(async |note| Ok(note)).try_collect().await
    }
}

fn note(version: u64, entry: &[u8]) -> CommitNote {
    let info = entry
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{\"commitInfo\""))
        .find_map(|line| serde_json::from_slice::<Value>(line).ok());
    let facts = info.and_then(|mut info| match info["commitInfo"][FACTS].take() {
        Value::Null => None,
        facts => Some(facts),
    });
    CommitNote {
        version,
        facts,
        is_empty: entry.iter().all(u8::is_ascii_whitespace),
    }
}

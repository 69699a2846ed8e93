//! The ledger compared with the tables before anything that it says is believed. The tables alone are the truth: what it
//! mirrors stands in their commits, and where they are not as it last saw them it is made again from there.

use std::collections::{BTreeMap, BTreeSet};

use super::raw_slices::{Held, RawSlices};
use super::unbuilt::some_of;
use super::workspace::Workspace;
use crate::error::Result;
use crate::land::SliceFacts;
use crate::ledger::{Bill, RejectedRows, SliceContents, SliceKey, SliceNotes, TableState};
use crate::warehouse::Table;

/// Where the ledger and the tables say different things.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// What slices hold in truth.
    slices: BTreeMap<SliceKey, Held>,
    /// Tables whose partitions have to say themselves what they were made from, with their states.
    built: BTreeMap<String, TableState>,
    /// Raw tables that were read again, with their states.
    raw: BTreeMap<String, TableState>,
    /// Tables that the ledger knows and that are gone.
    gone: Vec<String>,
    /// What a person should know.
    findings: Vec<String>,
}

impl Mirror {
    /// The delivery that a slice holds, of which the ledger says `noted`.
    pub fn delivery(&self, key: &SliceKey, noted: Option<String>) -> Option<String> {
        match self.slices.get(key) {
            Some(held) => held.delivery(noted.as_deref()),
            None => noted,
        }
    }

    /// Whether the ledger says what the tables say.
    pub fn agrees(&self) -> bool {
        self.raw.is_empty() && self.built.is_empty() && self.gone.is_empty()
    }

    /// Whether the ledger's fingerprints of a table may be believed.
    pub fn believes(&self, table: &str) -> bool {
        !self.built.contains_key(table)
    }
}

/// The state of a table, for the ledger.
pub fn state_of(table: &Table) -> TableState {
    TableState {
        table_id: table.id(),
        version: table.version() as i64,
        identity: table.identity().to_string(),
    }
}

/// Compares the ledger with the tables that are open; nothing is written.
///
/// # Errors
/// External when the ledger or the log of a table cannot be read.
pub async fn read(workspace: &Workspace) -> Result<Mirror> {
    let noted = workspace.ledger.table_states().await?;
    let mut mirror = Mirror::default();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    let mut unknown = 0;
    let mut ahead = Vec::new();
    for (name, table) in &workspace.tables.snapshots {
        let state = state_of(table);
        let before = noted.get(name);
        if name.starts_with("audit.") || before == Some(&state) {
            continue;
        }
        match before {
            None => unknown += 1,
            Some(before) => match set_back(name, before, &state) {
                Some(finding) => mirror.findings.push(finding),
                None => ahead.push(name.clone()),
            },
        }
        match kind_of(name) {
            Some(kind) => {
                kinds.insert(kind.to_string());
                mirror.raw.insert(name.clone(), state);
            }
            None => {
                mirror.built.insert(name.clone(), state);
            }
        }
    }
    // A damaged table is there: what the ledger says of it stays until somebody mends or removes it.
    let there = |name: &&String| {
        workspace.tables.snapshots.contains_key(*name) || workspace.tables.damaged.contains_key(*name)
    };
    for name in noted.keys().filter(|name| !there(name)) {
        mirror.findings.push(format!(
            "the table {name} is gone, which the ledger knows: it is made anew from what is delivered"
        ));
        kinds.extend(kind_of(name).map(str::to_string));
        mirror.gone.push(name.clone());
    }
    if noted.is_empty() && unknown > 0 {
        mirror.findings.push(format!(
            "the ledger knows nothing of the {unknown} tables in the warehouse: what it mirrors is made again from them"
        ));
    }
    if !ahead.is_empty() {
        mirror.findings.push(format!(
            "the ledger is older than {}, as after a run that was killed or was another machine's: what it mirrors is made again from there",
            some_of(&ahead)
        ));
    }
    let is_damaged = |kind: &String| {
        let names = [format!("raw.{kind}"), format!("raw.{kind}_parquet")];
        names
            .iter()
            .any(|name| workspace.tables.damaged.contains_key(name))
    };
    mirror
        .raw
        .retain(|name, _| kind_of(name).is_none_or(|kind| !is_damaged(&kind.to_string())));
    for kind in kinds.into_iter().filter(|kind| !is_damaged(kind)) {
        let slices = RawSlices::read(workspace, &kind, &noted).await?;
        mirror.findings.extend(slices.findings);
        mirror.slices.extend(slices.held);
    }
    Ok(mirror)
}

/// Makes the ledger say what the tables say; returns what a person should know. The caller holds the run lock.
///
/// # Errors
/// External when the ledger cannot be written, or a log not be read.
pub async fn correct(workspace: &Workspace) -> Result<Vec<String>> {
    let mirror = read(workspace).await?;
    let (mut findings, mut lost) = (mirror.findings, Vec::new());
    for (key, held) in &mirror.slices {
        let noted = workspace.ledger.delivery_id(key).await?;
        if noted.is_some() && matches!(held, Held::Gone) {
            lost.push(shown(key));
        }
        let quarantine = match held {
            Held::Whole(facts) if noted.as_deref() != Some(&facts.delivery_id) => {
                if facts.rejected > 0 {
                    findings.push(format!(
                        "the ledger does not have the rejected rows of {}, {} of them: they come back where it is still delivered",
                        shown(key),
                        facts.rejected
                    ));
                }
                Some(outdated(workspace, key, facts).await?)
            }
            Held::Gone => Some(outdated(workspace, key, &SliceFacts::default()).await?),
            _ => None,
        };
        let notes = SliceNotes {
            quarantine,
            delivery_id: Some(held.delivery(noted.as_deref())),
            contents: held.facts().map(|facts| contents(key, facts)),
            ..SliceNotes::of(key.clone())
        };
        workspace.ledger.note_slice(&notes).await?;
    }
    for name in mirror.built.keys().chain(&mirror.gone) {
        workspace.ledger.forget_table(name).await?;
    }
    if !lost.is_empty() {
        findings.push(format!(
            "the tables no longer hold {}: what is still delivered lands again, the rest is lost",
            some_of(&lost)
        ));
    }
    // Last: a process that is killed before begins again.
    let states = mirror.raw.into_iter().chain(mirror.built).collect();
    workspace.ledger.set_table_states(&states).await?;
    Ok(findings)
}

/// A slice for people; a bare file's has no period.
fn shown(key: &SliceKey) -> String {
    key.to_string().trim_end_matches('/').to_string()
}

/// Takes away the rejected rows of other deliveries than the one that a slice holds: all but those of files which are as
/// the ledger knows them. Those of a refused delivery, which the tables know nothing of, stay.
async fn outdated(workspace: &Workspace, key: &SliceKey, facts: &SliceFacts) -> Result<RejectedRows> {
    let noted = workspace.ledger.contents_of(key).await?;
    let is_same = |file: &&(String, String)| facts.files.contains(file);
    Ok(RejectedRows {
        kept_files: noted.iter().filter(is_same).map(|(uri, _)| uri.clone()).collect(),
        keeps_refused: true,
        ..RejectedRows::default()
    })
}

/// What slices hold, for the ledger.
pub fn contents<'a>(key: &SliceKey, facts: impl IntoIterator<Item = &'a SliceFacts>) -> SliceContents {
    let mut contents = SliceContents::default();
    for facts in facts {
        contents.files.extend(facts.files.iter().cloned());
        contents.bills.extend(facts.bills.iter().map(|bill| Bill {
            key: SliceKey {
                period: bill.period.clone(),
                ..key.clone()
            },
            provider_name: bill.provider.clone(),
            billing_account_id: bill.account.clone(),
            sub_account_id: bill.sub_account.clone(),
            cost_basis: bill.cost_basis.clone(),
        }));
    }
    contents.files.sort();
    contents.files.dedup_by(|a, b| a.0 == b.0);
    contents
}

/// `focus` of `raw.focus` and `raw.focus_parquet`.
fn kind_of(table: &str) -> Option<&str> {
    let kind = table.strip_prefix("raw.")?;
    Some(kind.strip_suffix("_parquet").unwrap_or(kind))
}

/// What is to be said of a table that is not the one that the ledger saw, or an older version of it.
fn set_back(name: &str, before: &TableState, now: &TableState) -> Option<String> {
    if before.table_id != now.table_id {
        return Some(format!(
            "the table {name} is not the one that the ledger knows: what it holds itself counts"
        ));
    }
    let (then, version) = (before.version, now.version);
    match version.cmp(&then) {
        std::cmp::Ordering::Less => Some(format!(
            "the table {name} was set back from version {then} to {version}: what it holds now counts"
        )),
        std::cmp::Ordering::Equal => Some(format!(
            "version {version} of the table {name} does not hold what the ledger saw there: what it holds now counts"
        )),
        std::cmp::Ordering::Greater => None,
    }
}

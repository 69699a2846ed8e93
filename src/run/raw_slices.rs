//! What the slices of one kind hold, as the commits of its raw tables say.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::Workspace;
use crate::error::Result;
use crate::land::facts::ForgottenSlices;
use crate::land::{CommitFacts, SliceFacts, app_id, transaction_version};
use crate::ledger::{SliceKey, TableState};
use crate::warehouse::{PartitionValues, Table};

/// What a slice holds.
#[derive(Debug, Clone)]
pub enum Held {
    /// This delivery.
    Whole(SliceFacts),
    /// Parts of deliveries: a process died between two commits, or a table was set back. It lands again.
    Part(Vec<SliceFacts>),
    /// No commit says what, as of tables that an earlier version of this program wrote; the ledger is right about it, or it
    /// lands again.
    Untold {
        /// Whether the table proves what the ledger says.
        is_proven: bool,
    },
    /// Nothing.
    Gone,
}

impl Held {
    /// The delivery that need not land again, of which the ledger says `noted`.
    pub fn delivery(&self, noted: Option<&str>) -> Option<String> {
        match self {
            // Rejected rows are in the ledger alone: where it does not know the delivery it does not have them.
            Held::Whole(facts) if facts.rejected > 0 && noted != Some(facts.delivery_id.as_str()) => None,
            Held::Whole(facts) => Some(facts.delivery_id.clone()).filter(|id| !id.is_empty()),
            Held::Untold { is_proven: true } => noted.map(str::to_string),
            Held::Untold { .. } | Held::Part(_) | Held::Gone => None,
        }
    }

    /// What is known of its bills and files; `None` leaves to the ledger what it knows.
    pub fn facts(&self) -> Option<&[SliceFacts]> {
        match self {
            Held::Whole(facts) => Some(std::slice::from_ref(facts)),
            Held::Part(facts) => Some(facts),
            Held::Untold { .. } => None,
            Held::Gone => Some(&[]),
        }
    }
}

/// What the commits of one table say of a slice, newest.
type Told = BTreeMap<SliceKey, SliceFacts>;

/// The slices that the ledger has to note.
#[derive(Default)]
pub struct RawSlices {
    /// Each with what it holds.
    pub held: BTreeMap<SliceKey, Held>,
    /// What a person should know.
    pub findings: Vec<String>,
}

impl RawSlices {
    /// Reads the commits of a kind's tables that came after the states that the ledger noted, or all of them where a table
    /// is not a later version of what it noted.
    ///
    /// # Errors
    /// External when a log or the ledger cannot be read.
    pub async fn read(
        workspace: &Workspace,
        kind: &str,
        noted: &BTreeMap<String, TableState>,
    ) -> Result<RawSlices> {
        let names = [format!("raw.{kind}"), format!("raw.{kind}_parquet")];
        let is_gone =
            |name: &String| noted.contains_key(name) && !workspace.tables.snapshots.contains_key(name);
        let mut all = names.iter().any(is_gone);
        let tables: Vec<&Table> = names
            .iter()
            .filter_map(|name| workspace.tables.snapshots.get(name))
            .collect();
        let mut since = Vec::new();
        for table in &tables {
            let from = later_than(workspace, table, noted.get(&table.name)).await?;
            all |= from.is_none();
            since.push(from);
        }
        let mut slices = RawSlices::default();
        let mut told: BTreeMap<&str, Told> = BTreeMap::new();
        let mut forgotten: Vec<ForgottenSlices> = Vec::new();
        for (table, since) in tables.iter().zip(since) {
            let of_table = told.entry(&table.name).or_default();
            for note in table.notes_since(since.filter(|_| !all)).await? {
                if note.is_empty {
                    slices.findings.push(format!(
                        "commit {} of the table {} is an empty file, as after a machine that stopped: what it held lands again where it is still delivered",
                        note.version, table.name
                    ));
                }
                match note.facts.and_then(CommitFacts::from_json) {
                    Some(CommitFacts::Landed(facts)) => {
                        of_table.insert(key_of(kind, &facts), facts);
                    }
                    Some(CommitFacts::Forgotten(gone)) => {
                        gone.iter().for_each(|gone| forget(of_table, gone));
                        forgotten.extend(gone);
                    }
                    None => {}
                }
            }
        }
        let mut keys: BTreeSet<SliceKey> = told.values().flat_map(|told| told.keys().cloned()).collect();
        if all || !forgotten.is_empty() {
            let known = workspace.ledger.noted_slices().await?;
            let known = known.into_iter().filter(|key| key.kind == kind);
            keys.extend(known.filter(|key| all || forgotten.iter().any(|gone| is_whole_in(key, gone))));
        }
        for key in keys {
            let held = held(workspace, &tables, &told, &key).await?;
            if let Held::Untold { is_proven: false } = held {
                slices.findings.push(format!(
                    "no commit says what {key} of kind {kind} holds: it lands again where it is still delivered"
                ));
            }
            slices.held.insert(key, held);
        }
        Ok(slices)
    }
}

/// The version that the ledger noted, if the table is the same one, at that version or a later one.
async fn later_than(workspace: &Workspace, table: &Table, noted: Option<&TableState>) -> Result<Option<u64>> {
    let Some(noted) = noted.filter(|noted| noted.table_id == table.id()) else {
        return Ok(None);
    };
    let version = u64::try_from(noted.version).unwrap_or_default();
    if version > table.version() {
        return Ok(None);
    }
    // A version whose entry a vacuum or a fault took is no ground to stand on.
    let then = match version == table.version() {
        true => Some(table.clone()),
        false => workspace
            .warehouse
            .open(&table.name, Some(version))
            .await
            .ok()
            .flatten(),
    };
    Ok(then
        .filter(|then| then.identity().to_string() == noted.identity)
        .map(|_| version))
}

fn key_of(kind: &str, facts: &SliceFacts) -> SliceKey {
    SliceKey {
        tenant: facts.tenant.clone(),
        source: facts.source.clone(),
        kind: kind.to_string(),
        export: facts.export.clone(),
        period: facts.period.clone(),
    }
}

/// Whether a slice was given up as a whole.
fn is_whole_in(key: &SliceKey, gone: &ForgottenSlices) -> bool {
    (&key.tenant, &key.source, &key.export) == (&gone.tenant, &gone.source, &gone.export)
        && gone.period.as_ref().is_none_or(|period| *period == key.period)
}

/// Takes out what was given up. A bare file's slice has no period of its own: without one of its periods it is no longer
/// held as it was delivered.
fn forget(told: &mut Told, gone: &ForgottenSlices) {
    told.retain(|key, _| !is_whole_in(key, gone));
    let Some(period) = &gone.period else { return };
    for (key, facts) in told {
        let of_export = ForgottenSlices {
            period: None,
            ..gone.clone()
        };
        if key.period.is_empty() && is_whole_in(key, &of_export) {
            facts.bills.retain(|bill| bill.period != *period);
            facts.delivery_id.clear();
        }
    }
}

async fn held(
    workspace: &Workspace,
    tables: &[&Table],
    told: &BTreeMap<&str, Told>,
    key: &SliceKey,
) -> Result<Held> {
    let has_files = |table: &Table| table.files().iter().any(|file| is_of(&file.partition, key));
    let of = |name: &str| told.get(name).and_then(|told| told.get(key));
    let candidates: Vec<&SliceFacts> = tables.iter().filter_map(|table| of(&table.name)).collect();
    let is_whole = |facts: &&&SliceFacts| {
        let told = |name: &String| of(name).is_some_and(|told| told.delivery_id == facts.delivery_id);
        // A table with another delivery has nothing of this one, or this one would have emptied it.
        let others = |table: &&Table| {
            facts.tables.contains(&table.name) || of(&table.name).is_none() || !has_files(table)
        };
        facts.tables.iter().all(told) && tables.iter().all(others)
    };
    if let Some(facts) = candidates.iter().find(is_whole) {
        return Ok(Held::Whole((*facts).clone()));
    }
    if !candidates.is_empty() {
        return Ok(Held::Part(candidates.into_iter().cloned().collect()));
    }
    let mut is_proven = false;
    if let Some(delivery_id) = workspace.ledger.delivery_id(key).await? {
        let wanted = Some(transaction_version(&delivery_id));
        let mut contradicted = false;
        for table in tables {
            let id = app_id(&table.name, &key.tenant, &key.source, &key.export, &key.period);
            let is_same = table.transaction(&id).await? == wanted;
            is_proven |= is_same;
            contradicted |= !is_same && has_files(table);
        }
        is_proven &= !contradicted;
    }
    Ok(match is_proven || tables.iter().any(|table| has_files(table)) {
        true => Held::Untold { is_proven },
        false => Held::Gone,
    })
}

fn is_of(partition: &PartitionValues, key: &SliceKey) -> bool {
    let is =
        |column: &str, wanted: &str| partition.get(column).and_then(|value| value.as_deref()) == Some(wanted);
    is("tenant", &key.tenant)
        && is("source", &key.source)
        && is("export", &key.export)
        && (key.period.is_empty() || is("period", &key.period))
}

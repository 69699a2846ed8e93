//! What is stale: fingerprints of output partitions from the SQL, the settings and the input files.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::tables::Tables;
use crate::model::Model;
use crate::warehouse::{DataFile, Identity};

/// The partition of an output table: values in the order of the model's partition columns.
pub type OutputKey = Vec<String>;

/// An output partition as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The hash of everything it is made from.
    pub fingerprint: String,
    /// Rows of its inputs.
    pub input_rows: u64,
}

/// What a model's partitions should be, and which existing ones have lost their inputs.
#[derive(Debug, Clone, Default)]
pub struct ModelPlan {
    /// The partitions its inputs call for.
    pub expected: BTreeMap<OutputKey, Expected>,
    /// Partitions in the table without any input.
    pub orphaned: BTreeSet<OutputKey>,
}

/// A key as one text, for the ledger and for people.
pub fn key_text(columns: &[String], key: &OutputKey) -> String {
    columns
        .iter()
        .zip(key)
        .map(|(column, value)| format!("{column}={value}"))
        .collect::<Vec<_>>()
        .join("/")
}

/// The tenant of a partition, out of its key as text; `None` where the table's partitions name none.
///
/// The first one counts: a value after it, such as an export's name, may hold slashes.
pub fn tenant_of(key_text: &str) -> Option<&str> {
    key_text.split('/').find_map(|part| part.strip_prefix("tenant="))
}

/// The part of an output key that an input file decides; `None` for columns it does not have.
fn contribution(model: &Model, file: &DataFile) -> Vec<Option<String>> {
    model
        .partition
        .iter()
        .map(|column| match file.partition.get(column) {
            Some(value) => value.clone(),
            None if column == "month" => file.month.map(|m| m.to_string()),
            None => None,
        })
        .collect()
}

/// Whether an input file belongs to an output partition: every column that it has agrees.
pub fn contributes(model: &Model, key: &OutputKey, file: &DataFile) -> bool {
    contribution(model, file)
        .iter()
        .zip(key)
        .all(|(have, want)| have.as_ref().is_none_or(|have| have == want))
}

/// Whether an input file calls for an output partition by itself.
pub fn calls_for(model: &Model, key: &OutputKey, file: &DataFile) -> bool {
    let have: Option<Vec<String>> = contribution(model, file).into_iter().collect();
    have.as_ref() == Some(key)
}

/// The partition of a model's own table that a file lies in.
pub fn key_of(model: &Model, file: &DataFile) -> OutputKey {
    let values = model.partition.iter().map(|column| file.partition.get(column));
    values
        .map(|value| value.cloned().flatten().unwrap_or_default())
        .collect()
}

/// The files of kept inputs that a model reads.
fn input_files<'a>(tables: &'a Tables, model: &Model) -> Vec<(String, &'a DataFile)> {
    let mut files = Vec::new();
    for input in tables.graph.kept_inputs(&model.name) {
        if let Some(snapshot) = tables.snapshots.get(&input) {
            files.extend(snapshot.files().iter().map(|file| (input.clone(), file)));
        }
    }
    files
}

impl ModelPlan {
    /// Derives the plan of a kept model from the current snapshots.
    ///
    /// `base` is the hash of what all partitions share (method version, functions); `settings` gives
    /// a tenant's part of the configuration; only sources in `counted` are built from.
    pub fn derive(
        tables: &Tables,
        model: &Model,
        base: &str,
        settings: &dyn Fn(&str) -> String,
        counted: &dyn Fn(&DataFile) -> bool,
    ) -> ModelPlan {
        let files: Vec<(String, &DataFile)> = input_files(tables, model)
            .into_iter()
            .filter(|(table, file)| !table.starts_with("raw.") || counted(file))
            .collect();
        let mut keys: BTreeSet<OutputKey> = BTreeSet::new();
        for (_, file) in &files {
            let key: Option<Vec<String>> = contribution(model, file).into_iter().collect();
            keys.extend(key);
        }
        let mut shared = Sha256::new();
        shared.update(base);
        for sql in tables.graph.deciding_sql(&model.name) {
            shared.update(sql);
        }
        // Only the factor tables below it: a changed PUE leaves a rollup as it is, which reads names and units.
        for table in tables.graph.kept_inputs(&model.name) {
            if let Some(digest) = table
                .strip_prefix("reference.")
                .and_then(|name| tables.factors.digest(name))
            {
                shared.update(table);
                shared.update(digest);
            }
        }
        let tenant_column = model.partition.iter().position(|c| c == "tenant");
        let expected = keys
            .iter()
            .map(|key| {
                let mut hash = shared.clone();
                if let Some(position) = tenant_column {
                    hash.update(settings(&key[position]));
                }
                let mut input_rows = 0;
                let mut inputs: BTreeMap<&str, Identity> = BTreeMap::new();
                for (table, file) in files.iter().filter(|(_, file)| contributes(model, key, file)) {
                    *inputs.entry(table).or_default() += file.identity();
                    input_rows += file.rows;
                }
                for (table, identity) in inputs {
                    hash.update(format!("{table}:{identity}\n"));
                }
                let fingerprint = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
                (
                    key.clone(),
                    Expected {
                        fingerprint,
                        input_rows,
                    },
                )
            })
            .collect();
        let existing = tables.snapshots.get(&model.name);
        let existing = existing.iter().flat_map(|table| table.files());
        let orphaned = existing
            .map(|file| key_of(model, file))
            .filter(|key| !keys.contains(key));
        let orphaned = orphaned.collect();
        ModelPlan { expected, orphaned }
    }
}

/// Splits stale keys into batches of bounded input, so that a query's memory does not grow with the bill.
pub fn batches(stale: &[(OutputKey, Expected)], rows_per_batch: u64) -> Vec<Vec<(OutputKey, Expected)>> {
    let mut batches: Vec<Vec<(OutputKey, Expected)>> = Vec::new();
    let mut rows = 0;
    for (key, expected) in stale {
        if batches.is_empty() || rows + expected.input_rows > rows_per_batch {
            batches.push(Vec::new());
            rows = 0;
        }
        rows += expected.input_rows;
        if let Some(batch) = batches.last_mut() {
            batch.push((key.clone(), expected.clone()));
        }
    }
    batches
}

//! Everything that a warehouse and its ledger hold, as text, to compare what two runs made.

use std::collections::BTreeMap;

use bytes::Bytes;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use offgridflow::ledger::{QuarantineFilter, RunStatus};
use offgridflow::warehouse::{Location, PartitionValues};
use serde_json::Value;

use super::in_process::InProcess;

/// What differs from run to run and from delivery to delivery of the same file.
const OF_THE_RUN: [&str; 3] = ["_run_id", "_landed_at", "_etag"];

/// `schema.table`, `published/<table>` or `quarantine` with its rows in order.
pub type Contents = BTreeMap<String, Vec<String>>;

/// All rows of all tables, the rows and the number of snapshots of every published folder, and the rejected rows.
///
/// Fails where a published folder is not what its own pointer says, or a run is noted as still going on.
pub fn contents(process: &InProcess) -> Contents {
    process.runtime.block_on(read(process))
}

/// Fails at the first table whose rows differ.
#[track_caller]
pub fn assert_same(found: &Contents, wanted: &Contents, what: &str) {
    let names = |contents: &Contents| contents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "{what}");
    for (name, rows) in wanted {
        assert_eq!(&found[name], rows, "{name}, {what}");
    }
}

async fn read(process: &InProcess) -> Contents {
    let mut contents = Contents::new();
    let workspace = &process.workspace;
    for (name, table) in workspace.warehouse.open_all().await.unwrap() {
        let table = table.unwrap();
        let mut rows = Vec::new();
        for file in table.files() {
            rows.extend(rows_of(&table.location, file.path.as_ref(), &file.partition).await);
        }
        rows.sort();
        contents.insert(name, rows);
    }
    let published = workspace.warehouse.location.child("published");
    for table in published.folders().await.unwrap() {
        let folder = published.child(&table);
        let pointer: Value = serde_json::from_slice(&folder.read("latest.json").await.unwrap()).unwrap();
        let snapshot = folder.child(pointer["snapshot"].as_str().unwrap());
        let pointed = pointer["files"].as_array().unwrap().iter();
        let mut pointed: Vec<&str> = pointed.map(|file| file["path"].as_str().unwrap()).collect();
        pointed.sort_unstable();
        let mut there = snapshot.paths().await.unwrap();
        there.sort_unstable();
        assert_eq!(there, pointed, "{table}: the snapshot that `latest.json` names");
        let rows = all_rows(&snapshot).await;
        assert_eq!(
            all_rows(&folder.child("current")).await,
            rows,
            "{table}: `current`"
        );
        let delta = &contents[&format!("publish.{table}")];
        assert_eq!(rows.len(), delta.len(), "{table}: rows");
        let folders = folder.folders().await.unwrap().len().to_string();
        contents.insert(format!("published/{table}"), rows);
        contents.insert(format!("published/{table}: folders"), vec![folders]);
    }
    let ledger = &workspace.ledger;
    let rejected = ledger.quarantine(&QuarantineFilter::default()).await.unwrap();
    let rejected = rejected.iter().map(|row| {
        let (uri, number, column) = (&row.source_uri, row.row_number, &row.column_name);
        format!(
            "{} {uri} {number} {column} {} {}",
            row.key, row.reason, row.raw_text
        )
    });
    contents.insert("quarantine".into(), rejected.collect());
    let runs = ledger.runs(u32::MAX).await.unwrap();
    assert!(
        runs.iter().all(|run| run.status != RunStatus::Running),
        "{runs:?}"
    );
    contents
}

async fn all_rows(folder: &Location) -> Vec<String> {
    let mut rows = Vec::new();
    for path in folder.paths().await.unwrap() {
        rows.extend(rows_of(folder, &path, &PartitionValues::new()).await);
    }
    rows.sort();
    rows
}

/// The rows of a file, each with the names of its columns.
async fn rows_of(folder: &Location, path: &str, partition: &PartitionValues) -> Vec<String> {
    let bytes = Bytes::from(folder.read(path).await.unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap();
    let options = FormatOptions::new().with_null("null");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns: Vec<(&str, ArrayFormatter<'_>)> = columns
            .filter(|(field, _)| !OF_THE_RUN.contains(&field.name().as_str()))
            .map(|(field, column)| {
                let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                (field.name().as_str(), formatter)
            })
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns
                .iter()
                .map(|(name, column)| format!("{name}={}", column.value(row)));
            let cells: Vec<String> = cells.collect();
            rows.push(format!("{partition:?} {}", cells.join(" ")));
        }
    }
    rows
}

//! The ledger as tables, so that SQL reads it like any other: `system.runs|slices|fingerprints|quarantine`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{Field, Schema};
use sha2::{Digest, Sha256};

use super::tenant_report::OneTenant;
use crate::domain::timestamp::parse_timestamp;
use crate::error::Result;
use crate::ledger::{Ledger, QuarantineFilter, QuarantineRow, SliceKey};

/// `system.<name>` → rows. Of a run those who may see one tenant alone see what concerns it; rows that belong to one
/// tenant are chosen where the tables are registered.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn system_tables(
    ledger: &Ledger,
    only: Option<&OneTenant>,
) -> Result<BTreeMap<String, RecordBatch>> {
    Ok(BTreeMap::from([
        ("system.runs".to_string(), runs(ledger, only).await?),
        ("system.slices".to_string(), slices(ledger).await?),
        ("system.fingerprints".to_string(), fingerprints(ledger).await?),
        ("system.quarantine".to_string(), quarantine(ledger).await?),
    ]))
}

/// A rejected row's short name: the same whenever the same row of the same file is rejected for the same column.
pub fn quarantine_id(row: &QuarantineRow) -> String {
    let mut hash = Sha256::new();
    hash.update(format!(
        "{}\n{}\n{}\n{}",
        row.key, row.source_uri, row.row_number, row.column_name
    ));
    hash.finalize()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn runs(ledger: &Ledger, only: Option<&OneTenant>) -> Result<RecordBatch> {
    let mut runs = ledger.runs(u32::MAX).await?;
    if let Some(tenant) = only {
        for run in &mut runs {
            run.summary_json = run.summary_json.as_deref().and_then(|whole| tenant.report(whole));
        }
    }
    batch(vec![
        ("run_id", text(runs.iter().map(|r| Some(&r.run_id)))),
        ("verb", text(runs.iter().map(|r| Some(&r.verb)))),
        ("pipeline", text(runs.iter().map(|r| r.pipeline.as_ref()))),
        (
            "started_at",
            instants(runs.iter().map(|r| Some(r.started_at.as_str()))),
        ),
        (
            "finished_at",
            instants(runs.iter().map(|r| r.finished_at.as_deref())),
        ),
        ("status", text(runs.iter().map(|r| Some(r.status.name())))),
        (
            "exit_code",
            Arc::new(runs.iter().map(|r| r.exit_code).collect::<Int64Array>()),
        ),
        (
            "method_version",
            text(runs.iter().map(|r| r.method_version.as_ref())),
        ),
        (
            "factor_set_version",
            text(runs.iter().map(|r| r.factor_set_version.as_ref())),
        ),
        (
            "warnings",
            text(runs.iter().map(|r| warnings(r.summary_json.as_deref()))),
        ),
        ("summary_json", text(runs.iter().map(|r| r.summary_json.as_ref()))),
    ])
}

/// The warnings of a run, one a line; null when it gave none.
fn warnings(summary_json: Option<&str>) -> Option<String> {
    let summary: serde_json::Value = serde_json::from_str(summary_json?).ok()?;
    let texts: Vec<&str> = summary["warnings"]
        .as_array()?
        .iter()
        .filter_map(|w| w.as_str())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

async fn slices(ledger: &Ledger) -> Result<RecordBatch> {
    let slices = ledger.slices(None).await?;
    let keys: Vec<&SliceKey> = slices.iter().map(|s| &s.key).collect();
    let mut columns = vec![("run_id", text(slices.iter().map(|s| Some(&s.run_id))))];
    columns.extend(key_columns(&keys));
    columns.extend([
        ("delivery_id", text(slices.iter().map(|s| Some(&s.delivery_id)))),
        ("action", text(slices.iter().map(|s| Some(s.action.name())))),
        ("rows", counts(slices.iter().map(|s| s.rows))),
        ("rejected", counts(slices.iter().map(|s| s.rejected))),
        ("error", text(slices.iter().map(|s| s.error.as_ref()))),
    ]);
    batch(columns)
}

async fn fingerprints(ledger: &Ledger) -> Result<RecordBatch> {
    let rows = ledger.all_fingerprints().await?;
    batch(vec![
        ("table_name", text(rows.iter().map(|f| Some(&f.table_name)))),
        ("partition_key", text(rows.iter().map(|f| Some(&f.partition_key)))),
        ("fingerprint", text(rows.iter().map(|f| Some(&f.fingerprint)))),
        ("run_id", text(rows.iter().map(|f| Some(&f.run_id)))),
        (
            "table_version",
            Arc::new(rows.iter().map(|f| Some(f.table_version)).collect::<Int64Array>()),
        ),
    ])
}

async fn quarantine(ledger: &Ledger) -> Result<RecordBatch> {
    let rows = ledger.quarantine(&QuarantineFilter::default()).await?;
    let keys: Vec<&SliceKey> = rows.iter().map(|r| &r.key).collect();
    let mut columns = vec![
        ("id", text(rows.iter().map(|r| Some(quarantine_id(r))))),
        ("run_id", text(rows.iter().map(|r| Some(&r.run_id)))),
    ];
    columns.extend(key_columns(&keys));
    columns.extend([
        ("source_uri", text(rows.iter().map(|r| Some(&r.source_uri)))),
        ("row_number", counts(rows.iter().map(|r| r.row_number))),
        ("column_name", text(rows.iter().map(|r| Some(&r.column_name)))),
        ("reason", text(rows.iter().map(|r| Some(&r.reason)))),
        ("raw_text", text(rows.iter().map(|r| Some(&r.raw_text)))),
    ]);
    batch(columns)
}

fn key_columns(keys: &[&SliceKey]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("tenant", text(keys.iter().map(|k| Some(&k.tenant)))),
        ("source", text(keys.iter().map(|k| Some(&k.source)))),
        ("kind", text(keys.iter().map(|k| Some(&k.kind)))),
        ("export", text(keys.iter().map(|k| Some(&k.export)))),
        ("period", text(keys.iter().map(|k| Some(&k.period)))),
    ]
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(|v| i64::try_from(v).ok()).collect::<Int64Array>())
}

fn instants<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let micros = values.map(|v| v.and_then(|t| parse_timestamp(t, None)));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, c)| c).collect(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NewRun;

    #[tokio::test]
    async fn a_run_is_a_row() {
        let ledger = Ledger::open_current("sqlite::memory:", std::path::Path::new("."))
            .await
            .unwrap();
        ledger
            .begin_run(NewRun {
                run_id: "01A",
                verb: "run",
                ..NewRun::default()
            })
            .await
            .unwrap();
        let tables = system_tables(&ledger, None).await.unwrap();
        let runs = &tables["system.runs"];
        assert_eq!(runs.num_rows(), 1);
        assert_eq!(runs.column_by_name("started_at").unwrap().null_count(), 0);
        assert_eq!(tables["system.quarantine"].num_rows(), 0);
        assert_eq!(runs.column_by_name("warnings").unwrap().null_count(), 1);
        let summary = r#"{"warnings": ["acme/aws: a", "acme/gcp: b"], "failures": []}"#;
        assert_eq!(
            warnings(Some(summary)).as_deref(),
            Some("acme/aws: a\nacme/gcp: b")
        );
        assert_eq!(warnings(Some(r#"{"warnings": []}"#)), None);
    }
}

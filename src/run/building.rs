//! Rebuild what is stale, parents first; what failed keeps its last good data.

use std::collections::{BTreeMap, BTreeSet};

use super::Request;
use super::observer::Observer;
use super::report::{AuditReport, ModelReport, RunReport};
use super::workspace::Workspace;
use crate::config::{Kind as SourceKind, Role};
use crate::error::{Error, Result};
use crate::land::transaction_version;
use crate::ledger::Fingerprint;
use crate::model::{Kind, Model};
use crate::transform::audits::AuditResult;
use crate::transform::build::app_id;
use crate::transform::partitions::{Expected, batches, key_text};
use crate::transform::settings::{METHOD_VERSION, tenant_text};
use crate::transform::{ModelPlan, OutputKey, build_batch};
use crate::warehouse::{Commit, DataFile, Replaced, Stager};

/// Input rows of one query: bounds memory whatever the bill's size.
const ROWS_PER_BATCH: u64 = 500_000;

/// A kept model's partitions, sorted by what is to be done with them.
pub struct Staleness {
    /// To be built.
    pub stale: Vec<(OutputKey, Expected)>,
    /// Up to date.
    pub current: Vec<OutputKey>,
    /// In the table, but nothing calls for them any more.
    pub orphaned: Vec<OutputKey>,
}

/// Compares what a model's partitions should be with what is recorded.
///
/// # Errors
/// External when ledger or table cannot be read.
pub async fn staleness(workspace: &Workspace, model: &Model, full_refresh: bool) -> Result<Staleness> {
    let reads = workspace.tables.graph.kept_inputs(&model.name);
    let settings = |tenant: &str| {
        let tables = workspace
            .tables
            .settings
            .iter()
            .filter(|(name, _)| reads.contains(*name));
        let mut text: String = tables
            .map(|(name, rows)| format!("{name}\n{}\n", tenant_text(rows, tenant)))
            .collect();
        if model.sql.contains("/*{tag") {
            let tags = workspace
                .tables
                .placeholders
                .tags
                .iter()
                .filter(|t| t.tenants.iter().any(|x| x == tenant));
            text.extend(tags.map(|t| format!("{}={}\n", t.column, t.key)));
        }
        text
    };
    let roles: BTreeMap<(&str, &str), bool> = workspace
        .config
        .tenants
        .iter()
        .flat_map(|t| {
            t.sources
                .iter()
                .map(move |s| ((t.id.as_str(), s.id.as_str()), counts(s.role, s.kind)))
        })
        .collect();
    let counted = |file: &DataFile| {
        let value = |name: &str| {
            file.partition
                .get(name)
                .and_then(|v| v.as_deref())
                .unwrap_or_default()
        };
        roles
            .get(&(value("tenant"), value("source")))
            .copied()
            .unwrap_or(false)
    };
    let plan = ModelPlan::derive(&workspace.tables, model, METHOD_VERSION, &settings, &counted);
    let chosen: BTreeSet<&str> = workspace
        .config
        .selected_tenants()
        .map(|t| t.id.as_str())
        .collect();
    let tenant_position = model.partition.iter().position(|c| c == "tenant");
    let is_chosen = |key: &OutputKey| tenant_position.is_none_or(|p| chosen.contains(key[p].as_str()));
    let recorded = workspace.ledger.fingerprints(&model.name).await?;
    let table = workspace.tables.snapshots.get(&model.name);
    let (mut stale, mut current) = (Vec::new(), Vec::new());
    for (key, expected) in plan.expected.into_iter().filter(|(key, _)| is_chosen(key)) {
        let text = key_text(&model.partition, &key);
        let mut fresh = table.is_some()
            && recorded
                .get(&text)
                .is_some_and(|(fingerprint, _)| *fingerprint == expected.fingerprint);
        if !fresh && let Some(table) = table {
            // Behind a lost ledger or a killed run the table itself tells.
            fresh = table.transaction(&app_id(&model.name, &text)).await?
                == Some(transaction_version(&expected.fingerprint));
        }
        match fresh && !full_refresh {
            true => current.push(key),
            false => stale.push((key, expected)),
        }
    }
    Ok(Staleness {
        stale,
        current,
        orphaned: plan.orphaned.into_iter().filter(is_chosen).collect(),
    })
}

/// A bill that is only compared stays out of everything; carbon figures that are only compared stand in
/// `publish.reconciliation`.
fn counts(role: Role, kind: SourceKind) -> bool {
    role == Role::Counts || kind.is_carbon() || !kind.is_cloud()
}

/// Builds the stale partitions of every selected kept model.
///
/// # Errors
/// External when the ledger cannot be written; a model that fails is in the report, and those that read it wait.
pub async fn build_all(
    workspace: &mut Workspace,
    request: &Request,
    selected: &BTreeSet<String>,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    let models: Vec<Model> = workspace
        .tables
        .graph
        .ordered()
        .filter(|m| m.kind != Kind::View)
        .cloned()
        .collect();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    for model in models {
        if !selected.contains(&model.name) {
            continue;
        }
        let inputs = workspace.tables.graph.kept_inputs(&model.name);
        if let Some(parent) = inputs.iter().find(|i| failed.contains(*i)) {
            report
                .warnings
                .push(format!("{} was not rebuilt, because {parent} failed", model.name));
            failed.insert(model.name.clone());
            continue;
        }
        let staleness = staleness(workspace, &model, request.full_refresh).await?;
        if !build_model(workspace, &model, staleness, run_id, observer, report).await? {
            failed.insert(model.name.clone());
        }
    }
    Ok(())
}

async fn build_model(
    workspace: &mut Workspace,
    model: &Model,
    staleness: Staleness,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<bool> {
    let mut part = ModelReport {
        name: model.name.clone(),
        partitions_current: staleness.current.len() as u64,
        ..ModelReport::default()
    };
    let mut work = batches(&staleness.stale, ROWS_PER_BATCH);
    if work.is_empty() && !staleness.orphaned.is_empty() {
        work.push(Vec::new());
    }
    let mut orphaned = staleness.orphaned.as_slice();
    let mut good = true;
    if !work.is_empty() {
        observer.begin(model.schema(), &model.name, staleness.stale.len() as u64);
    }
    for batch in work {
        let progress = |rows| observer.advance(rows, 0);
        let built = build_batch(
            &workspace.engine,
            &workspace.warehouse,
            &workspace.tables,
            model,
            &batch,
            orphaned,
            run_id,
            &progress,
        )
        .await;
        match built {
            Ok(built) => {
                let version = built.table.version() as i64;
                let fingerprints: Vec<Fingerprint> = batch
                    .iter()
                    .map(|(key, expected)| Fingerprint {
                        table_name: model.name.clone(),
                        partition_key: key_text(&model.partition, key),
                        fingerprint: expected.fingerprint.clone(),
                        run_id: run_id.to_string(),
                        table_version: version,
                    })
                    .collect();
                workspace.ledger.set_fingerprints(&fingerprints).await?;
                let gone: Vec<String> = orphaned
                    .iter()
                    .map(|key| key_text(&model.partition, key))
                    .collect();
                workspace.ledger.drop_fingerprints(&model.name, &gone).await?;
                orphaned = &[];
                part.partitions_built += batch.len() as u64;
                part.rows += built.rows;
                part.built
                    .extend(fingerprints.into_iter().map(|f| f.partition_key));
                observer.advance(0, batch.len() as u64);
                workspace.tables.replace(built.table);
                note_audits(report, &built.audits);
            }
            Err(failure) => {
                note_audits(report, &failure.audits);
                keep_offending_rows(workspace, run_id, &failure.audits, report).await;
                report.fail(&failure.error);
                good = false;
                break;
            }
        }
    }
    observer.end();
    report.models.push(part);
    Ok(good)
}

fn note_audits(report: &mut RunReport, audits: &[AuditResult]) {
    for audit in audits {
        let passed = audit.failures == 0;
        match report.audits.iter_mut().find(|a| a.name == audit.name) {
            Some(known) => {
                known.passed &= passed;
                known.failures += audit.failures as u64;
            }
            None => report.audits.push(AuditReport {
                name: audit.name.clone(),
                passed,
                failures: audit.failures as u64,
            }),
        }
    }
}

/// Writes the offending rows of failed audits to `audit.<name>`, in place of those of an earlier run.
async fn keep_offending_rows(
    workspace: &mut Workspace,
    run_id: &str,
    audits: &[AuditResult],
    report: &mut RunReport,
) {
    for audit in audits.iter().filter(|a| a.failures > 0) {
        let Some(rows) = &audit.rows else { continue };
        match write_audit_table(workspace, run_id, &audit.audit, rows).await {
            Ok(table) => workspace.tables.replace(table),
            Err(error) => report
                .warnings
                .push(format!("the offending rows could not be kept: {error}")),
        }
    }
}

async fn write_audit_table(
    workspace: &Workspace,
    run_id: &str,
    audit: &str,
    rows: &datafusion::arrow::array::RecordBatch,
) -> Result<crate::warehouse::Table, Error> {
    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
    use datafusion::arrow::compute::cast;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    // Audits of several models share a table: every value as text, so that their columns fit together.
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        fields.push(Field::new(field.name(), DataType::Utf8, true));
        columns.push(cast(column, &DataType::Utf8)?);
    }
    fields.push(Field::new("_run_id", DataType::Utf8, true));
    columns.push(std::sync::Arc::new(StringArray::from(vec![
        run_id;
        rows.num_rows()
    ])));
    let schema = std::sync::Arc::new(Schema::new(fields));
    let name = format!("audit.{audit}");
    let mut stager = Stager::new(
        workspace.warehouse.table_location(&name),
        run_id,
        schema.clone(),
        &[],
    )?;
    stager
        .write(&RecordBatch::try_new(schema.clone(), columns)?)
        .await?;
    let commit = Commit {
        table: name,
        schema,
        partition_columns: Vec::new(),
        replaced: Replaced::Partitions(vec![Default::default()]),
        added: stager.finish().await?,
        transactions: Vec::new(),
        run_id: run_id.to_string(),
    };
    workspace.warehouse.commit(commit).await
}

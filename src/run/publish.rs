//! Plain Parquet beside the Delta tables of `publish.*`, and the coverage that every run reports.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use futures::StreamExt;
use futures::future::try_join_all;

use super::observer::Observer;
use super::query::{rows, texts};
use super::report::{Coverage, CurrencyCoverage, RunReport};
use super::unbuilt::some_of;
use super::workspace::Workspace;
use crate::error::Result;
use crate::warehouse::{Location, PublishedFiles, StagedFile, Stager, Table, splice};

/// Writes a plain snapshot of every published table whose newest rows have none, and of every one whose files are not as they
/// were published; what no publish put beside them goes, because whoever reads the folder counts it.
///
/// # Errors
/// External when the store refuses; the snapshot before stays the current one.
pub async fn publish_all(
    workspace: &Workspace,
    run_id: &str,
    observer: &dyn Observer,
    report: &mut RunReport,
) -> Result<()> {
    let warehouse = &workspace.warehouse;
    let published: Vec<_> = workspace
        .tables
        .snapshots
        .values()
        .filter(|t| t.name.starts_with("publish."))
        .cloned()
        .collect();
    let looks = published
        .iter()
        .map(|table| warehouse.published_files(short(&table.name)));
    let found = try_join_all(looks).await?;
    for (mut table, found) in published.into_iter().zip(found) {
        let name = short(&table.name).to_string();
        // Upkeep makes versions with the same rows: they are not published again.
        let is_newest = found.contents == Some(table.identity().to_string());
        if is_newest && !found.is_whole() {
            warehouse.remove_foreign(&name, &found).await?;
            for warning in told(&warehouse.published_place(&name), &found) {
                observer.warn(&warning);
                report.warnings.push(warning);
            }
        }
        let mut is_due = !is_newest || !found.amiss.is_empty();
        while is_due {
            // A run on another machine may have committed since: what is published last is what is newest.
            match warehouse.open(&table.name, None).await? {
                Some(newest) if newest.identity() != table.identity() => table = newest,
                _ => publish(workspace, &table, run_id, observer).await?,
            }
            is_due = warehouse.published_contents(&name).await? != Some(table.identity().to_string());
        }
    }
    Ok(())
}

/// The name below `publish`.
fn short(name: &str) -> &str {
    name.trim_start_matches("publish.")
}

/// What is to be said of a folder whose files are not those that were published.
fn told(place: &str, found: &PublishedFiles) -> Vec<String> {
    let mut told = Vec::new();
    if !found.foreign.is_empty() {
        told.push(format!(
            "{place} held what no run put there, and whoever reads the folder counted it too: {} removed",
            some_of(&found.foreign)
        ));
    }
    if !found.amiss.is_empty() {
        told.push(format!(
            "{place} does not hold what was published, which is published again: {}",
            some_of(&found.amiss)
        ));
    }
    told
}

async fn publish(workspace: &Workspace, table: &Table, run_id: &str, observer: &dyn Observer) -> Result<()> {
    let snapshot = workspace.warehouse.begin_snapshot(table, run_id).await?;
    observer.begin("publish", &format!("{} as Parquet", table.name), 1);
    let folder = workspace.warehouse.snapshot_location(table, &snapshot);
    let files = match splice(table, folder.clone(), run_id).await? {
        Some(files) => files,
        None => rewritten(workspace, table, folder, run_id, observer).await?,
    };
    workspace
        .warehouse
        .point_to_snapshot(table, &snapshot, &files)
        .await?;
    observer.end();
    tracing::debug!(table = table.name, snapshot, run = run_id, "published");
    Ok(())
}

/// The rows of a table whose files do not all have its columns, read and written anew.
async fn rewritten(
    workspace: &Workspace,
    table: &Table,
    folder: Location,
    run_id: &str,
    observer: &dyn Observer,
) -> Result<Vec<StagedFile>> {
    let context = workspace.engine.session();
    workspace
        .tables
        .register(&context, std::slice::from_ref(&table.name), None)
        .await?;
    let mut stream = context.table(table.name.as_str()).await?.execute_stream().await?;
    let schema = table.schema();
    let mut stager = Stager::plain(folder, run_id, schema.clone())?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let columns = schema
            .fields()
            .iter()
            .map(|f| {
                Ok(cast(
                    batch.column_by_name(f.name()).unwrap_or(batch.column(0)),
                    f.data_type(),
                )?)
            })
            .collect::<Result<Vec<_>>>()?;
        observer.advance(batch.num_rows() as u64, 0);
        stager
            .write(&RecordBatch::try_new(schema.clone(), columns)?)
            .await?;
    }
    stager.finish().await
}

/// The covered share of cost per currency and of usage lines, over everything published for the chosen tenants; and the
/// activity rows without a factor, where the run estimated them anew: one without anything new opens no data file.
///
/// # Errors
/// External when the tables cannot be read.
pub async fn coverage(workspace: &Workspace, is_estimated_anew: bool) -> Result<Coverage> {
    let mut coverage = Coverage {
        activity_rows_without_factor: match is_estimated_anew {
            true => activity_rows_without_factor(workspace).await?,
            false => 0,
        },
        ..Coverage::default()
    };
    if !workspace.tables.snapshots.contains_key("publish.coverage") {
        return Ok(coverage);
    }
    let tenants: Vec<String> = workspace
        .config
        .selected_tenants()
        .map(|t| format!("'{}'", t.id))
        .collect();
    let context = workspace.engine.session();
    workspace
        .tables
        .register(&context, &["publish.coverage".to_string()], None)
        .await?;
    let sql = format!(
        "SELECT billing_currency, CAST(SUM(covered_cost) AS DOUBLE) / NULLIF(CAST(SUM(effective_cost) AS DOUBLE), 0) AS cost_share, \
         CAST(SUM(covered_lines) AS DOUBLE) AS covered, CAST(SUM(line_count) AS DOUBLE) AS lines \
         FROM publish.coverage WHERE tenant IN ({}) GROUP BY billing_currency ORDER BY billing_currency",
        tenants.join(", ")
    );
    let (mut covered, mut lines) = (0.0, 0.0);
    for batch in context.sql(&sql).await?.collect().await? {
        let currency = cast(batch.column(0), &DataType::Utf8)?;
        for row in 0..batch.num_rows() {
            let number = |index: usize| {
                let column = batch.column(index).as_primitive::<Float64Type>();
                column.is_valid(row).then(|| column.value(row))
            };
            let name = currency.as_string::<i32>();
            let currency = if name.is_valid(row) {
                name.value(row).to_string()
            } else {
                String::new()
            };
            coverage.currencies.push(CurrencyCoverage {
                currency,
                cost_share: number(1),
            });
            covered += number(2).unwrap_or_default();
            lines += number(3).unwrap_or_default();
        }
    }
    coverage.row_share = (lines > 0.0).then(|| covered / lines);
    Ok(coverage)
}

async fn activity_rows_without_factor(workspace: &Workspace) -> Result<u64> {
    let estimate = workspace.tables.snapshots.get("estimate.activity_emissions");
    if estimate.is_none_or(|table| table.files().iter().all(|file| file.rows == 0)) {
        return Ok(0);
    }
    let tenants: Vec<String> = workspace
        .config
        .selected_tenants()
        .map(|t| format!("'{}'", t.id))
        .collect();
    // Electricity stands once for each method.
    let sql = format!(
        "SELECT CAST(count(*) AS VARCHAR) FROM (SELECT DISTINCT tenant, source, source_file, source_row_number \
         FROM estimate.activity_emissions WHERE uncovered_reason IS NOT NULL AND tenant IN ({})) AS gaps",
        tenants.join(", ")
    );
    let counted = texts(&rows(workspace, &workspace.engine.session(), &sql).await?);
    let count = counted.first().and_then(|row| row.first()?.parse().ok());
    Ok(count.unwrap_or_default())
}

//! Queries of this program's own over the warehouse's tables.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::workspace::Workspace;
use crate::error::Result;
use crate::transform::audits::tables_of;
use crate::transform::read_only;
use crate::warehouse::DataFile;

/// The rows of a query.
#[derive(Debug, Clone)]
pub struct QueryRows {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

impl QueryRows {
    /// How many.
    pub fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Registers tables with the rows that the chosen tenant may see: all of them without `--tenant`.
///
/// # Errors
/// Usage: an unknown table; external when one cannot be read.
pub async fn register(workspace: &Workspace, context: &SessionContext, names: &[String]) -> Result<()> {
    let Some(tenant) = &workspace.config.selected_tenant else {
        return workspace.tables.register(context, names, None).await;
    };
    let of_tenant = |_: &str, file: &DataFile| {
        let owner = file.partition.get("tenant").and_then(|value| value.as_deref());
        owner == Some(tenant.as_str())
    };
    let tables = workspace.tables.of_tenant(tenant)?;
    tables.register(context, names, Some(&of_tenant)).await
}

/// Runs a query in a session, registering the tables that it names.
///
/// # Errors
/// Usage: SQL that cannot be planned; what the engine says.
pub async fn rows(workspace: &Workspace, context: &SessionContext, sql: &str) -> Result<QueryRows> {
    register(workspace, context, &tables_of(sql)?).await?;
    let frame = read_only::plan(context, sql).await?;
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    // What the engine returns may be a view of the text that its plan announced.
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    Ok(QueryRows { schema, batches })
}

/// Names a query, so that others can read it; nothing is executed.
///
/// # Errors
/// Usage: SQL that cannot be planned.
pub async fn name(workspace: &Workspace, context: &SessionContext, name: &str, sql: &str) -> Result<()> {
    register(workspace, context, &tables_of(sql)?).await?;
    let view = read_only::plan(context, sql).await?.into_view();
    context.register_table(name, view)?;
    Ok(())
}

/// Computes a query once and names its rows.
///
/// # Errors
/// Usage: SQL that cannot be planned; what the engine says.
pub async fn keep(workspace: &Workspace, context: &SessionContext, name: &str, sql: &str) -> Result<()> {
    let found = rows(workspace, context, sql).await?;
    context.register_table(
        name,
        std::sync::Arc::new(MemTable::try_new(found.schema, vec![found.batches])?),
    )?;
    Ok(())
}

/// The chosen tenants as a list of SQL texts.
pub fn tenants(workspace: &Workspace) -> String {
    workspace
        .config
        .selected_tenants()
        .map(|t| format!("'{}'", t.id))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `a.x IS NOT DISTINCT FROM b.x AND …`: a join that keeps null keys.
pub fn same(left: &str, right: &str, columns: &[String]) -> String {
    columns
        .iter()
        .map(|c| format!("({left}.{c} IS NOT DISTINCT FROM {right}.{c})"))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// The key of `rollup.usage_daily`, allocation tags included.
pub fn rollup_key(workspace: &Workspace) -> Vec<String> {
    let fixed = [
        "tenant",
        "source",
        "export",
        "period",
        "charge_date",
        "provider_name",
        "billing_account_id",
        "sub_account_id",
        "service_name",
        "service_code",
        "service_category",
        "region_id",
        "from_region_id",
        "to_region_id",
        "sku_id",
        "sku_meter",
        "usage_type",
        "operation",
        "instance_type",
        "vcpus",
        "usage_unit",
        "charge_category",
        "charge_class",
        "is_usage",
        "exclusion_reason",
        "billing_currency",
    ];
    let tags = workspace
        .tables
        .placeholders
        .tags
        .iter()
        .map(|t| t.column.clone());
    fixed.iter().map(|c| (*c).to_string()).chain(tags).collect()
}

/// The cells as text; null is empty.
pub fn texts(rows: &QueryRows) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for batch in &rows.batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .filter_map(|c| cast(c, &DataType::Utf8).ok())
            .collect();
        for row in 0..batch.num_rows() {
            let cell = |c: &ArrayRef| {
                if c.is_null(row) {
                    String::new()
                } else {
                    c.as_string::<i32>().value(row).to_string()
                }
            };
            all.push(columns.iter().map(cell).collect());
        }
    }
    all
}

//! The rows that failed audits named, kept for those who have to find out why.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::transform::audits::AuditResult;
use crate::transform::partitions::contributes;
use crate::transform::{OutputKey, Tables};
use crate::warehouse::{Commit, DataFile, Replaced, Stager, Table, Warehouse};

/// Writes the offending rows of failed audits to `audit.<name>`, in place of those of an earlier run: the tables, or why one
/// could not be written.
pub async fn keep(warehouse: &Warehouse, run_id: &str, audits: &[AuditResult]) -> Vec<Result<Table>> {
    let mut tables = Vec::new();
    for audit in audits.iter().filter(|a| a.failures > 0) {
        if let Some(rows) = &audit.rows {
            tables.push(write(warehouse, run_id, &audit.audit, rows).await);
        }
    }
    tables
}

/// Amounts below cannot make a sum too large that a million others do not.
const LEAST_LARGE: &str = "1e9";
/// Rows that a message names.
const MOST_NAMED: usize = 3;

/// The rows of a partition with the largest amounts, by file and row: those that make a sum too large.
pub async fn largest_amounts(
    workspace: &Workspace,
    tables: &Arc<Tables>,
    model: &Model,
    key: &OutputKey,
) -> Option<String> {
    let usage = "normalize.usage".to_string();
    let known = ["tenant", "source", "export", "period"];
    let conditions = model.partition.iter().zip(key);
    let conditions = conditions.filter(|(column, _)| known.contains(&column.as_str()));
    let conditions: Vec<String> = conditions
        .map(|(column, value)| format!("{column} = '{}'", value.replace('\'', "''")))
        .collect();
    let size = "greatest(abs(CAST(billed_cost AS DOUBLE)), abs(CAST(effective_cost AS DOUBLE)), \
        abs(CAST(usage_quantity AS DOUBLE)))";
    let sql = format!(
        "SELECT concat(source, ': ', source_file, ' row ', CAST(source_row_number AS VARCHAR), ' (billed cost ', \
         COALESCE(CAST(CAST(billed_cost AS DOUBLE) AS VARCHAR), 'none'), ', effective cost ', \
         COALESCE(CAST(CAST(effective_cost AS DOUBLE) AS VARCHAR), 'none'), ', quantity ', \
         COALESCE(usage_quantity_raw, 'none'), ')') \
         FROM {usage} WHERE {size} >= {LEAST_LARGE} AND {} \
         ORDER BY {size} DESC, source_file, source_row_number LIMIT {MOST_NAMED}",
        match conditions.is_empty() {
            true => "true".to_string(),
            false => conditions.join(" AND "),
        }
    );
    let filter = |_: &str, file: &DataFile| contributes(model, key, file);
    let found = async {
        let context = workspace.engine.session();
        tables.register(&context, &[usage], Some(&filter)).await?;
        let batches = context.sql(&sql).await?.collect().await?;
        let mut rows = Vec::new();
        for batch in &batches {
            let texts = cast(batch.column(0), &DataType::Utf8)?;
            rows.extend(texts.as_string::<i32>().iter().flatten().map(str::to_string));
        }
        Ok::<_, Error>(rows)
    };
    match found.await {
        Ok(rows) if rows.is_empty() => None,
        Ok(rows) => Some(rows.join("; ")),
        Err(error) => {
            tracing::debug!(%error, model = model.name, "the rows of a failure could not be found");
            None
        }
    }
}

async fn write(warehouse: &Warehouse, run_id: &str, audit: &str, rows: &RecordBatch) -> Result<Table> {
    // Audits of several models share a table: every value as text, so that their columns fit together.
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        fields.push(Field::new(field.name(), DataType::Utf8, true));
        columns.push(cast(column, &DataType::Utf8)?);
    }
    fields.push(Field::new("_run_id", DataType::Utf8, true));
    columns.push(Arc::new(StringArray::from(vec![run_id; rows.num_rows()])));
    let schema = Arc::new(Schema::new(fields));
    let name = format!("audit.{audit}");
    let mut stager = Stager::new(warehouse.table_location(&name), run_id, schema.clone(), &[])?;
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
        facts: None,
        run_id: run_id.to_string(),
    };
    warehouse.commit(commit).await
}

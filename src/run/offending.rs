//! The rows that failed audits named, kept for those who have to find out why.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use crate::error::Result;
use crate::transform::audits::AuditResult;
use crate::warehouse::{Commit, Replaced, Stager, Table, Warehouse};

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

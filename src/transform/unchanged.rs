//! Which partitions came out as they were.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;

use super::partitions::{OutputKey, key_of};
use crate::error::Result;
use crate::model::Model;
use crate::warehouse::scan::as_data_files;
use crate::warehouse::{SnapshotTable, StagedFile, Table};

/// Of the partitions in `keys` those that the staged files hold the same rows of as the table does, whatever their order.
///
/// # Errors
/// External when a file cannot be read.
pub async fn unchanged(
    context: &SessionContext,
    model: &Model,
    keys: impl Iterator<Item = OutputKey>,
    table: &Table,
    schema: &Schema,
    staged: &[StagedFile],
) -> Result<BTreeSet<OutputKey>> {
    let kept: BTreeSet<OutputKey> = table.files().iter().map(|file| key_of(model, file)).collect();
    let mut same: BTreeSet<OutputKey> = keys.filter(|key| kept.contains(key)).collect();
    if same.is_empty() {
        return Ok(same);
    }
    let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    let files = table
        .files()
        .iter()
        .filter(|file| same.contains(&key_of(model, file)));
    let before = SnapshotTable::of_files(table, &fields, files.cloned().collect());
    let prefix = table.location.prefix.to_string();
    let after = SnapshotTable::staged(prefix, schema, &model.partition, as_data_files(staged)?);
    context.register_table(TableReference::bare("before"), Arc::new(before))?;
    context.register_table(TableReference::bare("after"), Arc::new(after))?;
    let quoted = |name: &String| format!("\"{name}\"");
    let columns: Vec<String> = schema.fields().iter().map(|f| quoted(f.name())).collect();
    let (columns, partition) = (
        columns.join(", "),
        model.partition.iter().map(quoted).collect::<Vec<_>>().join(", "),
    );
    let differing = format!(
        "SELECT DISTINCT {partition} FROM (
            SELECT {columns} FROM (
                SELECT {columns}, 1 AS side FROM after UNION ALL SELECT {columns}, -1 AS side FROM before
            ) AS both_sides
            GROUP BY {columns}
            HAVING sum(side) <> 0
        ) AS differing"
    );
    for batch in context.sql(&differing).await?.collect().await? {
        let values = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
        let values = values.collect::<std::result::Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let value = |column: &Arc<dyn Array>| match column.is_null(row) {
                true => String::new(),
                false => column.as_string::<i32>().value(row).to_string(),
            };
            let key: OutputKey = values.iter().map(value).collect();
            same.remove(&key);
        }
    }
    Ok(same)
}

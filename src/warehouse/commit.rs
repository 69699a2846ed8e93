//! One atomic commit: the files of some partitions out, staged files in, and the proof of it beside them.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::TableProperty;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, MetadataExt, StructField, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};

use super::Warehouse;
use super::stage::StagedFile;
use super::table::{DataFile, PartitionValues, Table, log_store_of};
use crate::error::{Error, Result};

/// Which files a commit takes out.
#[derive(Debug, Clone)]
pub enum Replaced {
    /// Files whose partition has all these values.
    Partitions(Vec<PartitionValues>),
    /// Nothing: files are only added.
    Nothing,
}

impl Replaced {
    fn covers(&self, file: &DataFile) -> bool {
        match self {
            Replaced::Nothing => false,
            Replaced::Partitions(partitions) => partitions.iter().any(|p| {
                p.iter()
                    .all(|(column, value)| file.partition.get(column) == Some(value))
            }),
        }
    }

    /// The same as SQL: Delta's conflict check reads it from the log entry of this commit.
    fn predicate(&self) -> Option<String> {
        let Replaced::Partitions(partitions) = self else {
            return None;
        };
        let one = |values: &PartitionValues| {
            let parts: Vec<String> = values
                .iter()
                .map(|(column, value)| match value {
                    Some(value) => format!("{column} = '{}'", value.replace('\'', "''")),
                    None => format!("{column} IS NULL"),
                })
                .collect();
            format!("({})", parts.join(" AND "))
        };
        Some(partitions.iter().map(one).collect::<Vec<_>>().join(" OR "))
    }
}

/// What one commit does to one table.
pub struct Commit {
    /// `schema.table`.
    pub table: String,
    /// The table's schema after the commit, partition columns included; it only grows.
    pub schema: SchemaRef,
    /// Partition columns, for a table that does not exist yet.
    pub partition_columns: Vec<String>,
    /// What goes.
    pub replaced: Replaced,
    /// What comes.
    pub added: Vec<StagedFile>,
    /// App id → version: delivery ids and fingerprints, kept in the table itself.
    pub transactions: Vec<(String, i64)>,
    /// For people who read the history.
    pub run_id: String,
}

impl Warehouse {
    /// Makes a commit and returns the new snapshot.
    ///
    /// # Errors
    /// External when the store refuses it or another writer changed the same partitions.
    pub async fn commit(&self, commit: Commit) -> Result<Table> {
        let place = format!("table {}", commit.table);
        let _in_line = self.commits.lock().await;
        self.try_commit(commit).await.map_err(|error| error.at(place))
    }

    async fn try_commit(&self, commit: Commit) -> Result<Table> {
        let location = self.table_location(&commit.table);
        let table = match self.open(&commit.table, None).await? {
            Some(table) => table,
            None => self.create(&commit).await?,
        };
        let mut actions: Vec<Action> = Vec::new();
        if let Some(schema) = grown(table.schema(), &commit.schema)? {
            let metadata = table.inner.snapshot()?.metadata().clone();
            actions.push(Action::Metadata(
                metadata
                    .with_schema(&schema)
                    .map_err(deltalake_core::DeltaTableError::from)?,
            ));
        }
        let state = table.inner.snapshot()?;
        for (file, view) in table.files().iter().zip(state.log_data().iter()) {
            if commit.replaced.covers(file) {
                actions.push(Action::Remove(view.remove_action(true)));
            }
        }
        let now = chrono::Utc::now().timestamp_millis();
        actions.extend(commit.added.iter().map(|file| Action::Add(add_action(file, now))));
        let transactions = commit
            .transactions
            .iter()
            .map(|(id, version)| Transaction::new_with_last_update(id, *version, Some(now)))
            .collect();
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_metadata([(
                "run_id".to_string(),
                serde_json::Value::String(commit.run_id.clone()),
            )]);
        let operation = DeltaOperation::Write {
            mode: SaveMode::Overwrite,
            partition_by: Some(table.partition_columns().to_vec()),
            predicate: commit.replaced.predicate(),
        };
        let finalized = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), table.log_store.clone(), operation)
            .await?;
        let mut inner = table.inner.clone();
        inner.state = Some(finalized.snapshot());
        Table::from_delta(&commit.table, location, table.log_store.clone(), inner)
    }

    async fn create(&self, commit: &Commit) -> Result<Table> {
        let location = self.table_location(&commit.table);
        let log_store = log_store_of(&location)?;
        let struct_type = kernel_schema(&commit.schema)?;
        let configuration: HashMap<String, Option<String>> = [
            // Runs and report editions name versions: nothing goes before `maintain --vacuum` says so.
            (TableProperty::LogRetentionDuration, "interval 3650 days"),
            (TableProperty::DeletedFileRetentionDuration, "interval 400 days"),
            (TableProperty::EnableExpiredLogCleanup, "false"),
        ]
        .into_iter()
        .map(|(key, value)| (key.as_ref().to_string(), Some(value.to_string())))
        .collect();
        let inner = CreateBuilder::new()
            .with_log_store(log_store.clone())
            .with_table_name(commit.table.clone())
            .with_columns(struct_type.fields().cloned())
            .with_partition_columns(commit.partition_columns.clone())
            .with_configuration(configuration)
            .with_save_mode(SaveMode::Ignore)
            .await?;
        Table::from_delta(&commit.table, location, log_store, inner)
    }
}

fn kernel_schema(schema: &Schema) -> Result<StructType> {
    Ok(schema.try_into_kernel()?)
}

/// The table's schema with the new columns behind it, or `None` when it holds them all.
fn grown(table: &Schema, wanted: &Schema) -> Result<Option<StructType>> {
    let mut fields = table.fields().iter().cloned().collect::<Vec<_>>();
    let known = fields.len();
    for field in wanted.fields() {
        match table.field_with_name(field.name()) {
            Ok(existing) if existing.data_type() != field.data_type() => {
                return Err(Error::data("a column changed its type")
                    .at(format!("column {}", field.name()))
                    .because(format!(
                        "the table has {}, the new rows have {}",
                        existing.data_type(),
                        field.data_type()
                    )));
            }
            Ok(_) => {}
            Err(_) => fields.push(field.clone()),
        }
    }
    if fields.len() == known {
        return Ok(None);
    }
    let kernel: Vec<StructField> = kernel_schema(&Schema::new(fields))?.fields().cloned().collect();
    Ok(Some(StructType::try_new(kernel).map_err(|e| {
        Error::internal("the grown schema is not valid").because(e)
    })?))
}

fn add_action(file: &StagedFile, now: i64) -> Add {
    let mut stats = serde_json::json!({ "numRecords": file.rows });
    if let Some((first, last)) = file.charge_dates {
        let text = |day| chrono::NaiveDate::from_epoch_days(day).map(|d| d.to_string());
        stats["minValues"] = serde_json::json!({ "charge_date": text(first) });
        stats["maxValues"] = serde_json::json!({ "charge_date": text(last) });
        stats["nullCount"] = serde_json::json!({ "charge_date": 0 });
    }
    Add {
        path: file.path.clone(),
        partition_values: file.partition.clone().into_iter().collect(),
        size: file.size as i64,
        modification_time: now,
        data_change: true,
        stats: Some(stats.to_string()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

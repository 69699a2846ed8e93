//! One atomic commit: the files of some partitions out, staged files in, and the proof of it beside them.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitConflictError, CommitProperties, TransactionError,
};
use deltalake_core::kernel::{Action, Add, MetadataExt, StructField, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTableError, TableProperty};

use super::Warehouse;
use super::history::FACTS;
use super::identity::Identity;
use super::stage::StagedFile;
use super::statistics::in_log;
use super::table::{DataFile, PartitionValues, Table, log_store_of};
use crate::error::{Error, PlaceKey, Result};

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
        if partitions.is_empty() {
            return None;
        }
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
    /// Partition columns, which a table that exists has too.
    pub partition_columns: Vec<String>,
    /// What goes.
    pub replaced: Replaced,
    /// What comes.
    pub added: Vec<StagedFile>,
    /// App id → version: delivery ids and fingerprints, kept in the table itself.
    pub transactions: Vec<(String, i64)>,
    /// What is to be known of the commit and stands in no row: it is read again with [`Table::notes_since`].
    pub facts: Option<serde_json::Value>,
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
        let committed = async {
            let table = match self.open(&commit.table, None).await? {
                Some(table) => table,
                None => self.create(&commit).await?,
            };
            self.commit_on_top_of(table, &commit).await
        };
        committed.await.map_err(|error: Error| error.at(place))
    }

    /// Commits after a version that was read, or after a later one between which files were only merged: upkeep on
    /// another machine takes nothing from a run.
    async fn commit_on_top_of(&self, mut table: Table, commit: &Commit) -> Result<Table> {
        hold_partition_columns(&table, commit)?;
        let replaced = |table: &Table| -> Identity {
            let files = table.files().iter().filter(|file| commit.replaced.covers(file));
            files.map(DataFile::identity).sum()
        };
        loop {
            let actions = actions(&table, commit)?;
            let now = chrono::Utc::now().timestamp_millis();
            let transactions = commit
                .transactions
                .iter()
                .map(|(id, version)| Transaction::new_with_last_update(id, *version, Some(now)))
                .collect();
            let mut metadata = vec![("run_id".to_string(), commit.run_id.as_str().into())];
            metadata.extend(commit.facts.clone().map(|facts| (FACTS.to_string(), facts)));
            let properties = CommitProperties::default()
                .with_application_transactions(transactions)
                .with_metadata(metadata);
            let operation = DeltaOperation::Write {
                mode: SaveMode::Overwrite,
                partition_by: Some(table.partition_columns().to_vec()),
                predicate: commit.replaced.predicate(),
            };
            let finalized = CommitBuilder::from(properties)
                .with_actions(actions)
                .build(Some(table.inner.snapshot()?), table.log_store.clone(), operation)
                .await;
            match finalized {
                Ok(finalized) => return table.at(finalized.snapshot()),
                Err(error) if added_meanwhile(&error) => match self.open(&commit.table, None).await? {
                    Some(newest)
                        if newest.version() > table.version() && replaced(&newest) == replaced(&table) =>
                    {
                        table = newest;
                    }
                    _ => return Err(error.into()),
                },
                Err(DeltaTableError::InvalidVersion(version)) => return Err(headless(version)),
                Err(error) => return Err(error.into()),
            }
        }
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

/// Refuses files that are partitioned in another way than their table: nothing could read it any more.
fn hold_partition_columns(table: &Table, commit: &Commit) -> Result<()> {
    let names = |columns: &[String]| {
        let mut names: Vec<&str> = columns.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let (have, want) = (names(table.partition_columns()), names(&commit.partition_columns));
    if have == want {
        return Ok(());
    }
    Err(
        Error::usage(format!("the table is partitioned by [{have}], what is built for it by [{want}]")).hint(
            "name the `partition` as it was; or move the table's folder out of the warehouse and run again, which builds it anew",
        ),
    )
}

/// What a commit changes in a version of its table.
fn actions(table: &Table, commit: &Commit) -> Result<Vec<Action>> {
    let mut actions: Vec<Action> = Vec::new();
    let state = table.inner.snapshot()?;
    if let Some(schema) = grown(table.schema(), &commit.schema)? {
        let metadata = state.metadata().clone().with_schema(&schema);
        actions.push(Action::Metadata(metadata.map_err(DeltaTableError::from)?));
    }
    for (file, view) in table.files().iter().zip(state.log_data().iter()) {
        if commit.replaced.covers(file) {
            actions.push(Action::Remove(view.remove_action(true)));
        }
    }
    let now = chrono::Utc::now().timestamp_millis();
    let added = commit.added.iter();
    actions.extend(added.map(|file| Action::Add(add_action(file, now, true))));
    Ok(actions)
}

/// A log whose checkpoint tells of a version that has no entry any more: a commit does not find its ground.
fn headless(version: u64) -> Error {
    Error::external(format!("the log of the table ends with version {version}, whose entry is gone"))
        .because(format!("a checkpoint tells of it, but {version:020}.json is not there"))
        .hint(format!(
            "restore that file in the table's folder `_delta_log` from a backup; or delete {version:020}.checkpoint.parquet and `_last_checkpoint` there and run again, which makes anew what the version held"
        ))
}

/// Whether another writer's commit put files where this one replaces some.
fn added_meanwhile(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(CommitConflictError::ConcurrentAppend)
        }
    )
}

/// The schema as the log of a table tells it.
///
/// # Errors
/// Usage: a type that Delta has not, or two names that differ by case alone.
pub fn kernel_schema(schema: &Schema) -> Result<StructType> {
    schema.try_into_kernel().map_err(|error: ArrowError| {
        let said = error.to_string();
        Error::usage("no table can have these columns")
            .because(said.lines().next().unwrap_or_default())
            .hint("cast what is no text, number, boolean, date or timestamp in microseconds to one of them, and give each column a name of its own")
    })
}

/// The table's schema with the new columns after it, or `None` when it holds them all.
fn grown(table: &Schema, wanted: &Schema) -> Result<Option<StructType>> {
    let mut fields = table.fields().iter().cloned().collect::<Vec<_>>();
    let known = fields.len();
    for field in wanted.fields() {
        match table.field_with_name(field.name()) {
            Ok(existing) if existing.data_type() != field.data_type() => {
                return Err(Error::data("a column changed its type")
                    .at_key(PlaceKey::Column, field.name())
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

/// The log entry of a staged file; `data_change` is false where its rows were in the table before.
pub(super) fn add_action(file: &StagedFile, now: i64, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: file.partition.clone().into_iter().collect(),
        size: file.size as i64,
        modification_time: now,
        data_change,
        stats: Some(in_log(file)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

    use super::*;
    use crate::warehouse::{Location, Merge, Stager};

    const TABLE: &str = "raw.bills";

    /// One row in a file of its own.
    async fn row(warehouse: &Warehouse, number: i64, replaced: Replaced) -> Commit {
        let fields = vec![
            Field::new("number", DataType::Int64, true),
            Field::new("tenant", DataType::Utf8, true),
        ];
        let schema = Arc::new(Schema::new(fields));
        let columns = vec![
            Arc::new(Int64Array::from(vec![number])) as _,
            Arc::new(StringArray::from(vec!["acme"])) as _,
        ];
        let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
        let partition_columns = vec!["tenant".to_string()];
        let location = warehouse.table_location(TABLE);
        let mut stager = Stager::new(location, "run", schema.clone(), &partition_columns).unwrap();
        stager.write(&rows).await.unwrap();
        Commit {
            table: TABLE.into(),
            schema,
            partition_columns,
            replaced,
            added: stager.finish().await.unwrap(),
            transactions: vec![("ogf/raw.bills/tenant=acme".into(), number)],
            facts: Some(serde_json::json!({ "number": number })),
            run_id: "run".into(),
        }
    }

    fn acme() -> Replaced {
        let partition = [("tenant".to_string(), Some("acme".to_string()))];
        Replaced::Partitions(vec![partition.into_iter().collect()])
    }

    #[tokio::test]
    async fn a_merge_by_another_machine_does_not_fail_a_run_but_another_run_does() {
        let profile = crate::config::Profile {
            name: String::new(),
            values: Default::default(),
        };
        let location = Location::open("memory:///lake", std::path::Path::new("/"), &profile).unwrap();
        let warehouse = Warehouse::new(location);
        for number in [1, 2] {
            let commit = row(&warehouse, number, Replaced::Nothing).await;
            warehouse.commit(commit).await.unwrap();
        }
        // The run has read its version; the merge comes before its commit.
        let read = warehouse.open(TABLE, None).await.unwrap().unwrap();
        let merges: Vec<Merge> = read.merges().into_values().flatten().collect();
        let merged = warehouse.merge(&read, &merges, "upkeep").await.unwrap();
        assert_eq!((merged.files().len(), merged.rows()), (1, 2));
        assert_eq!(merged.identity(), read.identity());
        let commit = row(&warehouse, 3, acme()).await;
        let committed = warehouse.commit_on_top_of(read.clone(), &commit).await.unwrap();
        assert_eq!((committed.files().len(), committed.rows()), (1, 1));
        let recorded = committed.transaction("ogf/raw.bills/tenant=acme").await.unwrap();
        assert_eq!(recorded, Some(3));
        // Another run that read the same version as that one must not win too.
        let late = row(&warehouse, 4, acme()).await;
        assert!(warehouse.commit_on_top_of(read.clone(), &late).await.is_err());
        let newest = warehouse.open(TABLE, None).await.unwrap().unwrap();
        assert_eq!(newest.identity(), committed.identity());
        let numbers = async |since| {
            let notes = newest.notes_since(since).await.unwrap();
            let numbers = notes
                .iter()
                .filter_map(|note| note.facts.as_ref()?["number"].as_i64());
            numbers.collect::<Vec<_>>()
        };
        assert_eq!(numbers(None).await, [1, 2, 3]);
        assert_eq!(numbers(Some(read.version())).await, [3]);
        // Files of another partitioning would leave a table that nobody can read.
        let mut other = row(&warehouse, 5, acme()).await;
        other.partition_columns.push("period".into());
        let error = warehouse.commit(other).await.map(drop).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("partitioned by [tenant], what is built for it by [period, tenant]"),
            "{error}"
        );
        let after = warehouse.open(TABLE, None).await.unwrap().unwrap();
        assert_eq!(after.version(), newest.version());
    }

    #[test]
    fn columns_that_no_table_can_have_are_named() {
        let schema = |columns: &[(&str, DataType)]| {
            let fields = columns
                .iter()
                .map(|(name, of)| Field::new(*name, of.clone(), true));
            Schema::new(fields.collect::<Vec<_>>())
        };
        let spans = schema(&[("span", DataType::Duration(TimeUnit::Second))]);
        let twice = schema(&[("Cost", DataType::Int64), ("cost", DataType::Int64)]);
        for columns in [spans, twice] {
            let error = kernel_schema(&columns).unwrap_err();
            assert_eq!(error.blame(), crate::error::Blame::Usage, "{error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
        assert!(kernel_schema(&schema(&[("cost", DataType::Int64)])).is_ok());
    }
}

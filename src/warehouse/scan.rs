//! A table for the query engine: exactly the active files of one snapshot, or a part of them.

#[cfg(feature = "cluster")]
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result as DataFusionResult, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::pruning::may_hold;
use super::table::{DataFile, Table};
use crate::error::{Error, Result};

/// The URL under which the warehouse's store is registered with the engine.
pub const WAREHOUSE_STORE: &str = "warehouse://store";

/// A table provider over chosen files of a snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotTable {
    store: String,
    prefix: String,
    schema: SchemaRef,
    file_schema: SchemaRef,
    partition_columns: Vec<String>,
    /// Columns that no file has.
    missing: BTreeSet<String>,
    files: Vec<DataFile>,
    /// By where a file lies, if it is not read as a whole.
    pieces: BTreeMap<String, Range<u64>>,
}

impl SnapshotTable {
    /// All files of the snapshot. Columns of `expected` that the table does not have yet read as null.
    pub fn new(table: &Table, expected: &[Field]) -> Self {
        Self::of_files(table, expected, table.files().to_vec())
    }

    /// Some files of the snapshot.
    pub fn of_files(table: &Table, expected: &[Field], files: Vec<DataFile>) -> Self {
        let columns: Vec<Field> = table
            .file_schema()
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .collect();
        Self::build(
            table.location.prefix.to_string(),
            columns,
            table.partition_columns().to_vec(),
            expected,
            files,
        )
    }

    /// A table that does not exist yet: the expected columns and no row.
    pub fn absent(expected: &[Field], partition_columns: &[String]) -> Self {
        Self::build(
            String::new(),
            Vec::new(),
            partition_columns.to_vec(),
            expected,
            Vec::new(),
        )
    }

    /// Staged files as if they were the table, for audits before the commit.
    pub fn staged(
        prefix: String,
        schema: &Schema,
        partition_columns: &[String],
        files: Vec<DataFile>,
    ) -> Self {
        let columns: Vec<Field> = schema
            .fields()
            .iter()
            .filter(|f| !partition_columns.contains(f.name()))
            .map(|f| f.as_ref().clone())
            .collect();
        Self::build(prefix, columns, partition_columns.to_vec(), &[], files)
    }

    fn build(
        prefix: String,
        mut columns: Vec<Field>,
        partition_columns: Vec<String>,
        expected: &[Field],
        files: Vec<DataFile>,
    ) -> Self {
        let mut missing = BTreeSet::new();
        for field in expected {
            if !partition_columns.contains(field.name()) && !columns.iter().any(|f| f.name() == field.name())
            {
                missing.insert(field.name().clone());
                columns.push(field.clone());
            }
        }
        let columns: Vec<Field> = columns
            .into_iter()
            .map(|f| as_view(&f).with_nullable(true))
            .collect();
        let file_schema = Arc::new(Schema::new(columns.clone()));
        let partition_fields = partition_columns
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(
            columns.into_iter().chain(partition_fields).collect::<Vec<_>>(),
        ));
        SnapshotTable {
            store: WAREHOUSE_STORE.to_string(),
            prefix,
            schema,
            file_schema,
            partition_columns,
            missing,
            files,
            pieces: BTreeMap::new(),
        }
    }

    /// The columns of files and partitions.
    pub fn columns(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether a column is one that files may have; the others read as null.
    pub fn is_delivered(&self, column: &str) -> bool {
        !self.missing.contains(column)
    }

    /// The columns that are the same for all rows of a file.
    pub fn partition_columns(&self) -> &[String] {
        &self.partition_columns
    }

    /// The files.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// The URL of the store, as the engine knows it.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The files that `pieces` names by where they lie, and of each only the row groups that begin in its range of bytes.
    #[cfg(feature = "cluster")]
    pub fn part(&self, pieces: &BTreeMap<String, Range<u64>>) -> Self {
        let mut part = self.clone();
        part.files
            .retain(|file| pieces.contains_key(&self.location_of(file)));
        part.pieces = pieces.clone();
        part
    }

    /// The bytes of a file of which the row groups that begin there are read; `None` for the whole file.
    pub fn piece(&self, location: &str) -> Option<Range<u64>> {
        self.pieces.get(location).cloned()
    }

    /// Where a file lies in the warehouse's store.
    pub fn location_of(&self, file: &DataFile) -> String {
        format!("{}/{}", self.prefix, file.path)
    }

    /// The files left when the filters on partition columns are applied to the log alone.
    ///
    /// # Errors
    /// What the engine says of a filter.
    pub fn prune(&self, state: &dyn Session, filters: &[Expr]) -> DataFusionResult<Vec<DataFile>> {
        let on_partitions = filters
            .iter()
            .filter(|f| self.only_partition_columns(f))
            .cloned()
            .collect::<Vec<_>>();
        let Some(predicate) = conjunction(on_partitions) else {
            return Ok(self.files.clone());
        };
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let fields: Vec<Field> = self
            .partition_columns
            .iter()
            .map(|n| Field::new(n, DataType::Utf8, true))
            .collect();
        let columns: Vec<ArrayRef> = self
            .partition_columns
            .iter()
            .map(|name| {
                let values = self
                    .files
                    .iter()
                    .map(|f| f.partition.get(name).cloned().flatten());
                Arc::new(values.collect::<StringArray>()) as ArrayRef
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        let expression = state.create_physical_expr(predicate, &DFSchema::try_from(schema)?)?;
        let mask = expression.evaluate(&batch)?.into_array(batch.num_rows())?;
        let mask = mask.as_boolean();
        let keep = |row: usize| mask.is_valid(row) && mask.value(row);
        Ok(self
            .files
            .iter()
            .enumerate()
            .filter(|(row, _)| keep(*row))
            .map(|(_, f)| f.clone())
            .collect())
    }

    fn only_partition_columns(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty() && columns.iter().all(|c| self.partition_columns.contains(&c.name))
    }

    fn partitioned_file(&self, file: &DataFile) -> PartitionedFile {
        let values = self
            .partition_columns
            .iter()
            .map(|name| ScalarValue::Utf8(file.partition.get(name).cloned().flatten()))
            .collect();
        // Delta's bounds are cut or converted: only the row count is passed on as a fact.
        let mut statistics = Statistics::new_unknown(&self.schema);
        let location = self.location_of(file);
        let piece = self.piece(&location);
        let read = PartitionedFile::new(location, file.size).with_partition_values(values);
        match piece {
            Some(piece) => read.with_range(piece.start as i64, piece.end as i64),
            None => {
                statistics.num_rows = Precision::Exact(file.rows as usize);
                read.with_statistics(Arc::new(statistics))
            }
        }
    }
}

/// Text is read as views: the engine groups and compares them fastest.
fn as_view(field: &Field) -> Field {
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => field.clone().with_data_type(DataType::Utf8View),
        _ => field.clone(),
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.only_partition_columns(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Inexact,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let on_files: Vec<Expr> = filters
            .iter()
            .filter(|f| !self.only_partition_columns(f))
            .cloned()
            .collect();
        let predicate = match conjunction(on_files) {
            Some(predicate) => {
                let df_schema = DFSchema::try_from(self.schema.clone())?;
                Some(state.create_physical_expr(predicate, &df_schema)?)
            }
            None => None,
        };
        let mut files = self.prune(state, filters)?;
        if let Some(predicate) = &predicate {
            files = may_hold(files, &self.schema, predicate.clone())?;
        }
        if files.is_empty() {
            let projected = match projection {
                Some(indices) => Arc::new(self.schema.project(indices)?),
                None => self.schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(projected)));
        }
        let rows = files.iter().map(|f| f.rows as usize).sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = match self.pieces.is_empty() {
            true => Precision::Exact(rows),
            false => Precision::Inexact(rows),
        };
        let groups = share_out(
            files.iter().map(|f| self.partitioned_file(f)).collect(),
            state.config().target_partitions(),
        );
        let partition_fields = self
            .partition_columns
            .iter()
            .map(|n| Arc::new(Field::new(n, DataType::Utf8, true)))
            .collect::<Vec<_>>();
        let mut source = ParquetSource::new(
            TableSchema::builder(self.file_schema.clone())
                .with_table_partition_cols(partition_fields)
                .build(),
        );
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate);
        }
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(&self.store)?, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Deals files to at most `count` groups, the largest first, each to the lightest group.
fn share_out(mut files: Vec<PartitionedFile>, count: usize) -> Vec<FileGroup> {
    files.sort_by(|a, b| {
        b.object_meta
            .size
            .cmp(&a.object_meta.size)
            .then_with(|| a.object_meta.location.cmp(&b.object_meta.location))
    });
    let count = count.clamp(1, files.len().max(1));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = (0..count).map(|_| (0, Vec::new())).collect();
    for file in files {
        if let Some(lightest) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            lightest.0 += file.object_meta.size;
            lightest.1.push(file);
        }
    }
    groups
        .into_iter()
        .map(|(_, files)| FileGroup::new(files))
        .collect()
}

/// Files of a commit as a snapshot would show them.
pub fn as_data_files(staged: &[super::StagedFile]) -> Result<Vec<DataFile>> {
    staged
        .iter()
        .map(|file| {
            Ok(DataFile {
                path: object_store::path::Path::parse(&file.path)
                    .map_err(|e| Error::internal("a staged path is not valid").because(e))?,
                size: file.size,
                rows: file.rows,
                partition: file.partition.clone(),
                month: file
                    .charge_dates
                    .and_then(|(first, _)| crate::domain::period::Period::of_epoch_day(first)),
                stats: None,
            })
        })
        .collect()
}

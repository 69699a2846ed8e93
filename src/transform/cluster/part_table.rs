//! The groups of parts of the files, as a table until it is planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;

use super::part_exec::PartExec;
use crate::warehouse::SnapshotTable;

/// An aggregate of which each task computes the groups of some files: a group may come once per task.
#[derive(Debug)]
pub struct PartTable {
    /// The aggregate, over tables of the warehouse and rows in memory.
    pub plan: LogicalPlan,
    schema: SchemaRef,
}

impl PartTable {
    /// The table of an aggregate's groups.
    pub fn new(plan: LogicalPlan) -> PartTable {
        let schema = announced(&plan);
        PartTable { plan, schema }
    }
}

/// The columns of a plan, each of which may be null, whatever travels.
pub fn announced(plan: &LogicalPlan) -> SchemaRef {
    let fields = plan.schema().fields().iter();
    let fields = fields.map(|f| Field::new(f.name(), f.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for PartTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = match projection {
            Some(chosen) => {
                let columns = self.plan.schema().columns();
                let chosen = chosen.iter().map(|n| Expr::Column(columns[*n].clone()));
                LogicalPlanBuilder::from(self.plan.clone())
                    .project(chosen)?
                    .build()?
            }
            None => self.plan.clone(),
        };
        let schema = Arc::new(Schema::new(vec![Field::new("file", DataType::Utf8, false)]));
        let parts = shared_out(files(&plan)?, state.config().target_partitions());
        let parts = parts.into_iter().map(|part| {
            let names = Arc::new(StringArray::from(part));
            Ok(vec![RecordBatch::try_new(schema.clone(), vec![names])?])
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let parts = MemorySourceConfig::try_new_exec(&parts, schema, None)?;
        Ok(Arc::new(PartExec::new(plan, parts)))
    }
}

/// Where the files lie that a plan reads, with their sizes in bytes.
fn files(plan: &LogicalPlan) -> Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if let Some(table) = provider.downcast_ref::<SnapshotTable>() {
                let found = table
                    .files()
                    .iter()
                    .map(|file| (table.location_of(file), file.size));
                files.extend(found);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(files)
}

/// Deals files to at most `count` parts of about as many bytes. Neighbours stay together: files of one partition have groups in
/// common, which then meet in one task.
fn shared_out(files: BTreeMap<String, u64>, count: usize) -> Vec<Vec<String>> {
    let bytes: u64 = files.values().sum();
    let share = bytes.div_ceil(count.max(1) as u64).max(1);
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut before = 0;
    let mut latest = None;
    for (file, size) in files {
        // A file belongs to the part in which its middle lies.
        let part = (before + size / 2) / share;
        before += size;
        match parts.last_mut() {
            Some(files) if latest == Some(part) => files.push(file),
            _ => parts.push(vec![file]),
        }
        latest = Some(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[u64], count: usize) -> Vec<usize> {
        let files = sizes.iter().enumerate();
        let files = files.map(|(n, size)| (format!("{n:02}"), *size)).collect();
        let parts = shared_out(files, count);
        let names: Vec<&String> = parts.iter().flatten().collect();
        assert_eq!(names.len(), sizes.len(), "each file once");
        assert!(names.is_sorted());
        parts.iter().map(Vec::len).collect()
    }

    #[test]
    fn files_are_dealt_once_to_no_more_parts_than_asked_for() {
        assert_eq!(sizes(&[10, 10, 10, 10], 2), [2, 2]);
        assert_eq!(sizes(&[10, 10, 10], 8), [1, 1, 1]);
        assert_eq!(sizes(&[90, 5, 5], 2), [1, 2]);
        assert_eq!(sizes(&[], 4), [0usize; 0]);
        assert_eq!(sizes(&[0, 0], 4).iter().sum::<usize>(), 2);
        for count in 1..12 {
            assert!(sizes(&[7, 1, 9, 3, 3, 8, 2, 2, 40, 1], count).len() <= count);
        }
    }
}

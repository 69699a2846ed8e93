//! The groups of parts of the files, as a table until it is planned.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
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
        let parts = shared_out(files(&plan)?, state.config().target_partitions());
        let parts = parts.iter().map(|part| Ok(vec![as_rows(part)?]));
        let (parts, schema) = (parts.collect::<Result<Vec<_>>>()?, Arc::new(columns()));
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

/// Bytes from which on a file is divided: the footer is read again for each piece.
const DIVIDED_FROM: u64 = 10_000_000;

/// What a part reads of a file: row groups that begin in these bytes.
pub type Pieces = BTreeMap<String, Range<u64>>;

/// Deals files to at most `count` parts of about as many bytes. Neighbours stay together: files of one partition have groups in
/// common, which then meet in one task.
fn shared_out(files: BTreeMap<String, u64>, count: usize) -> Vec<Pieces> {
    let bytes: u64 = files.values().sum();
    let share = bytes.div_ceil(count.max(1) as u64).max(1);
    let mut parts: BTreeMap<u64, Pieces> = BTreeMap::new();
    let mut before = 0;
    for (file, size) in files {
        if size < DIVIDED_FROM {
            // It belongs to the part in which its middle lies.
            let part = parts.entry((before + size / 2) / share).or_default();
            part.insert(file, 0..size);
        } else {
            let mut start = 0;
            while start < size {
                let part = (before + start) / share;
                let end = size.min((part + 1) * share - before);
                parts.entry(part).or_default().insert(file.clone(), start..end);
                start = end;
            }
        }
        before += size;
    }
    parts.into_values().collect()
}

fn columns() -> Schema {
    Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("start", DataType::UInt64, false),
        Field::new("end", DataType::UInt64, false),
    ])
}

fn as_rows(part: &Pieces) -> Result<RecordBatch> {
    let files: StringArray = part.keys().map(Some).collect();
    let starts: UInt64Array = part.values().map(|range| range.start).collect();
    let ends: UInt64Array = part.values().map(|range| range.end).collect();
    Ok(RecordBatch::try_new(
        Arc::new(columns()),
        vec![Arc::new(files), Arc::new(starts), Arc::new(ends)],
    )?)
}

/// The pieces that rows name.
pub fn pieces(rows: &RecordBatch) -> impl Iterator<Item = (String, Range<u64>)> {
    let files = rows.column(0).as_string::<i32>().iter().flatten();
    let numbers = |place: usize| rows.column(place).as_primitive::<UInt64Type>().values().iter();
    let ranges = numbers(1).zip(numbers(2)).map(|(start, end)| *start..*end);
    files.map(str::to_string).zip(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(sizes: &[u64], count: usize) -> Vec<Pieces> {
        let files = sizes.iter().enumerate();
        let files: BTreeMap<_, _> = files.map(|(n, size)| (format!("{n:02}"), *size)).collect();
        let parts = shared_out(files.clone(), count);
        // Every byte belongs to one part.
        for (file, size) in files {
            let mut ranges: Vec<_> = parts.iter().filter_map(|part| part.get(&file)).collect();
            ranges.sort_by_key(|range| range.start);
            let starts: Vec<u64> = ranges.iter().map(|range| range.start).collect();
            let ends: Vec<u64> = ranges.iter().map(|range| range.end).collect();
            assert_eq!((starts[0], ends[ends.len() - 1]), (0, size));
            assert_eq!(starts[1..], ends[..ends.len() - 1]);
        }
        parts
    }

    fn counts(sizes: &[u64], count: usize) -> Vec<usize> {
        dealt(sizes, count).iter().map(BTreeMap::len).collect()
    }

    #[test]
    fn small_files_are_dealt_whole() {
        assert_eq!(counts(&[10, 10, 10, 10], 2), [2, 2]);
        assert_eq!(counts(&[10, 10, 10], 8), [1, 1, 1]);
        assert_eq!(counts(&[90, 5, 5], 2), [1, 2]);
        assert_eq!(shared_out(BTreeMap::new(), 4), [] as [Pieces; 0]);
        for count in 1..12 {
            assert!(dealt(&[7, 1, 9, 3, 3, 8, 2, 2, 40, 1], count).len() <= count);
        }
    }

    #[test]
    fn large_files_are_divided() {
        let megabyte = 1_000_000;
        assert_eq!(counts(&[100 * megabyte], 4), [1, 1, 1, 1]);
        assert_eq!(counts(&[60 * megabyte, 30 * megabyte, megabyte], 2), [1, 3]);
        for count in 1..12 {
            assert!(dealt(&[70 * megabyte, 1, 90 * megabyte, 5 * megabyte], count).len() <= count);
        }
    }

    #[test]
    fn pieces_are_read_as_they_were_written() {
        for part in dealt(&[70_000_000, 3, 90_000_000], 3) {
            let read: Pieces = pieces(&as_rows(&part).unwrap()).collect();
            assert_eq!(read, part);
        }
    }
}

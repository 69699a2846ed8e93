//! One task's part of an aggregate: the groups of some files, computed by an engine of one process.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::default_table_source::{provider_as_source, source_as_provider};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
    PlanProperties, execute_stream,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::announced::as_announced;
use super::part_table::{Pieces, announced, pieces};
use crate::transform::session::session_of_task;
use crate::warehouse::SnapshotTable;

/// Computes a plan for each partition of its input, whose rows say which files, or pieces of files, of the warehouse that partition
/// reads.
///
/// The files are rows of an input because a scheduler gives a task its partitions by cutting down leaves that it knows.
#[derive(Debug)]
pub struct PartExec {
    /// The aggregate over all files.
    pub plan: LogicalPlan,
    files: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl PartExec {
    /// The plan in as many parts as `files` has partitions.
    pub fn new(plan: LogicalPlan, files: Arc<dyn ExecutionPlan>) -> PartExec {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(announced(&plan)),
            Partitioning::UnknownPartitioning(files.output_partitioning().partition_count()),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        PartExec {
            plan,
            files,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for PartExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.files.output_partitioning().partition_count();
        write!(f, "PartExec: parts={parts}")
    }
}

impl ExecutionPlan for PartExec {
    fn name(&self) -> &str {
        "PartExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.files]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(files), true) => Ok(Arc::new(PartExec::new(self.plan.clone(), files))),
            _ => internal_err!("PartExec has one child"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (plan, schema) = (self.plan.clone(), self.schema());
        let names = self.files.execute(partition, context.clone())?;
        let rows = async move {
            let names: Vec<_> = names.try_collect().await?;
            let chosen = names.iter().flat_map(pieces).collect();
            let session = session_of_task(&context).state();
            let physical = session.create_physical_plan(&reading(plan, &chosen)?).await?;
            execute_stream(physical, context)
        };
        let rows = stream::once(rows)
            .try_flatten()
            .map(move |batch| as_announced(&batch?, &schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The plan over the chosen pieces of files alone.
fn reading(plan: LogicalPlan, chosen: &Pieces) -> Result<LogicalPlan> {
    let reading = plan.transform_down(|node| {
        let LogicalPlan::TableScan(mut scan) = node else {
            return Ok(Transformed::no(node));
        };
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<SnapshotTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let part = table.part(chosen);
        scan.source = provider_as_source(Arc::new(part));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(reading.data)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::catalog::TableProvider;
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::file::properties::WriterProperties;
    use datafusion::prelude::SessionContext;

    use super::super::part_table::PartTable;
    use super::*;
    use crate::warehouse::scan::{WAREHOUSE_STORE, as_data_files};
    use crate::warehouse::{DataFile, Location, StagedFile};

    /// Rows of the file, in row groups of a thousand.
    const ROWS: i64 = 20_000;

    /// A file that is large enough to be divided: every row has a text of its own beside its key.
    fn file(folder: &std::path::Path) -> (Schema, DataFile) {
        let schema = Schema::new(vec![
            Field::new("service", DataType::Utf8, true),
            Field::new("amount", DataType::Int64, true),
            Field::new("line", DataType::Utf8, true),
        ]);
        let numbers = || 0..ROWS;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(
                numbers()
                    .map(|n| Some(format!("service-{}", n % 7)))
                    .collect::<StringArray>(),
            ),
            Arc::new(numbers().map(Some).collect::<Int64Array>()),
            Arc::new(
                numbers()
                    .map(|n| Some(format!("{n:0700}")))
                    .collect::<StringArray>(),
            ),
        ];
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(1_000))
            .build();
        let target = std::fs::File::create(folder.join("a.parquet")).unwrap();
        let schema = Arc::new(schema);
        let mut writer = ArrowWriter::try_new(target, schema.clone(), Some(properties)).unwrap();
        writer
            .write(&RecordBatch::try_new(schema.clone(), columns).unwrap())
            .unwrap();
        writer.close().unwrap();
        let size = std::fs::metadata(folder.join("a.parquet")).unwrap().len();
        let staged = StagedFile {
            path: "a.parquet".to_string(),
            size,
            rows: ROWS as u64,
            partition: Default::default(),
            charge_dates: None,
            bounds: Default::default(),
        };
        let file = as_data_files(&[staged]).unwrap().remove(0);
        (schema.as_ref().clone(), file)
    }

    /// The rows of all parts, and how many parts gave one.
    async fn parts(sql: &str) -> (Vec<RecordBatch>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let (schema, file) = file(folder.path());
        assert!(file.size > 10_000_000, "{}", file.size);
        let config = datafusion::prelude::SessionConfig::new().with_target_partitions(4);
        let context = SessionContext::new_with_config(config);
        let profile = crate::config::Profile {
            name: String::new(),
            values: Default::default(),
        };
        let location = Location::open(".", folder.path(), &profile).unwrap();
        let url = url::Url::parse(WAREHOUSE_STORE).unwrap();
        context.register_object_store(&url, location.store.clone());
        let table = SnapshotTable::staged(location.prefix.to_string(), &schema, &[], vec![file]);
        context.register_table("lines", Arc::new(table)).unwrap();
        let plan = context.sql(sql).await.unwrap().into_unoptimized_plan();
        let parts = PartTable::new(plan)
            .scan(&context.state(), None, &[], None)
            .await
            .unwrap();
        let mut rows = Vec::new();
        let mut giving = 0;
        for partition in 0..parts.output_partitioning().partition_count() {
            let stream = parts.execute(partition, context.task_ctx()).unwrap();
            let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
            giving += usize::from(batches.iter().any(|batch| batch.num_rows() > 0));
            rows.extend(batches);
        }
        (rows, giving)
    }

    fn total(rows: &[RecordBatch], column: usize) -> i64 {
        let numbers = rows.iter().map(|b| {
            b.column(column)
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
        });
        numbers.flat_map(|numbers| numbers.values().to_vec()).sum()
    }

    #[tokio::test]
    async fn each_line_of_a_divided_file_is_in_one_part() {
        // The first is grouped by codes, the second by the engine's own operators.
        for sql in [
            "SELECT service, sum(amount), count(*) FROM lines GROUP BY service",
            "SELECT service, sum(amount), count(*), median(amount) FROM lines GROUP BY service",
        ] {
            let (rows, giving) = parts(sql).await;
            assert_eq!(giving, 4, "{sql}");
            assert_eq!(
                (total(&rows, 1), total(&rows, 2)),
                (ROWS * (ROWS - 1) / 2, ROWS),
                "{sql}"
            );
            assert_eq!(
                rows.iter().map(RecordBatch::num_rows).sum::<usize>(),
                4 * 7,
                "{sql}"
            );
        }
    }
}

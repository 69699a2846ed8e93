//! One task's part of an aggregate: the groups of some files, computed by an engine of one process.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
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
use super::part_table::announced;
use crate::transform::session::session_of_task;
use crate::warehouse::SnapshotTable;

/// Computes a plan for each partition of its input, whose rows say which files of the warehouse that partition reads.
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
            let chosen = names.iter().flat_map(|batch| batch.column(0).as_string::<i32>());
            let chosen = chosen.flatten().map(str::to_string).collect();
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

/// The plan over the chosen files alone.
fn reading(plan: LogicalPlan, chosen: &BTreeSet<String>) -> Result<LogicalPlan> {
    let reading = plan.transform_down(|node| {
        let LogicalPlan::TableScan(mut scan) = node else {
            return Ok(Transformed::no(node));
        };
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<SnapshotTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let part = table.among(|file| chosen.contains(&table.location_of(file)));
        scan.source = provider_as_source(Arc::new(part));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(reading.data)
}

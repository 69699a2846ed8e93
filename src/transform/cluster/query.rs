//! A query on the cluster as a plan of this process: Ballista's own, with failures that say what to do.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::{StreamExt, TryStreamExt};

use super::announced::as_announced;
use super::client::Cluster;
use super::nested_plan::packed;

/// Plans with Ballista's planner.
#[derive(Debug)]
pub struct ClusterPlanner {
    ballista: BallistaQueryPlanner<LogicalPlanNode>,
    cluster: Arc<Cluster>,
}

impl ClusterPlanner {
    /// A planner of one session.
    pub fn new(ballista: BallistaQueryPlanner<LogicalPlanNode>, cluster: Arc<Cluster>) -> Self {
        ClusterPlanner { ballista, cluster }
    }
}

#[async_trait]
impl QueryPlanner for ClusterPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if recursive(plan)? {
            return DefaultPhysicalPlanner::default()
                .create_physical_plan(plan, session)
                .await;
        }
        let query = self
            .ballista
            .create_physical_plan(&packed(plan.clone())?, session)
            .await?;
        Ok(Arc::new(ClusterQuery {
            query,
            cluster: self.cluster.clone(),
        }))
    }
}

/// Whether a query calls itself: one that does cannot be cut into stages, and is computed in this process.
fn recursive(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))
}

/// One query on the cluster.
#[derive(Debug)]
struct ClusterQuery {
    query: Arc<dyn ExecutionPlan>,
    cluster: Arc<Cluster>,
}

impl DisplayAs for ClusterQuery {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.query.fmt_as(format, f)
    }
}

impl ExecutionPlan for ClusterQuery {
    fn name(&self) -> &str {
        "ClusterQuery"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.query.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // What it computes is in the plan that is sent.
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (query, cluster) = (self.query.clone(), self.cluster.clone());
        let (explaining, schema) = (self.cluster.clone(), self.schema());
        let rows = async move {
            cluster.ready(&context).await?;
            query.execute(partition, context)
        };
        let rows = futures::stream::once(rows)
            .try_flatten()
            .map(move |batch| match batch {
                Ok(batch) => as_announced(&batch, &schema),
                Err(error) => Err(DataFusionError::from(explaining.explain(error))),
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

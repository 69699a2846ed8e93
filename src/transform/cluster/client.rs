//! The driver's side: sessions whose queries run on the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ballista_core::config::{BALLISTA_ADAPTIVE_PLANNER_ENABLED, BallistaConfig};
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::extension::SessionConfigExt;
use ballista_core::optimizer::with_ballista_optimizer_rules;
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::common::Result as DataFusionResult;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{LogicalPlanBuilder, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::TryStreamExt;

use super::MAX_MESSAGE_BYTES;
use super::codec::ClusterCodec;
use super::failure;
use super::part_rule::GroupInParts;
use super::query::ClusterPlanner;
use crate::error::{Error, Result};
use crate::transform::functions;
use crate::transform::session::rules;
use crate::warehouse::Location;
use crate::warehouse::scan::wire::warehouse_name;

/// Partitions of a plan unless `[engine] threads` says otherwise.
const PARTITIONS: usize = 8;
/// How long the first task of a process waits for an executor.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses before a failed query is begun again: together longer than a dead executor stays unnoticed by default.
const PAUSES_SECONDS: [u64; 5] = [1, 3, 8, 16, 32];

/// A cluster as this process uses it. Nothing is asked of it before the first query.
#[derive(Debug)]
pub struct Cluster {
    /// `http://host:port` of the scheduler.
    scheduler: String,
    codec: Arc<ClusterCodec>,
    /// Whether an executor answered since work was last lost.
    ready: AtomicBool,
}

impl Cluster {
    /// The cluster at `ballista://host:port`, over this warehouse.
    ///
    /// # Errors
    /// Usage when the URL names no host and port.
    pub fn new(url: &str, warehouse: &Location) -> Result<Cluster> {
        let address = url
            .strip_prefix("ballista://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|rest| {
                rest.rsplit_once(':')
                    .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
            })
            .ok_or_else(|| {
                Error::usage(format!("[engine] url = \"{url}\" names no scheduler"))
                    .hint("write it like ballista://127.0.0.1:50050")
            })?;
        Ok(Cluster {
            scheduler: format!("http://{address}"),
            codec: Arc::new(ClusterCodec::new(warehouse_name(warehouse))),
            ready: AtomicBool::new(false),
        })
    }

    /// Partitions of a plan, where `[engine] threads` says so many.
    pub fn partitions(threads: usize) -> usize {
        if threads == 0 { PARTITIONS } else { threads }
    }

    /// What a session of this cluster starts from: what Ballista forces, `threads` partitions, no secret.
    pub fn session_config(threads: usize) -> SessionConfig {
        SessionConfig::new_with_ballista()
            .with_target_partitions(Self::partitions(threads))
            .with_ballista_grpc_client_max_message_size(MAX_MESSAGE_BYTES as usize)
            // The adaptive planner gives up stages that run and cannot cancel them yet; a plan made once is the same on every run.
            .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
            // Ballista prefers sort-merge joins, for which every bill line is written, sent and sorted at each look-up of a name.
            // A small table on one side of a hash join goes to all tasks instead, and the lines stay where they are.
            .set_bool("datafusion.optimizer.prefer_hash_join", true)
    }

    /// A fresh session that knows our functions and no table.
    pub fn session(self: &Arc<Self>, config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionContext {
        let ballista = BallistaQueryPlanner::<LogicalPlanNode>::with_extension(
            self.scheduler.clone(),
            config.ballista_config(),
            self.codec.clone(),
        );
        let planner: Arc<dyn QueryPlanner + Send + Sync> =
            Arc::new(ClusterPlanner::new(ballista, self.clone()));
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_query_planner(planner)
            .with_optimizer_rules(with_ballista_optimizer_rules(&rules(Arc::new(GroupInParts))))
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context);
        context
    }

    /// Waits for an executor, at first and whenever one was lost: a scheduler without one takes queries and never answers.
    ///
    /// # Errors
    /// External when the scheduler cannot be reached, or no executor takes a task in time.
    pub async fn ready(&self, context: &Arc<TaskContext>) -> Result<()> {
        if self.ready.load(Ordering::Relaxed) {
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, self.probe(context)).await {
            Ok(answer) => answer.map_err(|error| self.explain(error))?,
            Err(_) => {
                return Err(Error::external(format!(
                    "no executor of the cluster at {} took a task within {} seconds",
                    self.address(),
                    PATIENCE.as_secs()
                ))
                .hint(
                    "start `offgridflow cluster executor --scheduler HOST:PORT`; it says when it cannot reach the scheduler",
                ));
            }
        }
        self.ready.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn probe(&self, context: &Arc<TaskContext>) -> DataFusionResult<()> {
        let plan = LogicalPlanBuilder::empty(true)
            .project(vec![lit(1_i64).alias("one")])?
            .build()?;
        let config: BallistaConfig = context.session_config().ballista_config();
        let query = DistributedQueryExec::<LogicalPlanNode>::with_extension(
            self.scheduler.clone(),
            config,
            plan,
            self.codec.clone(),
            context.session_id(),
        );
        query.execute(0, context.clone())?.try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// What a failed query means for people.
    pub fn explain(&self, error: datafusion::error::DataFusionError) -> Error {
        let error = failure::explain(error, self.address());
        if failure::is_lost_work(&error) {
            self.ready.store(false, Ordering::Relaxed);
        }
        error
    }

    /// The pause before another attempt of work that failed for the `attempt`th time; `None` when it is not to be
    /// repeated.
    pub fn pause(&self, attempt: usize, error: &Error) -> Option<Duration> {
        let lost = failure::is_lost_work(error);
        PAUSES_SECONDS
            .get(attempt)
            .filter(|_| lost)
            .map(|seconds| Duration::from_secs(*seconds))
    }

    fn address(&self) -> &str {
        self.scheduler.trim_start_matches("http://")
    }
}

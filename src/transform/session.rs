//! The query engine: DataFusion in this process, with a memory limit and spill to disk; and for pipelines a cluster, where
//! `[engine] url` names one.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SessionStateBuilder;
#[cfg(feature = "cluster")]
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::functions;
use super::grouping::GroupByCodes;
use crate::config;
use crate::error::{Error, Result};
use crate::warehouse::Warehouse;
use crate::warehouse::scan::WAREHOUSE_STORE;

/// What every session of a process shares: memory, spill, stores, threads.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    threads: usize,
    #[cfg(feature = "cluster")]
    cluster: Option<(Arc<Cluster>, usize)>,
}

impl Engine {
    /// An engine with the configured limits, able to read the warehouse.
    ///
    /// # Errors
    /// Usage when `[engine] url` names what this build does not have; external when no spill folder can be made.
    pub fn new(engine: &config::Engine, warehouse: &Warehouse) -> Result<Engine> {
        #[cfg(feature = "cluster")]
        let cluster = match engine.url.as_str() {
            "local" => None,
            url => Some((Arc::new(Cluster::new(url, &warehouse.location)?), engine.threads)),
        };
        #[cfg(not(feature = "cluster"))]
        if engine.url != "local" {
            return Err(super::cluster_not_built());
        }
        // Parquet decoding and encoding lie outside the pool: it gets what they leave of the limit. First come, first
        // served: a fair share among the hundreds of small operators of a wide model would be too little for any.
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(engine.memory_limit as usize / 2)))
            .with_disk_manager_builder(disk)
            .build()?;
        let url = Url::parse(WAREHOUSE_STORE)
            .map_err(|e| Error::internal("the store's URL is not valid").because(e))?;
        runtime.register_object_store(&url, warehouse.location.store.clone());
        let cores = std::thread::available_parallelism().map(|n| n.get()).unwrap_or(1);
        let threads = if engine.threads == 0 {
            cores
        } else {
            engine.threads
        };
        Ok(Engine {
            runtime: Arc::new(runtime),
            threads,
            #[cfg(feature = "cluster")]
            cluster,
        })
    }

    /// A fresh session of this process that knows our functions and no table.
    pub fn session(&self) -> SessionContext {
        self.session_that(true)
    }

    fn session_that(&self, fall_back_when_full: bool) -> SessionContext {
        let config = configured(SessionConfig::new().with_target_partitions(self.threads));
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(self.runtime.clone())
            .with_default_features()
            .with_optimizer_rules(rules(Arc::new(GroupByCodes { fall_back_when_full })))
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context);
        context
    }

    /// The same for models, their audits and ad-hoc queries: on the cluster, where one is configured.
    pub fn pipeline_session(&self) -> SessionContext {
        #[cfg(feature = "cluster")]
        if let Some((cluster, partitions)) = &self.cluster {
            let config = configured(Cluster::session_config(*partitions));
            return cluster.session(config, self.runtime.clone());
        }
        self.session()
    }

    /// The same, but aggregates fail with the reason when their groups exceed the memory limit, instead of spilling: for a
    /// caller that then asks for less at once.
    pub fn session_within_memory(&self) -> SessionContext {
        #[cfg(feature = "cluster")]
        if self.cluster.is_some() {
            return self.pipeline_session();
        }
        self.session_that(false)
    }

    /// Has the first pipeline's query find its engine: of use where that is a cluster.
    ///
    /// # Errors
    /// External when the scheduler cannot be reached, or no executor answers.
    pub async fn reach(&self) -> Result<()> {
        self.pipeline_session().sql("SELECT 1").await?.collect().await?;
        Ok(())
    }

    /// The pause before work that failed for the `attempt`th time (from 0) is begun again; `None` when that is of no use,
    /// as always in this process.
    #[cfg_attr(not(feature = "cluster"), allow(unused_variables))] // Only a cluster loses work.
    pub fn pause_before_retry(&self, attempt: usize, error: &Error) -> Option<Duration> {
        #[cfg(feature = "cluster")]
        if let Some((cluster, _)) = &self.cluster {
            return cluster.pause(attempt, error);
        }
        None
    }

    /// A pipeline's session whose joins build on the side that the SQL names first. Estimated row counts of joined factor tables
    /// multiply to more than the rollup has, and the engine would put the rollup into a hash table instead of them.
    pub fn session_in_written_order(&self) -> SessionContext {
        let context = self.pipeline_session();
        {
            let state = context.state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            options.optimizer.join_reordering = false;
            // Each sort sets this much aside before its first row, and an estimate has dozens of small ones.
            options.execution.sort_spill_reservation_bytes = 1 << 20;
        }
        context
    }

    /// How many models or audits are computed side by side. A cluster has one at a time: what it lost is computed again
    /// model by model.
    pub fn at_once(&self) -> usize {
        #[cfg(feature = "cluster")]
        if self.cluster.is_some() {
            return 1;
        }
        self.threads
    }

    /// How many tasks share the rows of one query, each within a memory limit of its own: in one process there is one.
    pub fn tasks(&self) -> u64 {
        #[cfg(feature = "cluster")]
        if let Some((_, partitions)) = &self.cluster {
            return Cluster::partitions(*partitions) as u64;
        }
        1
    }

    /// How many partitions a plan has.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

/// A session of this process for one part of a query of the cluster: one thread, with the memory, spill and stores of the task.
#[cfg(feature = "cluster")]
pub fn session_of_task(task: &TaskContext) -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_config(configured(SessionConfig::new().with_target_partitions(1)))
        .with_runtime_env(task.runtime_env())
        .with_default_features()
        .with_optimizer_rules(rules(Arc::new(GroupByCodes {
            fall_back_when_full: true,
        })))
        .build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context);
    context
}

/// The engine's own rules after ours. `grouping` wants plans as they were written, but with filters where they belong.
pub fn rules(grouping: Arc<dyn OptimizerRule + Send + Sync>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        // A subquery in a condition is a join, and no condition that a scan could take.
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        // Most of what models could read has never been delivered: it goes before any other rule looks at it.
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(PushDownFilter::new()),
        grouping,
    ];
    rules.extend(Optimizer::new().rules);
    rules
}

/// The settings of every session, wherever its queries run.
fn configured(config: SessionConfig) -> SessionConfig {
    let mut config = config.with_batch_size(8192).with_information_schema(true);
    let options = config.options_mut();
    // Text is compared as it stands: identifiers in models are written in lower case or quoted.
    options.sql_parser.enable_ident_normalization = true;
    // Takes `tags['team']` down through several models at once, and there mistakes one column for another.
    options.optimizer.enable_leaf_expression_pushdown = false;
    options.execution.parquet.pushdown_filters = false;
    options.execution.collect_statistics = false;
    config
}

//! What a scheduler and an executor have in common: the store, the functions and the settings of this project, from the
//! configuration of the process itself.

use std::path::Path;
use std::sync::Arc;

use ballista_core::extension::SessionConfigExt;
use ballista_core::optimizer::ballista_default_optimizer_rules;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

use super::MAX_MESSAGE_BYTES;
use super::codec::ClusterCodec;
use super::nested_plan::Unpack;
use super::physical_codec::StageCodec;
use super::union_branches::PartUnionBranches;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::transform::functions;
use crate::warehouse::Location;
use crate::warehouse::scan::wire::{store_url, warehouse_name};

/// One process of a cluster.
pub struct Node {
    /// The warehouse that it reads.
    pub warehouse: String,
    runtime: Arc<RuntimeEnv>,
}

impl Node {
    /// Opens the warehouse's store; nothing is read. Spilled rows go below `spill`.
    ///
    /// # Errors
    /// Usage for what the configuration gets wrong, external when the folder cannot be used.
    pub fn open(config: &Config, spill: &Path) -> Result<Node> {
        let profile = config.profile(config.warehouse.profile.as_deref());
        let location = Location::open(&config.warehouse.url, &config.base, &profile)?;
        let warehouse = warehouse_name(&location);
        let disk =
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill.to_path_buf()]));
        let runtime = RuntimeEnvBuilder::new().with_disk_manager_builder(disk).build()?;
        let url = Url::parse(&store_url(&warehouse))
            .map_err(|e| Error::internal("the store's URL is not valid").because(e))?;
        runtime.register_object_store(&url, location.store.clone());
        Ok(Node {
            warehouse,
            runtime: Arc::new(runtime),
        })
    }

    /// Memory, spill and stores of a task.
    pub fn runtime(&self) -> Arc<RuntimeEnv> {
        self.runtime.clone()
    }

    /// The codec of this process.
    pub fn codec(&self) -> Arc<ClusterCodec> {
        Arc::new(ClusterCodec::new(self.warehouse.clone()))
    }

    /// The codec of stages.
    pub fn stage_codec(&self) -> Arc<StageCodec> {
        Arc::new(StageCodec::new(self.codec()))
    }

    /// The settings before those that a driver sends.
    pub fn session_config() -> SessionConfig {
        SessionConfig::new_with_ballista()
            .with_ballista_grpc_client_max_message_size(MAX_MESSAGE_BYTES as usize)
    }

    /// A session with our functions and store.
    pub fn session_state(&self, config: SessionConfig) -> SessionState {
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(self.runtime())
            .with_analyzer_rules(analyzer_rules())
            .with_optimizer_rules(ballista_default_optimizer_rules())
            .with_physical_optimizer_rule(Arc::new(PartUnionBranches))
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context);
        context.state()
    }
}

/// The usual rules on plans that have been unpacked.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(Unpack));
    rules
}

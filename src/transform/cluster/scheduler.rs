//! `cluster scheduler`: Ballista's scheduler with this project's tables and functions.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion::prelude::SessionConfig;

use super::MAX_MESSAGE_BYTES;
use super::node::Node;
use super::slots::Slots;
use crate::config::Config;
use crate::error::{Error, Result};

/// How a scheduler is started.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// The address it listens on.
    pub address: SocketAddr,
    /// The host under which executors reach it.
    pub advertise: String,
    /// Silence after which an executor counts as dead.
    pub executor_timeout: Duration,
}

/// Runs a scheduler until `stop` is ready.
///
/// # Errors
/// Usage for what the configuration gets wrong; external when the port is taken.
pub async fn run_scheduler(
    config: &Config,
    options: &SchedulerOptions,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let node = Arc::new(Node::open(config, &std::env::temp_dir())?);
    let of_sessions = node.clone();
    let timeout = options.executor_timeout.as_secs().max(1);
    let settings = SchedulerConfig {
        bind_host: options.address.ip().to_string(),
        bind_port: options.address.port(),
        external_host: options.advertise.clone(),
        // Executors report by heartbeat, also while all their slots are busy for minutes.
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        executor_timeout_seconds: timeout,
        expire_dead_executor_interval_seconds: (timeout / 3).max(1),
        no_executors_grace_period_seconds: timeout,
        grpc_server_max_decoding_message_size: MAX_MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MAX_MESSAGE_BYTES,
        grpc_client_max_message_size: MAX_MESSAGE_BYTES,
        override_config_producer: Some(Arc::new(Node::session_config)),
        override_session_builder: Some(Arc::new(move |config: SessionConfig| {
            Ok(of_sessions.session_state(config))
        })),
        override_logical_codec: Some(node.codec()),
        override_physical_codec: Some(node.stage_codec()),
        ..SchedulerConfig::default()
    };
    let failed = |e: ballista_core::error::BallistaError| {
        Error::external("the scheduler failed")
            .at(options.address.to_string())
            .because(e)
            .hint("another process may hold the port: choose one with --port")
    };
    let cluster = BallistaCluster::new_from_config(&settings)
        .await
        .map_err(failed)?;
    let slots = Slots::of(cluster.cluster_state());
    let cluster = BallistaCluster::new(Arc::new(slots), cluster.job_state());
    tokio::select! {
        ended = start_server(cluster, options.address, Arc::new(settings)) => ended.map_err(failed),
        () = stop => Ok(()),
    }
}

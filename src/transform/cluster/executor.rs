//! `cluster executor`: Ballista's executor with this project's functions and store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use datafusion::prelude::SessionConfig;

use super::MAX_MESSAGE_BYTES;
use super::node::Node;
use super::stages::Stages;
use crate::config::Config;
use crate::error::{Error, Result};

/// How an executor is started.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// Where the scheduler is.
    pub scheduler_host: String,
    /// Its port.
    pub scheduler_port: u16,
    /// The address on which it hands out results.
    pub address: SocketAddr,
    /// The port on which it takes tasks.
    pub grpc_port: u16,
    /// The host under which others reach it; `None`: the one it comes from.
    pub advertise: Option<String>,
    /// Bytes that all its tasks together may hold before they spill.
    pub memory: u64,
    /// Tasks at a time.
    pub concurrent_tasks: usize,
    /// Where shuffled and spilled rows lie; `None`: a temporary folder that goes with the process.
    pub work_folder: Option<PathBuf>,
    /// How often it tells the scheduler that it lives.
    pub heartbeat: Duration,
}

/// Runs an executor until it is stopped (SIGTERM, ctrl-c); running tasks are finished first.
///
/// # Errors
/// Usage for what the configuration gets wrong; external when the scheduler cannot be reached or a port is taken.
pub async fn run_executor(config: &Config, options: &ExecutorOptions) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let work_folder = match &options.work_folder {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|e| Error::from(e).at(folder.display().to_string()))?;
            folder.as_path()
        }
        None => temporary.path(),
    };
    let node = Node::open(config, work_folder)?;
    let runtime = node.runtime();
    let functions = BallistaFunctionRegistry::from(&node.session_state(Node::session_config()));
    let settings = ExecutorProcessConfig {
        bind_host: host_of(options.address),
        port: options.address.port(),
        grpc_port: options.grpc_port,
        external_host: options.advertise.clone(),
        scheduler_host: options.scheduler_host.clone(),
        scheduler_port: options.scheduler_port,
        scheduler_connect_timeout_seconds: 30,
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        vcores: options.concurrent_tasks,
        work_dir: Some(work_folder.display().to_string()),
        executor_heartbeat_interval_seconds: options.heartbeat.as_secs().max(1),
        // Parquet and the buffers of a shuffle lie outside the pool.
        memory_pool_size: Some(options.memory / 2),
        grpc_max_decoding_message_size: MAX_MESSAGE_BYTES,
        grpc_max_encoding_message_size: MAX_MESSAGE_BYTES,
        override_execution_engine: Some(Arc::new(Stages::default())),
        override_function_registry: Some(Arc::new(functions)),
        override_runtime_producer: Some(Arc::new(move |_: &SessionConfig| Ok(runtime.clone()))),
        override_config_producer: Some(Arc::new(Node::session_config)),
        override_logical_codec: Some(node.codec()),
        override_physical_codec: Some(node.stage_codec()),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(settings)).await.map_err(|e| {
        Error::external("the executor stopped")
            .at(format!(
                "scheduler {}:{}",
                options.scheduler_host, options.scheduler_port
            ))
            .because(e)
            .hint("is the scheduler there, and are the executor's own ports free (--port, --grpc-port)?")
            .retryable()
    })
}

/// The address as it stands before a colon and a port.
fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

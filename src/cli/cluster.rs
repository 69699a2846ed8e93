//! `cluster`

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::arguments::{ClusterVerb, ExecutorFlags, SchedulerFlags};
use super::output::Output;
use crate::config::{Config, units};
use crate::error::{Error, Result};
use crate::transform::cluster::{ExecutorOptions, SchedulerOptions, run_executor, run_scheduler};

/// Runs a scheduler or an executor until it is stopped.
///
/// # Errors
/// Usage for flags that are not understood; external when a port is taken or the scheduler cannot be reached.
pub async fn cluster(config: &Config, output: &Output, verb: &ClusterVerb) -> Result<u8> {
    match verb {
        ClusterVerb::Scheduler(flags) => scheduler(config, output, flags).await?,
        ClusterVerb::Executor(flags) => executor(config, output, flags).await?,
    }
    output.note("stopped");
    Ok(0)
}

async fn scheduler(config: &Config, output: &Output, flags: &SchedulerFlags) -> Result<()> {
    let address = SocketAddr::new(flags.bind, flags.port);
    warn_of_strangers(output, flags.bind);
    output.note(format!("scheduler at {address}, until ctrl-c"));
    let options = SchedulerOptions {
        address,
        advertise: flags.advertise.clone().unwrap_or_else(|| flags.bind.to_string()),
        executor_timeout: Duration::from_secs(flags.executor_timeout),
    };
    run_scheduler(config, &options, stopped()).await
}

async fn executor(config: &Config, output: &Output, flags: &ExecutorFlags) -> Result<()> {
    let (host, port) = flags
        .scheduler
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_string(), port.parse().ok()?)))
        .ok_or_else(|| {
            Error::usage(format!("--scheduler `{}` is no address", flags.scheduler))
                .hint("write it like 127.0.0.1:50050")
        })?;
    let memory = match &flags.memory {
        None => config.engine.memory_limit,
        Some(text) => units::bytes(text).filter(|b| *b >= 32 << 20).ok_or_else(|| {
            Error::usage(format!("--memory `{text}` is no size from 32MiB upwards"))
                .hint("write it like 4GiB")
        })?,
    };
    let concurrent_tasks = flags
        .concurrent_tasks
        .map_or(config.engine.thread_count(), |n| n as usize);
    let address = SocketAddr::new(flags.bind, flags.port);
    warn_of_strangers(output, flags.bind);
    output.note(format!(
        "executor at {address} with {concurrent_tasks} tasks at a time in {} MiB, until ctrl-c",
        memory >> 20
    ));
    let options = ExecutorOptions {
        scheduler_host: host,
        scheduler_port: port,
        address,
        grpc_port: flags.grpc_port,
        advertise: flags.advertise.clone(),
        memory,
        concurrent_tasks,
        work_folder: flags.work_folder.clone(),
        heartbeat: Duration::from_secs(flags.heartbeat),
    };
    run_executor(config, &options).await
}

fn warn_of_strangers(output: &Output, bind: IpAddr) {
    if !bind.is_loopback() {
        output.note(format!(
            "warning: {bind} is open to the network and requires no login: whoever reaches the port can read the \
             warehouse. Close it by a network policy (docs/operations.md, A cluster)"
        ));
    }
}

/// Ready at ctrl-c or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

//! The engine on a cluster: Ballista's scheduler and executors with this project's tables, functions and stores.
//!
//! The driver plans, ships the logical plan and streams the result back; it alone writes tables. See
//! docs/decisions/0011-what-travels-to-a-cluster.md.

mod announced;
mod client;
mod codec;
mod executor;
mod failure;
mod memory_table;
mod nested_plan;
mod node;
mod part_exec;
mod part_rule;
mod part_table;
mod physical_codec;
mod query;
mod scheduler;
mod slots;
mod stages;
mod union_branches;

pub use client::Cluster;
pub use executor::{ExecutorOptions, run_executor};
pub use scheduler::{SchedulerOptions, run_scheduler};

/// The largest plan or answer between two processes, in bytes: the files of a large table are some hundred bytes each.
const MAX_MESSAGE_BYTES: u32 = 256 << 20;

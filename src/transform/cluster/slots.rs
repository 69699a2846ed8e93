//! Slots of executors that come back. Ballista gives an executor's slot back when a task reports its end; a task that it has taken
//! back from a stage (because an executor died on whose rows the stage depends) is not known any more when it reports, and its
//! slot would stay taken for good. So before tasks are handed out, slots that no running task has are given back.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::JobId;

use ballista_core::error::Result;
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;
use tokio::sync::Mutex;

/// By executor: slots that tasks have.
type Taken = HashMap<String, u32>;

/// The state of a cluster, with an account of its own of the slots that are taken.
pub struct Slots {
    state: Arc<dyn ClusterState>,
    taken: Mutex<Taken>,
}

impl Slots {
    /// An account of a state without executors.
    pub fn of(state: Arc<dyn ClusterState>) -> Slots {
        Slots {
            state,
            taken: Mutex::default(),
        }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// The slots of the tasks that run.
async fn running(jobs: &HashMap<JobId, JobInfoCache>) -> Taken {
    let mut running = Taken::new();
    for job in jobs.values() {
        let graph = job.execution_graph.read().await;
        for task in graph.running_tasks() {
            let slots = graph.task_vcores(task.stage_id, task.task_id).unwrap_or_default();
            *running.entry(task.executor_id).or_default() += slots;
        }
    }
    running
}

/// Takes out of the account what no running task has, and tells what it was.
fn settle(taken: &mut Taken, running: &Taken) -> Vec<ExecutorSlot> {
    let mut lost = Vec::new();
    for (executor, slots) in taken {
        let of_tasks = running.get(executor).copied().unwrap_or_default();
        if *slots > of_tasks {
            lost.push((executor.clone(), *slots - of_tasks));
            *slots = of_tasks;
        }
    }
    lost
}

/// Takes slots that come back out of the account; none comes back twice.
fn returned(taken: &mut Taken, slots: Vec<ExecutorSlot>) -> Vec<ExecutorSlot> {
    let returned = slots.into_iter().map(|(executor, count)| {
        let known = taken.entry(executor.clone()).or_default();
        let count = count.min(*known);
        *known -= count;
        (executor, count)
    });
    returned.collect()
}

#[async_trait]
impl ClusterState for Slots {
    async fn init(&self) -> Result<()> {
        self.state.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        let mut taken = self.taken.lock().await;
        let lost = settle(&mut taken, &running(&active_jobs).await);
        if !lost.is_empty() {
            tracing::debug!(?lost, "slots of tasks that were taken back");
            self.state.unbind_tasks(lost).await?;
        }
        let bound = self
            .state
            .bind_schedulable_tasks(distribution, active_jobs, executors)
            .await?;
        for (executor, task) in &bound {
            *taken.entry(executor.clone()).or_default() += task.vcores_consumed;
        }
        Ok(bound)
    }

    async fn unbind_tasks(&self, slots: Vec<ExecutorSlot>) -> Result<()> {
        let mut taken = self.taken.lock().await;
        self.state.unbind_tasks(returned(&mut taken, slots)).await
    }

    async fn register_executor(&self, metadata: ExecutorMetadata, data: ExecutorData) -> Result<()> {
        self.state.register_executor(metadata, data).await
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.state.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor: &str) -> Result<ExecutorMetadata> {
        self.state.get_executor_metadata(executor).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.state.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.state.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor: &str) -> Result<()> {
        self.taken.lock().await.remove(executor);
        self.state.remove_executor(executor).await
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.state.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor: &str) -> Option<ExecutorHeartbeat> {
        self.state.get_executor_heartbeat(executor)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.state.cluster_state_events().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(all: &[(&str, u32)]) -> Vec<ExecutorSlot> {
        all.iter()
            .map(|(name, count)| (name.to_string(), *count))
            .collect()
    }

    #[test]
    fn a_slot_that_no_running_task_has_comes_back_once() {
        let mut taken: Taken = slots(&[("a", 3), ("b", 1)]).into_iter().collect();
        let running: Taken = slots(&[("a", 2), ("b", 1), ("c", 4)]).into_iter().collect();
        assert_eq!(settle(&mut taken, &running), slots(&[("a", 1)]));
        assert_eq!(settle(&mut taken, &running), slots(&[]));
        // The report that should have given it back comes after all.
        assert_eq!(
            returned(&mut taken, slots(&[("a", 3), ("b", 1), ("b", 1)])),
            slots(&[("a", 2), ("b", 1), ("b", 0)])
        );
    }
}

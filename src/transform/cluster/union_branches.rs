//! Branches of a union that join by a condition stand in stages of their own.
//!
//! A task of a union computes some branches, and every other branch has to come out empty. Once a stage's inputs are there, the
//! scheduler may turn a join around that has no keys, and what then lies on the side that is not collected cannot be made
//! empty: every task would give that branch's rows again. Ballista knows this of joins by keys and parts them; not of these.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

/// Collects such a branch, in front of which the scheduler begins a stage.
#[derive(Debug)]
pub struct PartUnionBranches;

impl PhysicalOptimizerRule for PartUnionBranches {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let parted = plan.transform_up(|node| {
            if !node.is::<UnionExec>() || !node.children().into_iter().any(joins_without_keys) {
                return Ok(Transformed::no(node));
            }
            let branches = node.children().into_iter().map(|branch| {
                let branch = branch.clone();
                match joins_without_keys(&branch) {
                    true => Arc::new(CoalescePartitionsExec::new(branch)) as Arc<dyn ExecutionPlan>,
                    false => branch,
                }
            });
            let branches = branches.collect();
            Ok(Transformed::yes(replace_children_if_necessary(node, branches)?))
        })?;
        Ok(parted.data)
    }

    fn name(&self) -> &str {
        "part_union_branches"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn joins_without_keys(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<NestedLoopJoinExec>()
        || plan.is::<CrossJoinExec>()
        || plan.children().into_iter().any(joins_without_keys)
}

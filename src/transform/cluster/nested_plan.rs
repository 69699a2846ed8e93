//! Deep plans in parcels. A decoder of protocol buffers follows a hundred levels, a node of a plan takes two of them and its
//! expressions some more, and a model that reads views of views has more than fifty. So what lies deeper travels as bytes
//! inside the plan and is unpacked by the scheduler before it plans.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::analyzer::AnalyzerRule;

/// Nodes upon each other in one nested plan; the rest of the hundred levels is left to expressions.
const DEPTH: usize = 8;

/// A part of a plan that is closed to whoever does not unpack it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NestedPlan {
    /// What is in it.
    pub plan: LogicalPlan,
}

impl NestedPlan {
    /// The nested plan that a node of a plan is, if it is one.
    pub fn of(node: &Extension) -> Option<&NestedPlan> {
        node.node.as_any().downcast_ref::<NestedPlan>()
    }

    /// The node that holds this nested plan in a plan.
    pub fn node(plan: LogicalPlan) -> Extension {
        Extension {
            node: std::sync::Arc::new(NestedPlan { plan }),
        }
    }
}

impl PartialOrd for NestedPlan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.plan.partial_cmp(&other.plan)
    }
}

impl UserDefinedLogicalNodeCore for NestedPlan {
    fn name(&self) -> &str {
        "NestedPlan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        self.plan.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "NestedPlan")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(NestedPlan {
            plan: self.plan.clone(),
        })
    }
}

/// The plan with everything deep in parcels.
///
/// # Errors
/// What the engine says of a plan that is none.
pub fn packed(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(pack(plan)?.0)
}

/// The packed plan, and how many nodes lie upon each other above its parcels.
fn pack(plan: LogicalPlan) -> Result<(LogicalPlan, usize)> {
    let mut height = 0;
    let packed = plan.map_children(|child| {
        let (mut child, mut below) = pack(child)?;
        if below >= DEPTH {
            (child, below) = (LogicalPlan::Extension(NestedPlan::node(child)), 0);
        }
        height = height.max(below + 1);
        Ok(Transformed::yes(child))
    })?;
    Ok((packed.data, height))
}

/// The plan with what is in its parcels in their place.
///
/// # Errors
/// What the engine says of a plan that is none.
pub fn unpacked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let unpacked = plan.transform_down(|node| {
        Ok(match &node {
            LogicalPlan::Extension(extension) => match NestedPlan::of(extension) {
                Some(nested_plan) => Transformed::yes(nested_plan.plan.clone()),
                None => Transformed::no(node),
            },
            _ => Transformed::no(node),
        })
    })?;
    Ok(unpacked.data)
}

/// Takes the parcels out, before anything else is done with a plan.
#[derive(Debug)]
pub struct Unpack;

impl AnalyzerRule for Unpack {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        unpacked(plan)
    }

    fn name(&self) -> &str {
        "unpack"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};

    fn deep(nodes: usize) -> LogicalPlan {
        let mut plan = LogicalPlanBuilder::values(vec![vec![lit(1_i64)]]).unwrap();
        for n in 0..nodes {
            plan = plan.filter(col("column1").gt(lit(n as i64))).unwrap();
        }
        plan.build().unwrap()
    }

    #[test]
    fn a_deep_plan_is_flat_and_comes_out_as_it_was() {
        for nodes in [0, 7, 8, 9, 40] {
            let plan = deep(nodes);
            let (flat, height) = pack(plan.clone()).unwrap();
            assert!(height <= DEPTH, "{height}");
            let back = Unpack.analyze(flat, &ConfigOptions::default()).unwrap();
            assert_eq!(back, plan);
        }
    }
}

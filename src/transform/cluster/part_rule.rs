//! Aggregates over tables of the warehouse, in parts: a task groups the rows of some files by their codes, as one process
//! groups all of them, and the cluster puts the tasks' groups together.

use std::sync::Arc;

use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::part_table::PartTable;
use crate::transform::grouping::{Fold, GroupByCodes, in_place_of};

/// The rule's name, also that of the table it puts in.
const RULE: &str = "group_in_parts";

/// Puts a fold of [`PartTable`] in the place of aggregates that can be grouped by codes.
#[derive(Debug)]
pub struct GroupInParts;

impl OptimizerRule for GroupInParts {
    fn name(&self) -> &str {
        RULE
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let Some(groups) = (GroupByCodes {
            fall_back_when_full: true,
        })
        .table(aggregate)?
        else {
            return Ok(Transformed::no(plan));
        };
        let parts = PartTable::new(groups.plain_plan(None)?);
        let parts = LogicalPlanBuilder::scan(RULE, provider_as_source(Arc::new(parts)), None)?;
        let mut keys: Vec<Expr> = parts.schema().columns().into_iter().map(Expr::Column).collect();
        let values = keys.split_off(aggregate.group_expr.len());
        let folds = groups.folds().zip(values).map(|(fold, value)| match fold {
            // What was counted in parts is added up.
            Fold::Sum | Fold::Count => sum(value),
            Fold::Max => max(value),
            Fold::Min => min(value),
        });
        let folded = parts.aggregate(keys, folds)?;
        Ok(Transformed::yes(in_place_of(aggregate, folded)?))
    }
}

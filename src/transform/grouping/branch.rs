//! A row-wise plan as expressions over the columns of one table of the warehouse.

use std::sync::Arc;

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator};

use super::lookup::Lookup;
use crate::warehouse::SnapshotTable;

/// Nodes of all expressions of a branch beyond which taking views apart no longer pays.
const EXPRESSION_LIMIT: usize = 50_000;

/// One scan and what is made of each of its rows.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The table.
    pub table: SnapshotTable,
    /// The plan's output columns, over unqualified columns of the table and lookups.
    pub columns: Vec<Expr>,
    /// What must hold for a row to count.
    pub filters: Vec<Expr>,
    /// The small tables that expressions look into.
    pub lookups: Vec<Arc<Lookup>>,
}

/// Takes a plan apart into branches, one per scan; `None` when it is not row-wise.
pub fn branches(plan: &LogicalPlan) -> Result<Option<Vec<Branch>>> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            let provider = source_as_provider(&scan.source)?;
            let provider: &dyn std::any::Any = provider.as_ref();
            let Some(table) = provider.downcast_ref::<SnapshotTable>() else {
                return Ok(None);
            };
            let columns = scan
                .projected_schema
                .fields()
                .iter()
                .map(|f| Expr::Column(Column::new_unqualified(f.name())))
                .collect();
            let filters = scan.filters.iter().map(|f| unqualified(f.clone()));
            Ok(Some(vec![Branch {
                table: table.clone(),
                columns,
                filters: filters.collect::<Result<_>>()?,
                lookups: Vec::new(),
            }]))
        }
        LogicalPlan::SubqueryAlias(alias) => branches(&alias.input),
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row => Ok(Some(Vec::new())),
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            each(branches(&projection.input)?, |mut branch| {
                let columns = projection.expr.iter().map(|e| branch.inlined(e, schema));
                let Some(columns) = columns.collect::<Result<Option<Vec<_>>>>()? else {
                    return Ok(None);
                };
                branch.columns = columns;
                Ok(branch.within_limits().then_some(branch))
            })
        }
        LogicalPlan::Filter(filter) => {
            let schema = filter.input.schema();
            each(branches(&filter.input)?, |mut branch| {
                let Some(predicate) = branch.inlined(&filter.predicate, schema)? else {
                    return Ok(None);
                };
                branch.filters.push(predicate);
                Ok(Some(branch))
            })
        }
        LogicalPlan::Union(union) => {
            let mut all = Vec::new();
            for input in &union.inputs {
                match branches(input)? {
                    Some(more) => all.extend(more),
                    None => return Ok(None),
                }
            }
            Ok(Some(all))
        }
        LogicalPlan::Join(join) => joined(join),
        _ => Ok(None),
    }
}

fn each(
    branches: Option<Vec<Branch>>,
    mut change: impl FnMut(Branch) -> Result<Option<Branch>>,
) -> Result<Option<Vec<Branch>>> {
    branches.map_or(Ok(None), |branches| {
        branches.into_iter().map(&mut change).collect()
    })
}

impl Branch {
    /// The expression over the table's columns; `schema` is that of the branch's columns. `None` when it holds a subquery.
    pub fn inlined(&self, expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
        let mut possible = true;
        let inlined = expr.clone().unalias_nested().data.transform_down(|e| {
            Ok(match e {
                Expr::Column(ref column) => match schema.maybe_index_of_column(column) {
                    Some(index) => {
                        Transformed::new(self.columns[index].clone(), true, TreeNodeRecursion::Jump)
                    }
                    None => {
                        possible = false;
                        Transformed::no(e)
                    }
                },
                Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_) => {
                    possible = false;
                    Transformed::no(e)
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(possible.then_some(inlined.data))
    }

    fn within_limits(&self) -> bool {
        let mut nodes = 0;
        for column in &self.columns {
            let counted = column.apply(|_| {
                nodes += 1;
                Ok(TreeNodeRecursion::Continue)
            });
            if counted.is_err() || nodes > EXPRESSION_LIMIT {
                return false;
            }
        }
        true
    }
}

fn unqualified(expr: Expr) -> Result<Expr> {
    let changed = expr.transform(|e| {
        Ok(match e {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}

/// Whether a plan reads only tables held in memory: factors, settings.
fn is_small(plan: &LogicalPlan) -> bool {
    let mut small = true;
    let looked = plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            let provider: &dyn std::any::Any = provider.as_ref();
            small &= provider.is::<datafusion::datasource::MemTable>();
        }
        Ok(TreeNodeRecursion::Continue)
    });
    looked.is_ok() && small
}

/// A join to a small table is a function of its keys.
fn joined(join: &Join) -> Result<Option<Vec<Branch>>> {
    let (wide, small, wide_first) = match join.join_type {
        JoinType::Left if is_small(&join.right) => (&join.left, &join.right, true),
        JoinType::Right if is_small(&join.left) => (&join.right, &join.left, false),
        JoinType::Inner if is_small(&join.right) => (&join.left, &join.right, true),
        JoinType::Inner if is_small(&join.left) => (&join.right, &join.left, false),
        _ => return Ok(None),
    };
    let nulls_equal = join.null_equality == datafusion::common::NullEquality::NullEqualsNull;
    let mut keys: Vec<(Expr, Expr, bool)> = Vec::new();
    for (left, right) in &join.on {
        let (of_wide, of_small) = if wide_first { (left, right) } else { (right, left) };
        keys.push((of_wide.clone(), of_small.clone(), nulls_equal));
    }
    let mut of_small_alone = Vec::new();
    for part in join.filter.iter().flat_map(|f| split_conjunction(f)) {
        let only = |expr: &Expr, schema: &DFSchema| {
            expr.column_refs()
                .iter()
                .all(|c| schema.maybe_index_of_column(c).is_some())
        };
        if only(part, small.schema()) {
            of_small_alone.push(part.clone());
            continue;
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else {
            return Ok(None);
        };
        let equal_nulls = match op {
            Operator::Eq => false,
            Operator::IsNotDistinctFrom => true,
            _ => return Ok(None),
        };
        if only(left, wide.schema()) && only(right, small.schema()) {
            keys.push(((**left).clone(), (**right).clone(), equal_nulls));
        } else if only(right, wide.schema()) && only(left, small.schema()) {
            keys.push(((**right).clone(), (**left).clone(), equal_nulls));
        } else {
            return Ok(None);
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let mut builder = LogicalPlanBuilder::from(small.as_ref().clone());
    if let Some(predicate) = conjunction(of_small_alone) {
        builder = builder.filter(predicate)?;
    }
    let key_columns = keys.iter().enumerate();
    let key_columns = key_columns.map(|(n, (_, of_small, _))| of_small.clone().alias(format!("key_{n}")));
    let value_columns = small
        .schema()
        .columns()
        .into_iter()
        .enumerate()
        .map(|(n, column)| Expr::Column(column).alias(format!("value_{n}")));
    let plan = builder.project(key_columns.chain(value_columns))?.build()?;
    let null_keys_match: Vec<bool> = keys.iter().map(|(_, _, equal)| *equal).collect();
    let lookup = Arc::new(Lookup::new(plan, null_keys_match));
    each(branches(wide)?, |mut branch| {
        let of_wide = keys.iter().map(|(key, _, _)| branch.inlined(key, wide.schema()));
        let Some(of_wide) = of_wide.collect::<Result<Option<Vec<_>>>>()? else {
            return Ok(None);
        };
        let found = (0..small.schema().fields().len()).map(|n| Lookup::value(&lookup, n, of_wide.clone()));
        let found: Vec<Expr> = found.collect();
        if join.join_type == JoinType::Inner {
            branch.filters.push(Lookup::is_found(&lookup, of_wide));
        }
        branch.columns = match wide_first {
            true => branch.columns.into_iter().chain(found).collect(),
            false => found.into_iter().chain(branch.columns).collect(),
        };
        branch.lookups.push(lookup.clone());
        Ok(Some(branch))
    })
}

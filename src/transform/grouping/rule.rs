//! The rule that finds aggregates which can be grouped by codes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Aggregate, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::branch::{Branch, branches};
use super::codes::is_text;
use super::provider::{GroupedBranch, GroupedTable};
use super::sums::Fold;

/// The rule's name, also that of the table it puts in.
pub const RULE: &str = "group_by_codes";

/// One bit of a word tells of each whether it has had a value.
const MOST_AGGREGATES: usize = 64;

/// Puts [`GroupedTable`] in the place of aggregates whose input is made row by row of warehouse tables.
#[derive(Debug)]
pub struct GroupByCodes {
    /// Whether the engine's own operators take over when the groups exceed the memory limit; otherwise the query fails
    /// with that reason, for a caller that knows how to ask for less at once.
    pub fall_back_when_full: bool,
}

/// An aggregate that can be computed.
#[derive(Debug, Clone)]
pub struct Aggregated {
    pub fold: Fold,
    /// What is folded, over the branch's columns; nothing for counts.
    pub argument: Option<Expr>,
    /// What it returns.
    pub data_type: DataType,
}

/// The name of the `n`-th output column.
pub fn output_name(n: usize) -> String {
    format!("output_{n}")
}

impl OptimizerRule for GroupByCodes {
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
        let Some(table) = self.table(aggregate)? else {
            return Ok(Transformed::no(plan));
        };
        let groups = LogicalPlanBuilder::scan(RULE, provider_as_source(Arc::new(table)), None)?;
        Ok(Transformed::yes(in_place_of(aggregate, groups)?))
    }
}

/// Rows with a column for each of the aggregate's, under its names and in its types.
///
/// # Errors
/// What the engine says of a plan that is none.
pub fn in_place_of(aggregate: &Aggregate, rows: LogicalPlanBuilder) -> Result<LogicalPlan> {
    let columns = rows.schema().columns();
    let named = columns.into_iter().zip(aggregate.schema.iter());
    let named = named.map(|(column, (qualifier, field))| {
        let value = typed(Expr::Column(column), field.data_type(), rows.schema())?;
        Ok(value.alias_qualified(qualifier.cloned(), field.name()))
    });
    let named = named.collect::<Result<Vec<_>>>()?;
    rows.project(named)?.build()
}

/// Fold and argument of an aggregate expression, if it is one that can be computed.
fn fold_of(expr: &Expr, data_type: &DataType) -> Option<(Fold, Option<Expr>)> {
    let Expr::AggregateFunction(function) = expr.clone().unalias() else {
        return None;
    };
    let params = &function.params;
    if params.distinct || params.filter.is_some() || !params.order_by.is_empty() || params.args.len() != 1 {
        return None;
    }
    let argument = params.args[0].clone();
    let is_exact = matches!(data_type, DataType::Decimal128(..) | DataType::Int64);
    match function.func.name() {
        "sum" if is_exact => Some((Fold::Sum, Some(argument))),
        "count" => match argument {
            Expr::Literal(value, _) if !value.is_null() => Some((Fold::Count, None)),
            _ => None,
        },
        "max" => Some((Fold::Max, Some(argument))),
        "min" => Some((Fold::Min, Some(argument))),
        _ => None,
    }
}

/// The expression in the type that the aggregate declared; texts are the same in each of their types.
fn typed(expr: Expr, declared: &DataType, schema: &DFSchema) -> Result<Expr> {
    let actual = expr.get_type(schema)?;
    if &actual == declared || (is_text(&actual) && is_text(declared)) {
        return Ok(expr);
    }
    Ok(Expr::Cast(Cast::new(Box::new(expr), declared.clone())))
}

impl GroupByCodes {
    /// The table of the aggregate's groups; `None` when its input is not made row by row of warehouse tables, or when it
    /// asks for what codes cannot tell.
    ///
    /// # Errors
    /// What the engine says of an expression.
    pub fn table(&self, aggregate: &Aggregate) -> Result<Option<GroupedTable>> {
        let has_sets = aggregate
            .group_expr
            .iter()
            .any(|e| matches!(e, Expr::GroupingSet(_)));
        if aggregate.group_expr.is_empty() || has_sets || aggregate.aggr_expr.len() > MOST_AGGREGATES {
            return Ok(None);
        }
        let types: Vec<DataType> = aggregate
            .schema
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let (group_types, fold_types) = types.split_at(aggregate.group_expr.len());
        let folds = aggregate
            .aggr_expr
            .iter()
            .zip(fold_types)
            .map(|(e, t)| fold_of(e, t));
        let Some(folds) = folds.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let Some(found) = branches(&aggregate.input)? else {
            return Ok(None);
        };
        let input = aggregate.input.schema();
        let mut parts = Vec::new();
        for branch in found.into_iter().filter(|b| !b.table.files().is_empty()) {
            let Some(part) = grouped_branch(branch, aggregate, input, &folds, group_types, fold_types)?
            else {
                return Ok(None);
            };
            parts.push(part);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let fields = types.iter().enumerate();
        let fields = fields.map(|(n, data_type)| Field::new(output_name(n), data_type.clone(), true));
        Ok(Some(GroupedTable {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            branches: parts,
            written: LogicalPlan::Aggregate(aggregate.clone()),
            fall_back_when_full: self.fall_back_when_full,
        }))
    }
}

fn grouped_branch(
    branch: Branch,
    aggregate: &Aggregate,
    input: &DFSchema,
    folds: &[(Fold, Option<Expr>)],
    group_types: &[DataType],
    fold_types: &[DataType],
) -> Result<Option<GroupedBranch>> {
    let schema = DFSchema::try_from(branch.table.columns().clone())?;
    let mut groups = Vec::new();
    for (expr, data_type) in aggregate.group_expr.iter().zip(group_types) {
        match branch.inlined(expr, input)? {
            Some(expr) => groups.push(typed(expr, data_type, &schema)?),
            None => return Ok(None),
        }
    }
    let mut aggregates = Vec::new();
    for ((fold, argument), data_type) in folds.iter().zip(fold_types) {
        let argument = match argument {
            None => None,
            Some(argument) => match branch.inlined(argument, input)? {
                Some(argument) if *fold == Fold::Sum => Some(argument),
                Some(argument) => Some(typed(argument, data_type, &schema)?),
                None => return Ok(None),
            },
        };
        aggregates.push(Aggregated {
            fold: *fold,
            argument,
            data_type: data_type.clone(),
        });
    }
    // Sums are exact in these types alone.
    for aggregate in aggregates.iter().filter(|a| a.fold == Fold::Sum) {
        if let Some(argument) = &aggregate.argument {
            let same = match (argument.get_type(&schema)?, &aggregate.data_type) {
                (DataType::Decimal128(_, scale), DataType::Decimal128(_, summed)) => scale == *summed,
                (DataType::Int64, DataType::Int64) | (DataType::Null, _) => true,
                _ => false,
            };
            if !same {
                return Ok(None);
            }
        }
    }
    // A maximum of what is measured would make every measure a key.
    let is_measured = aggregates.iter().any(|a| {
        matches!(a.fold, Fold::Max | Fold::Min)
            && a.argument
                .iter()
                .any(|e| e.column_refs().iter().any(|c| is_measure(&schema, &c.name)))
    });
    Ok((!is_measured).then_some(GroupedBranch {
        branch,
        groups,
        aggregates,
    }))
}

fn is_measure(schema: &DFSchema, column: &str) -> bool {
    schema.field_with_unqualified_name(column).is_ok_and(|f| {
        f.data_type().is_floating() || f.data_type().is_decimal() || f.data_type().is_temporal()
    })
}

//! What is summed, taken apart: conditions and parameters that only the keys decide, and what each row adds.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Case, Expr, ExprSchemable, lit};

use super::narrow::Inputs;

/// An aggregate that can be computed on codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Exact sum of decimals or integers.
    Sum,
    /// Rows.
    Count,
    /// The largest of values that the keys decide.
    Max,
    /// The smallest of values that the keys decide.
    Min,
}

/// The summed expression as a choice among leaves.
pub struct Pieces {
    /// Which leaf counts, as a number that the keys decide; absent when there is but one.
    pub choice: Option<Expr>,
    /// What a row adds: an index into the leaves of the branch, `None` where it is null.
    pub leaves: Vec<Option<usize>>,
}

/// The leaves of all sums of a branch, each once, and the parameters that they take from the keys.
#[derive(Default)]
pub struct Leaves {
    /// Over columns of the table and `parameter_<n>`.
    pub exprs: Vec<Expr>,
    /// Over columns of the table, decided by the keys.
    pub parameters: Vec<Expr>,
}

/// The name under which a leaf reads the `n`-th parameter.
pub fn parameter_name(n: usize) -> String {
    format!("parameter_{n}")
}

/// Functions of ours that return null for a null in front.
const STRICT: [&str; 4] = ["money", "double_money", "canonical_quantity", "clean_text"];
/// Functions whose first argument is an amount.
const OF_AMOUNTS: [&str; 3] = ["money", "double_money", "canonical_quantity"];

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Alias(alias) => is_null(&alias.expr),
        Expr::ScalarFunction(f) if STRICT.contains(&f.func.name()) => f.args.first().is_some_and(is_null),
        _ => false,
    }
}

/// The columns that hold amounts in some expressions.
pub fn amounts<'a>(exprs: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Result<BTreeSet<String>> {
    let mut amounts: BTreeSet<String> = schema
        .fields()
        .iter()
        .filter(|f| f.data_type().is_numeric())
        .map(|f| f.name().clone())
        .collect();
    for expr in exprs {
        expr.apply(|e| {
            if let Expr::ScalarFunction(f) = e
                && OF_AMOUNTS.contains(&f.func.name())
                && let Some(amount) = f.args.first()
            {
                amounts.extend(amount.column_refs().iter().map(|c| c.name.clone()));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(amounts)
}

/// Tells what the keys decide from what each row brings.
pub struct Splitter<'a> {
    /// The inputs that the keys read.
    pub inputs: &'a Inputs<'a>,
    /// Columns that hold amounts.
    pub amounts: &'a BTreeSet<String>,
    /// The table's schema.
    pub schema: &'a DFSchema,
}

enum Tree {
    Leaf(Expr),
    Choice(Vec<(Expr, Tree)>, Box<Tree>),
}

impl Splitter<'_> {
    /// Whether the keys decide the expression.
    fn is_of_keys(&self, expr: &Expr) -> bool {
        expr.column_refs().iter().all(|column| {
            self.inputs.is_whole(&column.name)
                || (!self.amounts.contains(&column.name)
                    && self
                        .schema
                        .field_with_unqualified_name(&column.name)
                        .is_ok_and(|f| !matches!(f.data_type(), DataType::Map(..) | DataType::Timestamp(..))))
        })
    }

    /// The same, for a day of a timestamp too.
    fn is_parameter(&self, expr: &Expr) -> bool {
        let day = matches!(expr, Expr::Cast(cast) if cast.field.data_type() == &DataType::Date32);
        let no_amount = || expr.column_refs().iter().all(|c| !self.amounts.contains(&c.name));
        !expr.column_refs().is_empty() && (self.is_of_keys(expr) || (day && no_amount()))
    }

    /// Takes a summed expression apart.
    ///
    /// # Errors
    /// An expression without a type.
    pub fn pieces(&self, expr: &Expr, leaves: &mut Leaves) -> Result<Pieces> {
        let tree = self.tree(expr)?;
        let mut found = Vec::new();
        let numbers = self.number(tree, &mut found, leaves)?;
        Ok(Pieces {
            choice: (found.len() > 1).then_some(numbers),
            leaves: found,
        })
    }

    fn tree(&self, expr: &Expr) -> Result<Tree> {
        Ok(match expr {
            Expr::Alias(alias) => self.tree(&alias.expr)?,
            Expr::Cast(cast) => {
                let field = cast.field.clone();
                wrap(self.tree(&cast.expr)?, &|inner| {
                    let mut outer = cast.clone();
                    outer.expr = Box::new(inner);
                    outer.field = field.clone();
                    Expr::Cast(outer)
                })
            }
            Expr::ScalarFunction(f) if f.func.name() == "coalesce" => {
                let args: Vec<Expr> = f.args.iter().filter(|a| !is_null(a)).cloned().collect();
                match args.len() {
                    0 => Tree::Leaf(expr.clone()),
                    1 => self.tree(&args[0])?,
                    _ => Tree::Leaf(Expr::ScalarFunction(ScalarFunction::new_udf(
                        f.func.clone(),
                        args,
                    ))),
                }
            }
            Expr::Case(case) => {
                let condition = |when: &Expr| match &case.expr {
                    Some(base) => base.as_ref().clone().eq(when.clone()),
                    None => when.clone(),
                };
                let mut branches = Vec::new();
                for (when, then) in &case.when_then_expr {
                    let when = condition(when);
                    if !self.is_of_keys(&when) {
                        return Ok(Tree::Leaf(expr.clone()));
                    }
                    branches.push((when, self.tree(then)?));
                }
                let other = match &case.else_expr {
                    Some(other) => self.tree(other)?,
                    None => Tree::Leaf(Expr::Literal(
                        ScalarValue::try_from(&expr.get_type(self.schema)?)?,
                        None,
                    )),
                };
                Tree::Choice(branches, Box::new(other))
            }
            other => Tree::Leaf(other.clone()),
        })
    }

    fn number(&self, tree: Tree, found: &mut Vec<Option<usize>>, leaves: &mut Leaves) -> Result<Expr> {
        match tree {
            Tree::Leaf(expr) => {
                let leaf = match is_null(&expr) {
                    true => None,
                    false => Some(self.leaf(expr, leaves)?),
                };
                let place = found.iter().position(|f| *f == leaf).unwrap_or_else(|| {
                    found.push(leaf);
                    found.len() - 1
                });
                Ok(lit(place as i32))
            }
            Tree::Choice(branches, other) => {
                let mut when_then_expr = Vec::new();
                for (when, then) in branches {
                    when_then_expr.push((Box::new(when), Box::new(self.number(then, found, leaves)?)));
                }
                let other = self.number(*other, found, leaves)?;
                Ok(Expr::Case(Case::new(None, when_then_expr, Some(Box::new(other)))))
            }
        }
    }

    fn leaf(&self, expr: Expr, leaves: &mut Leaves) -> Result<usize> {
        let with_parameters = expr.transform_down(|e| {
            if !self.is_parameter(&e) {
                return Ok(Transformed::no(e));
            }
            let place = leaves.parameters.iter().position(|p| *p == e).unwrap_or_else(|| {
                leaves.parameters.push(e);
                leaves.parameters.len() - 1
            });
            let parameter = Expr::Column(Column::new_unqualified(parameter_name(place)));
            Ok(Transformed::new(parameter, true, TreeNodeRecursion::Jump))
        })?;
        let expr = with_parameters.data;
        Ok(leaves.exprs.iter().position(|l| *l == expr).unwrap_or_else(|| {
            leaves.exprs.push(expr);
            leaves.exprs.len() - 1
        }))
    }
}

fn wrap(tree: Tree, outer: &dyn Fn(Expr) -> Expr) -> Tree {
    match tree {
        Tree::Leaf(expr) => Tree::Leaf(outer(expr)),
        Tree::Choice(branches, other) => Tree::Choice(
            branches
                .into_iter()
                .map(|(when, then)| (when, wrap(then, outer)))
                .collect(),
            Box::new(wrap(*other, outer)),
        ),
    }
}

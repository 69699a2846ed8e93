//! One tag out of several columns, read of each column by itself.
//!
//! A map of all tags of a line is built for people. Who asks for one of them needs no map: the first column that has the
//! key tells, and one tag of a column has few values.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF, lit};
use datafusion::prelude::coalesce;

use crate::transform::functions::ACCOUNT_TAG;
use crate::warehouse::SnapshotTable;

/// `tag_value(clean_tags(a, b), 'team')` as the first of `tag_value(a, 'team')` and `tag_value(b, 'team')`, without the
/// columns that no file has.
///
/// # Errors
/// None of its own.
pub fn of_each_column(expr: &Expr, table: &SnapshotTable) -> Result<Expr> {
    let split = expr.clone().transform_down(|e| {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = &e else {
            return Ok(Transformed::no(e));
        };
        let (Some(tags), Some(Expr::Literal(key, _))) = (args.first(), args.get(1)) else {
            return Ok(Transformed::no(e));
        };
        let (true, Some(key)) = (func.name() == "tag_value", key.try_as_str().flatten()) else {
            return Ok(Transformed::no(e));
        };
        let reader = Reader {
            tag_value: func.clone(),
            table,
        };
        let mut values = Vec::new();
        reader.values(tags, key, &mut values);
        let value = match values.len() {
            0 => lit(ScalarValue::Utf8View(None)),
            1 => values.remove(0),
            _ => coalesce(values),
        };
        Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
    })?;
    Ok(split.data)
}

struct Reader<'a> {
    tag_value: Arc<ScalarUDF>,
    table: &'a SnapshotTable,
}

impl Reader<'_> {
    /// Appends the values that the tag may have, those that count first before the others.
    fn values(&self, tags: &Expr, key: &str, values: &mut Vec<Expr>) {
        match tags {
            Expr::ScalarFunction(function) if function.func.name() == "clean_tags" => {
                for column in &function.args {
                    self.values(column, key, values);
                }
            }
            Expr::ScalarFunction(function)
                if function.func.name() == "aws_tags" && !key.starts_with(ACCOUNT_TAG) =>
            {
                for column in &function.args {
                    self.values(column, key, values);
                    self.values(column, &format!("{ACCOUNT_TAG}{key}"), values);
                }
            }
            Expr::Column(column) if !self.table.is_delivered(&column.name) => {}
            _ => values.push(self.tag_value.call(vec![tags.clone(), lit(key)])),
        }
    }
}

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

use crate::transform::functions::{ACCOUNT_TAG, TagValue};
use crate::warehouse::SnapshotTable;

/// `exact_tag_value(clean_tags(a, b), 'team')` as the first of `tag_value(a, 'team')` and `tag_value(b, 'team')`, without the
/// columns that no file has; below `written_tags` keys stay exact.
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
        let (true, Some(key)) = (NAMES.contains(&func.name()), key.try_as_str().flatten()) else {
            return Ok(Transformed::no(e));
        };
        let mut values = Vec::new();
        let reader = Reader { table };
        reader.values(func, tags, key, &mut values);
        let value = match values.len() {
            0 => lit(ScalarValue::Utf8View(None)),
            1 => values.remove(0),
            _ => coalesce(values),
        };
        Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
    })?;
    Ok(split.data)
}

/// The functions that read one tag.
const NAMES: [&str; 2] = ["tag_value", "exact_tag_value"];

struct Reader<'a> {
    table: &'a SnapshotTable,
}

impl Reader<'_> {
    /// Appends the values that the tag may have, those that count first before the others.
    fn values(&self, reads: &Arc<ScalarUDF>, tags: &Expr, key: &str, values: &mut Vec<Expr>) {
        match tags {
            Expr::ScalarFunction(function) if function.func.name() == "clean_tags" => {
                let of_prefixed = Arc::new(ScalarUDF::from(TagValue::default()));
                for column in &function.args {
                    self.values(&of_prefixed, column, key, values);
                }
            }
            Expr::ScalarFunction(function)
                if function.func.name() == "written_tags" && reads.name() == "exact_tag_value" =>
            {
                for column in &function.args {
                    self.values(reads, column, key, values);
                }
            }
            Expr::ScalarFunction(function)
                if function.func.name() == "aws_tags" && !key.starts_with(ACCOUNT_TAG) =>
            {
                for column in &function.args {
                    self.values(reads, column, key, values);
                    self.values(reads, column, &format!("{ACCOUNT_TAG}{key}"), values);
                }
            }
            Expr::Column(column) if !self.table.is_delivered(&column.name) => {}
            _ => values.push(reads.call(vec![tags.clone(), lit(key)])),
        }
    }
}

//! What the keys' expressions read of a row: columns, or parts of them that have fewer values than the column.
//!
//! A day is read of a timestamp, one tag of a map, "there is one" of an id: grouping by the part keeps the number of
//! distinct combinations small.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::codes::is_text;
use super::function::input;

/// Where the codes of an input come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A column of the table as it stands.
    Column(String),
    /// One tag of a column of maps.
    Tag {
        /// The column.
        column: String,
        /// The key, without prefix.
        key: String,
    },
    /// An expression over columns, evaluated for every row.
    PerRow(Expr),
    /// An expression over earlier inputs (texts, timestamps), evaluated once per distinct combination of them.
    PerText(Expr),
}

/// The inputs of all expressions of a branch.
pub struct Inputs<'a> {
    schema: &'a DFSchema,
    constant: &'a BTreeSet<String>,
    whole: BTreeSet<String>,
    places: BTreeMap<String, usize>,
    /// Each input's part and type.
    pub parts: Vec<(Part, DataType)>,
}

/// Functions that read one value out of many, or say yes or no to a text.
const READS_ONE: [&str; 5] = [
    "tag_value",
    "exact_tag_value",
    "json_value",
    "json_sum",
    "regexp_like",
];

fn is_narrowing(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(cast) => cast.field.data_type() == &DataType::Date32,
        Expr::IsNull(_) | Expr::IsNotNull(_) => true,
        Expr::ScalarFunction(function) => READS_ONE.contains(&function.func.name()),
        _ => false,
    }
}

/// Types whose values files repeat, so that a function of them is worth evaluating once per value.
fn is_codeable(data_type: &DataType) -> bool {
    is_text(data_type) || matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
}

fn looks_up(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::ScalarFunction(f) if f.func.name() == "lookup")))
        .unwrap_or(true)
}

fn names(expr: &Expr) -> BTreeSet<String> {
    expr.column_refs().iter().map(|c| c.name.clone()).collect()
}

impl<'a> Inputs<'a> {
    /// `schema` is the table's; `constant` names the columns that are the same for all rows of a file.
    pub fn new(schema: &'a DFSchema, constant: &'a BTreeSet<String>) -> Inputs<'a> {
        Inputs {
            schema,
            constant,
            whole: constant.clone(),
            places: BTreeMap::new(),
            parts: Vec::new(),
        }
    }

    /// Notes which columns an expression of the keys reads as a whole.
    ///
    /// # Errors
    /// None of its own.
    pub fn note_whole(&mut self, expr: &Expr) -> Result<()> {
        let whole = &mut self.whole;
        expr.apply(|e| {
            if is_narrowing(e) && !looks_up(e) && !e.column_refs().is_empty() {
                return Ok(TreeNodeRecursion::Jump);
            }
            if let Expr::Column(column) = e {
                whole.insert(column.name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    /// Whether a column is read as a whole by the keys.
    pub fn is_whole(&self, column: &str) -> bool {
        self.whole.contains(column)
    }

    fn type_of(&self, column: &str) -> Result<DataType> {
        Ok(self
            .schema
            .field_with_unqualified_name(column)?
            .data_type()
            .clone())
    }

    /// The expression over inputs instead of columns.
    ///
    /// # Errors
    /// A column that the table does not have.
    pub fn rewrite(&mut self, expr: &Expr) -> Result<Expr> {
        let rewritten = expr.clone().transform_down(|e| {
            if let Expr::Column(column) = &e {
                let place = self.column(&column.name)?;
                return Ok(Transformed::new(input(place), true, TreeNodeRecursion::Jump));
            }
            let columns = names(&e);
            let narrows =
                is_narrowing(&e) && !columns.is_empty() && !columns.iter().all(|c| self.whole.contains(c));
            if narrows && !looks_up(&e) {
                let place = self.part(e, &columns)?;
                return Ok(Transformed::new(input(place), true, TreeNodeRecursion::Jump));
            }
            Ok(Transformed::no(e))
        })?;
        Ok(rewritten.data)
    }

    fn column(&mut self, name: &str) -> Result<usize> {
        let data_type = self.type_of(name)?;
        Ok(self.place(name.to_string(), Part::Column(name.to_string()), data_type))
    }

    fn place(&mut self, name: String, part: Part, data_type: DataType) -> usize {
        *self.places.entry(name).or_insert_with(|| {
            self.parts.push((part, data_type));
            self.parts.len() - 1
        })
    }

    fn part(&mut self, expr: Expr, columns: &BTreeSet<String>) -> Result<usize> {
        let name = expr.to_string();
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        let data_type = expr.get_type(self.schema)?;
        let mut all_coded = true;
        for column in columns {
            all_coded &= is_codeable(&self.type_of(column)?) || self.constant.contains(column);
        }
        let part = match (&expr, all_coded) {
            (_, true) => {
                let over_inputs = expr.clone().transform(|e| match &e {
                    Expr::Column(column) => Ok(Transformed::yes(input(self.column(&column.name)?))),
                    _ => Ok(Transformed::no(e)),
                })?;
                Part::PerText(over_inputs.data)
            }
            (Expr::ScalarFunction(function), false) => match function.args.as_slice() {
                [Expr::Column(column), Expr::Literal(key, _)]
                    if function.func.name() == "tag_value"
                        && key.try_as_str().flatten().is_some()
                        && matches!(self.type_of(&column.name)?, DataType::Map(..)) =>
                {
                    Part::Tag {
                        column: column.name.clone(),
                        key: key.try_as_str().flatten().unwrap_or_default().to_string(),
                    }
                }
                _ => Part::PerRow(expr.clone()),
            },
            _ => Part::PerRow(expr.clone()),
        };
        Ok(self.place(name, part, data_type))
    }
}

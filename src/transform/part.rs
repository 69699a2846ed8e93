//! One part of the rows of a build that exceeds the engine's memory as a whole.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions::datetime::expr_fn::date_part;
use datafusion::functions::math::expr_fn::abs;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, ident, lit};

use crate::error::{Error, Result};

/// The rows whose number in the column that cuts the build leaves `number` when it is divided by `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: u32,
    /// How many parts there are; 1 is the whole.
    pub of: u32,
}

impl Part {
    /// All rows.
    pub const WHOLE: Part = Part { number: 0, of: 1 };

    /// The rows of `plan` that belong to this part: by the day of the month where `column` is a date or a time, by the
    /// number itself where it is a whole number. Rows without a value belong to the first part.
    ///
    /// # Errors
    /// Usage: a column of another type.
    pub fn rows(self, plan: LogicalPlan, column: &str) -> Result<LogicalPlan> {
        if self.of <= 1 {
            return Ok(plan);
        }
        let data_type = plan
            .schema()
            .field_with_unqualified_name(column)?
            .data_type()
            .clone();
        let number = match data_type {
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
                cast(date_part(lit("day"), ident(column)), DataType::Int64)
            }
            t if t.is_integer() => abs(cast(ident(column), DataType::Int64)),
            other => {
                return Err(Error::usage(format!(
                    "`split_by` names the column `{column}`, which is of type {other}"
                ))
                .hint("name a column of dates, times or whole numbers"));
            }
        };
        let mut is_of_part: Expr = (number % lit(i64::from(self.of))).eq(lit(i64::from(self.number)));
        if self.number == 0 {
            is_of_part = is_of_part.or(ident(column).is_null());
        }
        Ok(LogicalPlanBuilder::from(plan).filter(is_of_part)?.build()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
    use datafusion::prelude::{DataFrame, SessionContext};

    use super::*;

    fn plan() -> (SessionContext, LogicalPlan) {
        let columns: [(&str, ArrayRef); 3] = [
            (
                "row",
                Arc::new(Int64Array::from(vec![Some(1), Some(-6), None, Some(7), Some(8)])),
            ),
            (
                "day",
                Arc::new(Date32Array::from(vec![
                    Some(0),
                    Some(1),
                    Some(-1),
                    None,
                    Some(31),
                ])),
            ),
            ("name", Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]))),
        ];
        let context = SessionContext::new();
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let plan = context.read_batch(rows).unwrap().into_unoptimized_plan();
        (context, plan)
    }

    #[tokio::test]
    async fn every_row_belongs_to_one_part() {
        let (context, plan) = plan();
        for column in ["row", "day"] {
            for of in [1, 2, 4, 31, 256] {
                let mut names = Vec::new();
                for number in 0..of {
                    let rows = Part { number, of }.rows(plan.clone(), column).unwrap();
                    for batch in DataFrame::new(context.state(), rows).collect().await.unwrap() {
                        let texts = batch.column_by_name("name").unwrap();
                        let texts = texts.as_any().downcast_ref::<StringArray>().unwrap();
                        names.extend(texts.iter().flatten().map(String::from));
                    }
                }
                names.sort();
                assert_eq!(names, ["a", "b", "c", "d", "e"], "{column} in {of} parts");
            }
        }
    }

    #[test]
    fn a_column_of_text_cuts_nothing() {
        let (_, plan) = plan();
        let refused = Part { number: 0, of: 4 }.rows(plan, "name").unwrap_err();
        assert!(
            refused.to_string().contains("`split_by` names the column `name`"),
            "{refused}"
        );
    }
}

//! `sum(x)` of decimals: exact or refused. The engine's own wraps around at 128 bits and stores more digits than its type has.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, PrimitiveArray,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::sum::Sum as EngineSum;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Operator, ReversedUDAF, SetMonotonicity,
    Signature,
};

use crate::domain::decimal::Sum;
use crate::error::Error;

/// `sum(x)`: the engine's, but for decimals.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct ExactSum(EngineSum);

/// Whether the sum is one of ours.
fn is_exact(args: &AccumulatorArgs) -> bool {
    matches!(args.return_field.data_type(), DataType::Decimal128(..)) && !args.is_distinct
}

fn type_of(args: &AccumulatorArgs) -> Result<(u8, i8)> {
    match args.return_field.data_type() {
        DataType::Decimal128(precision, scale) => Ok((*precision, *scale)),
        other => internal_err!("an exact sum cannot be {other}"),
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let DataType::Decimal128(..) = args.return_type() else {
            return self.0.state_fields(args);
        };
        if args.is_distinct {
            return self.0.state_fields(args);
        }
        let low = Field::new(
            format_state_name(args.name, "sum"),
            args.return_type().clone(),
            true,
        );
        let wraps = Field::new(format_state_name(args.name, "wraps"), DataType::Int64, true);
        Ok(vec![low.into(), wraps.into()])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match is_exact(&args) {
            true => Ok(Box::new(OneSum::new(type_of(&args)?))),
            false => self.0.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match is_exact(&args) {
            true => Ok(Box::new(OneSum::new(type_of(&args)?))),
            false => self.0.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match is_exact(&args) {
            true => Ok(Box::new(GroupSums::new(type_of(&args)?))),
            false => self.0.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(data_type)
    }

    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        is_left: bool,
    ) -> Result<Option<Expr>> {
        self.0
            .simplify_expr_op_literal(function, argument, operator, literal, is_left)
    }
}

fn checked(sum: Sum, (precision, scale): (u8, i8)) -> Result<i128> {
    match sum.within(precision) {
        Some(sum) => Ok(sum),
        None => Err(too_many_digits(precision, scale).into()),
    }
}

/// A sum that its type does not hold.
fn too_many_digits(precision: u8, scale: i8) -> Error {
    Error::data("a sum has more digits than its column holds").because(format!(
        "DECIMAL({precision}, {scale}) is less than 10^{}",
        i16::from(precision) - i16::from(scale)
    ))
}

fn decimals(array: &ArrayRef) -> Result<&Decimal128Array> {
    match array.as_primitive_opt::<Decimal128Type>() {
        Some(values) => Ok(values),
        None => internal_err!("an exact sum is of {}", array.data_type()),
    }
}

/// The low and the high part of sums; null where nothing was summed.
fn states(
    sums: impl Iterator<Item = Option<Sum>> + Clone,
    (precision, scale): (u8, i8),
) -> Result<Vec<ArrayRef>> {
    let low: Decimal128Array = sums.clone().map(|sum| sum.map(|sum| sum.low)).collect();
    let wraps: Int64Array = sums.map(|sum| sum.map(|sum| sum.wraps)).collect();
    Ok(vec![
        Arc::new(low.with_data_type(DataType::Decimal128(precision, scale))),
        Arc::new(wraps),
    ])
}

/// The sums of states.
fn sums_of(states: &[ArrayRef]) -> Result<(&Decimal128Array, &PrimitiveArray<Int64Type>)> {
    match states {
        [low, wraps] => match wraps.as_primitive_opt::<Int64Type>() {
            Some(wraps) => Ok((decimals(low)?, wraps)),
            None => internal_err!("the state of an exact sum is of {}", wraps.data_type()),
        },
        _ => internal_err!("the state of an exact sum has {} columns", states.len()),
    }
}

/// One sum, from which values can be taken out again.
#[derive(Debug)]
struct OneSum {
    sum: Sum,
    values: u64,
    data_type: (u8, i8),
}

impl OneSum {
    fn new(data_type: (u8, i8)) -> OneSum {
        OneSum {
            sum: Sum::default(),
            values: 0,
            data_type,
        }
    }
}

impl Accumulator for OneSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in decimals(&values[0])?.iter().flatten() {
            self.sum.add(value);
            self.values += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in decimals(&values[0])?.iter().flatten() {
            self.sum.subtract(value);
            self.values -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (precision, scale) = self.data_type;
        let sum = (self.values > 0).then(|| checked(self.sum, self.data_type));
        Ok(ScalarValue::Decimal128(sum.transpose()?, precision, scale))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (precision, scale) = self.data_type;
        let sum = (self.values > 0).then_some(self.sum);
        Ok(vec![
            ScalarValue::Decimal128(sum.map(|sum| sum.low), precision, scale),
            ScalarValue::Int64(sum.map(|sum| sum.wraps)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (low, wraps) = sums_of(states)?;
        for (low, wraps) in low.iter().zip(wraps) {
            if let (Some(low), Some(wraps)) = (low, wraps) {
                self.sum.merge(Sum { low, wraps });
                self.values += 1;
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sums of groups.
struct GroupSums {
    sums: Vec<Option<Sum>>,
    data_type: (u8, i8),
}

impl GroupSums {
    fn new(data_type: (u8, i8)) -> GroupSums {
        GroupSums {
            sums: Vec::new(),
            data_type,
        }
    }
}

impl GroupsAccumulator for GroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        all: usize,
    ) -> Result<()> {
        self.sums.resize(all, None);
        let values = decimals(&values[0])?;
        let is_counted = |row: usize| {
            values.is_valid(row) && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
        };
        for (row, group) in groups.iter().enumerate() {
            if is_counted(row) {
                self.sums[*group].get_or_insert_default().add(values.value(row));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], all: usize) -> Result<()> {
        self.sums.resize(all, None);
        let (low, wraps) = sums_of(states)?;
        for ((low, wraps), group) in low.iter().zip(wraps).zip(groups) {
            if let (Some(low), Some(wraps)) = (low, wraps) {
                self.sums[*group]
                    .get_or_insert_default()
                    .merge(Sum { low, wraps });
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (precision, scale) = self.data_type;
        let sums = emit.take_needed(&mut self.sums).into_iter();
        let sums = sums.map(|sum| sum.map(|sum| checked(sum, self.data_type)).transpose());
        let sums = sums.collect::<Result<Decimal128Array>>()?;
        Ok(Arc::new(
            sums.with_data_type(DataType::Decimal128(precision, scale)),
        ))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        states(emit.take_needed(&mut self.sums).into_iter(), self.data_type)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = decimals(&values[0])?;
        let is_counted = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let sums = values.iter().enumerate();
        let sums = sums.map(|(row, value)| value.filter(|_| is_counted(row)).map(Sum::of));
        states(sums, self.data_type)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<Sum>>()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    async fn query(sql: &str) -> Result<String, String> {
        let context = SessionContext::new();
        super::super::register(&context);
        let frame = context.sql(sql).await.map_err(|e| e.to_string())?;
        let rows = frame
            .collect()
            .await
            .map_err(|e| crate::error::Error::from(e).to_string())?;
        let text =
            datafusion::arrow::util::pretty::pretty_format_batches(&rows).map_err(|e| e.to_string())?;
        Ok(text.to_string())
    }

    const COSTS: &str = "(SELECT key, CAST(cost AS DECIMAL(38, 24)) AS cost FROM (VALUES ('a', '90000000000000'), \
        ('a', '90000000000000'), ('a', '90000000000000'), ('b', '1.5'), ('b', '2.5')) AS v(key, cost))";

    #[tokio::test]
    async fn a_sum_is_exact_or_refused() {
        // As it was, the first was stored with 39 digits and read as a tenth, and the second wrapped around.
        for rows in ["LIMIT 2", ""] {
            for by in ["", "GROUP BY key"] {
                let told = query(&format!(
                    "SELECT sum(cost) FROM (SELECT * FROM {COSTS} {rows}) {by}"
                ))
                .await;
                let told = told.unwrap_err();
                assert!(told.contains("more digits than its column holds"), "{told}");
                assert!(told.contains("10^14"), "{told}");
            }
        }
        let sums = format!("SELECT key, sum(cost) AS s FROM {COSTS} WHERE key = 'b' GROUP BY key");
        assert!(query(&sums).await.unwrap().contains("4.000000000000000000000000"));
        // What goes beyond on the way comes back.
        let back =
            format!("SELECT sum(cost) FROM (SELECT cost FROM {COSTS} UNION ALL SELECT -cost FROM {COSTS})");
        assert!(query(&back).await.unwrap().contains(" 0.0000"));
        let sliding = format!(
            "SELECT sum(cost) OVER (ORDER BY cost ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM {COSTS} WHERE key = 'b'"
        );
        let sliding = query(&sliding).await.unwrap();
        assert!(
            sliding.contains(" 1.5000") && sliding.contains(" 4.0000"),
            "{sliding}"
        );
        assert!(
            query("SELECT sum(x) FROM (VALUES (1), (2)) AS v(x)")
                .await
                .unwrap()
                .contains("| 3")
        );
    }
}

//! The groups of all branches together, as the aggregate gives them.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Result, exec_err, internal_err};

use super::batch::batch_of;
use super::codes::Codes;
use super::function::{Answers, CodeFunction};
use super::scan::ScanPlan;
use super::state::State;
use super::sums::Fold;
use super::totals::Totals;
use super::tuples::Tuples;
use crate::transform::digits::refuse_too_many_digits;

/// Tuples so few that threads of their own are not worth it.
const FEW_TUPLES: usize = 4_096;

/// The result of an aggregate.
pub struct Groups {
    columns: Vec<Codes>,
    tuples: Tuples,
    totals: Totals,
    /// The values of maxima and minima; unused of sums.
    best: Vec<Codes>,
}

impl Groups {
    /// No group yet; `schema` is that of groups and aggregates.
    ///
    /// # Errors
    /// Values that cannot be told apart.
    pub fn new(schema: &Schema, plans: &[Arc<ScanPlan>]) -> Result<Groups> {
        let width = plans.first().map_or(0, |plan| plan.groups.len());
        let codes = |fields: &[Arc<datafusion::arrow::datatypes::Field>]| {
            fields
                .iter()
                .map(|f| Codes::new(f.data_type().clone()))
                .collect::<Result<Vec<_>>>()
        };
        let folds = plans.iter().take(1).flat_map(|plan| &plan.sums);
        Ok(Groups {
            columns: codes(&schema.fields()[..width])?,
            tuples: Tuples::new(width),
            totals: Totals::new(folds.map(|sum| (sum.fold, true))),
            best: codes(&schema.fields()[width..])?,
        })
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.tuples.len()
    }

    /// Takes in what was seen of one branch; its keys are evaluated by some threads.
    ///
    /// # Errors
    /// What the engine says of a value it cannot take; a count that is too large.
    pub fn absorb(&mut self, plan: &ScanPlan, state: State, threads: usize) -> Result<()> {
        let mut columns = Vec::with_capacity(plan.groups.len());
        for (asked, ours) in ask_all(plan, &state, threads)?.into_iter().zip(&mut self.columns) {
            let (answers, mut codes) = asked;
            let ours = ours.absorb(&answers.values);
            codes.iter_mut().for_each(|code| *code = ours[*code as usize]);
            columns.push(codes);
        }
        let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
        let groups = self.tuples.number(&columns, state.tuples.len());
        self.totals.grow(self.tuples.len());
        for (aggregate, sum) in plan.sums.iter().enumerate() {
            let Some(given) = sum.compared else { continue };
            let best = &mut self.best[aggregate];
            let of_best = best.absorb(state.compared(given));
            for (tuple, group) in groups.iter().enumerate() {
                let code = of_best[state.totals.best(tuple as u32, aggregate) as usize];
                self.totals.compare(*group, aggregate, code, best);
            }
        }
        for (tuple, group) in groups.iter().enumerate() {
            for aggregate in (0..plan.sums.len()).filter(|a| plan.sums[*a].compared.is_none()) {
                self.totals
                    .absorb(*group, aggregate, &state.totals, tuple as u32)?;
            }
        }
        Ok(())
    }

    /// The distinct values of each column of groups, by code.
    ///
    /// # Errors
    /// What arrow says of damaged values.
    pub fn values(&self) -> Result<Vec<ArrayRef>> {
        self.columns.iter().map(Codes::values).collect()
    }

    /// Some groups as rows; `values` are those of [`Groups::values`].
    ///
    /// # Errors
    /// A sum that its type cannot hold.
    pub fn batch(
        &self,
        schema: &SchemaRef,
        values: &[ArrayRef],
        start: usize,
        rows: usize,
    ) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (place, values) in values.iter().enumerate() {
            let codes = self.tuples.column(place, start..start + rows);
            columns.push(take(values, &UInt32Array::from(codes), None)?);
        }
        let fields = schema.fields().iter().skip(values.len());
        for (aggregate, field) in (0..self.totals.width()).zip(fields) {
            columns.push(self.folded(aggregate, field.data_type(), start as u32..(start + rows) as u32)?);
        }
        let rows = batch_of(schema.clone(), columns, rows)?;
        refuse_too_many_digits(&rows, false)?;
        Ok(rows)
    }

    fn folded(&self, aggregate: usize, data_type: &DataType, groups: Range<u32>) -> Result<ArrayRef> {
        if matches!(self.totals.fold(aggregate), Fold::Max | Fold::Min) {
            let codes: Vec<u32> = groups.map(|group| self.totals.best(group, aggregate)).collect();
            return self.best[aggregate].decode(&codes);
        }
        let sums = groups.map(|group| self.totals.sum(group, aggregate));
        Ok(match data_type {
            DataType::Decimal128(precision, scale) => {
                let sums: Decimal128Array = sums.collect();
                Arc::new(sums.with_precision_and_scale(*precision, *scale)?)
            }
            DataType::Int64 => {
                let sums = sums.map(|sum| sum.map(i64::try_from).transpose());
                match sums.collect::<std::result::Result<Vec<_>, _>>() {
                    Ok(sums) => Arc::new(Int64Array::from(sums)),
                    Err(_) => return exec_err!("a sum of integers is larger than 64 bits hold"),
                }
            }
            other => return internal_err!("a sum cannot be {other}"),
        })
    }
}

/// What each function of the groups answers, and the answers' codes by tuple.
fn ask_all(plan: &ScanPlan, state: &State, threads: usize) -> Result<Vec<(Answers, Vec<u32>)>> {
    let ask_one = |function: &CodeFunction| {
        let mut answers = Answers::new(function)?;
        let codes = ask(&mut answers, function, plan, state)?;
        Ok((answers, codes))
    };
    let share = plan.groups.len().div_ceil(threads.max(1));
    if state.tuples.len() < FEW_TUPLES || share == plan.groups.len() {
        return plan.groups.iter().map(ask_one).collect();
    }
    std::thread::scope(|scope| {
        let shares: Vec<_> = plan
            .groups
            .chunks(share)
            .map(|functions| scope.spawn(move || functions.iter().map(ask_one).collect::<Result<Vec<_>>>()))
            .collect();
        let mut all = Vec::with_capacity(plan.groups.len());
        for share in shares {
            match share.join() {
                Ok(asked) => all.extend(asked?),
                Err(_) => return internal_err!("a thread that evaluates keys ended before its work"),
            }
        }
        Ok(all)
    })
}

/// The code of a function's answer for each tuple.
fn ask(answers: &mut Answers, function: &CodeFunction, plan: &ScanPlan, state: &State) -> Result<Vec<u32>> {
    let mut columns = Vec::new();
    let mut inputs = Vec::new();
    for input in &function.inputs {
        let Ok(place) = plan.key.binary_search(input) else {
            return internal_err!("a function reads an input that is not part of the key");
        };
        columns.push(state.tuples.column(place, 0..state.tuples.len()));
        inputs.push(state.feed.values(*input));
    }
    let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
    answers.answer(function, &columns, state.tuples.len(), &inputs)
}

//! The groups of one branch while its rows pass by.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{Int32Type, Schema};
use datafusion::common::{Result, internal_err};

use super::batch::batch_of;
use super::codes::Codes;
use super::feed::{Feed, FileRows, OpenColumns};
use super::function::Answers;
use super::scan::{ScanPlan, Source};
use super::sums::Fold;
use super::totals::Totals;
use super::tuples::Tuples;

/// Which rows of a batch count.
enum Kept {
    All,
    None,
    Some(UInt32Array),
}

/// What one thread has seen.
pub struct State {
    pub feed: Feed,
    /// The distinct combinations of the key's inputs.
    pub tuples: Tuples,
    filters: Vec<Answers>,
    /// Choices and parameters: their answers, and by tuple the answer's code.
    given: Vec<(Answers, Vec<u32>)>,
    /// By sum and tuple: the place of the leaf that counts; empty where there is no choice.
    places: Vec<Vec<u32>>,
    /// By tuple: the aggregates.
    pub totals: Totals,
    /// The codes of a batch, kept for their memory.
    inputs: Vec<Vec<u32>>,
}

impl State {
    /// Nothing seen yet.
    ///
    /// # Errors
    /// An input whose values cannot be told apart.
    pub fn new(plan: &ScanPlan) -> Result<State> {
        let given = plan.given.iter().map(|g| Ok((Answers::new(g)?, Vec::new())));
        Ok(State {
            feed: Feed::new(plan)?,
            tuples: Tuples::new(plan.key.len()),
            filters: plan.filters.iter().map(Answers::new).collect::<Result<_>>()?,
            given: given.collect::<Result<_>>()?,
            places: vec![Vec::new(); plan.sums.len()],
            totals: Totals::new(plan.sums.iter().map(|sum| (sum.fold, sum.has_values()))),
            inputs: Vec::new(),
        })
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        let given: usize = self
            .given
            .iter()
            .map(|(a, codes)| a.size() + codes.capacity() * 4)
            .sum();
        let places: usize = self.places.iter().map(|places| places.capacity() * 4).sum();
        self.feed.size() + self.tuples.size() + given + places + self.totals.size()
    }

    /// The values that a maximum or minimum is taken of.
    pub fn compared(&self, given: usize) -> &Codes {
        &self.given[given].0.values
    }

    /// Takes a batch of rows in.
    ///
    /// # Errors
    /// What the engine says of a value it cannot take.
    pub fn push(&mut self, plan: &ScanPlan, rows: &FileRows<'_>, opened: &mut OpenColumns) -> Result<()> {
        let mut inputs = std::mem::take(&mut self.inputs);
        self.feed.encode(plan, rows, opened, &mut inputs)?;
        let pushed = self.push_coded(plan, rows, &mut inputs);
        self.inputs = inputs;
        pushed
    }

    fn push_coded(&mut self, plan: &ScanPlan, rows: &FileRows<'_>, inputs: &mut [Vec<u32>]) -> Result<()> {
        let kept = match self.kept(plan, rows, inputs)? {
            Kept::All => None,
            Kept::None => return Ok(()),
            Kept::Some(kept) => {
                for column in inputs.iter_mut() {
                    *column = kept.values().iter().map(|row| column[*row as usize]).collect();
                }
                Some(taken(rows.batch, |_| true, &kept)?)
            }
        };
        let rows = &FileRows {
            batch: kept.as_ref().unwrap_or(rows.batch),
            ..*rows
        };
        let count = rows.batch.num_rows();
        let key: Vec<&[u32]> = plan.key.iter().map(|n| inputs[*n].as_slice()).collect();
        let known = self.tuples.len();
        let groups = self.tuples.number(&key, count);
        self.answer_given(plan, known)?;
        let mut evaluated: Vec<Option<ArrayRef>> = vec![None; plan.leaves.len()];
        self.totals.grow(self.tuples.len());
        for (aggregate, sum) in plan.sums.iter().enumerate() {
            if sum.fold == Fold::Count {
                self.totals.add_ones(aggregate, &groups)?;
            }
        }
        self.compare_fresh(plan, known);
        // Leaves that count for every row first: others may use what they gave.
        let mut order: Vec<usize> = (0..plan.sums.len())
            .filter(|n| plan.sums[*n].fold == Fold::Sum)
            .collect();
        order.sort_by_key(|n| plan.sums[*n].choice.is_some());
        for n in order {
            let by_leaf = self.rows_by_leaf(plan, n, &groups)?;
            for (leaf, chosen) in by_leaf {
                let values = match (&evaluated[leaf], &chosen) {
                    (Some(values), Some(chosen)) => {
                        let rows = chosen
                            .values()
                            .iter()
                            .copied()
                            .zip(chosen.values().iter().copied());
                        self.totals.add_values(n, &groups, rows, values)?;
                        continue;
                    }
                    (Some(values), None) => values.clone(),
                    (None, None) => {
                        let values = self.evaluate(plan, leaf, rows, &groups)?;
                        evaluated[leaf] = Some(values.clone());
                        values
                    }
                    (None, Some(chosen)) => {
                        let batch = taken(
                            rows.batch,
                            |name| plan.leaves[leaf].columns.contains(name),
                            chosen,
                        )?;
                        let part = FileRows {
                            batch: &batch,
                            partition: rows.partition,
                            table: rows.table,
                        };
                        let groups: Vec<u32> = chosen.values().iter().map(|r| groups[*r as usize]).collect();
                        self.evaluate(plan, leaf, &part, &groups)?
                    }
                };
                match &chosen {
                    Some(chosen) => {
                        let rows = chosen.values().iter().copied().zip(0..chosen.len() as u32);
                        self.totals.add_values(n, &groups, rows, &values)?;
                    }
                    None => {
                        let rows = 0..groups.len() as u32;
                        self.totals
                            .add_values(n, &groups, rows.clone().zip(rows), &values)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows for which all filters hold.
    fn kept(&mut self, plan: &ScanPlan, rows: &FileRows<'_>, inputs: &[Vec<u32>]) -> Result<Kept> {
        let count = rows.batch.num_rows();
        let mut mask: Option<Vec<bool>> = None;
        for (filter, answers) in plan.filters.iter().zip(&mut self.filters) {
            // What the partition decides is the same for all rows.
            let is_constant = filter.inputs.iter().all(
                |n| matches!(&plan.inputs[*n].0, Source::Column(name) if rows.partition.contains_key(name)),
            );
            let asked = if is_constant { count.min(1) } else { count };
            let columns: Vec<&[u32]> = filter.inputs.iter().map(|n| &inputs[*n][..asked]).collect();
            let values: Vec<&Codes> = filter.inputs.iter().map(|n| self.feed.values(*n)).collect();
            let codes = answers.answer(filter, &columns, asked, &values)?;
            let holds = answers.values.values()?;
            let Some(holds) = holds.as_boolean_opt() else {
                return internal_err!("a filter is not true or false");
            };
            let holds = |code: &u32| holds.is_valid(*code as usize) && holds.value(*code as usize);
            match (codes.iter().all(holds), is_constant) {
                (true, _) => {}
                (false, true) => return Ok(Kept::None),
                (false, false) => {
                    let mask = mask.get_or_insert_with(|| vec![true; count]);
                    for (keep, code) in mask.iter_mut().zip(&codes) {
                        *keep &= holds(code);
                    }
                }
            }
        }
        Ok(match mask {
            None => Kept::All,
            Some(mask) => Kept::Some(
                (0..count as u32)
                    .filter(|row| mask[*row as usize])
                    .collect::<Vec<_>>()
                    .into(),
            ),
        })
    }

    /// Takes the values of the tuples from `known` on into maxima and minima: a tuple has but one.
    fn compare_fresh(&mut self, plan: &ScanPlan, known: usize) {
        for (aggregate, given) in plan
            .sums
            .iter()
            .enumerate()
            .filter_map(|(n, s)| Some((n, s.compared?)))
        {
            let (answers, of_tuple) = &self.given[given];
            for (tuple, code) in of_tuple.iter().enumerate().skip(known) {
                self.totals
                    .compare(tuple as u32, aggregate, *code, &answers.values);
            }
        }
    }

    /// Evaluates choices and parameters for the tuples from `known` on.
    fn answer_given(&mut self, plan: &ScanPlan, known: usize) -> Result<()> {
        let fresh = self.tuples.len() - known;
        if fresh == 0 {
            return Ok(());
        }
        for (function, (answers, of_tuple)) in plan.given.iter().zip(&mut self.given) {
            let mut columns = Vec::new();
            let mut values = Vec::new();
            for input in &function.inputs {
                let Ok(place) = plan.key.binary_search(input) else {
                    return internal_err!("a function reads an input that is not part of the key");
                };
                columns.push(self.tuples.column(place, known..known + fresh));
                values.push(self.feed.values(*input));
            }
            let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            of_tuple.extend(answers.answer(function, &columns, fresh, &values)?);
        }
        for (sum, places) in plan.sums.iter().zip(&mut self.places) {
            let Some(choice) = sum.choice else { continue };
            let (answers, of_tuple) = &self.given[choice];
            let numbers = answers.values.values()?;
            let numbers = numbers.as_primitive::<Int32Type>();
            places.extend(
                of_tuple[known..]
                    .iter()
                    .map(|code| numbers.value(*code as usize) as u32),
            );
        }
        Ok(())
    }

    /// Which rows add which leaf to a sum; `None` for all rows.
    fn rows_by_leaf(
        &self,
        plan: &ScanPlan,
        sum: usize,
        groups: &[u32],
    ) -> Result<Vec<(usize, Option<UInt32Array>)>> {
        let places = &self.places[sum];
        let sum = &plan.sums[sum];
        if sum.choice.is_none() {
            return Ok(sum.leaves.iter().flatten().map(|leaf| (*leaf, None)).collect());
        }
        let mut by_place: Vec<Vec<u32>> = Vec::with_capacity(sum.leaves.len());
        by_place.resize_with(sum.leaves.len(), || Vec::with_capacity(groups.len()));
        for (row, group) in (0..).zip(groups) {
            by_place[places[*group as usize] as usize].push(row);
        }
        let chosen = by_place
            .into_iter()
            .zip(&sum.leaves)
            .filter(|(rows, _)| !rows.is_empty());
        Ok(chosen
            .filter_map(|(rows, leaf)| leaf.map(|leaf| (leaf, rows)))
            .map(|(leaf, rows)| (leaf, (rows.len() < groups.len()).then(|| UInt32Array::from(rows))))
            .collect())
    }

    fn evaluate(
        &self,
        plan: &ScanPlan,
        leaf: usize,
        rows: &FileRows<'_>,
        groups: &[u32],
    ) -> Result<ArrayRef> {
        let expression = &plan.leaves[leaf];
        let mut parameters = Vec::new();
        for parameter in &expression.parameters {
            let (answers, of_tuple) = &self.given[plan.first_parameter + parameter];
            let codes: UInt32Array = groups
                .iter()
                .map(|g| of_tuple[*g as usize])
                .collect::<Vec<u32>>()
                .into();
            parameters.push(take(&answers.values.values()?, &codes, None)?);
        }
        rows.evaluate(expression, parameters)
    }

    /// Takes over what another thread has seen.
    ///
    /// # Errors
    /// What the engine says of a value it cannot take; a sum that is too large.
    pub fn merge(&mut self, plan: &ScanPlan, other: State) -> Result<()> {
        let mut columns = Vec::new();
        for (place, input) in plan.key.iter().enumerate() {
            let theirs = other.feed.values(*input);
            let ours = self.feed.absorb(*input, theirs);
            let codes = other.tuples.column(place, 0..other.tuples.len());
            columns.push(
                codes
                    .into_iter()
                    .map(|code| ours[code as usize])
                    .collect::<Vec<u32>>(),
            );
        }
        let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
        let known = self.tuples.len();
        let groups = self.tuples.number(&columns, other.tuples.len());
        self.answer_given(plan, known)?;
        self.totals.grow(self.tuples.len());
        self.compare_fresh(plan, known);
        for (tuple, group) in groups.iter().enumerate() {
            for aggregate in (0..plan.sums.len()).filter(|a| plan.sums[*a].compared.is_none()) {
                self.totals
                    .absorb(*group, aggregate, &other.totals, tuple as u32)?;
            }
        }
        Ok(())
    }
}

/// Some rows of a batch, with some of its columns, or none: their number stays.
fn taken(
    batch: &RecordBatch,
    is_read: impl Fn(&String) -> bool,
    chosen: &UInt32Array,
) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if is_read(field.name()) {
            fields.push(field.clone());
            arrays.push(take(column, chosen, None)?);
        }
    }
    batch_of(Arc::new(Schema::new(fields)), arrays, chosen.len())
}

//! The aggregates of groups.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, exec_err, internal_err};

use super::codes::{Codes, NULL_CODE};
use super::sums::Fold;

/// A sum beyond 128 bits. No decimal has as many digits, so it is refused where its group's key is known.
const TOO_LARGE: i128 = i128::MIN;

/// The aggregates' values, side by side for each group.
pub struct Totals {
    folds: Vec<Fold>,
    /// By aggregate: its place among those of its kind; none where it never has a value.
    places: Vec<Option<usize>>,
    /// By group and sum, the lowest 128 bits: a sum may be too large on the way and fit in the end.
    sums: Vec<i128>,
    /// How often a sum went beyond 128 bits, upwards less downwards, by its place in `sums`.
    wraps: HashMap<usize, i64>,
    sum_width: usize,
    /// By count and group.
    counts: Vec<Vec<u64>>,
    /// By group: which aggregates have had a value, one bit each.
    any: Vec<u64>,
    /// By group and maximum or minimum: the code of the best value.
    best: Vec<u32>,
    best_width: usize,
}

impl Totals {
    /// No group yet; there is room for those aggregates alone that may have a value.
    pub fn new(aggregates: impl Iterator<Item = (Fold, bool)>) -> Totals {
        let (mut sum_width, mut count_width, mut best_width) = (0, 0, 0);
        let mut place = |(fold, has_values): (Fold, bool)| {
            let width = match fold {
                Fold::Count => &mut count_width,
                Fold::Sum => &mut sum_width,
                Fold::Max | Fold::Min => &mut best_width,
            };
            *width += usize::from(has_values);
            (fold, has_values.then(|| *width - 1))
        };
        let (folds, places) = aggregates.map(&mut place).unzip();
        Totals {
            folds,
            places,
            sums: Vec::new(),
            wraps: HashMap::new(),
            sum_width,
            counts: vec![Vec::new(); count_width],
            any: Vec::new(),
            best: Vec::new(),
            best_width,
        }
    }

    /// Makes room for this many groups.
    pub fn grow(&mut self, groups: usize) {
        self.sums.resize(groups * self.sum_width, 0);
        self.counts.iter_mut().for_each(|counts| counts.resize(groups, 0));
        self.any.resize(groups, 0);
        self.best.resize(groups * self.best_width, NULL_CODE);
    }

    fn place(&self, aggregate: usize) -> Result<usize> {
        match self.places[aggregate] {
            Some(place) => Ok(place),
            None => internal_err!("an aggregate has a value that was not planned"),
        }
    }

    /// Adds to a group's sum or count.
    ///
    /// # Errors
    /// A count beyond 64 bits.
    pub fn add(&mut self, group: u32, aggregate: usize, value: i128) -> Result<()> {
        if self.folds[aggregate] != Fold::Count {
            return self.add_all(aggregate, std::iter::once((group, value)));
        }
        let place = self.place(aggregate)?;
        let count = &mut self.counts[place][group as usize];
        match u64::try_from(value)
            .ok()
            .and_then(|value| count.checked_add(value))
        {
            Some(sum) => *count = sum,
            None => return exec_err!("a count is larger than 64 bits can hold"),
        }
        Ok(())
    }

    fn add_all(&mut self, aggregate: usize, values: impl Iterator<Item = (u32, i128)>) -> Result<()> {
        let (width, place) = (self.sum_width, self.place(aggregate)?);
        for (group, value) in values {
            let index = group as usize * width + place;
            let (sum, overflows) = self.sums[index].overflowing_add(value);
            self.sums[index] = sum;
            if overflows {
                *self.wraps.entry(index).or_default() += if value > 0 { 1 } else { -1 };
            }
            self.any[group as usize] |= 1 << aggregate;
        }
        Ok(())
    }

    /// Adds what others have of a group.
    ///
    /// # Errors
    /// A count beyond 64 bits.
    pub fn absorb(&mut self, group: u32, aggregate: usize, others: &Totals, other: u32) -> Result<()> {
        let Some(sum) = others.low(other, aggregate) else {
            return Ok(());
        };
        self.add(group, aggregate, sum)?;
        if let Some(wraps) = others.wraps_of(other, aggregate) {
            let index = group as usize * self.sum_width + self.place(aggregate)?;
            *self.wraps.entry(index).or_default() += wraps;
        }
        Ok(())
    }

    fn wraps_of(&self, group: u32, aggregate: usize) -> Option<i64> {
        if self.wraps.is_empty() || self.folds[aggregate] == Fold::Count {
            return None;
        }
        let index = group as usize * self.sum_width + self.places[aggregate]?;
        self.wraps.get(&index).copied().filter(|wraps| *wraps != 0)
    }

    /// Counts rows by their groups.
    ///
    /// # Errors
    /// Internal: an aggregate that was planned without values.
    pub fn add_ones(&mut self, aggregate: usize, groups: &[u32]) -> Result<()> {
        let place = self.place(aggregate)?;
        let counts = &mut self.counts[place];
        groups.iter().for_each(|group| counts[*group as usize] += 1);
        Ok(())
    }

    /// Adds values to the sums of their rows' groups; `rows` pairs a row of `groups` with a place among the values.
    ///
    /// # Errors
    /// Values that have no exact sum.
    pub fn add_values(
        &mut self,
        aggregate: usize,
        groups: &[u32],
        rows: impl Iterator<Item = (u32, u32)>,
        values: &ArrayRef,
    ) -> Result<()> {
        let rows = rows.map(|(row, place)| (groups[row as usize], place as usize));
        match values.data_type() {
            DataType::Decimal128(..) => {
                let numbers = values.as_primitive::<Decimal128Type>().values();
                self.add_valid(aggregate, rows, values.nulls(), |place| numbers[place])
            }
            DataType::Int64 => {
                let numbers = values.as_primitive::<Int64Type>().values();
                self.add_valid(aggregate, rows, values.nulls(), |place| {
                    i128::from(numbers[place])
                })
            }
            DataType::Null => Ok(()),
            other => internal_err!("a sum of {other} cannot be exact"),
        }
    }

    fn add_valid(
        &mut self,
        aggregate: usize,
        rows: impl Iterator<Item = (u32, usize)>,
        nulls: Option<&NullBuffer>,
        number: impl Fn(usize) -> i128,
    ) -> Result<()> {
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            None => self.add_all(aggregate, rows.map(|(group, place)| (group, number(place)))),
            Some(nulls) => {
                let valid = rows.filter(|(_, place)| nulls.is_valid(*place));
                self.add_all(aggregate, valid.map(|(group, place)| (group, number(place))))
            }
        }
    }

    /// A group's sum or count, if it has had a value; a count always has. [`TOO_LARGE`] where 128 bits do not hold it.
    pub fn sum(&self, group: u32, aggregate: usize) -> Option<i128> {
        let low = self.low(group, aggregate)?;
        Some(match self.wraps_of(group, aggregate) {
            Some(_) => TOO_LARGE,
            None => low,
        })
    }

    fn low(&self, group: u32, aggregate: usize) -> Option<i128> {
        let place = self.places[aggregate]?;
        match self.folds[aggregate] {
            Fold::Count => Some(i128::from(self.counts[place][group as usize])),
            _ => {
                let has_any = self.any[group as usize] >> aggregate & 1 == 1;
                has_any.then(|| self.sums[group as usize * self.sum_width + place])
            }
        }
    }

    /// Takes a value into a group's maximum or minimum; null is neither.
    pub fn compare(&mut self, group: u32, aggregate: usize, code: u32, values: &Codes) {
        let Some(place) = self.places[aggregate] else {
            return;
        };
        let place = group as usize * self.best_width + place;
        let best = self.best[place];
        let is_better = match (best, code) {
            (_, NULL_CODE) => false,
            (NULL_CODE, _) => true,
            (best, code) if self.folds[aggregate] == Fold::Max => {
                values.bytes_of(code) > values.bytes_of(best)
            }
            (best, code) => values.bytes_of(code) < values.bytes_of(best),
        };
        if is_better {
            self.best[place] = code;
        }
    }

    /// The code of a group's maximum or minimum.
    pub fn best(&self, group: u32, aggregate: usize) -> u32 {
        match self.places[aggregate] {
            Some(place) => self.best[group as usize * self.best_width + place],
            None => NULL_CODE,
        }
    }

    /// How an aggregate folds.
    pub fn fold(&self, aggregate: usize) -> Fold {
        self.folds[aggregate]
    }

    /// How many aggregates there are.
    pub fn width(&self) -> usize {
        self.folds.len()
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        let counts: usize = self.counts.iter().map(|counts| counts.capacity() * 8).sum();
        let wraps = self.wraps.capacity() * size_of::<(usize, i64)>();
        self.sums.capacity() * 16 + wraps + counts + self.any.capacity() * 8 + self.best.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(values: &[i128]) -> Totals {
        let mut totals = Totals::new([(Fold::Sum, true), (Fold::Count, true)].into_iter());
        totals.grow(1);
        for value in values {
            totals.add(0, 0, *value).unwrap();
        }
        totals
    }

    #[test]
    fn a_sum_that_fits_in_the_end_is_right_in_any_order_and_any_parts() {
        let large = i128::MAX / 2 + 1;
        for values in [
            [large, large, -large],
            [large, -large, large],
            [-large, large, large],
        ] {
            assert_eq!(totals(&values).sum(0, 0), Some(large));
            for cut in 0..=values.len() {
                let mut whole = totals(&values[..cut]);
                whole.absorb(0, 0, &totals(&values[cut..]), 0).unwrap();
                assert_eq!(whole.sum(0, 0), Some(large), "{values:?} {cut}");
            }
        }
        assert_eq!(totals(&[large, large]).sum(0, 0), Some(TOO_LARGE));
        assert_eq!(totals(&[-large, -large, -large]).sum(0, 0), Some(TOO_LARGE));
        assert_eq!(totals(&[]).sum(0, 0), None);
    }
}

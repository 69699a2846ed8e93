//! The aggregates of groups.

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
    /// By group and sum; [`TOO_LARGE`] is beyond 128 bits, and stays.
    sums: Vec<i128>,
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
            let total = &mut self.sums[group as usize * width + place];
            let (sum, overflows) = total.overflowing_add(value);
            let is_too_large = overflows || *total == TOO_LARGE || value == TOO_LARGE;
            *total = if is_too_large { TOO_LARGE } else { sum };
            self.any[group as usize] |= 1 << aggregate;
        }
        Ok(())
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

    /// A group's sum or count, if it has had a value; a count always has.
    pub fn sum(&self, group: u32, aggregate: usize) -> Option<i128> {
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
        self.sums.capacity() * 16 + counts + self.any.capacity() * 8 + self.best.capacity() * 4
    }
}

//! Columns of Parquet files that pass their checks as a whole, so that no cell needs a look of its own.

use std::collections::HashSet;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float64Type, Int32Type, TimestampMicrosecondType,
};

use super::checks::{Checks, Role};
use super::currency::is_iso_4217;
use super::unreadable_tags::can_be_tags;
use crate::domain::decimal::QUANTITY_SCALE;
use crate::domain::period::Period;
use crate::domain::timestamp::is_usual_year;
use crate::transform::functions::is_null_text;

/// Far below [`MOST_WHOLE_DIGITS`](crate::domain::decimal::MOST_WHOLE_DIGITS), so that no conversion can overflow.
const BOUND_DIGITS: u32 = 11;
/// The same where the unit may be a block of up to 10⁷ units: `10000 Hours`.
const BOUND_DIGITS_OF_BLOCKS: u32 = 7;

/// Whether nothing but the cells of [`looked_at`] could make a row of these columns break the contract.
pub(super) fn can_be_clean(checks: &Checks, fields: &[Field]) -> bool {
    checks.is_bill()
        && checks
            .bill_columns()
            .all(|index| fields[index].data_type() == &DataType::Utf8)
        && checks.roles.iter().all(|(index, _, role)| {
            let data_type = fields[*index].data_type();
            match role {
                Role::Cost | Role::Money | Role::Quantity => match data_type {
                    DataType::Float64 => true,
                    // No column of numbers holds fewer fraction digits.
                    DataType::Decimal128(_, scale) => (0..=QUANTITY_SCALE as i8).contains(scale),
                    _ => false,
                },
                Role::Factor => false,
                Role::RequiredDate | Role::Date => {
                    matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
                }
                Role::Currency | Role::NotNull => data_type == &DataType::Utf8,
                Role::Nested(_) => false,
            }
        })
}

/// The columns whose cells [`is_clean`] and [`note_bills`] read.
pub(super) fn looked_at(checks: &Checks) -> Vec<usize> {
    let roles = checks.roles.iter().filter(|(_, _, role)| *role != Role::Date);
    let mut columns: Vec<usize> = roles
        .map(|(index, ..)| *index)
        .chain(checks.bill_columns())
        .chain(checks.tag_columns())
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Whether every checked cell passes, of columns that [`can_be_clean`].
pub(super) fn is_clean<'a>(checks: &Checks, column: impl Fn(usize) -> &'a ArrayRef) -> bool {
    checks.roles.iter().all(|(index, _, role)| match role {
        Role::Cost | Role::Money | Role::Quantity => {
            let column = column(*index);
            let digits = match role {
                Role::Quantity if checks.has_blocks() => BOUND_DIGITS_OF_BLOCKS,
                _ => BOUND_DIGITS,
            };
            (column.null_count() == 0 || *role != Role::Cost) && are_small(column, digits)
        }
        Role::Factor => false,
        Role::RequiredDate => {
            let column = column(*index);
            column.null_count() == 0 && are_usual_dates(column)
        }
        Role::Date => true,
        Role::Currency => all_texts(column(*index), |code| is_iso_4217(&code.to_ascii_uppercase())),
        Role::NotNull => all_texts(column(*index), |text| !is_null_text(text.as_bytes())),
        Role::Nested(_) => false,
    }) && checks
        .tag_columns()
        .all(|index| texts_of(column(index)).is_some_and(|texts| texts.iter().flatten().all(can_be_tags)))
}

/// Whether no number has more digits before the point.
fn are_small(column: &ArrayRef, digits: u32) -> bool {
    if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        let bound = 10f64.powi(digits as i32);
        return numbers.iter().flatten().all(|number| number.abs() < bound);
    }
    let (Some(numbers), DataType::Decimal128(_, scale)) =
        (column.as_primitive_opt::<Decimal128Type>(), column.data_type())
    else {
        return false;
    };
    let bound = 10u128.pow(digits + u32::from(scale.unsigned_abs()));
    numbers
        .iter()
        .flatten()
        .all(|number| number.unsigned_abs() < bound)
}

fn are_usual_dates(column: &ArrayRef) -> bool {
    if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        let micros = |day: i32| i64::from(day) * 86_400_000_000;
        return [min(days), max(days)]
            .iter()
            .flatten()
            .all(|day| is_usual_year(micros(*day)));
    }
    let times = column.as_primitive_opt::<TimestampMicrosecondType>();
    times.is_some_and(|times| {
        [min(times), max(times)]
            .iter()
            .flatten()
            .all(|time| is_usual_year(*time))
    })
}

/// Whether there is a text in every row and all pass; of a dictionary each entry is looked at once.
fn all_texts(column: &ArrayRef, passes: impl Fn(&str) -> bool) -> bool {
    let has_all = column
        .as_dictionary_opt::<Int32Type>()
        .is_none_or(|codes| codes.keys().null_count() == 0);
    has_all && texts_of(column).is_some_and(|texts| texts.iter().all(|text| text.is_some_and(&passes)))
}

/// The texts of a column, or those that its codes stand for.
fn texts_of(column: &ArrayRef) -> Option<&StringArray> {
    let coded = column.as_dictionary_opt::<Int32Type>();
    coded
        .map_or(column, |codes| codes.values())
        .as_string_opt::<i32>()
}

/// Notes the bills of rows that are clean.
pub(super) fn note_bills<'a>(
    checks: &mut Checks,
    column: impl Fn(usize) -> &'a ArrayRef,
    rows: usize,
    period: Period,
) {
    let columns: Vec<(usize, BillColumn<'a>)> = checks
        .bill_columns()
        .filter_map(|index| Some((index, BillColumn::of(column(index))?)))
        .collect();
    let mut seen = HashSet::new();
    let mut last = None;
    for row in 0..rows {
        let code = columns
            .iter()
            .try_fold(0u64, |code, (_, c)| c.add_code(code, row));
        if code.is_some() && (code == last || !seen.insert(code)) {
            continue;
        }
        last = code;
        if code.is_none() && row > 0 && columns.iter().all(|(_, c)| c.text(row) == c.text(row - 1)) {
            continue;
        }
        checks.note_clean_row(
            |index| {
                let found = columns.iter().find(|(i, _)| *i == index);
                found.map_or("", |(_, c)| c.text(row))
            },
            period,
        );
    }
}

/// A column of texts, or of codes and the texts they stand for.
struct BillColumn<'a> {
    codes: Option<&'a datafusion::arrow::array::Int32Array>,
    texts: &'a StringArray,
}

impl<'a> BillColumn<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        let coded = column.as_dictionary_opt::<Int32Type>();
        Some(BillColumn {
            codes: coded.map(|c| c.keys()),
            texts: coded.map_or(column, |c| c.values()).as_string_opt::<i32>()?,
        })
    }

    fn text(&self, row: usize) -> &'a str {
        let row = match self.codes {
            Some(codes) if codes.is_valid(row) => codes.value(row) as usize,
            Some(_) => return "",
            None => row,
        };
        if self.texts.is_valid(row) {
            self.texts.value(row)
        } else {
            ""
        }
    }

    /// A number that tells the rows of several coded columns apart; `None` without codes, or when there are too many.
    fn add_code(&self, code: u64, row: usize) -> Option<u64> {
        let codes = self.codes?;
        let own = if codes.is_valid(row) {
            codes.value(row) as u64 + 1
        } else {
            0
        };
        code.checked_mul(self.texts.len() as u64 + 1)?.checked_add(own)
    }
}

#[cfg(test)]
mod tests;

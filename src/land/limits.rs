//! What fits: the one definition of how large the numbers of a row may be, for landing and for the models after it.
//!
//! An amount or a quantity has at most [`MOST_WHOLE_DIGITS`] digits before the point, counted in single units: the models
//! convert it with the unit's multiplier and the hours of a month, and rate it with factors, and all of that still fits.

use crate::domain::decimal::{DecimalError, MOST_WHOLE_DIGITS, Multiplier, QUANTITY_SCALE, Written};

/// Digits of the size of a block of units: `10000 Hours`. Larger ones are read as no block by the models too.
const MOST_BLOCK_DIGITS: usize = 7;
/// Digits before the point of an emission factor in kilograms per unit.
const MOST_FACTOR_DIGITS: u32 = 9;

/// What of a unit decides how large a quantity in it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// One of something.
    One,
    /// Bytes or bytes over time: 10⁹ of them are one of what the models count in.
    Bytes,
    /// A block of so many units.
    Block(&'a str),
}

impl<'a> Unit<'a> {
    /// The unit as the row names it; `blocks` where its kind sells by the block.
    pub fn of(text: &'a str, blocks: bool) -> Unit<'a> {
        let text = text.trim();
        let is_bytes = text
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("byte"))
            || ["b", "by", "by.s"]
                .iter()
                .any(|unit| unit.eq_ignore_ascii_case(text));
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        match is_bytes {
            true => Unit::Bytes,
            false if blocks && (1..=MOST_BLOCK_DIGITS).contains(&digits) && &text[..digits] != "1" => {
                Unit::Block(&text[..digits])
            }
            false => Unit::One,
        }
    }

    /// Whether a quantity counts for more than it says.
    pub fn is_block(self) -> bool {
        matches!(self, Unit::Block(_))
    }

    /// What is limited, for people.
    pub fn limited(self) -> &'static str {
        match self {
            Unit::One => "a quantity",
            Unit::Bytes => "a quantity of bytes, in units of 10^9,",
            Unit::Block(_) => "a quantity times the size of its unit's block",
        }
    }
}

/// Whether a quantity in a unit fits.
///
/// # Errors
/// Overflow: it does not.
pub(super) fn quantity(written: Written, unit: Unit<'_>) -> Result<(), DecimalError> {
    let one = 10i128.pow(QUANTITY_SCALE);
    let multiplier = match unit {
        Unit::One => one,
        Unit::Bytes => one / 1_000_000_000,
        Unit::Block(size) => size.parse().map_or(one, |size: i128| size * one),
    };
    within(Multiplier::new(multiplier, 1)?.of(written)?, MOST_WHOLE_DIGITS)
}

/// Whether an emission factor fits.
///
/// # Errors
/// Overflow: it does not.
pub(super) fn factor(written: Written) -> Result<(), DecimalError> {
    within(written.rounded(QUANTITY_SCALE)?, MOST_FACTOR_DIGITS)
}

fn within(value: i128, digits: u32) -> Result<(), DecimalError> {
    match value.unsigned_abs() < 10u128.pow(digits + QUANTITY_SCALE) {
        true => Ok(()),
        false => Err(DecimalError::Overflow),
    }
}

/// Why a number does not fit; of one that is too large with the limit of what it is.
pub(super) fn too_large(error: DecimalError, what: &str) -> String {
    match error {
        DecimalError::Overflow => format!("too large: {what} is less than 10^{MOST_WHOLE_DIGITS}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decimal::{canonical_quantity, parse_written};

    #[test]
    fn what_fits_can_be_converted() {
        let fits = |text: &str, unit: &str| {
            let written = parse_written(text.as_bytes()).unwrap();
            quantity(written, Unit::of(unit, true)).is_ok()
        };
        for (text, unit, is_fit) in [
            ("99999999999999", "Hours", true),
            ("100000000000000", "Hours", false),
            ("99999999999999999999999", "Hours", false),
            ("-1e22", "", false),
            ("1e-30", "", true),
            ("1e22", "byte-seconds", true),
            ("1e24", "Bytes", false),
            ("9999999", "1000000 Hours", true),
            ("100000000", "1000000 Hours", false),
            ("99999999999999", "1 Hour", true),
        ] {
            assert_eq!(fits(text, unit), is_fit, "{text} {unit}");
        }
        // A thousand TiB in 10⁹ bytes, for each hour of a month: the largest conversion of a bill's unit.
        let most = parse_written(b"99999999999999").unwrap();
        assert!(canonical_quantity(most, 1_099_511_627_776_000_000_000, 744).is_ok());
    }
}

//! Exact decimals: text and doubles to scaled 128-bit integers, without a silent loss.

use std::fmt;

/// Fraction digits of money in normalize, rollup and estimate: real bills carry 24.
pub const MONEY_SCALE: u32 = 24;
/// Fraction digits of usage quantities.
pub const QUANTITY_SCALE: u32 = 15;
/// Digits before the point of what a DECIMAL(38, 24) holds, and so the limit of every amount and quantity of a row.
pub const MOST_WHOLE_DIGITS: u32 = 38 - MONEY_SCALE;
/// The largest magnitude a DECIMAL(38, s) holds: 38 nines.
const MAX_38: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// Why a text is no exact decimal of the wanted scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a number: empty, `NaN`, a currency sign, a grouping or decimal comma, …
    NotANumber,
    /// More fraction digits than the scale holds, and not all of them zero.
    Loss,
    /// More integer digits than the type holds.
    Overflow,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecimalError::NotANumber => "not a plain number (digits, a point, an exponent)",
            DecimalError::Loss => "more fraction digits than the column keeps",
            DecimalError::Overflow => "too large for 38 digits",
        })
    }
}

/// A decimal as written: `digits × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The digits, signed.
    pub digits: i128,
    /// The power of ten that multiplies them.
    pub exponent: i32,
}

/// Reads `-12.5`, `+3`, `.5`, `5e-06`, surrounded by white space or not.
pub fn parse_written(text: &[u8]) -> Result<Written, DecimalError> {
    let text = text.trim_ascii();
    let (negative, mut rest) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let mut digits: i128 = 0;
    let mut exponent: i32 = 0;
    let mut pending_zeros: u32 = 0;
    let mut seen_digit = false;
    let mut seen_point = false;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                let digit = i128::from(byte - b'0');
                if seen_point {
                    // Zeros at the end of a fraction carry no value: they wait for a digit after them.
                    if digit == 0 {
                        pending_zeros += 1;
                    } else {
                        digits = shift(digits, pending_zeros + 1)?
                            .checked_add(digit)
                            .ok_or(DecimalError::Overflow)?;
                        exponent -= pending_zeros as i32 + 1;
                        pending_zeros = 0;
                    }
                } else {
                    digits = digits
                        .checked_mul(10)
                        .and_then(|d| d.checked_add(digit))
                        .ok_or(DecimalError::Overflow)?;
                }
            }
            b'.' if !seen_point => seen_point = true,
            b'e' | b'E' if seen_digit => {
                let written = std::str::from_utf8(tail).map_err(|_| DecimalError::NotANumber)?;
                let power: i32 = match written.strip_prefix('+').unwrap_or(written) {
                    "" => return Err(DecimalError::NotANumber),
                    digits if digits.starts_with('+') => return Err(DecimalError::NotANumber),
                    digits => digits.parse().map_err(|_| DecimalError::NotANumber)?,
                };
                exponent = exponent.checked_add(power).ok_or(DecimalError::Overflow)?;
                break;
            }
            _ => return Err(DecimalError::NotANumber),
        }
        rest = tail;
    }
    if !seen_digit {
        return Err(DecimalError::NotANumber);
    }
    Ok(Written {
        digits: if negative { -digits } else { digits },
        exponent,
    })
}

fn shift(digits: i128, places: u32) -> Result<i128, DecimalError> {
    if digits == 0 {
        return Ok(0);
    }
    power_of_ten(places)
        .and_then(|power| digits.checked_mul(power))
        .ok_or(DecimalError::Overflow)
}

/// 10^`places`, if 128 bits hold it.
fn power_of_ten(places: u32) -> Option<i128> {
    const POWERS: [i128; 39] = {
        let mut powers = [1; 39];
        let mut places = 1;
        while places < 39 {
            powers[places] = powers[places - 1] * 10;
            places += 1;
        }
        powers
    };
    POWERS.get(places as usize).copied()
}

fn within_38(value: i128) -> Result<i128, DecimalError> {
    if value.unsigned_abs() > MAX_38.unsigned_abs() {
        Err(DecimalError::Overflow)
    } else {
        Ok(value)
    }
}

impl Written {
    /// The value times 10^`scale`, rounded half-even: for doubles, whose last digits are noise of their type.
    pub fn rounded(self, scale: u32) -> Result<i128, DecimalError> {
        let places = self
            .exponent
            .checked_add(scale as i32)
            .ok_or(DecimalError::Overflow)?;
        if places >= 0 {
            return within_38(shift(self.digits, places.unsigned_abs())?);
        }
        within_38(divide_half_even(self.digits, places.unsigned_abs()))
    }

    /// The value times 10^`scale`, refused when a digit would be lost.
    pub fn exact(self, scale: u32) -> Result<i128, DecimalError> {
        if self.digits == 0 {
            return Ok(0);
        }
        let places = self
            .exponent
            .checked_add(scale as i32)
            .ok_or(DecimalError::Overflow)?;
        if places >= 0 {
            return within_38(shift(self.digits, places.unsigned_abs())?);
        }
        let mut digits = self.digits;
        for _ in 0..places.unsigned_abs() {
            if digits % 10 != 0 {
                return Err(DecimalError::Loss);
            }
            digits /= 10;
        }
        within_38(digits)
    }
}

/// Money: exact at [`MONEY_SCALE`], a loss is refused.
pub fn money(text: &[u8]) -> Result<i128, DecimalError> {
    parse_written(text)?.exact(MONEY_SCALE)
}

/// Money that is a double where it comes from: its shortest text has at most 17 digits, and what these say beyond
/// [`MONEY_SCALE`] places is noise of the type. A longer text is no double's and stays exact.
pub fn double_money(written: Written) -> Result<i128, DecimalError> {
    if written.digits.unsigned_abs() < 10u128.pow(17) {
        written.rounded(MONEY_SCALE)
    } else {
        written.exact(MONEY_SCALE)
    }
}

/// A double by its shortest text, as its writer saw it (0.1 is 0.1).
pub fn written_f64(value: f64) -> Result<Written, DecimalError> {
    if !value.is_finite() {
        return Err(DecimalError::NotANumber);
    }
    if value == 0.0 {
        return Ok(Written {
            digits: 0,
            exponent: 0,
        });
    }
    let whole = value as i64;
    if value.abs() < 1e15 && whole as f64 == value {
        return Ok(Written {
            digits: i128::from(whole),
            exponent: 0,
        });
    }
    // Bills round to a few places. A whole number n of at most 15 digits for which n ÷ 10^k, correctly rounded, is this very
    // double has the digits of its shortest text: two decimals of 15 digits never share a double.
    for (places, power) in [(10, 1e10), (8, 1e8), (4, 1e4)] {
        let scaled = value * power;
        if scaled.abs() < 1e15 {
            let digits = (scaled + 0.5_f64.copysign(scaled)) as i64;
            if digits as f64 / power == value {
                return Ok(Written {
                    digits: i128::from(digits),
                    exponent: -places,
                });
            }
        }
    }
    parse_written(format!("{value:e}").as_bytes())
}

/// A sum of decimals of one scale, exact however many there are and in whatever order they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// The lowest 128 bits.
    pub low: i128,
    /// How often 2^128 is to be added.
    pub wraps: i64,
}

impl Sum {
    /// The sum of one value.
    pub fn of(value: i128) -> Sum {
        Sum { low: value, wraps: 0 }
    }

    /// Adds a value.
    pub fn add(&mut self, value: i128) {
        let (low, is_wrapped) = self.low.overflowing_add(value);
        self.low = low;
        if is_wrapped {
            self.wraps += if value < 0 { -1 } else { 1 };
        }
    }

    /// Takes a value out again.
    pub fn subtract(&mut self, value: i128) {
        let (low, is_wrapped) = self.low.overflowing_sub(value);
        self.low = low;
        if is_wrapped {
            self.wraps += if value < 0 { 1 } else { -1 };
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Sum) {
        self.add(other.low);
        self.wraps += other.wraps;
    }

    /// The sum, if it has no more digits than this.
    pub fn within(self, digits: u8) -> Option<i128> {
        let fits = self.wraps == 0 && self.low.unsigned_abs() < 10u128.pow(u32::from(digits.min(38)));
        fits.then_some(self.low)
    }
}

/// `quantity × multiplier`, rounded half-even once to [`QUANTITY_SCALE`].
///
/// `multiplier` is exact at [`QUANTITY_SCALE`], `hours` is a whole number (the hours of a month
/// for units sold per month, else 1).
pub fn canonical_quantity(quantity: Written, multiplier: i128, hours: i64) -> Result<i128, DecimalError> {
    Multiplier::new(multiplier, hours)?.of(quantity)
}

/// What [`canonical_quantity`] multiplies by, prepared once for many quantities.
#[derive(Debug, Clone, Copy)]
pub struct Multiplier {
    factor: i128,
    zeros: i32,
}

impl Multiplier {
    /// `multiplier` at [`QUANTITY_SCALE`], times `hours`.
    ///
    /// # Errors
    /// Overflow: the product does not fit into 128 bits.
    pub fn new(multiplier: i128, hours: i64) -> Result<Multiplier, DecimalError> {
        // Zeros taken out, so that products with real quantities mostly fit into 128 bits.
        let (mut factor, mut zeros) = (multiplier, 0);
        while factor != 0 && factor % 10 == 0 && zeros < QUANTITY_SCALE as i32 {
            factor /= 10;
            zeros += 1;
        }
        let factor = factor
            .checked_mul(i128::from(hours))
            .ok_or(DecimalError::Overflow)?;
        Ok(Multiplier { factor, zeros })
    }

    /// The quantity times this, rounded half-even once to [`QUANTITY_SCALE`].
    ///
    /// # Errors
    /// Overflow: more than 38 digits.
    pub fn of(self, quantity: Written) -> Result<i128, DecimalError> {
        // digits × factor × 10^(exponent − 15 + zeros) is the quantity; times 10^15 is the stored integer.
        let places = quantity
            .exponent
            .checked_add(self.zeros)
            .ok_or(DecimalError::Overflow)?;
        within_38(match quantity.digits.checked_mul(self.factor) {
            Some(value) if places >= 0 => shift(value, places.unsigned_abs())?,
            Some(value) => divide_half_even(value, places.unsigned_abs()),
            None if places >= 0 => return Err(DecimalError::Overflow),
            // 28 digits of a quantity, as some bills write 1/31, times the bytes of a GiB: only the product is wide.
            None => multiply_wide(quantity.digits, self.factor, places.unsigned_abs())?,
        })
    }
}

/// `a × b ÷ 10^places`, the product in 256 bits, rounded once to the nearest, ties to even.
fn multiply_wide(a: i128, b: i128, places: u32) -> Result<i128, DecimalError> {
    // 2^256 has 78 digits.
    if places > 78 {
        return Ok(0);
    }
    let halves = |value: i128| {
        let value = value.unsigned_abs();
        [value as u64, (value >> 64) as u64]
    };
    let mut product = [0u64; 4];
    for (i, x) in halves(a).into_iter().enumerate() {
        let mut carry = 0u128;
        for (j, y) in halves(b).into_iter().enumerate() {
            let sum = u128::from(x) * u128::from(y) + u128::from(product[i + j]) + carry;
            product[i + j] = sum as u64;
            carry = sum >> 64;
        }
        product[i + 2] = carry as u64;
    }
    let (mut left, mut divisor, mut remainder, mut rest_below) = (places, 1u64, 0u64, false);
    while left > 0 {
        let step = left.min(19);
        rest_below |= remainder != 0;
        divisor = 10u64.pow(step);
        remainder = 0;
        for limb in product.iter_mut().rev() {
            let value = (u128::from(remainder) << 64) | u128::from(*limb);
            *limb = (value / u128::from(divisor)) as u64;
            remainder = (value % u128::from(divisor)) as u64;
        }
        left -= step;
    }
    if product[2] != 0 || product[3] != 0 {
        return Err(DecimalError::Overflow);
    }
    let quotient = (u128::from(product[1]) << 64) | u128::from(product[0]);
    let twice = u128::from(remainder) * 2;
    let up =
        twice > u128::from(divisor) || (twice == u128::from(divisor) && (rest_below || quotient % 2 != 0));
    let rounded = i128::try_from(quotient + u128::from(up)).map_err(|_| DecimalError::Overflow)?;
    Ok(if (a < 0) == (b < 0) { rounded } else { -rounded })
}

/// `value ÷ 10^places`, rounded to the nearest, ties to even.
pub fn divide_half_even(value: i128, places: u32) -> i128 {
    let Some(power) = power_of_ten(places) else {
        return 0;
    };
    // Dividing 128 bits takes ten times as long.
    if let (Ok(value), Ok(power)) = (i64::try_from(value), i64::try_from(power)) {
        let (quotient, remainder) = (value / power, (value % power).unsigned_abs());
        let rest = power.unsigned_abs() - remainder;
        let up = remainder > rest || (remainder == rest && quotient % 2 != 0);
        return i128::from(if up { quotient + value.signum() } else { quotient });
    }
    let (quotient, remainder) = (value / power, value % power);
    let twice = remainder.unsigned_abs() * 2;
    let up = twice > power.unsigned_abs() || (twice == power.unsigned_abs() && quotient % 2 != 0);
    if up { quotient + value.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_quantity_converts_with_a_wide_product() {
        // 1/31 GiB-month of a month of 744 hours: 0.0322580645161290322580645161 × 1.073741824 × 744.
        let quantity = parse_written(b"0.0322580645161290322580645161").unwrap();
        assert_eq!(
            canonical_quantity(quantity, 1_073_741_824_000_000, 744).unwrap(),
            25_769_803_776_000_000
        );
        let negative = parse_written(b"-0.0322580645161290322580645161").unwrap();
        assert_eq!(
            canonical_quantity(negative, 1_073_741_824_000_000, 744).unwrap(),
            -25_769_803_776_000_000
        );
        let huge = parse_written(b"12345678901234567890123.5").unwrap();
        assert_eq!(
            canonical_quantity(huge, 1_073_741_824_000_000, 744),
            Err(DecimalError::Overflow)
        );
    }

    #[test]
    fn sums_are_exact_in_every_order() {
        let large = 90_000_000_000_000 * 10i128.pow(24);
        let mut sum = Sum::default();
        for value in [large, large, large, 7, -large, -large] {
            assert!(value != -large || sum.within(38).is_none());
            sum.add(value);
        }
        assert_eq!(sum.within(38), Some(large + 7));
        let mut other = Sum::of(large);
        other.merge(sum);
        assert_eq!(other.within(38), None);
        other.subtract(large);
        assert_eq!(other.within(38), Some(large + 7));
    }

    #[test]
    fn reads_what_bills_contain() {
        let one = 10i128.pow(24);
        assert_eq!(money(b"5e-06"), Ok(5 * 10i128.pow(18)));
        assert_eq!(money(b" 0.00 "), Ok(0));
        assert_eq!(money(b"-1.50"), Ok(-3 * one / 2));
        assert_eq!(money(b"1.5E+3"), Ok(1500 * one));
        assert_eq!(
            money(b"143227.76367818761501799105"),
            Ok(143_227_763_678_187_615_017_991_050_000)
        );
        assert_eq!(money(b"0.10000000000000000000000000000"), Ok(one / 10));
    }

    #[test]
    fn refuses_what_would_be_guessed() {
        for text in [
            "",
            "NaN",
            "inf",
            "1,5",
            "$50,000.00 ",
            "1e",
            "--1",
            "0x10",
            ".",
            "1 2",
            "1e++5",
        ] {
            assert_eq!(money(text.as_bytes()), Err(DecimalError::NotANumber), "{text}");
        }
        assert_eq!(money(b"1e-25"), Err(DecimalError::Loss));
        assert_eq!(money(b"123456789012345.5"), Err(DecimalError::Overflow));
    }

    #[test]
    fn only_a_doubles_noise_is_rounded() {
        let read = |text: &str| parse_written(text.as_bytes()).and_then(double_money);
        assert_eq!(read("1.2345678901234567e-10"), Ok(123_456_789_012_346));
        assert_eq!(read("5e-06"), money(b"0.000005"));
        assert_eq!(read("0.1234567890123456789012345"), Err(DecimalError::Loss));
    }

    #[test]
    fn doubles_keep_their_shortest_text() {
        for (value, text) in [
            (0.1, "0.1"),
            (20.52022672899, "20.52022672899"),
            (5e-6, "5e-6"),
            (1e20, "1e20"),
            (-0.3, "-0.3"),
        ] {
            assert_eq!(
                written_f64(value).and_then(|w| w.exact(17)),
                parse_written(text.as_bytes()).and_then(|w| w.exact(17)),
                "{value}"
            );
        }
        assert!(written_f64(f64::NAN).is_err());
    }

    #[test]
    fn quantities_round_half_even_once() {
        let one = 10i128.pow(15);
        let ten = parse_written(b"10").unwrap();
        assert_eq!(
            canonical_quantity(ten, 1_073_741_824_000_000, 1),
            Ok(10_737_418_240_000_000)
        );
        assert_eq!(canonical_quantity(ten, one, 744), Ok(7440 * one));
        let tie = parse_written(b"0.0000000000000005").unwrap();
        assert_eq!(canonical_quantity(tie, one, 1), Ok(0));
        let odd_tie = parse_written(b"0.0000000000000015").unwrap();
        assert_eq!(canonical_quantity(odd_tie, one, 1), Ok(2));
    }
}

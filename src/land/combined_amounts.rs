//! Whether amounts that the models make one of fit together where each fits by itself.

use super::contract::Combined;
use super::limits::too_large;
use crate::domain::decimal::{DecimalError, MONEY_SCALE, Sum, Written, double_money, parse_written};
use crate::domain::nested_text;
use crate::transform::functions::is_null_text;

/// Less than the inventory's column holds, so that a sum of some rows fits too.
const MOST_KILOGRAMS: f64 = 1e21;

impl Combined {
    /// Whether two cells fit as the models combine them; each with whether its amounts are doubles.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn fit(self, first: (&str, bool), second: (&str, bool)) -> Result<(), String> {
        if self == Combined::Multiplied {
            return kilograms(first.0, second.0);
        }
        let amount = |(text, doubles): (&str, bool)| match is_null_text(text.as_bytes()) {
            true => Ok(None),
            false => parse_written(text.as_bytes())
                .and_then(|written| exact(written, doubles))
                .map(Some)
                .map_err(|e| e.to_string()),
        };
        // A null makes null of both.
        let (Some(first), Some(second)) = (amount(first)?, amount(second)?) else {
            return Ok(());
        };
        let mut sum = Sum::of(first);
        match self {
            Combined::Added => sum.add(second),
            Combined::Subtracted | Combined::Multiplied => sum.subtract(second),
        }
        match sum.within(38) {
            Some(_) => Ok(()),
            None => Err(match self {
                Combined::Added => too_much("and this one are together"),
                Combined::Subtracted | Combined::Multiplied => too_much("without this one is"),
            }),
        }
    }
}

/// Whether a quantity times a factor fits into the inventory's kilograms, DECIMAL(38, 16).
fn kilograms(quantity: &str, factor: &str) -> Result<(), String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    // What is no number is refused with its own column.
    let (Some(quantity), Some(factor)) = (number(quantity), number(factor)) else {
        return Ok(());
    };
    match (quantity * factor).abs() < MOST_KILOGRAMS {
        true => Ok(()),
        false => Err("times this factor is 10^21 kg CO2e or more, which no table holds".to_string()),
    }
}

/// Whether a cost and what is added to it fit together where each fits.
///
/// # Errors
/// Why not, for people.
pub(super) fn net_cost(cost: &str, credits: &str, path: &str, doubles: bool) -> Result<(), String> {
    if is_null_text(credits.as_bytes()) {
        return Ok(());
    }
    let mut sum = Sum::default();
    for written in nested_text::numbers_at(&nested_text::as_json(credits)?, path)? {
        sum.add(exact(written, doubles).map_err(|e| e.to_string())?);
    }
    if sum.within(38).is_none() {
        return Err(too_much("the credits are together"));
    }
    if !is_null_text(cost.as_bytes()) {
        let cost = parse_written(cost.as_bytes()).and_then(|written| exact(written, doubles));
        sum.add(cost.map_err(|e| e.to_string())?);
    }
    match sum.within(38) {
        Some(_) => Ok(()),
        None => Err(too_much("the cost and its credits are together")),
    }
}

fn exact(written: Written, doubles: bool) -> Result<i128, DecimalError> {
    match doubles {
        true => double_money(written),
        false => written.exact(MONEY_SCALE),
    }
}

fn too_much(what: &str) -> String {
    let reason = too_large(DecimalError::Overflow, "an amount of money");
    format!("{what} {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;
    use crate::land::Contract;

    #[test]
    fn what_is_combined_is_money() {
        for contract in SourceKind::ALL.map(Contract::of) {
            let mut names = contract
                .combined
                .iter()
                .flat_map(|(first, second, _)| [first, second]);
            assert!(names.all(|name| contract.money.contains(name)
                || contract.quantities.contains(name)
                || contract.factors.contains(name)));
        }
        assert_eq!(Contract::of(SourceKind::AwsCur2).combined.len(), 2);
    }

    #[test]
    fn what_each_fits_may_not_fit_together() {
        let most = "99999999999999";
        for (first, second, combined, is_fit) in [
            (most, "0.5", Combined::Added, true),
            (most, "1", Combined::Added, false),
            (most, "-1", Combined::Added, true),
            (most, "-1", Combined::Subtracted, false),
            (most, most, Combined::Subtracted, true),
            (most, "", Combined::Added, true),
            ("99999999999999", "999999999", Combined::Multiplied, false),
            ("-99999999999999", "999999999", Combined::Multiplied, false),
            ("999999999999", "999999999", Combined::Multiplied, true),
            ("1", "", Combined::Multiplied, true),
        ] {
            let fits = combined.fit((first, false), (second, false)).is_ok();
            assert_eq!(fits, is_fit, "{first} {second} {combined:?}");
        }
    }
}

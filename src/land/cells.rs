//! What single cells hold: plain numbers, lists and objects as text, months.

use super::contract::Nested;
use super::limits::{Unit, quantity, too_large};
use crate::domain::decimal::double_money;
use crate::domain::nested_text;
use crate::domain::period::Period;

/// Whether a text is a number that every money and quantity column holds: at most 12 digits before the point, 15 after.
pub(super) fn is_short_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let count = |digits: &[u8]| digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(digits);
    if !(1..=12).contains(&whole) {
        return false;
    }
    match digits[whole..].split_first() {
        None => true,
        Some((b'.', fraction)) => fraction.len() <= 15 && count(fraction) == fraction.len(),
        Some(_) => false,
    }
}

/// Whether a list or an object can be read, with the numbers that count.
pub(super) fn nested(text: &str, number: Nested) -> Result<(), String> {
    let json = nested_text::as_json(text)?;
    let outcome = match number {
        Nested::Text => return Ok(()),
        Nested::Money(path) => nested_text::numbers_at(&json, path)?
            .into_iter()
            .try_for_each(|n| {
                double_money(n)
                    .map(|_| ())
                    .map_err(|e| too_large(e, "an amount of money"))
            }),
        Nested::Quantity(path) => {
            let unit = nested_text::text_at(&json, "unit").unwrap_or_default();
            let unit = Unit::of(&unit, false);
            nested_text::numbers_at(&json, path)?
                .into_iter()
                .try_for_each(|n| quantity(n, unit).map_err(|e| too_large(e, unit.limited())))
        }
    };
    outcome.map_err(|e| format!("a number in it is {e}"))
}

/// Google's `202608`, also where it is nested: `{"month": "202608"}`.
pub(super) fn invoice_month(text: &str) -> Option<Period> {
    let text = text.trim();
    if text.starts_with('{') {
        return invoice_month(&nested_text::text_at(&nested_text::as_json(text).ok()?, "month")?);
    }
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{}-{}", &text[..4], &text[4..]).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decimal::{MONEY_SCALE, parse_written};

    #[test]
    fn short_numbers_fit_every_column() {
        for text in ["0", "-1.5", "999999999999.999999999999999", "-999999999999", "1."] {
            assert!(is_short_number(text.as_bytes()), "{text}");
            let written = parse_written(text.as_bytes()).unwrap();
            assert!(written.exact(MONEY_SCALE).is_ok(), "{text}");
            assert!(
                double_money(written).is_ok() && quantity(written, Unit::of("", false)).is_ok(),
                "{text}"
            );
        }
        for text in [
            "",
            "-",
            ".5",
            "+1",
            "1e3",
            "1,5",
            "1.5 ",
            "1234567890123",
            "0.1234567890123456",
            "1.2.3",
            "--1",
            "NaN",
        ] {
            assert!(!is_short_number(text.as_bytes()), "{text}");
        }
    }
}

//! Ids that a program took for numbers and wrote as doubles.

use std::borrow::Cow;

/// A fraction of so many digits is none that a spreadsheet rounded a long number to.
const MORE_THAN_ROUNDED: usize = 8;
/// Doubles hold every integer up to this many digits.
const EXACT_DIGITS: usize = 15;

/// An id as it is meant: `700000000001.0` and `7.00000000001E11`, as programs print a whole double, are `700000000001`;
/// every other id is as it is written.
///
/// `7E+11` and `7.12346E+11` stay: spreadsheets round to few digits and write so.
pub fn as_id(text: &str) -> Cow<'_, str> {
    let Some((whole, rest)) = text.split_once('.') else {
        return Cow::Borrowed(text);
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) {
        return Cow::Borrowed(text);
    }
    if !rest.is_empty() && rest.bytes().all(|byte| byte == b'0') {
        return Cow::Borrowed(whole);
    }
    let of_power = rest.split_once(['E', 'e']).and_then(|(fraction, power)| {
        let power = match power.strip_prefix('+') {
            Some(power) if fraction.len() >= MORE_THAN_ROUNDED => power,
            _ => power,
        };
        let places: usize = power.parse().ok().filter(|_| are_digits(power))?;
        let is_scientific = whole.len() == 1 && whole != "0" && are_digits(fraction);
        let is_whole = fraction.len() <= places && places < EXACT_DIGITS;
        (is_scientific && is_whole).then(|| format!("{whole}{fraction:0<places$}"))
    });
    of_power.map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_double_is_its_digits() {
        for (written, meant) in [
            ("700000000001.0", "700000000001"),
            ("000000000001.00", "000000000001"),
            ("7.00000000001E11", "700000000001"),
            ("7.0000000001e11", "700000000010"),
            ("7.0E11", "700000000000"),
            ("7.00000000001E+11", "700000000001"),
        ] {
            assert_eq!(as_id(written), meant, "{written}");
        }
    }

    #[test]
    fn other_ids_stay() {
        for id in [
            "",
            "700000000001",
            "01AB-CD.0",
            "1.5",
            "-1.0",
            "1.",
            ".0",
            "1.0.0",
            "7E+11",
            "7.1E+11",
            "7.12346E+11",
            "7E11",
            "7.123E2",
            "7.0E15",
            "0.0E3",
            "1.0E",
        ] {
            assert_eq!(as_id(id), id);
        }
    }
}

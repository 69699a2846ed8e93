//! Timestamps as bills write them, read to UTC microseconds.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// A longer text is no date, whatever is in it: nobody looks through a megabyte for one.
const MOST_BYTES: usize = 256;

/// No place on earth is further from UTC; what says so is a slip, and no other time.
const MOST_OFFSET_MINUTES: u32 = 18 * 60;

/// Which of day and month a date with slashes names first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `9/30/2026`
    MonthFirst,
    /// `30/9/2026`
    DayFirst,
}

impl DateOrder {
    /// The texts of [`DateOrder::as_str`].
    pub const NAMES: [&str; 2] = ["mdy", "dmy"];

    /// The text kept beside each landed row.
    pub fn as_str(self) -> &'static str {
        match self {
            DateOrder::MonthFirst => "mdy",
            DateOrder::DayFirst => "dmy",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            DateOrder::MonthFirst => DateOrder::DayFirst,
            DateOrder::DayFirst => DateOrder::MonthFirst,
        }
    }

    /// Reads [`DateOrder::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "mdy" => Some(DateOrder::MonthFirst),
            "dmy" => Some(DateOrder::DayFirst),
            _ => None,
        }
    }
}

/// The two leading numbers and the year of a date with slashes, if it is one.
pub fn slash_parts(text: &str) -> Option<(u32, u32, i32)> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let date = text.trim().split([' ', 'T']).next()?;
    let mut parts = date.split('/');
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = match year.len() {
        2 => 2000 + number(year.as_bytes())?,
        4 => number(year.as_bytes())?,
        _ => return None,
    };
    Some((one_or_two_digits(first)?, one_or_two_digits(second)?, year as i32))
}

/// Reads a timestamp in any dialect of the supported exports, as UTC microseconds.
///
/// ISO 8601 with `T` or a space, with fractions, with `Z` or an offset or (then UTC) without, a
/// plain date, `yyyymmdd`, and dates with slashes in the given order. `None` when it is none of them,
/// or when slashes come without an order.
pub fn parse_timestamp(text: &str, order: Option<DateOrder>) -> Option<i64> {
    let text = text.trim();
    if text.len() > MOST_BYTES {
        return None;
    }
    if let Some((first, second, year)) = slash_parts(text) {
        let (month, day) = match order? {
            DateOrder::MonthFirst => (first, second),
            DateOrder::DayFirst => (second, first),
        };
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        let time = match text.split_once([' ', 'T']) {
            Some((_, time)) => parse_time(time)?,
            None => NaiveTime::MIN,
        };
        return Some(date.and_time(time).and_utc().timestamp_micros());
    }
    let bytes = text.as_bytes();
    if bytes.len() == 8 && bytes.iter().all(u8::is_ascii_digit) {
        return micros(NaiveDate::parse_from_str(text, "%Y%m%d").ok()?, NaiveTime::MIN, 0);
    }
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !text.is_char_boundary(10) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        number(&bytes[..4])? as i32,
        number(&bytes[5..7])?,
        number(&bytes[8..10])?,
    )?;
    if bytes.len() == 10 {
        return micros(date, NaiveTime::MIN, 0);
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let rest = text.get(11..)?.trim_start();
    let (time, offset) = split_offset(rest)?;
    micros(date, parse_time(time)?, offset)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// `9` or `09`; a sign is no digit.
fn one_or_two_digits(text: &str) -> Option<u32> {
    match text.len() {
        1 | 2 => number(text.as_bytes()),
        _ => None,
    }
}

fn micros(date: NaiveDate, time: NaiveTime, offset_seconds: i64) -> Option<i64> {
    NaiveDateTime::new(date, time)
        .and_utc()
        .timestamp_micros()
        .checked_sub(offset_seconds * 1_000_000)
}

/// `hh:mm[:ss[.fraction]]` with `AM` or `PM` after it or not.
fn parse_time(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim().to_string(), Some(0)),
        (_, Some(clock)) => (clock.trim().to_string(), Some(12)),
        _ => (upper, None),
    };
    let mut parts = clock.split(':');
    let mut hour = one_or_two_digits(parts.next()?)?;
    let minute = one_or_two_digits(parts.next()?)?;
    let second = parts.next().unwrap_or("0");
    if parts.next().is_some() {
        return None;
    }
    if let Some(half) = half {
        hour = hour % 12 + half;
    }
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let microseconds: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    NaiveTime::from_hms_micro_opt(hour, minute, one_or_two_digits(whole)?, microseconds)
}

/// Splits `12:00:00+02:00`, `…+0200`, `…+02`, `…Z`, `… UTC` into the clock and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(position) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, offset) = text.split_at(position);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match &offset.as_bytes()[1..] {
        [a, b] => ([*a, *b], [b'0', b'0']),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    let away = hours * 60 + minutes;
    (minutes < 60 && away <= MOST_OFFSET_MINUTES).then_some((clock, sign * i64::from(away) * 60))
}

/// From 1990-01-01 until 2101-01-01, in UTC microseconds.
const USUAL_TIMES: std::ops::Range<i64> = 631_152_000_000_000..4_133_980_800_000_000;

/// Whether a time, in UTC microseconds, is of a year that a bill or activity can be of: 1990 to 2100. A spreadsheet's zero is
/// 1899, an open end 9999.
pub fn is_usual_year(micros: i64) -> bool {
    USUAL_TIMES.contains(&micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_of_other_characters_is_none() {
        for text in [
            "2026-08-01T00:00:00+0é:",
            "2026-08-01T00:00:00-é",
            "2026-08-01T00:00:00+1+1",
        ] {
            assert_eq!(parse_timestamp(text, None), None, "{text}");
        }
    }

    #[test]
    fn an_offset_that_no_place_has_is_none() {
        for text in [
            "2026-01-01T00:00:00+99:99",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+18:01",
            "2026-01-01T00:00:00-1801",
            "2026-01-01T00:00:00-19",
            "2026-01-01T00:00:00+02:60",
            "2026-01-01T00:00:00+0299",
            // Colons stand between hours and minutes and nowhere else.
            "2026-01-01T00:00:00+1:234",
            "2026-01-01T00:00:00+02:00:",
            "2026-01-01T00:00:00+:0200",
            "2026-01-01T00:00:00+",
        ] {
            assert_eq!(parse_timestamp(text, None), None, "{text}");
        }
        let midnight = parse_timestamp("2026-01-01", None).unwrap();
        for (text, hours) in [("+18:00", -18), ("-18:00", 18), ("+1400", -14), ("-12", 12)] {
            assert_eq!(
                parse_timestamp(&format!("2026-01-01T00:00:00{text}"), None),
                Some(midnight + hours * 3_600_000_000),
                "{text}"
            );
        }
    }

    #[test]
    fn an_offset_behind_a_clock_without_seconds_is_no_part_of_the_clock() {
        let order = Some(DateOrder::MonthFirst);
        for text in [
            "9/1/2024 12:00:+5",
            "9/1/2024 12:+5",
            "9/1/2024 +12:00",
            "+9/+1/2024",
        ] {
            assert_eq!(parse_timestamp(text, order), None, "{text}");
        }
    }

    #[test]
    fn reads_every_spelling_seen_in_exports() {
        let midnight = parse_timestamp("2024-09-01", None).unwrap();
        for text in [
            "2024-09-01T00:00:00.000Z",
            "2024-09-01 00:00:00",
            "2024-09-01 00:00:00+00:00",
            "2024-09-01T02:00:00+0200",
            "2024-09-01 00:00:00 UTC",
            "20240901",
            "2024-09-01T00:00Z",
        ] {
            assert_eq!(parse_timestamp(text, None), Some(midnight), "{text}");
        }
        assert_eq!(
            parse_timestamp("9/1/24", Some(DateOrder::MonthFirst)),
            Some(midnight)
        );
        assert_eq!(
            parse_timestamp("01/09/2024", Some(DateOrder::DayFirst)),
            Some(midnight)
        );
        assert_eq!(
            parse_timestamp("9/1/2024 12:00:00 AM", Some(DateOrder::MonthFirst)),
            Some(midnight)
        );
        assert_eq!(
            parse_timestamp("2022-08-02 01:11:12.066000+00:00", None),
            Some(1_659_402_672_066_000)
        );
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in [
            "",
            "9/1/24",
            "2024-13-01",
            "2024-09-01Tx",
            "yesterday",
            "2024-9-1",
            "31/31/2024",
        ] {
            assert_eq!(parse_timestamp(text, None), None, "{text}");
        }
    }
}

//! Spans of days, both ends included.

use std::fmt;

use chrono::{Days, NaiveDate};

use super::period::Period;

/// Longer spans are no range of an export.
const MOST_DAYS: i64 = 3660;

/// Days from a first to a last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DaySpan {
    first: NaiveDate,
    last: NaiveDate,
}

impl DaySpan {
    /// A span from its ends; `None` when they are in the wrong order or more than ten years apart.
    pub fn new(first: NaiveDate, last: NaiveDate) -> Option<Self> {
        (0..MOST_DAYS)
            .contains(&(last - first).num_days())
            .then_some(DaySpan { first, last })
    }

    /// All days of a month.
    pub fn of_month(month: Period) -> Self {
        let first = month.first_day();
        DaySpan {
            first,
            last: month.next().first_day().pred_opt().unwrap_or(first),
        }
    }

    /// Reads `20260401-20260630`.
    pub fn from_compact(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let day = |text: &str| {
            let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
            digits
                .then(|| NaiveDate::parse_from_str(text, "%Y%m%d").ok())
                .flatten()
        };
        Self::new(day(first)?, day(last)?)
    }

    /// The first day.
    pub fn first(self) -> NaiveDate {
        self.first
    }

    /// The last day.
    pub fn last(self) -> NaiveDate {
        self.last
    }

    /// Whether a day is one of them.
    pub fn contains(self, day: NaiveDate) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// The days that both spans have.
    pub fn shared(self, other: DaySpan) -> Option<DaySpan> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(DaySpan { first, last })
    }

    /// Whether it has all days of another one.
    pub fn covers(self, other: DaySpan) -> bool {
        self.shared(other) == Some(other)
    }

    /// The months that have any of its days.
    pub fn months(self) -> impl Iterator<Item = Period> {
        let last = Period::of(self.last);
        std::iter::successors(Some(Period::of(self.first)), |month| Some(month.next()))
            .take_while(move |month| *month <= last)
    }

    /// Its days, one after another.
    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take_while(move |day| *day <= self.last)
    }

    /// Days in rising order as spans.
    pub fn joined(days: impl IntoIterator<Item = NaiveDate>) -> Vec<DaySpan> {
        let mut spans: Vec<DaySpan> = Vec::new();
        for day in days {
            match spans.last_mut() {
                Some(span) if span.last.checked_add_days(Days::new(1)) == Some(day) => span.last = day,
                _ => spans.push(DaySpan {
                    first: day,
                    last: day,
                }),
            }
        }
        spans
    }
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{} to {}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> DaySpan {
        DaySpan::from_compact(text).unwrap()
    }

    #[test]
    fn reads_the_folders_of_exports() {
        assert_eq!(span("20260401-20260630").to_string(), "2026-04-01 to 2026-06-30");
        assert_eq!(span("20260401-20260401").to_string(), "2026-04-01");
        for text in [
            "20260431-20260501",
            "20260501-20260430",
            "20260501",
            "2026051-20260520",
            "19000101-99991231",
        ] {
            assert_eq!(DaySpan::from_compact(text), None, "{text}");
        }
        let months: Vec<String> = span("20251231-20260201")
            .months()
            .map(|m| m.to_string())
            .collect();
        assert_eq!(months, ["2025-12", "2026-01", "2026-02"]);
        let february = DaySpan::of_month("2024-02".parse().unwrap());
        assert_eq!(february, span("20240201-20240229"));
        assert!(span("20240115-20240301").covers(february));
        assert!(!span("20240202-20240301").covers(february));
    }

    #[test]
    fn days_join_to_spans() {
        let days = span("20260628-20260703")
            .days()
            .filter(|day| day.to_string() != "2026-06-30");
        let joined: Vec<String> = DaySpan::joined(days).iter().map(ToString::to_string).collect();
        assert_eq!(joined, ["2026-06-28 to 2026-06-29", "2026-07-01 to 2026-07-03"]);
    }
}

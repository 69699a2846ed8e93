//! The days of one month for which the rows of a run count.

use chrono::NaiveDate;

use crate::domain::days::DaySpan;
use crate::domain::period::Period;

/// What a run gives to one month where it is not all that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedDays {
    /// The month.
    pub month: Period,
    /// All days that the run says it exports.
    pub run: DaySpan,
    /// Those of them that count, of this month.
    pub counted: Vec<DaySpan>,
    /// Rows that lie outside the run's days count as well: no other run of the month may hold them.
    pub with_strays: bool,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counts,
    /// A newer run delivers its day.
    Superseded,
    /// It belongs to another month of the same run.
    OtherMonth,
    /// Its day is none of the run's, and another run may hold it.
    Stray,
}

impl CountedDays {
    /// What becomes of a row of a day.
    ///
    /// A row before the run's first day belongs to the month of the first day, one after the last day to that of the last:
    /// providers bill late corrections and purchases with a date of their own.
    pub fn verdict(&self, day: NaiveDate) -> Verdict {
        let belongs = day.clamp(self.run.first(), self.run.last());
        if Period::of(belongs) != self.month {
            Verdict::OtherMonth
        } else if belongs != day {
            match self.with_strays {
                true => Verdict::Counts,
                false => Verdict::Stray,
            }
        } else if self.counted.iter().any(|span| span.contains(day)) {
            Verdict::Counts
        } else {
            Verdict::Superseded
        }
    }

    /// The days that count, for people and for the identity of a delivery.
    pub fn names(&self) -> String {
        match self.counted.is_empty() {
            true => "no day".to_string(),
            false => names(&self.counted),
        }
    }
}

/// Spans of days in words.
pub fn names(spans: &[DaySpan]) -> String {
    let texts: Vec<String> = spans.iter().map(ToString::to_string).collect();
    texts.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_one_place() {
        let run = DaySpan::from_compact("20260520-20260610").unwrap();
        let of = |month: &str, counted: &str, with_strays: bool| CountedDays {
            month: month.parse().unwrap(),
            run,
            counted: vec![DaySpan::from_compact(counted).unwrap()],
            with_strays,
        };
        let may = of("2026-05", "20260520-20260531", true);
        let june = of("2026-06", "20260604-20260610", false);
        for (day, in_may, in_june) in [
            ("2026-05-20", Verdict::Counts, Verdict::OtherMonth),
            ("2026-06-03", Verdict::OtherMonth, Verdict::Superseded),
            ("2026-06-04", Verdict::OtherMonth, Verdict::Counts),
            ("2026-04-02", Verdict::Counts, Verdict::OtherMonth),
            ("2026-05-19", Verdict::Counts, Verdict::OtherMonth),
            ("2026-06-11", Verdict::OtherMonth, Verdict::Stray),
            ("2026-09-11", Verdict::OtherMonth, Verdict::Stray),
        ] {
            let date = day.parse().unwrap();
            assert_eq!(
                (may.verdict(date), june.verdict(date)),
                (in_may, in_june),
                "{day}"
            );
        }
    }
}

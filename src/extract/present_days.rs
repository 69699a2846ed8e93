//! The days of a month that the runs of an export hold which are there, beside rows that runs brought which are gone.

use std::sync::Arc;

use chrono::NaiveDate;

use super::counted_days::CountedDays;
use super::layout::PeriodFolder;
use crate::domain::days::DaySpan;
use crate::domain::period::Period;

/// What the present runs of an export hold of one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentDays {
    /// The runs that count.
    pub runs: Vec<Arc<CountedDays>>,
    /// The days of the month that no run names.
    pub unnamed: Vec<DaySpan>,
}

/// What becomes of a landed row whose file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No present run has its day: it stays as it was landed.
    Stays,
    /// A present run delivers its day.
    Replaced,
    /// The folder of a present run names its day, but the run does not hold it.
    Unclear,
}

impl PresentDays {
    /// Whether they hold every day of the month, so that nothing else has a place in it.
    pub fn are_whole(&self, month: Period) -> bool {
        let mut days = DaySpan::of_month(month).days();
        days.all(|day| self.runs.iter().any(|counted| counted.run.contains(day)))
    }

    /// What becomes of a row of a day that a file brought which is gone.
    ///
    /// A row of another day than its run goes with the run: corrections and purchases have a date of their own.
    pub fn standing(&self, uri: &str, day: NaiveDate) -> Standing {
        if self.runs.iter().any(|counted| counted.run.contains(day)) {
            return Standing::Replaced;
        }
        let is_unnamed = |day: NaiveDate| self.unnamed.iter().any(|span| span.contains(day));
        let folder = PeriodFolder::of(uri).map(|folder| folder.days);
        match folder {
            Some(run) if !run.contains(day) => match run.days().any(is_unnamed) {
                true => Standing::Stays,
                false => Standing::Replaced,
            },
            _ if is_unnamed(day) => Standing::Stays,
            _ => Standing::Unclear,
        }
    }
}

/// Where what brought a file's rows lies, for people: the folder of its run, or else the file.
pub fn place_of_run(uri: &str) -> &str {
    match (PeriodFolder::of(uri), uri.rsplit_once('/')) {
        (Some(_), Some((folder, _))) => folder,
        _ => uri,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_present_run_holds_stays() {
        let span = |text: &str| DaySpan::from_compact(text).unwrap();
        let month: Period = "2026-06".parse().unwrap();
        let run = |days: &str| {
            Arc::new(CountedDays {
                month,
                run: span(days),
                counted: vec![span(days)],
                with_strays: false,
            })
        };
        let first_week = PresentDays {
            runs: vec![run("20260601-20260607")],
            unnamed: vec![span("20260608-20260630")],
        };
        // The folder names the month, of which its manifest tells one week.
        let narrow = PresentDays {
            runs: vec![run("20260601-20260607")],
            unnamed: Vec::new(),
        };
        assert!(!first_week.are_whole(month) && !narrow.are_whole(month));
        let month_file = "file:///bills/costs/20260601-20260630/1.csv";
        let week_file = "file:///bills/costs/20260601-20260607/1.csv";
        for (present, uri, day, standing) in [
            (&first_week, month_file, "2026-06-07", Standing::Replaced),
            (&first_week, month_file, "2026-06-08", Standing::Stays),
            (&first_week, month_file, "2026-05-31", Standing::Stays),
            (&first_week, week_file, "2026-06-08", Standing::Replaced),
            (&first_week, week_file, "2026-05-31", Standing::Replaced),
            (&narrow, month_file, "2026-06-07", Standing::Replaced),
            (&narrow, month_file, "2026-06-08", Standing::Unclear),
            (&narrow, month_file, "2026-05-31", Standing::Replaced),
        ] {
            let day = day.parse().unwrap();
            assert_eq!(present.standing(uri, day), standing, "{uri} {day}");
        }
        let both = PresentDays {
            runs: vec![run("20260601-20260607"), run("20260608-20260702")],
            unnamed: Vec::new(),
        };
        assert!(both.are_whole(month));
    }
}

//! Billing periods and charge months: `YYYY-MM`, ends exclusive.

use std::fmt;
use std::str::FromStr;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: i32,
    month: u32,
}

impl Period {
    /// A month from its numbers; `None` outside years 1900–9999 or months 1–12.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        ((1900..=9999).contains(&year) && (1..=12).contains(&month)).then_some(Period { year, month })
    }

    /// The month that holds a day counted from 1970-01-01.
    pub fn of_epoch_day(day: i32) -> Option<Self> {
        let date = chrono::NaiveDate::from_epoch_days(day)?;
        Self::new(chrono::Datelike::year(&date), chrono::Datelike::month(&date))
    }

    /// The month that holds a day.
    pub fn of(date: chrono::NaiveDate) -> Self {
        use chrono::Datelike;
        Period {
            year: date.year(),
            month: date.month(),
        }
    }

    /// The first day; the first day of [`Period::next`] is the exclusive end.
    pub fn first_day(self) -> chrono::NaiveDate {
        chrono::NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default()
    }

    /// This month moved on by `months`.
    pub fn plus(self, months: u32) -> Self {
        let index = self.year * 12 + self.month as i32 - 1 + months as i32;
        Period {
            year: index.div_euclid(12),
            month: index.rem_euclid(12) as u32 + 1,
        }
    }

    /// The month after this one.
    pub fn next(self) -> Self {
        if self.month == 12 {
            Period {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Period {
                year: self.year,
                month: self.month + 1,
            }
        }
    }

    /// This month moved back by `months`.
    pub fn minus(self, months: u32) -> Self {
        let index = self.year * 12 + self.month as i32 - 1 - months as i32;
        Period {
            year: index.div_euclid(12),
            month: index.rem_euclid(12) as u32 + 1,
        }
    }

    /// Reads the leading `YYYYMM` or `YYYYMMDD` of a folder such as `20260901-20261001`.
    pub fn from_compact(text: &str) -> Option<Self> {
        let digits = text.get(..6)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Self::new(digits[..4].parse().ok()?, digits[4..].parse().ok()?)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if year.len() != 4 || month.len() != 2 || !is_number(year) || !is_number(month) {
                return None;
            }
            Self::new(year.parse().ok()?, month.parse().ok()?)
        };
        parse().ok_or_else(|| format!("`{text}` is not a month like 2026-01"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_steps() {
        let december: Period = "2025-12".parse().unwrap();
        assert_eq!(december.next().to_string(), "2026-01");
        assert_eq!(december.plus(14).to_string(), "2027-02");
        assert_eq!(december.first_day().to_string(), "2025-12-01");
        assert_eq!(Period::of(december.first_day()), december);
        assert_eq!(december.minus(12).to_string(), "2024-12");
        assert_eq!(
            Period::from_compact("20260901-20261001").unwrap().to_string(),
            "2026-09"
        );
        assert!("2026-13".parse::<Period>().is_err());
        assert!("2026-1".parse::<Period>().is_err());
        assert!("2026-+1".parse::<Period>().is_err());
        assert!(Period::from_compact("report").is_none());
    }
}

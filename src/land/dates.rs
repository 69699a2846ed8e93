//! Which of day and month a file's dates with slashes name first: decided per file, or refused.

use crate::domain::timestamp::{DateOrder, slash_parts};

/// What the dates of a file allow.
#[derive(Debug, Clone, Copy, Default)]
pub struct DateEvidence {
    slashes: bool,
    differs: bool,
    month_first: bool,
    day_first: bool,
}

impl DateEvidence {
    /// Takes one date into account; `is_period_start` marks billing period starts, which are a day 1.
    pub fn add(&mut self, text: &str, is_period_start: bool) {
        let Some((first, second, _)) = slash_parts(text) else {
            return;
        };
        self.slashes = true;
        self.differs |= first != second;
        self.month_first |= second > 12 || (is_period_start && second == 1 && first != 1);
        self.day_first |= first > 12 || (is_period_start && first == 1 && second != 1);
    }

    /// Whether any date had slashes.
    pub fn has_slashes(self) -> bool {
        self.slashes
    }

    /// The order that the source says, unless the dates plainly say the other one.
    ///
    /// # Errors
    /// What the dates say.
    pub fn confirms(self, told: DateOrder) -> Result<DateOrder, &'static str> {
        match (self.month_first, self.day_first, told) {
            (true, false, DateOrder::DayFirst) => Err("its dates put the month first"),
            (false, true, DateOrder::MonthFirst) => Err("its dates put the day first"),
            _ => Ok(told),
        }
    }

    /// The order, `None` when no date needs one. Dates that are the same both ways (`02/02/2021`) take either.
    ///
    /// # Errors
    /// Why no order fits: the dates contradict each other, or none of them decides.
    pub fn order(self) -> Result<Option<DateOrder>, &'static str> {
        match (self.slashes, self.month_first, self.day_first) {
            (false, ..) => Ok(None),
            (_, true, false) => Ok(Some(DateOrder::MonthFirst)),
            (_, false, true) => Ok(Some(DateOrder::DayFirst)),
            (_, false, false) if !self.differs => Ok(Some(DateOrder::MonthFirst)),
            (_, true, true) => Err("some dates put the month first, others the day"),
            (_, false, false) => Err("no date tells whether the month or the day comes first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(dates: &[(&str, bool)]) -> Result<Option<DateOrder>, &'static str> {
        let mut evidence = DateEvidence::default();
        dates.iter().for_each(|(text, start)| evidence.add(text, *start));
        evidence.order()
    }

    #[test]
    fn a_period_start_or_a_large_number_decides() {
        assert_eq!(order(&[("4/1/25", true)]), Ok(Some(DateOrder::MonthFirst)));
        assert_eq!(order(&[("1/4/2025", true)]), Ok(Some(DateOrder::DayFirst)));
        assert_eq!(
            order(&[("4/5/25", false), ("4/25/25", false)]),
            Ok(Some(DateOrder::MonthFirst))
        );
        assert_eq!(order(&[("2025-04-01", true)]), Ok(None));
    }

    #[test]
    fn dates_that_are_the_same_both_ways_need_no_decision() {
        let same = [("2/2/2021", false), ("01/01/2021", true)];
        assert_eq!(order(&same), Ok(Some(DateOrder::MonthFirst)));
        assert!(order(&[same[0], ("2/3/2021", false)]).is_err());
    }

    #[test]
    fn what_does_not_decide_is_refused() {
        assert!(order(&[("4/5/25", false)]).is_err());
        assert!(order(&[("25/4/25", false), ("4/25/25", false)]).is_err());
    }
}

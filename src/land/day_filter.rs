//! Rows of a file of which only some days count: another run delivers the other days, or another month holds them.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::common::HashMap;

use super::checks::Checks;
use super::contract::Contract;
use super::quarantine::{Quarantine, Rejection, row_text};
use super::rows::{DeliveredRows, texts};
use crate::domain::timestamp::{DateOrder, parse_timestamp};
use crate::error::{Error, Result};
use crate::extract::{CountedDays, SourceFile, Verdict};
use crate::transform::functions::is_null_text;

/// More texts of dates are forgotten and read again.
const MOST_KNOWN_DATES: usize = 4096;

/// What the filter did with the rows of a file.
#[derive(Debug, Default)]
pub(super) struct FilteredRows {
    /// Rows that are left out because a newer run delivers their day.
    pub superseded: u64,
    /// Rows that count in another month.
    pub of_other_months: u64,
    /// Rows that count though their date is none of their run's.
    pub strays: u64,
}

impl FilteredRows {
    /// Rows that were read and do not land here.
    pub fn left_out(&self) -> u64 {
        self.superseded + self.of_other_months
    }

    /// What a person should know of it.
    pub fn warnings(&self, uri: &str, days: &CountedDays) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.superseded > 0 {
            warnings.push(format!(
                "{uri}: {} of its rows of {} are left out, newer runs deliver their days",
                self.superseded, days.month
            ));
        }
        if self.strays > 0 {
            warnings.push(format!(
                "{uri}: {} of its rows have a date outside the days of its run ({}); they count in {}",
                self.strays, days.run, days.month
            ));
        }
        warnings
    }
}

/// Keeps the rows whose day counts.
pub(super) struct DayFilter {
    days: Arc<CountedDays>,
    uri: String,
    /// The columns that tell the day, the first that a row has.
    columns: Vec<(usize, String)>,
    known: HashMap<String, Option<NaiveDate>>,
    /// Notes the bills of the rows that stay, and of no others.
    bills: Checks,
    /// What was done so far.
    pub done: FilteredRows,
    /// Rows whose day is none of their run's while other runs may hold it.
    pub rejected: Quarantine,
}

impl DayFilter {
    /// The filter of a file; `bills` are checks of their own.
    ///
    /// # Errors
    /// Data: no column tells the day of a row.
    pub fn new(
        file: &SourceFile,
        days: &Arc<CountedDays>,
        contract: &Contract,
        delivered: &[String],
        bills: Checks,
    ) -> Result<Self> {
        let headers = contract.headers(delivered, false)?;
        let places = contract
            .required_dates
            .iter()
            .filter_map(|name| headers.place(name));
        let columns: Vec<(usize, String)> = places.map(|index| (index, delivered[index].clone())).collect();
        if columns.is_empty() {
            return Err(Error::data("no column tells the day of a row")
                .at(file.uri.clone())
                .because(format!(
                    "of the run's days ({}) some count in {}",
                    days.run, days.month
                ))
                .hint("export the date column, or keep one run that holds the month whole"));
        }
        Ok(DayFilter {
            days: days.clone(),
            uri: file.uri.clone(),
            columns,
            known: HashMap::default(),
            bills,
            done: FilteredRows::default(),
            rejected: Quarantine::default(),
        })
    }

    /// The rows of a batch that count.
    ///
    /// # Errors
    /// Internal: a column has no text.
    pub fn kept(&mut self, rows: DeliveredRows) -> Result<DeliveredRows> {
        let count = rows.row_numbers.len();
        let order = rows
            .columns
            .last()
            .and_then(|column| column.as_string_opt::<i32>())
            .filter(|orders| orders.len() > 0 && orders.is_valid(0))
            .and_then(|orders| DateOrder::parse(orders.value(0)));
        let dates = self
            .columns
            .iter()
            .map(|(index, _)| texts(&rows.columns[*index]))
            .collect::<Result<Vec<_>>>()?;
        let mut keep = Vec::with_capacity(count);
        for row in 0..count {
            let told = dates
                .iter()
                .position(|column| !is_null_text(column[row].as_bytes()));
            let place = told.unwrap_or(0);
            let text = &dates[place][row];
            let verdict = self.day(text, order).map(|day| self.days.verdict(day));
            match verdict {
                Some(Verdict::Counts) => {}
                Some(Verdict::Superseded) => self.done.superseded += 1,
                Some(Verdict::OtherMonth) => self.done.of_other_months += 1,
                Some(Verdict::Stray) => {
                    let reason = format!(
                        "the date `{text}` is none of the days of its run ({}), and another run of {} may hold it",
                        self.days.run, self.days.month
                    );
                    self.reject(&rows, row, place, reason)?;
                }
                None => self.reject(&rows, row, place, format!("`{text}` is no date of a known form"))?,
            }
            let counts = verdict == Some(Verdict::Counts);
            if counts
                && self
                    .day(text, order)
                    .is_some_and(|day| !self.days.run.contains(day))
            {
                self.done.strays += 1;
            }
            keep.push(counts);
        }
        let rows = rows.kept(&keep)?;
        self.note_bills(&rows)?;
        Ok(rows)
    }

    /// The checks of the rows that stayed, with what was done and rejected.
    pub fn finish(self) -> (Checks, FilteredRows, Quarantine) {
        (self.bills, self.done, self.rejected)
    }

    fn day(&mut self, text: &str, order: Option<DateOrder>) -> Option<NaiveDate> {
        if let Some(day) = self.known.get(text) {
            return *day;
        }
        let day = parse_timestamp(text, order)
            .and_then(|micros| NaiveDate::from_epoch_days(micros.div_euclid(86_400_000_000) as i32));
        if self.known.len() >= MOST_KNOWN_DATES {
            self.known.clear();
        }
        self.known.insert(text.to_string(), day);
        day
    }

    fn reject(&mut self, rows: &DeliveredRows, row: usize, column: usize, reason: String) -> Result<()> {
        // The last column is not the file's own.
        let cells = rows.columns[..rows.columns.len().saturating_sub(1)]
            .iter()
            .map(|column| Ok(texts(&column.slice(row, 1))?.concat()))
            .collect::<Result<Vec<String>>>()?;
        self.rejected.push(Rejection {
            source_uri: self.uri.clone(),
            row_number: rows.row_numbers[row] as u64,
            column: self.columns[column].1.clone(),
            reason,
            text: row_text(cells.iter().map(String::as_bytes)),
        });
        Ok(())
    }

    fn note_bills(&mut self, rows: &DeliveredRows) -> Result<()> {
        let columns = self
            .bills
            .bill_columns()
            .map(|index| Ok((index, texts(&rows.columns[index])?)))
            .collect::<Result<Vec<_>>>()?;
        for (row, period) in rows.periods.iter().enumerate() {
            let cell = |index: usize| {
                let found = columns.iter().find(|(i, _)| *i == index);
                found.map_or("", |(_, texts)| texts[row].as_str())
            };
            self.bills.note_clean_row(cell, *period);
        }
        Ok(())
    }
}

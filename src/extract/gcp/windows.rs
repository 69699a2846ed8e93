//! Windows of a billing export: its rows by the UTC day on which they were exported.
//!
//! The table only grows, and each row has the time of its export: a day that is over does not change, whatever day or
//! month its usage is of, unless somebody writes to the table. A window that did change is replaced as a whole.

use chrono::{Days, NaiveDate};
use sha2::{Digest, Sha256};

use super::table::{TableInfo, TableName};

/// The rows of one day, as the table shows them without being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub rows: u64,
    /// The last export time among them, in microseconds.
    pub newest: String,
    /// The sum of their costs, exact; empty where no row has one.
    pub cost: String,
    /// The days on which they arrived, where the table is partitioned by that.
    pub arrival: Option<(NaiveDate, NaiveDate)>,
}

/// How long before its export a row may have arrived, to the partitions' clock.
const SLACK: Days = Days::new(5);

impl Window {
    /// Reads a row of [`overview`].
    pub fn of(cells: &[Option<String>]) -> Option<(NaiveDate, Window)> {
        let cell = |index: usize| cells.get(index).and_then(Option::as_deref);
        let day = |index: usize| cell(index).and_then(|text| text.parse().ok());
        let window = Window {
            rows: cell(1)?.parse().ok()?,
            newest: cell(2)?.to_string(),
            cost: cell(3).unwrap_or_default().to_string(),
            arrival: day(4).zip(day(5)),
        };
        Some((day(0)?, window))
    }

    /// Equal while the day holds the same rows, as far as one look can tell: a row that was changed in place shows by its
    /// cost. A fingerprint of whole rows would read, and bill, the whole table on every look.
    pub fn delivery_id(&self, table: &TableName, day: NaiveDate) -> String {
        let Window {
            rows, newest, cost, ..
        } = self;
        id(&format!("{table}\0{day}\0{rows}\0{newest}\0{cost}"))
    }
}

/// A text as the id of a delivery.
pub fn id(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The query that shows every window from a day to another (exclusive): day, rows, newest export time, the sum of costs, and
/// the first and last day of arrival. It reads two columns.
pub fn overview(table: &TableName, info: &TableInfo, from: NaiveDate, to: NaiveDate) -> String {
    let (mut arrival, mut bound) = (String::new(), String::new());
    if info.is_partitioned_by_arrival() {
        arrival =
            ", FORMAT_TIMESTAMP('%F', MIN(_PARTITIONTIME)), FORMAT_TIMESTAMP('%F', MAX(_PARTITIONTIME))"
                .into();
        // Rows that have just arrived lie in no partition yet.
        let first = from.checked_sub_days(SLACK).unwrap_or(from);
        bound = format!(" AND (_PARTITIONTIME >= TIMESTAMP('{first}') OR _PARTITIONTIME IS NULL)");
    }
    format!(
        "SELECT FORMAT_TIMESTAMP('%F', export_time) AS day, CAST(COUNT(*) AS STRING), \
         CAST(UNIX_MICROS(MAX(export_time)) AS STRING), CAST(SUM(SAFE_CAST(cost AS BIGNUMERIC)) AS STRING){arrival} FROM {} \
         WHERE export_time >= TIMESTAMP('{from}') AND export_time < TIMESTAMP('{to}'){bound} GROUP BY day ORDER BY day",
        table.quoted()
    )
}

/// The query that gives every row of a window as JSON, always in the same order.
pub fn rows_of(table: &TableName, info: &TableInfo, day: NaiveDate, window: &Window) -> String {
    let bound = window.arrival.map_or(String::new(), |(first, last)| {
        let behind = last.succ_opt().unwrap_or(last);
        format!(
            " AND ((_PARTITIONTIME >= TIMESTAMP('{first}') AND _PARTITIONTIME < TIMESTAMP('{behind}')) \
             OR _PARTITIONTIME IS NULL)"
        )
    });
    let next = day.succ_opt().unwrap_or(day);
    format!(
        "SELECT TO_JSON_STRING(t) FROM (SELECT {} FROM {} \
         WHERE export_time >= TIMESTAMP('{day}') AND export_time < TIMESTAMP('{next}'){bound}) AS t \
         ORDER BY t.export_time, TO_JSON_STRING(t)",
        info.columns(),
        table.quoted()
    )
}

/// The newest export time among the last 40 days.
pub fn newest(table: &TableName, info: &TableInfo, today: NaiveDate) -> String {
    let from = today.checked_sub_days(Days::new(40)).unwrap_or(today);
    let bound = match info.is_partitioned_by_arrival() {
        true => format!(" AND (_PARTITIONTIME >= TIMESTAMP('{from}') OR _PARTITIONTIME IS NULL)"),
        false => String::new(),
    };
    format!(
        "SELECT FORMAT_TIMESTAMP('%F %T UTC', MAX(export_time)) FROM {} WHERE export_time >= TIMESTAMP('{from}'){bound}",
        table.quoted()
    )
}

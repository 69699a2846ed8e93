//! The billing export in BigQuery, standard or detailed: one delivery per window of export time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::NaiveDate;
use serde_json::value::RawValue;

use super::bigquery::BigQuery;
use super::emptied;
use super::table::{TableInfo, TableName};
use super::windows::{self, Window};
use crate::error::{Error, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter};
use crate::extract::{Delivery, Discovery};

/// The column that tells the windows apart.
const EXPORT_TIME: &str = "export_time";

/// One export table.
#[derive(Debug)]
pub struct Billing {
    bigquery: BigQuery,
    table: TableName,
    /// What the last check at the table showed.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    info: TableInfo,
    windows: BTreeMap<String, (NaiveDate, Window)>,
}

impl Billing {
    /// The connector of a table.
    pub fn new(bigquery: BigQuery, table: TableName) -> Self {
        Billing {
            bigquery,
            table,
            seen: Mutex::default(),
        }
    }

    fn export(&self, day: NaiveDate) -> String {
        format!("{}/{day}", self.table.table)
    }

    /// The day of a window of this table.
    fn day(&self, export: &str) -> Option<NaiveDate> {
        let (table, day) = export.rsplit_once('/')?;
        day.parse().ok().filter(|_| table == self.table.table)
    }

    fn held(&self, export: &str, delivery_id: &str) -> Delivery {
        Delivery::known(&self.uri(), export.to_string(), None, delivery_id.to_string())
    }

    async fn info(&self) -> Result<TableInfo> {
        let info = self.bigquery.table(&self.table).await?;
        if !info.has(EXPORT_TIME) || !info.has("cost") {
            return Err(Error::external("the table is no billing export")
                .at(self.uri())
                .because("it has no columns export_time and cost")
                .hint("name the table gcp_billing_export_v1_… or gcp_billing_export_resource_v1_…"));
        }
        Ok(info)
    }

    async fn windows(
        &self,
        info: &TableInfo,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<BTreeMap<NaiveDate, Window>> {
        let sql = windows::overview(&self.table, info, from, to);
        let mut windows = BTreeMap::new();
        let read = self
            .bigquery
            .query(&sql, info.location.as_deref(), |cells| {
                let (day, window) = Window::of(&cells).ok_or_else(|| {
                    Error::external("BigQuery's answer has other columns than were asked for")
                })?;
                windows.insert(day, window);
                Ok(())
            })
            .await;
        read.map(|_| windows).map_err(|e| e.at(self.uri()))
    }
}

#[async_trait]
impl Connector for Billing {
    fn uri(&self) -> String {
        self.table.uri()
    }

    async fn check(&self) -> Result<String> {
        let info = self.info().await?;
        let sql = windows::newest(&self.table, &info, chrono::Utc::now().date_naive());
        let mut newest = None;
        let asked = self.bigquery.query(&sql, info.location.as_deref(), |mut cells| {
            newest = cells.pop().flatten();
            Ok(())
        });
        asked.await.map_err(|e| e.at(self.uri()))?;
        let rows = info
            .rows()
            .map_or("rows".to_string(), |rows| format!("{rows} rows"));
        let newest = newest.map_or("none exported in the last 40 days".to_string(), |time| {
            format!("the newest exported {time}")
        });
        Ok(format!(
            "{}, {rows}, {newest}; queries run in {}",
            self.table, self.bigquery.project
        ))
    }

    async fn discover(&self, known: &Known) -> Result<Discovery> {
        let info = self.info().await?;
        let state = info
            .state()
            .map(|state| format!("{} {} {state}", known.since, known.until));
        let mut found = Discovery {
            cursor: state.clone(),
            ..Discovery::default()
        };
        let checks: BTreeMap<&str, &str> = known
            .checks
            .iter()
            .map(|((export, _), check)| (export.as_str(), check.delivery_id.as_str()))
            .collect();
        if !known.force && state.is_some() && state == known.cursor {
            found.deliveries = checks.iter().map(|(export, id)| self.held(export, id)).collect();
            return Ok(found);
        }

        // One column of every month asked for is little; only windows that changed are read.
        let (from, until) = (known.since.first_day(), known.until.first_day());
        let windows = self.windows(&info, from, until).await?;

        for (export, id) in &checks {
            let held = match self.day(export) {
                Some(day) if windows.contains_key(&day) => continue,
                Some(day) if (day < from || day >= until) || info.forgets() => self.held(export, id),
                // Rows that were exported anew stand in another window: here nothing is left.
                gone => {
                    let emptied = emptied(&self.uri(), export, None);
                    if *id != emptied.delivery_id {
                        let why = match gone {
                            Some(_) => "its rows are no longer in the table",
                            None => "the source names another table now",
                        };
                        found
                            .warnings
                            .push(format!("{export}: {why}; they are taken out"));
                    }
                    emptied
                }
            };
            // What cannot be read again stays as it is, also when everything is landed again.
            if !known.force || held.files.is_empty() {
                found.deliveries.push(held);
            }
        }
        let mut seen = Seen {
            info,
            ..Seen::default()
        };
        for (day, window) in windows {
            let export = self.export(day);
            found
                .deliveries
                .push(self.held(&export, &window.delivery_id(&self.table, day)));
            seen.windows.insert(export, (day, window));
        }
        found.deliveries.sort_by(|a, b| a.export.cmp(&b.export));
        if found.deliveries.is_empty() {
            found.warnings.push(format!(
                "{} holds no row exported since {}",
                self.uri(),
                known.since
            ));
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(found)
    }

    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer> {
        if delivery.files.is_empty() {
            return Ok(ApiAnswer::default());
        }
        let seen = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let window = seen.windows.get(&delivery.export).cloned();
            window.map(|(day, window)| (seen.info.clone(), day, window))
        };
        // A window that is landed again although the table has not changed was not looked up.
        let (info, day, window) = match (seen, self.day(&delivery.export)) {
            (Some(seen), _) => seen,
            (None, Some(day)) => {
                let info = self.info().await?;
                let next = day.succ_opt().unwrap_or(day);
                let window = self
                    .windows(&info, day, next)
                    .await?
                    .remove(&day)
                    .ok_or_else(|| {
                        Error::external("the window is no longer in the table")
                            .at(format!("{} {day}", self.uri()))
                            .hint("run again with --full-refresh")
                    })?;
                (info, day, window)
            }
            (None, None) => {
                return Err(Error::internal("a window of another table").at(delivery.export.clone()));
            }
        };
        let _turn = self.bigquery.turns.acquire().await;
        let sql = windows::rows_of(&self.table, &info, day, &window);
        let read = self.bigquery.query(&sql, info.location.as_deref(), |mut cells| {
            let text = cells
                .pop()
                .flatten()
                .ok_or_else(|| Error::external("a row of BigQuery is empty"))?;
            let row = RawValue::from_string(text)
                .map_err(|e| Error::external("a row of BigQuery is no JSON").because(e))?;
            rows.write(&row)
        });
        let count = read.await.map_err(|e| e.at(format!("{} {day}", self.uri())))?;
        if count < window.rows {
            return Err(Error::external("the table changed while it was read")
                .at(format!("{} {day}", self.uri()))
                .because(format!("{} rows were there, {count} came", window.rows))
                .hint("run again"));
        }
        Ok(ApiAnswer::default())
    }
}

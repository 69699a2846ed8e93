//! The Carbon Footprint export in BigQuery: one delivery per month of usage, every version of the model as it is.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::bigquery::BigQuery;
use super::emptied;
use super::table::{TableInfo, TableName};
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter};
use crate::extract::{Delivery, Discovery};

/// The carbon footprint table.
#[derive(Debug)]
pub struct Carbon {
    bigquery: BigQuery,
    table: TableName,
    /// What the last check at the table showed.
    seen: Mutex<TableInfo>,
}

impl Carbon {
    /// The connector of a table.
    pub fn new(bigquery: BigQuery, table: TableName) -> Self {
        Carbon {
            bigquery,
            table,
            seen: Mutex::default(),
        }
    }

    async fn info(&self) -> Result<TableInfo> {
        let info = self.bigquery.table(&self.table).await?;
        if !info.has("usage_month") || !info.has("carbon_footprint_kgCO2e") {
            return Err(Error::external("the table is no Carbon Footprint export")
                .at(self.uri())
                .because("it has no columns usage_month and carbon_footprint_kgCO2e")
                .hint("name the table that the Carbon Footprint data transfer writes: carbon_footprint"));
        }
        Ok(info)
    }

    /// The months that it has rows of.
    async fn months(&self, info: &TableInfo) -> Result<BTreeSet<Period>> {
        let sql = format!(
            "SELECT FORMAT_DATE('%Y-%m', usage_month) AS month FROM {} GROUP BY month ORDER BY month",
            self.table.quoted()
        );
        let mut months = BTreeSet::new();
        let read = self.bigquery.query(&sql, info.location.as_deref(), |mut cells| {
            months.extend(cells.pop().flatten().and_then(|text| text.parse::<Period>().ok()));
            Ok::<_, Error>(())
        });
        read.await.map_err(|e| e.at(self.uri()))?;
        Ok(months)
    }

    fn query_of(&self, info: &TableInfo, month: Period) -> String {
        format!(
            "SELECT TO_JSON_STRING(t) FROM (SELECT {} FROM {} \
             WHERE usage_month >= DATE '{}' AND usage_month < DATE '{}') AS t ORDER BY TO_JSON_STRING(t)",
            info.columns(),
            self.table.quoted(),
            month.first_day(),
            month.next().first_day()
        )
    }
}

#[async_trait]
impl Connector for Carbon {
    fn uri(&self) -> String {
        self.table.uri()
    }

    async fn check(&self) -> Result<String> {
        let info = self.info().await?;
        let months = self.months(&info).await?;
        let newest = months.last().map_or("no month yet".to_string(), |month| {
            format!("newest month {month}")
        });
        Ok(format!(
            "{}, {newest}; queries run in {}",
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
        let uri = self.uri();
        if !known.force && state.is_some() && state == known.cursor {
            found.deliveries = known
                .checks
                .iter()
                .map(|((export, month), check)| {
                    Delivery::known(&uri, export.clone(), *month, check.delivery_id.clone())
                })
                .collect();
            return Ok(found);
        }
        // A new model restates months of long ago: when the table changed, each of them may have.
        let mut asked = known.clone();
        asked.force |= state.is_some();
        let export = &self.table.table;
        let months = self.months(&info).await?;
        for month in months.range(known.since..known.until) {
            let cost = "1 query of one month".to_string();
            found
                .deliveries
                .push(Delivery::answer(&uri, export.clone(), Some(*month), &asked, cost));
        }
        for ((other, month), check) in known.checks.iter().filter(|((name, _), _)| name != export) {
            let emptied = emptied(&uri, other, *month);
            if check.delivery_id != emptied.delivery_id {
                found.warnings.push(format!(
                    "{other}: the source names another table now; its rows are taken out"
                ));
            }
            found.deliveries.push(emptied);
        }
        if found.deliveries.is_empty() {
            found
                .warnings
                .push(format!("{uri} holds no month since {}", known.since));
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = info;
        Ok(found)
    }

    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer> {
        if delivery.files.is_empty() {
            return Ok(ApiAnswer::default());
        }
        let month = delivery
            .period
            .ok_or_else(|| Error::internal("a carbon delivery has no month").at(self.uri()))?;
        let info = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _turn = self.bigquery.turns.acquire().await;
        let sql = self.query_of(&info, month);
        let read = self.bigquery.query(&sql, info.location.as_deref(), |mut cells| {
            let text = cells
                .pop()
                .flatten()
                .ok_or_else(|| Error::external("a row of BigQuery is empty"))?;
            let row = RawValue::from_string(text)
                .map_err(|e| Error::external("a row of BigQuery is no JSON").because(e))?;
            rows.write(&row)
        });
        let count = read.await.map_err(|e| e.at(format!("{} {month}", self.uri())))?;
        if count == 0 {
            return Err(Error::external("the table changed while it was read")
                .at(format!("{} {month}", self.uri()))
                .because("the month's rows are gone")
                .hint("run again"));
        }
        Ok(ApiAnswer::default())
    }
}

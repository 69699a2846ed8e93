//! The groups of an answer as rows, each day whole and in the order of its keys, however its pages came.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::types::{Group, MetricValue, ResultByTime};
use serde::Serialize;

use super::cost_query::{Half, METRICS};
use crate::error::{Error, Result};
use crate::extract::connector::RowWriter;

/// One landed row: a day's costs of a service and a usage or record type.
#[derive(Serialize)]
struct CostRow<'a> {
    period_start: &'a str,
    period_end: &'a str,
    estimated: bool,
    billing_account_id: &'a str,
    linked_account_id: &'a str,
    service: &'a str,
    usage_type: Option<&'a str>,
    record_type: Option<&'a str>,
    unblended_cost: Option<&'a str>,
    unblended_cost_unit: Option<&'a str>,
    amortized_cost: Option<&'a str>,
    amortized_cost_unit: Option<&'a str>,
    usage_quantity: Option<&'a str>,
    usage_quantity_unit: Option<&'a str>,
}

/// Amounts of a group, in the order of [`METRICS`]; each with its unit, as delivered.
type Amounts = [Option<MetricValue>; METRICS.len()];

/// The day that is being read.
#[derive(Debug, Default)]
struct Day {
    start: String,
    end: String,
    estimated: bool,
    groups: BTreeMap<(String, String), Amounts>,
}

/// Collects one half of an account's bill, a day at a time.
#[derive(Debug)]
pub(super) struct CostRows<'a> {
    half: Half,
    billing_account: &'a str,
    account: &'a str,
    day: Day,
    unfinished: bool,
}

impl<'a> CostRows<'a> {
    /// No rows yet.
    pub(super) fn new(half: Half, billing_account: &'a str, account: &'a str) -> Self {
        CostRows {
            half,
            billing_account,
            account,
            day: Day::default(),
            unfinished: false,
        }
    }

    /// Takes a page; a day that began on the page before goes on here.
    ///
    /// # Errors
    /// External: a group came twice, or has no two keys.
    pub(super) fn page(&mut self, results: Vec<ResultByTime>, rows: &mut RowWriter) -> Result<()> {
        for result in results {
            let (start, end) = result
                .time_period
                .map(|period| (period.start, period.end))
                .ok_or_else(|| strange("a result names no day"))?;
            if start != self.day.start {
                self.flush(rows)?;
                self.day = Day {
                    start,
                    end,
                    ..Day::default()
                };
            }
            self.day.estimated |= result.estimated;
            self.unfinished |= result.estimated;
            for group in result.groups.unwrap_or_default() {
                let (keys, amounts) = parted(group)?;
                if self.day.groups.insert(keys, amounts).is_some() {
                    return Err(strange("a group came twice"));
                }
            }
        }
        Ok(())
    }

    /// Writes what is held; whether a day was still an estimate.
    ///
    /// # Errors
    /// External: the disk is full.
    pub(super) fn finish(mut self, rows: &mut RowWriter) -> Result<bool> {
        self.flush(rows)?;
        Ok(self.unfinished)
    }

    fn flush(&mut self, rows: &mut RowWriter) -> Result<()> {
        let Day {
            start,
            end,
            estimated,
            groups,
        } = std::mem::take(&mut self.day);
        for ((service, kind), amounts) in &groups {
            let [unblended, amortized, quantity] = amounts.each_ref().map(Option::as_ref);
            rows.write(&CostRow {
                period_start: &start,
                period_end: &end,
                estimated,
                billing_account_id: self.billing_account,
                linked_account_id: self.account,
                service,
                usage_type: (self.half == Half::Usage).then_some(kind),
                record_type: (self.half == Half::Charges).then_some(kind),
                unblended_cost: unblended.and_then(MetricValue::amount),
                unblended_cost_unit: unblended.and_then(MetricValue::unit),
                amortized_cost: amortized.and_then(MetricValue::amount),
                amortized_cost_unit: amortized.and_then(MetricValue::unit),
                usage_quantity: quantity.and_then(MetricValue::amount),
                usage_quantity_unit: quantity.and_then(MetricValue::unit),
            })?;
        }
        Ok(())
    }
}

fn parted(group: Group) -> Result<((String, String), Amounts)> {
    let mut metrics = group.metrics.unwrap_or_default();
    let keys: [String; 2] = group
        .keys
        .unwrap_or_default()
        .try_into()
        .map_err(|_| strange("a group has other than two keys"))?;
    let [service, kind] = keys;
    Ok(((service, kind), METRICS.map(|metric| metrics.remove(metric))))
}

fn strange(what: &str) -> Error {
    Error::external(format!("Cost Explorer answered something else: {what}")).hint(
        "nothing of this month was landed: run again; if it stays, report it with the account and month",
    )
}

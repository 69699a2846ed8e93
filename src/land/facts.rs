//! What a commit to a raw table says of a slice and no row does: its delivery, its bills, its files. The ledger mirrors it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bill::Bill;
use super::slice::{Landed, SliceRequest};
use super::slice_key::SliceKey;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::Delivery;

/// What a commit did to raw tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitFacts {
    /// A slice was landed.
    Landed(SliceFacts),
    /// Slices were given up.
    Forgotten(Vec<ForgottenSlices>),
}

/// A landed slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceFacts {
    /// The tenant.
    pub tenant: String,
    /// The source's id.
    pub source: String,
    /// The export.
    pub export: String,
    /// `YYYY-MM`; empty for a bare file, whose rows say theirs.
    pub period: String,
    /// The tables that the delivery changed, each with a commit that says the same.
    pub tables: Vec<String>,
    /// The delivery.
    pub delivery_id: String,
    /// Rows in quarantine; only the ledger holds them.
    pub rejected: u64,
    /// The bills that its rows belong to.
    pub bills: Vec<BillFacts>,
    /// URI and digest of each file that brought rows.
    pub files: Vec<(String, String)>,
}

/// A bill in a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillFacts {
    /// `YYYY-MM`.
    pub period: String,
    /// The provider in its canonical spelling.
    pub provider: String,
    /// The billing account; empty when the rows name none.
    pub account: String,
    /// The account below it that another source may hold by itself; empty where there is no such thing.
    pub sub_account: String,
    /// What its amounts are; empty where exports do not differ in it.
    pub cost_basis: String,
}

/// One period of an export, or all of them, as a person gave it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenSlices {
    /// The tenant.
    pub tenant: String,
    /// The source's id.
    pub source: String,
    /// The export.
    pub export: String,
    /// `YYYY-MM`; all periods without one.
    pub period: Option<String>,
}

impl SliceFacts {
    /// Of a delivery that was read whole and is about to be committed to `tables`.
    pub(super) fn new(
        request: &SliceRequest<'_>,
        key: &SliceKey,
        delivery: &Delivery,
        landed: &Landed,
        tables: Vec<String>,
    ) -> SliceFacts {
        let cost_basis = landed.cost_basis.map_or("", |basis| basis.name());
        let bill = |(bill, period): &(Bill, Period)| BillFacts {
            period: period.to_string(),
            provider: bill.provider.clone(),
            account: bill.account.clone(),
            sub_account: bill.sub_account.clone(),
            cost_basis: cost_basis.to_string(),
        };
        let mut files = landed.contents.clone();
        let before = request
            .held_before
            .get(key)
            .into_iter()
            .flat_map(|held| &held.files);
        files.extend(before.filter(|(uri, _)| landed.kept.files.contains(uri)).cloned());
        if !delivery.manifests.is_empty() {
            // Two equal files that one manifest names are two: it says so.
            files.sort_by(|a, b| a.1.cmp(&b.1));
            files.dedup_by(|a, b| a.1 == b.1);
        }
        SliceFacts {
            tenant: key.tenant.clone(),
            source: key.source.clone(),
            export: key.export.clone(),
            period: key.period.map(|period| period.to_string()).unwrap_or_default(),
            tables,
            delivery_id: landed.delivery_id.clone(),
            rejected: landed.quarantine.count,
            bills: landed.bills.iter().map(bill).collect(),
            files,
        }
    }
}

impl CommitFacts {
    /// As it stands in the commit.
    ///
    /// # Errors
    /// Internal when it cannot be written as JSON.
    pub fn to_json(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::internal("what a commit says cannot be written").because(error))
    }

    /// Read from a commit; `None` when another version of this program wrote it in a way that this one does not know.
    pub fn from_json(told: Value) -> Option<CommitFacts> {
        serde_json::from_value(told).ok()
    }
}

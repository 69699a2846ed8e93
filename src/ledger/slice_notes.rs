//! Everything that is noted of a slice when it landed or failed to: one transaction, so that no part of it is ever missing.

use super::api_checks::put_api_check;
use super::bills::{Bill, put_bills};
use super::contents::put_contents;
use super::deliveries::put_delivery;
use super::open::{Ledger, committed};
use super::quarantine::{RejectedRows, put_quarantine};
use super::slices::{SliceKey, SliceRecord, put_slice};
use crate::error::Result;

/// What a slice holds, as its commit says too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SliceContents {
    /// The bills that its rows belong to, each with its period.
    pub bills: Vec<Bill>,
    /// URI and digest of each file that brought rows.
    pub files: Vec<(String, String)>,
}

/// What is to be noted; what is `None` stays as it was noted before.
#[derive(Debug, Clone)]
pub struct SliceNotes {
    /// The slice.
    pub key: SliceKey,
    /// The delivery that it holds; `Some(None)` when it is to land again.
    pub delivery_id: Option<Option<String>>,
    /// What it holds.
    pub contents: Option<SliceContents>,
    /// Its rejected rows.
    pub quarantine: Option<RejectedRows>,
    /// The cursor of a check that was made now.
    pub api_check: Option<Option<String>>,
    /// What a run did with it.
    pub record: Option<SliceRecord>,
}

impl SliceNotes {
    /// Nothing yet.
    pub fn of(key: SliceKey) -> SliceNotes {
        SliceNotes {
            key,
            delivery_id: None,
            contents: None,
            quarantine: None,
            api_check: None,
            record: None,
        }
    }
}

impl Ledger {
    /// Notes all of it or nothing.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn note_slice(&self, notes: &SliceNotes) -> Result<()> {
        let mut transaction = self.write().await?;
        let key = &notes.key;
        if let Some(contents) = &notes.contents {
            put_bills(&mut transaction, key, &contents.bills).await?;
            put_contents(&mut transaction, key, &contents.files).await?;
        }
        if let Some(delivery_id) = &notes.delivery_id {
            put_delivery(&mut transaction, key, delivery_id.as_deref()).await?;
        }
        if let Some(cursor) = &notes.api_check {
            put_api_check(&mut transaction, key, cursor.as_deref()).await?;
        }
        if let Some(rejected) = &notes.quarantine {
            put_quarantine(&mut transaction, key, rejected).await?;
        }
        if let Some(record) = &notes.record {
            put_slice(&mut transaction, record).await?;
        }
        committed(transaction).await
    }
}

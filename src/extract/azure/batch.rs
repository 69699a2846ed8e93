//! Carbon figures of many subscriptions asked for together, kept apart until each subscription's slice is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::management::Management;
use super::report::{SCOPES, resources};
use super::report_shape::Items;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::RowWriter;

/// A month of at most 100 subscriptions: asked for once, by whoever reads the first of them.
#[derive(Debug)]
pub struct Batch {
    month: Period,
    subscriptions: Vec<String>,
    answered: OnceCell<Result<Arc<Answered>>>,
}

/// What was answered: rows in a file of their own, and where each subscription's lie.
#[derive(Debug)]
pub struct Answered {
    file: Mutex<File>,
    places: BTreeMap<String, Vec<(u64, usize)>>,
    /// Subscriptions that were refused, and why.
    pub denied: BTreeMap<String, String>,
}

impl Batch {
    /// A month of these subscriptions, not asked for yet.
    pub fn new(month: Period, subscriptions: Vec<String>) -> Batch {
        Batch {
            month,
            subscriptions,
            answered: OnceCell::new(),
        }
    }

    /// The answer, asked for by the first caller.
    ///
    /// # Errors
    /// What the first caller met.
    pub async fn answer(&self, management: &Management) -> Result<Arc<Answered>> {
        let asked = || async { self.ask(management).await.map(Arc::new) };
        self.answered.get_or_init(asked).await.clone()
    }

    async fn ask(&self, management: &Management) -> Result<Answered> {
        let mut answered = Answered {
            file: Mutex::new(tempfile::tempfile()?),
            places: BTreeMap::new(),
            denied: BTreeMap::new(),
        };
        for scope in SCOPES {
            let take = |items: Items| answered.keep(scope, items);
            resources(management, self.month, scope, &self.subscriptions, take).await?;
        }
        Ok(answered)
    }
}

impl Answered {
    fn keep(&mut self, scope: &str, found: Items) -> Result<()> {
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut end = file.stream_position()?;
        let mut lines = Vec::new();
        for item in &found.items {
            let line = serde_json::to_vec(&item.row(scope))
                .map_err(|e| Error::internal("a row is no JSON").because(e))?;
            let places = self.places.entry(item.subscription()).or_default();
            places.push((end, line.len()));
            end += line.len() as u64;
            lines.extend_from_slice(&line);
        }
        file.write_all(&lines)?;
        self.denied.extend(found.denied);
        Ok(())
    }

    /// Writes a subscription's rows in an order that is the same however the questions were split.
    ///
    /// # Errors
    /// External: the disk is full or the file is lost.
    pub fn write(&self, subscription: &str, rows: &mut RowWriter) -> Result<()> {
        let mut lines = Vec::new();
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            for (start, length) in self.places.get(subscription).into_iter().flatten() {
                let mut line = vec![0; *length];
                file.seek(SeekFrom::Start(*start))?;
                file.read_exact(&mut line)?;
                lines.push(line);
            }
        }
        lines.sort_unstable();
        for line in lines {
            let row: &RawValue = serde_json::from_slice(&line)
                .map_err(|e| Error::internal("a kept row is no JSON").because(e))?;
            rows.write(&row)?;
        }
        Ok(())
    }
}

//! Delivered Parquet files taken over page by page: most of their columns already have the raw table's types.
//!
//! Decoding a bill only to encode it again takes most of landing's time. A file whose rows all pass their checks is copied
//! instead, with the columns that need another type written anew and provenance beside them. Whatever is not plainly fit
//! for it goes the way of every other file, row by row, which names what is wrong.

mod copy;
mod plan;
mod scan;
mod side_by_side;

pub(super) use side_by_side::{Candidate, Copied, take_over};

use std::path::Path;
use std::sync::mpsc;

use datafusion::arrow::datatypes::Field;

use copy::{RowGroups, Stop};
use plan::Plan;
use scan::{DateBounds, Scan};

use super::checks::Checks;
use super::clean_rows::can_be_clean;
use super::foreign_bytes::stopped;
use super::new_files::Provenance;
use crate::domain::period::Period;
use crate::error::Result;
use crate::parquet::Demand;
use crate::warehouse::{StagedFile, StagedSinks};

/// Row groups that are checked ahead of those that are copied.
const GROUPS_AHEAD: usize = 2;

/// A delivered Parquet file all of whose rows belong to one period.
pub(super) struct Verbatim<'a> {
    pub path: &'a Path,
    /// The table's fields, by delivered column.
    pub fields: &'a [Field],
    pub demand: &'a Demand,
    pub period: Period,
    pub provenance: &'a Provenance,
}

impl Verbatim<'_> {
    /// Copies the file; `None` when it has to be read row by row, and then nothing is left of the copy. To be called from
    /// a blocking thread. `checks` are fresh; they come back with the bills of the rows.
    ///
    /// # Errors
    /// External when the warehouse cannot be written.
    pub fn copy(&self, mut checks: Checks, sinks: &StagedSinks) -> Result<Option<(Checks, Vec<StagedFile>)>> {
        checks.note_types(self.fields);
        if !can_be_clean(&checks, self.fields) {
            return Ok(None);
        }
        let Some(plan) = Plan::of(self.path, self.fields)? else {
            return Ok(None);
        };
        let Some(scan) = Scan::new(self.path, &plan.delivered, self.fields, self.demand, &checks) else {
            return Ok(None);
        };
        let constants = self.provenance.constants(None);
        let mut copied = RowGroups::new(&plan, self.path, self.demand, &constants, sinks)?;
        let groups = plan.metadata().num_row_groups();
        // Checking and copying take about the same time: side by side they take it once.
        let (checked, checks) = std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel::<Option<DateBounds>>(GROUPS_AHEAD);
            let checking = scope.spawn(move || {
                let mut checks = checks;
                for group in 0..groups {
                    let bounds = scan.row_group(group, &mut checks, self.period);
                    let clean = bounds.is_some();
                    // The copy stopped early when nobody listens.
                    if sender.send(bounds).is_err() || !clean {
                        break;
                    }
                }
                checks
            });
            let outcome = (0..groups).try_for_each(|group| match receiver.recv() {
                Ok(Some(bounds)) => copied.copy(group, &bounds),
                _ => Err(Stop::Unfit),
            });
            drop(receiver);
            let checks = checking.join().map_err(|panic| stopped(panic.as_ref()));
            (outcome, checks)
        });
        match checked {
            Ok(()) => Ok(Some((checks?, copied.finish()?))),
            Err(Stop::Unfit) => {
                copied.discard();
                checks.map(|_| None)
            }
            Err(Stop::Failed(error)) => {
                copied.discard();
                Err(error)
            }
        }
    }
}

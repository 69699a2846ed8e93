//! Rows that would count twice: what stops the partitions of the sources concerned, and of no other one.

use std::collections::BTreeSet;

use super::report::RunReport;
use super::unbuilt::Unbuilt;
use super::workspace::Workspace;
use super::{moved, one_bill};
use crate::error::{Error, Result};
use crate::ledger::SliceKey;

/// Tenant, source and kind.
type Source = (String, String, String);

/// What was found to count twice.
#[derive(Default)]
pub struct Overlaps {
    /// The first finding of each group of sources.
    pub errors: Vec<Error>,
    sources: BTreeSet<Source>,
    /// The exports of one source that hold the same rows, found by found: tenant, source and the exports.
    same: Vec<(String, String, BTreeSet<String>)>,
}

impl Overlaps {
    /// Looks for bills and contents that count twice, without slices that are about to land anew.
    ///
    /// # Errors
    /// External when the ledger cannot be read.
    pub async fn find(workspace: &Workspace, arriving: &BTreeSet<SliceKey>) -> Result<Overlaps> {
        let mut overlaps = Overlaps::default();
        one_bill::check_beside(workspace, arriving, &mut overlaps).await?;
        moved::check_beside(workspace, arriving, &mut overlaps).await?;
        Ok(overlaps)
    }

    /// Takes down that `slices` hold the same rows. What concerns sources that are stopped already is found again once
    /// the finding before it is mended, so it is not reported.
    pub(super) fn note(&mut self, slices: &BTreeSet<&SliceKey>, error: impl FnOnce() -> Error) {
        let before = self.sources.len();
        for slice in slices {
            let source = (slice.tenant.clone(), slice.source.clone(), slice.kind.clone());
            self.sources.insert(source);
            let others = slices
                .iter()
                .filter(|other| (&other.tenant, &other.source) == (&slice.tenant, &slice.source));
            let exports: BTreeSet<String> = others.map(|other| other.export.clone()).collect();
            let same = (slice.tenant.clone(), slice.source.clone(), exports);
            if same.2.len() > 1 && !self.same.contains(&same) {
                self.same.push(same);
            }
        }
        if self.sources.len() > before {
            self.errors.push(error());
        }
    }

    /// Whether one finding names all of these exports of a source.
    pub(super) fn tell_of(&self, tenant: &str, source: &str, exports: &BTreeSet<&str>) -> bool {
        self.same.iter().any(|(own_tenant, own_source, same)| {
            (own_tenant.as_str(), own_source.as_str()) == (tenant, source)
                && exports.iter().all(|export| same.contains(*export))
        })
    }

    /// The rows that stay out of every partition, which keep their last good data.
    pub fn unbuilt(&self) -> Vec<Unbuilt> {
        let sources = self.sources.iter();
        sources
            .flat_map(|(tenant, source, kind)| Unbuilt::of_overlap(tenant, source, kind))
            .collect()
    }

    /// Takes the findings down as failures of the run and of their sources.
    pub fn report(&self, report: &mut RunReport) {
        self.errors.iter().for_each(|error| report.fail(error));
    }
}

//! The files of a slice that are taken over, some at a time.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use futures::{StreamExt, stream};

use super::Verbatim;
use crate::domain::period::Period;
use crate::error::Result;
use crate::land::checks::Checks;
use crate::land::new_files::Provenance;
use crate::land::staging::blocking;
use crate::parquet::Demand;
use crate::warehouse::{StagedFile, StagedSinks};

/// Files of one slice that are copied side by side.
const PARALLEL_FILES: usize = 2;

/// A file that may be taken over as it is.
pub(in crate::land) struct Candidate {
    /// Where its bytes lie now.
    pub path: PathBuf,
    /// The table's fields, by delivered column.
    pub fields: Vec<Field>,
    /// What reading it asks for.
    pub demand: Arc<Demand>,
    pub period: Period,
    pub provenance: Provenance,
    /// The file's checks, fresh.
    pub checks: Checks,
}

/// A file that was taken over.
pub(in crate::land) struct Copied {
    /// With the bills of its rows.
    pub checks: Checks,
    pub staged: Vec<StagedFile>,
}

/// Copies what is fit for it. The result has a place for every candidate; `None` must be read row by row.
pub(in crate::land) async fn take_over(
    candidates: Vec<Option<Candidate>>,
    sinks: &StagedSinks,
) -> Vec<Result<Option<Copied>>> {
    stream::iter(candidates)
        .map(|candidate| {
            let sinks = sinks.clone();
            async move {
                match candidate {
                    Some(candidate) => {
                        let uri = candidate.provenance.source_uri.clone();
                        blocking(&uri, move || candidate.copy(&sinks)).await
                    }
                    None => Ok(None),
                }
            }
        })
        .buffered(PARALLEL_FILES)
        .collect()
        .await
}

impl Candidate {
    fn copy(self, sinks: &StagedSinks) -> Result<Option<Copied>> {
        let file = Verbatim {
            path: &self.path,
            fields: &self.fields,
            demand: &self.demand,
            period: self.period,
            provenance: &self.provenance,
        };
        let copied = file.copy(self.checks, sinks)?;
        Ok(copied.map(|(checks, staged)| Copied { checks, staged }))
    }
}

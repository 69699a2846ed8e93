//! What the checks of `doctor` found.

use std::path::PathBuf;

use super::doctor_sources::SeenDeliveries;
use crate::config::SourceKind;
use crate::error::Result;
use crate::ledger::Run;

/// What one check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked at: `warehouse`, `table raw.aws_cur2`, `source acme/bills`.
    pub what: String,
    /// What was seen, or why nothing could be.
    pub outcome: Result<Seen>,
    /// What a person should know though nothing failed.
    pub warnings: Vec<String>,
}

impl Finding {
    /// A finding without warnings.
    pub(super) fn of(what: &str, outcome: Result<Seen>) -> Finding {
        Finding {
            what: what.to_string(),
            outcome,
            warnings: Vec::new(),
        }
    }

    /// The same with something to be known.
    pub(super) fn warned(mut self, warning: String) -> Finding {
        self.warnings.push(warning);
        self
    }
}

/// What a check saw that went well.
#[derive(Debug, Clone)]
pub enum Seen {
    /// The configuration was read.
    Configuration {
        /// Its file; none where the built-in defaults hold.
        file: Option<PathBuf>,
    },
    /// The warehouse's store can be written, read and deleted from.
    Warehouse {
        /// Where it is.
        url: String,
        /// The tables that lie there.
        tables: usize,
    },
    /// The ledger can be read.
    Ledger {
        /// Its file; none for one in memory.
        path: Option<PathBuf>,
        /// The migrations that are applied.
        migrations: usize,
        /// The newest run.
        last: Option<Box<Run>>,
    },
    /// The factor set can be read.
    FactorSet {
        /// Its version.
        version: String,
        /// Whether the configuration names this version.
        is_pinned: bool,
        /// The tables that it holds.
        tables: usize,
    },
    /// The cluster has an executor that answers.
    Engine {
        /// Where it is.
        url: String,
    },
    /// Tables whose data files are all there.
    Tables {
        /// How many tables.
        tables: usize,
        /// How many data files they have.
        files: usize,
    },
    /// A published table whose files are all there.
    Published {
        /// Its folder.
        place: String,
    },
    /// A source whose files can be listed.
    Deliveries(SeenDeliveries),
    /// A source whose API answers.
    Api {
        /// The kind of the source.
        kind: SourceKind,
        /// What its API shows.
        answer: String,
    },
}

/// What all the checks found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// In the order in which they were made.
    pub all: Vec<Finding>,
    /// Whether the warehouse holds no table, so that no data could be checked.
    pub is_empty_warehouse: bool,
}

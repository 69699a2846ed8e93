//! The ledger: the metadata database that remembers runs, deliveries, fingerprints and rejected rows.
//!
//! It mirrors what the tables say themselves and is compared with them before it is believed: losing it costs a rebuild of
//! itself, never data.

mod api_checks;
mod audit;
mod bills;
mod contents;
mod deliveries;
mod errors;
mod fingerprints;
mod forgetting;
mod listings;
mod lock;
mod masking;
mod migrations;
mod open;
mod quarantine;
mod runs;
mod slice_notes;
mod slices;
mod table_states;

pub use api_checks::ApiCheckRecord;
pub use audit::AuditEvent;
pub use bills::Bill;
pub use contents::Content;
pub use fingerprints::Fingerprint;
pub use forgetting::ExportSlices;
pub use listings::{Listed, SourceListing};
pub use lock::RunLock;
pub use migrations::MigrationStatus;
pub use open::Ledger;
pub use quarantine::{QuarantineFilter, QuarantineRow, RejectedRows};
pub use runs::{NewRun, Run, RunStatus};
pub use slice_notes::{SliceContents, SliceNotes};
pub use slices::{SliceAction, SliceKey, SliceRecord};
pub use table_states::TableState;

/// Now, as the ledger writes it: UTC text with microseconds, which sorts by time.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests;

//! Who watches a run: a progress bar, a log, nobody.

/// Told what a run does; all calls may come from several threads.
pub trait Observer: Sync + Send {
    /// A stage begins: its name, what it works on and how many bytes or partitions it expects.
    fn begin(&self, stage: &str, what: &str, total: u64);
    /// Rows and units (bytes or partitions) done since the last call.
    fn advance(&self, rows: u64, units: u64);
    /// The stage is over.
    fn end(&self);
    /// Something a person should know now.
    fn warn(&self, text: &str);
}

/// Nobody.
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _: &str, _: &str, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }
}

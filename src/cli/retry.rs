//! `retry` and `backfill`

use super::arguments::{BackfillOptions, hold_range, month};
use super::output::Output;
use super::run::run;
use crate::error::Result;
use crate::ledger::RunStatus;
use crate::run::Workspace;
use crate::run::again::{deliveries_in_range, failed_slices};

/// Lands the failed slices of a run, then builds what is stale.
///
/// # Errors
/// Usage when there is no such run; otherwise those of `run`.
pub async fn retry(workspace: &mut Workspace, output: &Output, run_id: &str) -> Result<u8> {
    let slices = failed_slices(workspace, run_id).await?;
    let (recorded, failed) = (&slices.recorded, &slices.failed);
    output.note(format!(
        "Run {} {}: {} to land again, then what is stale.",
        recorded.run_id,
        recorded.status.name(),
        counted(failed.len(), "failed slice", "failed slices")
    ));
    if recorded.status == RunStatus::Interrupted {
        output.note("  it was interrupted: `offgridflow run` lands what it did not come to.");
    }
    for failure in slices.beyond_slices() {
        output.note(format!(
            "  not tied to a slice, `offgridflow run` looks at it again: {failure}"
        ));
    }
    run(workspace, output, "retry", &slices.request()).await
}

/// Lands what lies in a range of periods again; partitions that this touches rebuild.
///
/// # Errors
/// Usage: a period that is no month, an empty range; otherwise those of `run`.
pub async fn backfill(workspace: &mut Workspace, output: &Output, options: &BackfillOptions) -> Result<u8> {
    let from = month("--from", &options.from)?;
    let to = month("--to", &options.to)?;
    hold_range(Some(from), Some(to))?;
    let deliveries = deliveries_in_range(workspace, &options.select, from, to).await?;
    output.note(format!(
        "{} to land again.",
        counted(deliveries.chosen.len(), "delivery", "deliveries")
    ));
    run(workspace, output, "backfill", &deliveries.request()).await
}

/// `1 row`, `2 rows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_counted_in_the_singular() {
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(0, "row", "rows"), "0 rows");
    }
}

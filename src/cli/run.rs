//! `run`

use super::arguments::Format;
use super::output::Output;
use super::progress::Progress;
use super::summary;
use crate::error::Result;
use crate::run::{Request, Workspace, run as run_pipeline};

/// Runs and prints the summary; the exit code tells what failed.
///
/// # Errors
/// Before anything is written: see [`run_pipeline`].
pub async fn run(workspace: &mut Workspace, output: &Output, verb: &str, request: &Request) -> Result<u8> {
    let progress = Progress::new(output);
    let report = run_pipeline(workspace, verb, request, &progress).await?;
    match output.format {
        Format::Json => output.json(&report.to_json()),
        _ => summary::print(workspace, output, &report, request.upkeep_only).await?,
    }
    for failure in &report.failures {
        output.error(failure, failure.hint.as_deref());
    }
    Ok(report.exit_code())
}

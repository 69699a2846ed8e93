//! `plan`

use super::arguments::Format;
use super::output::{Output, new_table};
use crate::error::Result;
use crate::run::plan::plan as make_plan;
use crate::run::{Request, Workspace};

/// Prints what a run would do; the exit code is that of what would fail already now.
///
/// # Errors
/// What [`make_plan`] returns.
pub async fn plan(workspace: &Workspace, output: &Output, request: &Request) -> Result<u8> {
    let plan = make_plan(workspace, request).await?;
    if output.format == Format::Json {
        output.json(&serde_json::to_value(&plan).unwrap_or_default());
        return Ok(plan.exit_code);
    }
    if plan.steps.is_empty() && request.upkeep_only {
        output.line("Nothing to do: no small files, nothing to delete, short logs.");
    } else if plan.steps.is_empty() && plan.current == 0 {
        output.line("Nothing to do: what is chosen has no delivery to land and no landed row to build from.");
    } else if plan.steps.is_empty() {
        output.line(format!(
            "Nothing to do: {} slices and partitions are up to date.",
            plan.current
        ));
    } else {
        let mut table = new_table(["stage", "table", "partition", "action", "why"].into_iter());
        for step in &plan.steps {
            table.add_row([
                &step.stage,
                &step.table,
                &step.partition,
                &step.action,
                &step.reason,
            ]);
        }
        output.line(table.to_string());
        output.line(format!(
            "{} to do, {} up to date. Nothing has been written.",
            plan.steps.len(),
            plan.current
        ));
    }
    for warning in &plan.warnings {
        output.note(format!("warning: {warning}"));
    }
    for failure in &plan.failures {
        output.error(failure, failure.hint.as_deref());
    }
    Ok(plan.exit_code)
}

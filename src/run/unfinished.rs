//! What is to be said of runs whose process is gone, and of sources that are configured no more.

use std::collections::BTreeSet;

use super::workspace::Workspace;
use crate::error::Result;
use crate::ledger::SliceAction;

/// One warning for each run that landed something and died: what it would have said at its end was said to nobody.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn warnings(workspace: &Workspace, interrupted: &[String]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for run_id in interrupted {
        let slices = workspace.ledger.slices(Some(run_id)).await?;
        let landed = slices
            .iter()
            .filter(|slice| matches!(slice.action, SliceAction::New | SliceAction::Replaced))
            .count();
        let rejected: u64 = slices.iter().map(|slice| slice.rejected).sum();
        if landed == 0 && rejected == 0 {
            continue;
        }
        let rows = match rejected {
            0 => "none of their rows was rejected".to_string(),
            1 => "1 of their rows was rejected: `offgridflow quarantine list` shows it".to_string(),
            _ => format!("{rejected} of their rows were rejected: `offgridflow quarantine list` shows them"),
        };
        let slices = match landed {
            1 => "1 slice".to_string(),
            _ => format!("{landed} slices"),
        };
        warnings.push(format!(
            "run {run_id} did not come to its end and what it warned of is lost; it had landed {slices}, which stand, and {rows}"
        ));
    }
    Ok(warnings)
}

/// One warning for each source that holds landed rows and is configured no more: they count nowhere.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn unconfigured(workspace: &Workspace) -> Result<Vec<String>> {
    let configured: BTreeSet<(String, String)> = workspace
        .config
        .tenants
        .iter()
        .flat_map(|tenant| {
            tenant
                .sources
                .iter()
                .map(|source| (tenant.id.clone(), source.id.clone()))
        })
        .collect();
    let selected: BTreeSet<&str> = workspace
        .config
        .selected_tenants()
        .map(|tenant| tenant.id.as_str())
        .collect();
    let noted = workspace.ledger.noted_slices().await?;
    let gone: BTreeSet<(String, String, String)> = noted
        .into_iter()
        .filter(|key| selected.contains(key.tenant.as_str()))
        .filter(|key| !configured.contains(&(key.tenant.clone(), key.source.clone())))
        .map(|key| (key.tenant, key.source, key.export))
        .collect();
    Ok(gone
        .into_iter()
        .map(|(tenant, source, export)| {
            format!(
                "{tenant}/{source} is configured no more: its landed rows of `{export}` stay in the raw tables and count nowhere; put the source back, or remove them with `offgridflow maintain --forget {tenant}/{source}/{export}`"
            )
        })
        .collect())
}

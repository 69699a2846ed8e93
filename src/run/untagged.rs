//! Sources that bring none of the tags that their tenant allocates costs by.

use std::collections::BTreeSet;

use super::observer::Observer;
use super::query::{rows, texts};
use super::report::RunReport;
use super::workspace::Workspace;
use crate::error::Result;

const ROLLUP: &str = "rollup.usage_daily";

/// Warns of every source that the run has rolled up and none of whose rows has an allocation tag: its costs all stand
/// as untagged, and that is more often a column nobody reads than a bill without tags.
///
/// # Errors
/// External when the rollup cannot be read.
pub async fn warn(workspace: &Workspace, observer: &dyn Observer, report: &mut RunReport) -> Result<()> {
    let built = report.models.iter().filter(|m| m.name == ROLLUP);
    let sources: BTreeSet<(String, String)> = built
        .flat_map(|m| &m.built)
        .filter_map(|p| source_of(p))
        .collect();
    for (tenant, source) in sources {
        let tags = &workspace.tables.placeholders.tags;
        let asked: Vec<_> = tags.iter().filter(|t| t.tenants.contains(&tenant)).collect();
        if asked.is_empty() {
            continue;
        }
        let counts: Vec<String> = asked.iter().map(|t| format!("count({})", t.column)).collect();
        let sql = format!(
            "SELECT source FROM {ROLLUP} WHERE tenant = '{tenant}' AND source = '{source}' \
             GROUP BY source HAVING {} = 0",
            counts.join(" + ")
        );
        if texts(&rows(workspace, &workspace.engine.session(), &sql).await?).is_empty() {
            continue;
        }
        let keys: Vec<String> = asked.iter().map(|t| format!("`{}`", t.key)).collect();
        let warning = format!(
            "{tenant}/{source}: no line has a tag {}, so all its cost is untagged (allocation_tags match exactly; \
             `offgridflow sql \"select tags from normalize.usage where tenant = '{tenant}' and source = '{source}' limit 9\"` shows what there is)",
            keys.join(" or ")
        );
        observer.warn(&warning);
        report.warnings.push(warning);
    }
    Ok(())
}

/// Tenant and source of `tenant=acme/source=aws/export=cur2/period=2026-01`.
fn source_of(partition: &str) -> Option<(String, String)> {
    let value = |name: &str| partition.split('/').find_map(|part| part.strip_prefix(name));
    Some((value("tenant=")?.to_string(), value("source=")?.to_string()))
}

//! `retry` and `backfill`

use std::collections::BTreeSet;

use super::arguments::{BackfillOptions, hold_range, period};
use super::output::Output;
use super::run::run;
use crate::error::{Error, ErrorKind, Failure, PlaceKey, Result};
use crate::ledger::{RunStatus, SliceAction, SliceKey};
use crate::run::arrivals::plan_landing;
use crate::run::tenant_report::OneTenant;
use crate::run::{Request, Workspace};

/// Tenant, source, export and period of a slice, as a request names it.
pub type SliceName = (String, String, String, String);

/// The name of a slice in a request.
pub fn slice_name(key: &SliceKey) -> SliceName {
    (
        key.tenant.clone(),
        key.source.clone(),
        key.export.clone(),
        key.period.clone(),
    )
}

/// Lands the failed slices of a run, then builds what is stale.
///
/// # Errors
/// Usage when there is no such run; otherwise those of `run`.
pub async fn retry(workspace: &mut Workspace, output: &Output, run_id: &str) -> Result<u8> {
    let recorded = workspace.ledger.run(run_id).await?;
    let slices = workspace.ledger.slices(Some(&recorded.run_id)).await?;
    let only = OneTenant::of(&workspace.config, &workspace.ledger).await?;
    let is_seen = |key: &SliceKey| only.as_ref().is_none_or(|tenant| tenant.is(&key.tenant));
    let failed: BTreeSet<SliceName> = slices
        .iter()
        .filter(|s| s.action == SliceAction::Failed && is_seen(&s.key))
        .map(|s| slice_name(&s.key))
        .collect();
    output.note(format!(
        "Run {} {}: {} to land again, then what is stale.",
        recorded.run_id,
        recorded.status.name(),
        counted(failed.len(), "failed slice", "failed slices")
    ));
    if recorded.status == RunStatus::Interrupted {
        output.note("  it was interrupted: `offgridflow run` lands what it did not come to.");
    }
    let summary = match &only {
        Some(tenant) => recorded
            .summary_json
            .as_deref()
            .and_then(|whole| tenant.report(whole)),
        None => recorded.summary_json.clone(),
    };
    for failure in beyond_slices(summary.as_deref()) {
        output.note(format!(
            "  not tied to a slice, `offgridflow run` looks at it again: {failure}"
        ));
    }
    let request = Request {
        pipeline: "daily".into(),
        only_slices: Some(failed),
        ..Request::default()
    };
    run(workspace, output, "retry", &request).await
}

/// Failures of a run that no slice and no model stands for: a delivery that could not even be listed.
fn beyond_slices(summary_json: Option<&str>) -> Vec<Failure> {
    let summary: serde_json::Value = summary_json
        .and_then(|s| serde_json::from_str(s).ok())
        .unwrap_or_default();
    let failures = serde_json::from_value(summary["failures"].clone());
    let failures: Vec<Failure> = failures.unwrap_or_default();
    let is_beyond = |failure: &Failure| {
        failure.kind != ErrorKind::FailedAudit
            && !failure
                .places
                .iter()
                .any(|place| matches!(place.key, PlaceKey::Slice | PlaceKey::Model))
    };
    failures.into_iter().filter(is_beyond).collect()
}

/// Lands what lies in a range of periods again; partitions that this touches rebuild.
///
/// # Errors
/// Usage: a period that is no month, an empty range; otherwise those of `run`.
pub async fn backfill(workspace: &mut Workspace, output: &Output, options: &BackfillOptions) -> Result<u8> {
    let from = period("--from", Some(&options.from))?;
    let to = period("--to", Some(&options.to))?;
    hold_range(from, to)?;
    let mut request = Request {
        pipeline: "daily".into(),
        select: options.select.clone(),
        from,
        to,
        land_again: true,
        ..Request::default()
    };
    let mut chosen = BTreeSet::new();
    for source in plan_landing(workspace, &request).await? {
        for slice in source.slices {
            let key = crate::run::arrivals::ledger_key(&slice.key);
            // A bare file names no period: what its rows became tells whether it lies in the range.
            let inside = |period: &str| period >= options.from.as_str() && period < options.to.as_str();
            if !key.period.is_empty() || landed_periods(workspace, &key).iter().any(|p| inside(p)) {
                chosen.insert(slice_name(&key));
            }
        }
    }
    if chosen.is_empty() {
        return Err(Error::usage(format!(
            "no delivery lies between {} and {}",
            options.from, options.to
        ))
        .hint("`offgridflow doctor` shows what each source delivers"));
    }
    output.note(format!(
        "{} to land again.",
        counted(chosen.len(), "delivery", "deliveries")
    ));
    request.only_slices = Some(chosen);
    run(workspace, output, "backfill", &request).await
}

fn landed_periods(workspace: &Workspace, key: &SliceKey) -> BTreeSet<String> {
    let tables = [format!("raw.{}", key.kind), format!("raw.{}_parquet", key.kind)];
    let snapshots = tables.iter().filter_map(|t| workspace.tables.snapshots.get(t));
    let own = snapshots.flat_map(|t| t.files()).filter(|file| {
        let is =
            |column: &str, value: &str| file.partition.get(column).and_then(|v| v.as_deref()) == Some(value);
        is("tenant", &key.tenant) && is("source", &key.source) && is("export", &key.export)
    });
    own.filter_map(|file| file.partition.get("period").cloned().flatten())
        .collect()
}

/// `1 row`, `2 rows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_without_a_slice_are_named() {
        let failures = [
            Error::data("a row is bad").at_key(PlaceKey::Slice, "a/b/c/2025-01"),
            Error::data("a file cannot be read")
                .at("file:///m")
                .because("of, slice a/b/c"),
        ];
        let failures: Vec<Failure> = failures.iter().map(Failure::from).collect();
        let summary = serde_json::json!({ "failures": failures }).to_string();
        let beyond = beyond_slices(Some(&summary));
        assert_eq!(beyond, failures[1..]);
        assert!(beyond_slices(None).is_empty());
        assert_eq!(counted(1, "row", "rows"), "1 row");
    }
}

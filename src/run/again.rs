//! What `retry` and `backfill` land again.

use std::collections::BTreeSet;

use super::Request;
use super::arrivals::{ledger_key, plan_landing};
use super::tenant_report::OneTenant;
use super::workspace::Workspace;
use crate::domain::period::Period;
use crate::error::{Error, ErrorKind, Failure, PlaceKey, Result};
use crate::ledger::{Run, SliceAction, SliceKey};

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

/// A run with the slices that failed in it.
pub struct FailedSlices {
    /// The run as it is recorded.
    pub recorded: Run,
    /// The tenant that `--tenant` names: of a run of several nothing else may be shown.
    pub only: Option<OneTenant>,
    /// The failed slices, of that tenant.
    pub failed: BTreeSet<SliceName>,
}

impl FailedSlices {
    /// The failures of the run, as far as they may be shown, that no slice and no model stands for: a delivery that could
    /// not even be listed.
    pub fn beyond_slices(&self) -> Vec<Failure> {
        let summary = self.recorded.summary_json.as_deref();
        match &self.only {
            Some(tenant) => beyond_slices(summary.and_then(|whole| tenant.report(whole)).as_deref()),
            None => beyond_slices(summary),
        }
    }

    /// What a run is asked to do that lands them again, then builds what is stale.
    pub fn request(self) -> Request {
        Request {
            pipeline: "daily".into(),
            only_slices: Some(self.failed),
            ..Request::default()
        }
    }
}

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

/// The slices of a run that failed.
///
/// # Errors
/// Usage when there is no such run; external when the ledger cannot be read.
pub async fn failed_slices(workspace: &Workspace, run_id: &str) -> Result<FailedSlices> {
    let recorded = workspace.ledger.run(run_id).await?;
    let slices = workspace.ledger.slices(Some(&recorded.run_id)).await?;
    let only = OneTenant::of(&workspace.config, &workspace.ledger).await?;
    let is_seen = |key: &SliceKey| only.as_ref().is_none_or(|tenant| tenant.is(&key.tenant));
    let failed = slices
        .iter()
        .filter(|s| s.action == SliceAction::Failed && is_seen(&s.key))
        .map(|s| slice_name(&s.key))
        .collect();
    Ok(FailedSlices {
        recorded,
        only,
        failed,
    })
}

/// The deliveries that lie in a range of periods.
pub struct DeliveriesInRange {
    /// Their slices.
    pub chosen: BTreeSet<SliceName>,
    request: Request,
}

impl DeliveriesInRange {
    /// What a run is asked to do that lands them again; partitions that this touches rebuild.
    pub fn request(self) -> Request {
        Request {
            only_slices: Some(self.chosen),
            ..self.request
        }
    }
}

/// Chooses the deliveries from the period `from` to that before `to`, whatever of them has been landed; `select` is that of
/// the run.
///
/// # Errors
/// Usage when no delivery lies there; external when the ledger cannot be read.
pub async fn deliveries_in_range(
    workspace: &Workspace,
    select: &[String],
    from: Period,
    to: Period,
) -> Result<DeliveriesInRange> {
    let request = Request {
        pipeline: "daily".into(),
        select: select.to_vec(),
        from: Some(from),
        to: Some(to),
        land_again: true,
        ..Request::default()
    };
    let range = from.to_string()..to.to_string();
    let mut chosen = BTreeSet::new();
    for source in plan_landing(workspace, &request).await? {
        for slice in source.slices {
            let key = ledger_key(&slice.key);
            // A bare file names no period: what its rows became tells whether it lies in the range.
            if !key.period.is_empty() || landed_periods(workspace, &key).iter().any(|p| range.contains(p)) {
                chosen.insert(slice_name(&key));
            }
        }
    }
    if chosen.is_empty() {
        return Err(Error::usage(format!("no delivery lies between {from} and {to}"))
            .hint("`offgridflow doctor` shows what each source delivers"));
    }
    Ok(DeliveriesInRange { chosen, request })
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
        assert_eq!(beyond_slices(Some(&summary)), failures[1..]);
        assert!(beyond_slices(None).is_empty());
    }
}

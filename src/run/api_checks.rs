//! What is remembered of APIs between runs, so that nothing is asked twice without need.

use std::time::Duration;

use super::Request;
use super::report::RunReport;
use super::workspace::Workspace;
use crate::config::{Source, Tenant};
use crate::domain::period::Period;
use crate::error::Result;
use crate::extract::connector::{ApiCheck, Known};
use crate::ledger::SliceKey;

/// How long the answers of cost APIs are good; providers refresh them a few times a day.
const COST_REFRESH_HOURS: u32 = 6;
/// How long the answers of carbon APIs are good; providers publish once a month.
const CARBON_REFRESH_HOURS: u32 = 24;
/// How far back an API is asked when the source does not say.
const HISTORY_MONTHS: u32 = 12;

/// The ledger's key of what is remembered of a source as a whole.
pub(super) fn source_key(tenant: &Tenant, source: &Source) -> SliceKey {
    SliceKey {
        tenant: tenant.id.clone(),
        source: source.id.clone(),
        kind: source.kind.name().to_string(),
        export: String::new(),
        period: String::new(),
    }
}

/// What is known of a source that asks an API.
pub(super) async fn known(
    workspace: &Workspace,
    request: &Request,
    tenant: &Tenant,
    source: &Source,
) -> Result<Known> {
    let now = chrono::Utc::now();
    let current = Period::of(now.date_naive());
    let refresh_hours = source.ask.refresh_hours.unwrap_or(match source.kind.is_carbon() {
        true => CARBON_REFRESH_HOURS,
        false => COST_REFRESH_HOURS,
    });
    let mut known = Known {
        now,
        since: request
            .from
            .or(source.ask.since)
            .unwrap_or_else(|| current.minus(HISTORY_MONTHS)),
        until: request.to.unwrap_or_else(|| current.next()),
        lookback_months: workspace.config.landing.lookback_months,
        refresh: Duration::from_secs(u64::from(refresh_hours) * 3600),
        force: request.full_refresh || request.land_again,
        checks: Default::default(),
        cursor: None,
    };
    if !source.kind.asks() {
        return Ok(known);
    }
    for check in workspace.ledger.api_checks(&tenant.id, &source.id).await? {
        if check.key.export.is_empty() {
            known.cursor = check.cursor;
            continue;
        }
        let at = check.checked_at.parse::<chrono::DateTime<chrono::Utc>>();
        if let (Ok(at), Some(delivery_id)) = (at, check.delivery_id) {
            let earlier = ApiCheck {
                delivery_id,
                at,
                cursor: check.cursor,
            };
            known
                .checks
                .insert((check.key.export, check.key.period.parse().ok()), earlier);
        }
    }
    Ok(known)
}

/// Remembers what sources as a whole showed, unless something of them is still to be landed.
pub(super) async fn note_api_checks(
    workspace: &Workspace,
    report: &mut RunReport,
    checks: Vec<(String, SliceKey, String)>,
) -> Result<()> {
    for (id, key, cursor) in checks {
        if report.source(&id).error.is_none() {
            workspace.ledger.note_api_check(&key, Some(&cursor)).await?;
        }
    }
    Ok(())
}

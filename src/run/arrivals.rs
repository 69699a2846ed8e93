//! What each source has, and what of it is new.

use std::collections::BTreeSet;

use super::Request;
use super::api_checks::{known, source_key};
use super::gone_parts;
use super::workspace::Workspace;
use crate::config::{Source, Tenant};
use crate::error::{Error, PlaceKey, Result};
use crate::extract::{Delivery, DeliveryOrigin, Discovery, Format};
use crate::land::SliceKey;
use crate::ledger::SourceListing;

/// What is to be done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its period has never been landed.
    New,
    /// It replaces an older delivery of the same period.
    Replaced,
    /// An API must be asked to know whether it is new.
    Asked,
    /// It has been landed as it is.
    Current,
}

/// A delivery with what is to be done.
pub struct PlannedSlice {
    /// Where it goes.
    pub key: SliceKey,
    /// The source.
    pub source: Source,
    /// Where its rows come from.
    pub origin: DeliveryOrigin,
    /// The files.
    pub delivery: Delivery,
    /// The delivery that the slice is known to hold.
    pub noted: Option<String>,
    /// What to do.
    pub action: Action,
}

/// The exports that a listing of files showed.
pub struct Listing {
    tenant: String,
    source: String,
    kind: &'static str,
    exports: BTreeSet<String>,
    is_whole: bool,
}

impl Listing {
    fn of(tenant: &Tenant, source: &Source, discovery: &Discovery) -> Listing {
        let exports = discovery
            .deliveries
            .iter()
            .map(|delivery| delivery.export.clone());
        Listing {
            tenant: tenant.id.clone(),
            source: source.id.clone(),
            kind: source.kind.name(),
            exports: exports.collect(),
            // What failed is there, under a name that nobody knows.
            is_whole: discovery.failures.is_empty(),
        }
    }

    /// The same for the ledger.
    pub fn seen(&self) -> SourceListing<'_> {
        SourceListing {
            tenant: &self.tenant,
            source: &self.source,
            kind: self.kind,
            exports: &self.exports,
            is_whole: self.is_whole,
        }
    }
}

/// What a check of one source gave.
pub struct SourcePlan {
    /// `tenant/source`.
    pub id: String,
    /// Its slices.
    pub slices: Vec<PlannedSlice>,
    /// Deliveries that cannot be landed, and why.
    pub failures: Vec<Error>,
    /// Files that were passed over, and the like.
    pub warnings: Vec<String>,
    /// What the listing showed; `None` for an API, which is asked for some months only.
    pub listing: Option<Listing>,
    /// What is to be remembered of the check of the source as a whole.
    pub api_check: Option<(crate::ledger::SliceKey, String)>,
}

/// Lists every source and compares with what has been landed.
///
/// # Errors
/// External when the ledger cannot be read; what is wrong with a source is in its plan.
pub async fn plan_landing(workspace: &Workspace, request: &Request) -> Result<Vec<SourcePlan>> {
    let mut plans = Vec::new();
    for (tenant, source) in workspace.sources() {
        let mut plan = SourcePlan {
            id: format!("{}/{}", tenant.id, source.id),
            slices: Vec::new(),
            failures: Vec::new(),
            warnings: Vec::new(),
            listing: None,
            api_check: None,
        };
        match discovered(workspace, request, &tenant, &source).await {
            Ok((origin, discovery)) => {
                plan.listing = matches!(origin, DeliveryOrigin::Store(_))
                    .then(|| Listing::of(&tenant, &source, &discovery));
                let place = format!("source {}", plan.id);
                let failures = discovery.failures.into_iter();
                plan.failures
                    .extend(failures.map(|error| error.at(place.clone())));
                plan.warnings.extend(discovery.warnings);
                plan.api_check = discovery
                    .cursor
                    .map(|cursor| (source_key(&tenant, &source), cursor));
                for delivery in discovery.deliveries {
                    let delivery = delivery.with_date_order(source.date_order);
                    let slice = planned(workspace, request, &tenant, &source, &origin, delivery).await?;
                    let Some(slice) = slice else { continue };
                    match slice.action {
                        Action::Replaced => match gone_parts::refusal(workspace, &slice).await? {
                            Some(error) => plan.failures.push(error.at(place.clone())),
                            None => plan.slices.push(slice),
                        },
                        _ => plan.slices.push(slice),
                    }
                }
            }
            Err(error) => plan.failures.push(error.at_key(PlaceKey::Source, &plan.id)),
        }
        plans.push(plan);
    }
    Ok(plans)
}

async fn discovered(
    workspace: &Workspace,
    request: &Request,
    tenant: &Tenant,
    source: &Source,
) -> Result<(DeliveryOrigin, Discovery)> {
    let origin = DeliveryOrigin::open(&workspace.config, source).await?;
    let known = known(workspace, request, tenant, source).await?;
    let discovery = origin.discover(source.kind, &known).await?;
    Ok((origin, discovery))
}

async fn planned(
    workspace: &Workspace,
    request: &Request,
    tenant: &Tenant,
    source: &Source,
    origin: &DeliveryOrigin,
    delivery: Delivery,
) -> Result<Option<PlannedSlice>> {
    let key = SliceKey {
        tenant: tenant.id.clone(),
        source: source.id.clone(),
        kind: source.kind,
        export: delivery.export.clone(),
        period: delivery.period,
    };
    let outside = delivery
        .period
        .is_some_and(|p| request.from.is_some_and(|from| p < from) || request.to.is_some_and(|to| p >= to));
    let period = delivery.period.map(|p| p.to_string()).unwrap_or_default();
    let name = (key.tenant.clone(), key.source.clone(), key.export.clone(), period);
    if outside
        || request
            .only_slices
            .as_ref()
            .is_some_and(|only| !only.contains(&name))
    {
        return Ok(None);
    }
    let noted = workspace.ledger.delivery_id(&ledger_key(&key)).await?;
    let noted = workspace.mirror.delivery(&ledger_key(&key), noted);
    let action = action(workspace, request, &key, &delivery, noted.as_deref());
    Ok(Some(PlannedSlice {
        key,
        source: source.clone(),
        origin: origin.clone(),
        delivery,
        noted,
        action,
    }))
}

fn action(
    workspace: &Workspace,
    request: &Request,
    key: &SliceKey,
    delivery: &Delivery,
    noted: Option<&str>,
) -> Action {
    let mut known = noted.is_some();
    let current = noted == Some(delivery.delivery_id.as_str());
    let partition = key.partition();
    for format in [Format::Csv, Format::Parquet] {
        let table = workspace.tables.snapshots.get(&key.table(format));
        let mut files = table.iter().flat_map(|table| table.files());
        known |= files.any(|f| partition.iter().all(|(c, v)| f.partition.get(c) == Some(v)));
    }
    let tables_exist = delivery.files.is_empty()
        || delivery
            .files
            .iter()
            .any(|f| workspace.tables.snapshots.contains_key(&key.table(f.format)));
    if delivery.asks.is_some() {
        return if known { Action::Asked } else { Action::New };
    }
    match (
        current && tables_exist && !request.full_refresh && !request.land_again,
        known,
    ) {
        (true, _) => Action::Current,
        (false, true) => Action::Replaced,
        (false, false) => Action::New,
    }
}

/// The slice's key in the ledger.
pub fn ledger_key(key: &SliceKey) -> crate::ledger::SliceKey {
    crate::ledger::SliceKey {
        tenant: key.tenant.clone(),
        source: key.source.clone(),
        kind: key.kind.name().to_string(),
        export: key.export.clone(),
        period: key.period.map(|p| p.to_string()).unwrap_or_default(),
    }
}

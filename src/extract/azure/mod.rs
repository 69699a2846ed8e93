//! Azure's APIs: cost queries and carbon reports.

mod batch;
mod carbon;
mod cost_page;
mod cost_query;
mod limiter;
mod management;
mod report;
mod report_shape;
mod seen;

use std::sync::Arc;

use super::connector::Connector;
use crate::config::{Profile, Source};
use crate::error::Result;

/// Costs by day of a subscription or a wider scope.
///
/// # Errors
/// Usage: the profile holds no login, or keys that contradict each other.
pub async fn cost_query(source: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    Ok(Arc::new(cost_query::CostQuery::open(source, profile)?))
}

/// Carbon figures by month, subscription, resource and scope.
///
/// # Errors
/// Usage: the profile holds no login, or keys that contradict each other.
pub async fn carbon(source: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    Ok(Arc::new(carbon::Carbon::open(source, profile)?))
}

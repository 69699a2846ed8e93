//! AWS's APIs: Cost Explorer and the Sustainability service.

mod cost_explorer;
mod cost_query;
mod cost_rows;
mod holdings;
mod limiter;
mod session;
mod sustainability;

use std::sync::Arc;

use super::connector::Connector;
use crate::config::{Profile, Source};
use crate::error::Result;
use cost_explorer::CostExplorer;
use session::Session;
use sustainability::Sustainability;

/// Costs by day, account, service and usage type.
pub async fn cost_explorer(source: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    let accounts = source.ask.accounts.clone();
    Ok(Arc::new(CostExplorer::new(Session::new(profile)?, accounts)))
}

/// Carbon figures by month, account, service and region.
pub async fn carbon(_: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    Ok(Arc::new(Sustainability::new(Session::new(profile)?)))
}

//! Google Cloud: BigQuery tables of billing and carbon exports.

mod answers;
mod bigquery;
mod billing;
mod carbon;
mod refusal;
mod table;
mod windows;

use std::sync::Arc;

use bigquery::BigQuery;
use table::TableName;

use super::Delivery;
use super::connector::Connector;
use crate::config::{Profile, Source};
use crate::domain::period::Period;
use crate::error::{Error, Result};

/// Rows of a billing export table.
///
/// # Errors
/// Usage: the table's name or the profile is wrong.
pub async fn billing(source: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    let (bigquery, table) = open(source, profile).await?;
    Ok(Arc::new(billing::Billing::new(bigquery, table)))
}

/// Carbon figures by month, account, service and region.
///
/// # Errors
/// Usage: the table's name or the profile is wrong.
pub async fn carbon(source: &Source, profile: &Profile) -> Result<Arc<dyn Connector>> {
    let (bigquery, table) = open(source, profile).await?;
    Ok(Arc::new(carbon::Carbon::new(bigquery, table)))
}

async fn open(source: &Source, profile: &Profile) -> Result<(BigQuery, TableName)> {
    let place = format!("source {}", source.id);
    let written = source.ask.table.as_deref().unwrap_or_default();
    let table = TableName::parse(written).ok_or_else(|| {
        Error::usage(format!("`{written}` is no BigQuery table"))
            .at(place.clone())
            .hint("write table = \"project.dataset.table\"")
    })?;
    let project = source
        .ask
        .project
        .clone()
        .unwrap_or_else(|| table.project.clone());
    let bigquery = BigQuery::open(project, profile).await.map_err(|e| e.at(place))?;
    Ok((bigquery, table))
}

/// What replaces a slice that nothing is left of.
fn emptied(uri: &str, export: &str, period: Option<Period>) -> Delivery {
    let mut delivery = Delivery::known(
        uri,
        export.to_string(),
        period,
        windows::id(&format!("{export}\0gone")),
    );
    delivery.files.clear();
    delivery
}

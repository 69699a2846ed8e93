//! Where the deliveries of a source come from: a place in a store, or an API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::connector::{ApiAnswer, Connector, Known, RowWriter};
use super::{Delivery, Discovery, discover};
use crate::config::{Config, Source, SourceKind};
use crate::error::{Error, Result};
use crate::warehouse::Location;
use crate::warehouse::store::Object;

/// The longest that one delivery may take to be read from an API.
const READ_DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

/// A source as it can be read.
#[derive(Debug, Clone)]
pub enum DeliveryOrigin {
    /// Files in a store.
    Store(Location),
    /// Answers of an API.
    Api(Arc<dyn Connector>),
}

impl DeliveryOrigin {
    /// Opens a source; nothing is read yet.
    ///
    /// # Errors
    /// Usage: its URL, keys or profile are wrong, or this build has no part for it.
    pub async fn open(config: &Config, source: &Source) -> Result<DeliveryOrigin> {
        let profile = config.profile(source.profile.as_deref());
        if !source.url.is_empty() || source.kind.reads_files() && !source.kind.asks() {
            return Ok(DeliveryOrigin::Store(Location::open(
                &source.url,
                &config.base,
                &profile,
            )?));
        }
        let connector: Result<Arc<dyn Connector>> = match source.kind {
            #[cfg(feature = "aws-api")]
            SourceKind::AwsCostExplorer => super::aws::cost_explorer(source, &profile).await,
            #[cfg(feature = "aws-api")]
            SourceKind::AwsCarbon => super::aws::carbon(source, &profile).await,
            #[cfg(feature = "azure")]
            SourceKind::AzureCostQuery => super::azure::cost_query(source, &profile).await,
            #[cfg(feature = "azure")]
            SourceKind::AzureCarbon => super::azure::carbon(source, &profile).await,
            #[cfg(feature = "gcp")]
            SourceKind::GcpBilling => super::gcp::billing(source, &profile).await,
            #[cfg(feature = "gcp")]
            SourceKind::GcpCarbon => super::gcp::carbon(source, &profile).await,
            kind => Err(not_built(kind)),
        };
        Ok(DeliveryOrigin::Api(connector?))
    }

    /// What the source has now.
    ///
    /// # Errors
    /// External when it cannot be seen; what concerns one delivery is among the failures.
    pub async fn discover(&self, kind: SourceKind, known: &Known) -> Result<Discovery> {
        match self {
            DeliveryOrigin::Store(location) => discover(location, kind).await,
            DeliveryOrigin::Api(connector) => connector.discover(known).await,
        }
    }

    /// Fails when an object is no longer as it was listed; what an API answered has no such thing.
    ///
    /// # Errors
    /// External: it changed while it was read.
    pub async fn verify_unchanged(&self, object: &Object) -> Result<()> {
        match self {
            DeliveryOrigin::Store(location) => location.verify_unchanged(object).await,
            DeliveryOrigin::Api(_) => Ok(()),
        }
    }

    /// The answer of an API, written to the spool folder; `None` for files of a store.
    ///
    /// # Errors
    /// What the connector gives, and external when it takes too long.
    pub async fn ask(
        &self,
        delivery: &Delivery,
        spool: &Path,
    ) -> Result<Option<(super::connector::AnsweredRows, ApiAnswer)>> {
        let DeliveryOrigin::Api(connector) = self else {
            return Ok(None);
        };
        let mut rows = RowWriter::new(spool)?;
        let answer = tokio::time::timeout(READ_DEADLINE, connector.read(delivery, &mut rows))
            .await
            .map_err(|_| {
                Error::external(format!(
                    "the API took more than {} minutes for one delivery",
                    READ_DEADLINE.as_secs() / 60
                ))
                .at(connector.uri())
                .retryable()
            })??;
        Ok(Some((rows.finish()?, answer)))
    }
}

fn not_built(kind: SourceKind) -> Error {
    let feature = match kind {
        SourceKind::AwsCostExplorer | SourceKind::AwsCarbon => "aws-api",
        SourceKind::AzureCostQuery | SourceKind::AzureCarbon => "azure",
        _ => "gcp",
    };
    Error::usage(format!("this build cannot read `{kind}`")).hint(format!(
        "build it with `cargo build --release --features {feature}`; released binaries hold every part"
    ))
}

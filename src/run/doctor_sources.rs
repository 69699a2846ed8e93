//! What `doctor` checks of a source: whether it can be listed or asked, and whether its deliveries can be landed.

use chrono::{DateTime, Utc};

use super::doctor_findings::{Finding, Seen};
use crate::config::{Config, Source, SourceKind};
use crate::domain::period::Period;
use crate::error::Error;
use crate::extract::{DeliveryOrigin, discover};
use crate::land::empty_file;

/// What a source delivers.
#[derive(Debug, Clone)]
pub struct SeenDeliveries {
    /// The kind of the source.
    pub kind: SourceKind,
    /// How many deliveries.
    pub deliveries: usize,
    /// The first and the last period that deliveries name.
    pub periods: Option<(Period, Period)>,
    /// How many files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The file that was written last, and when.
    pub newest: Option<(String, DateTime<Utc>)>,
}

/// One finding for what a source holds, one for each delivery that cannot be landed.
pub(super) async fn source_findings(config: &Config, what: &str, source: &Source) -> Vec<Finding> {
    let failed = |error: Error| Finding::of(what, Err(error));
    let found = match DeliveryOrigin::open(config, source).await {
        Ok(DeliveryOrigin::Store(location)) => discover(&location, source.kind).await,
        Ok(DeliveryOrigin::Api(connector)) => {
            let kind = source.kind;
            let answer = connector.check().await.map_err(|e| e.at(connector.uri()));
            return vec![Finding::of(what, answer.map(|answer| Seen::Api { kind, answer }))];
        }
        Err(error) => Err(error),
    };
    let mut found = match found {
        Ok(found) => found,
        Err(error)
            if error
                .places()
                .iter()
                .any(|place| place.value.contains(&source.url)) =>
        {
            return vec![failed(error)];
        }
        Err(error) => return vec![failed(error.at(source.url.clone()))],
    };
    let files: Vec<_> = found.deliveries.iter().flat_map(|d| &d.files).collect();
    let newest = files.iter().max_by_key(|f| f.object.modified);
    let periods = || found.deliveries.iter().filter_map(|d| d.period);
    let seen = SeenDeliveries {
        kind: source.kind,
        deliveries: found.deliveries.len(),
        periods: periods().min().zip(periods().max()),
        files: files.len(),
        bytes: files.iter().map(|f| f.object.size).sum(),
        newest: newest.map(|f| (f.object.key.clone(), f.object.modified)),
    };
    let empty = files.iter().filter(|file| file.object.size == 0);
    let empty: Vec<Error> = empty.map(|file| empty_file(&file.uri)).collect();
    if files.is_empty() && found.warnings.is_empty() && found.failures.is_empty() {
        found.warnings.push("nothing is delivered yet".to_string());
    }
    let mut findings = vec![Finding {
        what: what.to_string(),
        outcome: Ok(Seen::Deliveries(seen)),
        warnings: found.warnings,
    }];
    findings.extend(found.failures.into_iter().chain(empty).map(failed));
    findings
}

//! What a run did, for people, scripts and the ledger.

use serde::Serialize;

use super::upkeep::TableUpkeep;
use crate::error::{Error, Failure};

/// One source's part.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceReport {
    /// `tenant/source`.
    pub id: String,
    /// Slices landed for the first time.
    pub slices_new: u64,
    /// Slices that replaced an older delivery.
    pub slices_replaced: u64,
    /// Slices that were up to date.
    pub slices_current: u64,
    /// Rows landed.
    pub rows: u64,
    /// Rows in quarantine.
    pub rejected: u64,
    /// The first failure.
    pub error: Option<String>,
}

/// One model's part.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModelReport {
    /// `schema.table`.
    pub name: String,
    /// Partitions rebuilt.
    pub partitions_built: u64,
    /// Partitions that were up to date.
    pub partitions_current: u64,
    /// Rows written.
    pub rows: u64,
    /// The partitions rebuilt, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub built: Vec<String>,
}

/// One audit.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// The audit, its arguments and the model.
    pub name: String,
    /// Whether no row offends.
    pub passed: bool,
    /// Offending rows.
    pub failures: u64,
}

/// Covered share of the effective cost.
#[derive(Debug, Clone, Serialize)]
pub struct CurrencyCoverage {
    /// The billing currency.
    pub currency: String,
    /// 0 to 1; null when nothing was billed.
    pub cost_share: Option<f64>,
}

/// Coverage of everything published.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// Per currency.
    pub currencies: Vec<CurrencyCoverage>,
    /// Share of usage lines with an estimate.
    pub row_share: Option<f64>,
    /// Rows of activity data that have no factor, so that their emissions are null.
    pub activity_rows_without_factor: u64,
}

/// The whole run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// `done` or `failed`.
    pub status: String,
    /// Per source.
    pub sources: Vec<SourceReport>,
    /// Per kept model.
    pub models: Vec<ModelReport>,
    /// Per audit.
    pub audits: Vec<AuditReport>,
    /// Per table, where the pipeline looks after them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<TableUpkeep>,
    /// Covered share.
    #[serde(skip)]
    pub coverage: Coverage,
    /// Wall time.
    pub seconds: f64,
    /// Everything that failed.
    pub failures: Vec<Failure>,
    /// Everything worth knowing.
    pub warnings: Vec<String>,
}

impl RunReport {
    /// A report of a run that has done nothing yet.
    pub fn new(run_id: &str) -> Self {
        RunReport {
            run_id: run_id.to_string(),
            status: "done".into(),
            sources: Vec::new(),
            models: Vec::new(),
            audits: Vec::new(),
            maintenance: Vec::new(),
            coverage: Coverage::default(),
            seconds: 0.0,
            failures: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes a failure down.
    pub fn fail(&mut self, error: &Error) {
        self.status = "failed".into();
        self.failures.push(error.into());
    }

    /// With several kinds of failure, the lowest exit code of them.
    pub fn exit_code(&self) -> u8 {
        self.failures
            .iter()
            .map(|failure| failure.blame.exit_code())
            .min()
            .unwrap_or(0)
    }

    /// The part of a source, made when it is first named.
    pub fn source(&mut self, id: &str) -> &mut SourceReport {
        if let Some(index) = self.sources.iter().position(|s| s.id == id) {
            return &mut self.sources[index];
        }
        self.sources.push(SourceReport {
            id: id.to_string(),
            ..SourceReport::default()
        });
        let last = self.sources.len() - 1;
        &mut self.sources[last]
    }

    /// The JSON object of `run --output json`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["coverage"] = serde_json::to_value(&self.coverage.currencies).unwrap_or_default();
        value["row_share"] = serde_json::to_value(self.coverage.row_share).unwrap_or_default();
        value["activity_rows_without_factor"] = self.coverage.activity_rows_without_factor.into();
        value
    }
}

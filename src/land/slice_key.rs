//! What a slice is called: in the raw tables, in their transactions and to people.

use sha2::{Digest, Sha256};

use crate::config::SourceKind;
use crate::domain::period::Period;
use crate::extract::Format;
use crate::warehouse::PartitionValues;

/// Which partition of which raw table a delivery fills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceKey {
    /// The tenant.
    pub tenant: String,
    /// The source's id.
    pub source: String,
    /// The source's kind.
    pub kind: SourceKind,
    /// The export.
    pub export: String,
    /// The billing period; `None` for a bare file, whose rows say theirs.
    pub period: Option<Period>,
}

impl SliceKey {
    /// The raw table of files of a format.
    pub fn table(&self, format: Format) -> String {
        match format {
            Format::Csv | Format::Json => format!("raw.{}", self.kind.name()),
            Format::Parquet => format!("raw.{}_parquet", self.kind.name()),
        }
    }

    /// The partitions that landing replaces: one period, or all of a bare file's.
    pub fn partition(&self) -> PartitionValues {
        let mut values: PartitionValues = [
            ("tenant", &self.tenant),
            ("source", &self.source),
            ("export", &self.export),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), Some(value.clone())))
        .collect();
        if let Some(period) = self.period {
            values.insert("period".into(), Some(period.to_string()));
        }
        values
    }

    /// The slice as commands name it.
    pub fn argument(&self) -> String {
        let name = format!("{}/{}/{}", self.tenant, self.source, self.export);
        match self.period {
            Some(period) => format!("{name}/{period}"),
            None => name,
        }
    }

    /// The name under which the delivery id stands in the raw table itself.
    pub fn app_id(&self, table: &str) -> String {
        let period = self.period.map(|p| p.to_string()).unwrap_or_default();
        app_id(table, &self.tenant, &self.source, &self.export, &period)
    }
}

/// [`SliceKey::app_id`] of a slice by its parts; a bare file's has no period.
pub fn app_id(table: &str, tenant: &str, source: &str, export: &str, period: &str) -> String {
    let period = if period.is_empty() { "*" } else { period };
    format!("ogf/{table}/{tenant}/{source}/{export}/{period}")
}

impl std::fmt::Display for SliceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {}", self.tenant, self.source, self.export)?;
        match self.period {
            Some(period) => write!(f, " {period}"),
            None => Ok(()),
        }
    }
}

/// 63 bits of a hash, as a Delta transaction version.
pub fn transaction_version(id: &str) -> i64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(first) >> 1) as i64
}

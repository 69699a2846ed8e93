//! The closed lists of the configuration: kinds of sources and their roles.

/// The format of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// AWS Cost and Usage Report, legacy.
    AwsCur,
    /// AWS Data Exports, CUR 2.0.
    AwsCur2,
    /// AWS Cost Explorer's API.
    AwsCostExplorer,
    /// AWS carbon export.
    AwsCarbon,
    /// Azure cost details export.
    AzureCost,
    /// Azure's cost query API.
    AzureCostQuery,
    /// Azure's carbon API.
    AzureCarbon,
    /// GCP billing export in BigQuery.
    GcpBilling,
    /// GCP billing export as files.
    GcpBillingFiles,
    /// GCP carbon footprint export.
    GcpCarbon,
    /// FOCUS 1.0 to 1.4 of any provider.
    Focus,
    /// Activity data: electricity, fuels, travel, …
    Activity,
    /// Contractual instruments: contracts, guarantees of origin, certificates.
    Instruments,
}

impl SourceKind {
    /// Every kind that the configuration knows.
    pub const ALL: [SourceKind; 13] = [
        SourceKind::AwsCur,
        SourceKind::AwsCur2,
        SourceKind::AwsCostExplorer,
        SourceKind::AwsCarbon,
        SourceKind::AzureCost,
        SourceKind::AzureCostQuery,
        SourceKind::AzureCarbon,
        SourceKind::GcpBilling,
        SourceKind::GcpBillingFiles,
        SourceKind::GcpCarbon,
        SourceKind::Focus,
        SourceKind::Activity,
        SourceKind::Instruments,
    ];

    /// The name in the configuration, in table names and paths.
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::AwsCur => "aws_cur",
            SourceKind::AwsCur2 => "aws_cur2",
            SourceKind::AwsCostExplorer => "aws_cost_explorer",
            SourceKind::AwsCarbon => "aws_carbon",
            SourceKind::AzureCost => "azure_cost",
            SourceKind::AzureCostQuery => "azure_cost_query",
            SourceKind::AzureCarbon => "azure_carbon",
            SourceKind::GcpBilling => "gcp_billing",
            SourceKind::GcpBillingFiles => "gcp_billing_files",
            SourceKind::GcpCarbon => "gcp_carbon",
            SourceKind::Focus => "focus",
            SourceKind::Activity => "activity",
            SourceKind::Instruments => "instruments",
        }
    }

    /// Reads [`SourceKind::name`].
    pub fn from_name(name: &str) -> Option<SourceKind> {
        SourceKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it reads files at a URL; the other kinds ask an API. The carbon export of AWS can do both.
    pub fn reads_files(self) -> bool {
        !matches!(
            self,
            SourceKind::AwsCostExplorer
                | SourceKind::AzureCostQuery
                | SourceKind::AzureCarbon
                | SourceKind::GcpBilling
                | SourceKind::GcpCarbon
        )
    }

    /// Whether it can ask an API.
    pub fn asks(self) -> bool {
        !self.reads_files() || self == SourceKind::AwsCarbon
    }

    /// The one provider that delivers this format; FOCUS is every provider's, and what is one's own has none.
    pub fn provider_name(self) -> Option<&'static str> {
        match self {
            SourceKind::AwsCur
            | SourceKind::AwsCur2
            | SourceKind::AwsCostExplorer
            | SourceKind::AwsCarbon => Some("AWS"),
            SourceKind::AzureCost | SourceKind::AzureCostQuery | SourceKind::AzureCarbon => Some("Microsoft"),
            SourceKind::GcpBilling | SourceKind::GcpBillingFiles | SourceKind::GcpCarbon => {
                Some("Google Cloud")
            }
            SourceKind::Focus | SourceKind::Activity | SourceKind::Instruments => None,
        }
    }

    /// Whether a cloud provider delivers it.
    pub fn is_cloud(self) -> bool {
        !matches!(self, SourceKind::Activity | SourceKind::Instruments)
    }

    /// Whether its rows are a provider's own carbon figures.
    pub fn is_carbon(self) -> bool {
        matches!(
            self,
            SourceKind::AwsCarbon | SourceKind::AzureCarbon | SourceKind::GcpCarbon
        )
    }
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Its rows are in `normalize.usage`.
    Counts,
    /// Landed, but not in `normalize.usage`.
    Compare,
}

impl Role {
    /// The names in the configuration.
    pub const NAMES: [&'static str; 2] = ["counts", "compare"];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Role::Counts => "counts",
            Role::Compare => "compare",
        }
    }

    /// Reads [`Role::name`].
    pub fn from_name(name: &str) -> Option<Role> {
        [Role::Counts, Role::Compare]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// Which side feeds `publish.inventory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InventorySource {
    /// The estimate made here.
    Estimate,
    /// The provider's own figure.
    Provider,
}

impl InventorySource {
    /// The names in the configuration.
    pub const NAMES: [&'static str; 2] = ["estimate", "provider"];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            InventorySource::Estimate => "estimate",
            InventorySource::Provider => "provider",
        }
    }

    /// Reads [`InventorySource::name`].
    pub fn from_name(name: &str) -> Option<InventorySource> {
        [InventorySource::Estimate, InventorySource::Provider]
            .into_iter()
            .find(|source| source.name() == name)
    }
}

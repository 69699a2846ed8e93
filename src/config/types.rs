//! The configuration as the rest of the program sees it: checked, typed, complete.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::kind::{InventorySource, Role, SourceKind};
use super::location;
use super::secret::Profile;
use super::tree::Item;
use crate::domain::period::Period;
use crate::domain::timestamp::DateOrder;

/// Everything a command needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from; `None` when only defaults apply.
    pub file: Option<PathBuf>,
    /// The folder of that file: relative URLs and paths start here.
    pub base: PathBuf,
    /// `[warehouse]`
    pub warehouse: Warehouse,
    /// `[database]`
    pub database: Database,
    /// `[engine]`
    pub engine: Engine,
    /// `[method]`
    pub method: Method,
    /// `[factors]`
    pub factors: Factors,
    /// `[landing]`
    pub landing: Landing,
    /// `[[tenant]]`, in the order of the file.
    pub tenants: Vec<Tenant>,
    /// `[profile.<name>]`
    pub profiles: BTreeMap<String, Profile>,
    /// `--tenant`: the one tenant this command is about.
    pub selected_tenant: Option<String>,
    /// The merged layers, each value with its origin, for [`Config::show`].
    pub(super) tree: Item,
}

/// `[warehouse]`: where the tables lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warehouse {
    /// A file, S3, Azure or GCS URL; relative file URLs start at [`Config::base`].
    pub url: String,
    /// The profile with the store's credentials.
    pub profile: Option<String>,
}

/// `[database]`: where the ledger lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `sqlite://…`
    pub url: String,
}

/// `[engine]`: what executes the SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `local`, or `ballista://host:port`
    pub url: String,
    /// Bytes the engine may hold before it spills.
    pub memory_limit: u64,
    /// Threads of the engine; 0 stands for all cores.
    pub threads: usize,
}

impl Engine {
    /// The number of threads, with 0 replaced by the number of cores.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}

/// `[method]`: the choices of an estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Mean share of a processor in use, 0 to 1.
    pub utilisation: f64,
    /// Whether internet transfer is part of the sums.
    pub include_internet_transfer: bool,
    /// Global warming potentials: AR4, AR5 or AR6.
    pub gwp_set: String,
    /// `[[method.override]]`, in the order of the file.
    pub overrides: Vec<UtilisationOverride>,
    /// `[[method.supplier_factor]]`
    pub supplier_factors: Vec<SupplierFactor>,
}

/// A utilisation for a tenant, service or instance type; `None` matches all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct UtilisationOverride {
    /// The tenant's id.
    pub tenant: Option<String>,
    /// The FOCUS service name.
    pub service_name: Option<String>,
    /// The provider's instance type.
    pub instance_type: Option<String>,
    /// Mean share of a processor in use, 0 to 1.
    pub utilisation: f64,
}

/// A tenant's opt-in to a provider's supplier-specific market factor.
#[derive(Debug, Clone, PartialEq)]
pub struct SupplierFactor {
    /// The tenant's id.
    pub tenant: String,
    /// AWS, Microsoft, Google Cloud, Oracle.
    pub provider_name: String,
    /// Grams of CO2e per kilowatt-hour.
    pub factor_gco2e_per_kwh: f64,
    /// What proves it: a contract or a statement of the supplier.
    pub evidence: String,
}

/// `[factors]`: which factor tables apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// A folder of CSV files in the form of `warehouse/reference`, joined to [`Config::base`].
    pub overlay: Option<PathBuf>,
    /// A pinned factor set.
    pub version: Option<String>,
}

/// `[landing]`: how strict landing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// Rows that a slice may leave in quarantine before it fails.
    pub max_rejected: u64,
    /// Closed periods that are looked at again on every run.
    pub lookback_months: u32,
    /// What one delivered file may bring.
    pub limits: Limits,
}

/// What one delivered file may bring: more is refused by name, whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Columns of a file.
    pub columns: u64,
    /// Columns of a raw table.
    pub table_columns: u64,
    /// Billing periods of a bare file.
    pub periods: u64,
    /// Columns inside each other.
    pub nesting: u64,
    /// Bytes of a cell.
    pub cell: u64,
    /// Bytes of a row.
    pub row: u64,
    /// Bytes of the names in a row that tell its key.
    pub key: u64,
    /// Bytes that the pages of a Parquet file's row group take, unpacked, while it is read.
    pub pages: u64,
    /// How many times larger a compressed file may become.
    pub ratio: u64,
}

/// `[[tenant]]`: a reporting company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// `[a-z0-9_-]`: it becomes part of paths.
    pub id: String,
    /// The name in reports.
    pub name: String,
    /// Tag keys that the rollup keeps as columns.
    pub allocation_tags: Vec<AllocationTag>,
    /// `[[tenant.source]]`
    pub sources: Vec<Source>,
    /// `[[tenant.mapping]]`, first match wins.
    pub mappings: Vec<Mapping>,
}

/// A tag key and its column: `Cost Centre` is `tag_cost_centre`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationTag {
    /// The key as in the bill.
    pub key: String,
    /// The rollup's column.
    pub column: String,
}

/// `[[tenant.source]]`: one place that delivers data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `[a-z0-9_-]`: it becomes part of paths.
    pub id: String,
    /// The format.
    pub kind: SourceKind,
    /// A folder, bucket prefix or single file; relative ones start at [`Config::base`]. Empty for a source that asks an API.
    pub url: String,
    /// What an API is asked for.
    pub ask: Ask,
    /// The profile with its credentials.
    pub profile: Option<String>,
    /// Whether it counts or is only compared.
    pub role: Role,
    /// The currency of files that carry none.
    pub currency: Option<String>,
    /// Which of day and month dates with slashes name first; the dates themselves tell it when absent.
    pub date_order: Option<DateOrder>,
    /// Which side feeds `publish.inventory` with its provider's emissions, if the file says so here; all sources of a
    /// tenant and provider together decide it, see [`Tenant::provider_sides`].
    pub inventory_source: Option<InventorySource>,
}

/// The keys of a source that asks an API; which of them apply depends on its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// `accounts`: AWS accounts; all that the payer sees when empty.
    pub accounts: Vec<String>,
    /// `subscriptions`: Azure subscriptions; all that the login sees when empty.
    pub subscriptions: Vec<String>,
    /// `scope`: an Azure scope such as `/providers/Microsoft.Billing/billingAccounts/123`, instead of subscriptions.
    pub scope: Option<String>,
    /// `cost_type`: `actual` or `amortized`.
    pub cost_type: Option<String>,
    /// `table`: a BigQuery table, `project.dataset.table`.
    pub table: Option<String>,
    /// `project`: the Google Cloud project that runs the queries; the table's own when absent.
    pub project: Option<String>,
    /// `since`: the first month.
    pub since: Option<Period>,
    /// `refresh`: hours for which an answer is good.
    pub refresh_hours: Option<u32>,
}

/// `[[tenant.mapping]]`: which entity, site and cost centre an account or tag value belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// `sub_account_id`, `billing_account_id` or a tag column, and the value it must have.
    pub when: BTreeMap<String, String>,
    /// What then applies.
    pub set: MappingSet,
}

/// What a [`Mapping`] sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingSet {
    /// The legal entity.
    pub entity: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// The cost centre.
    pub cost_centre: Option<String>,
}

impl Config {
    /// The tenants this command is about: the one of `--tenant`, else all.
    pub fn selected_tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter().filter(|tenant| {
            self.selected_tenant
                .as_ref()
                .is_none_or(|selected| *selected == tenant.id)
        })
    }

    /// The tenant with this id.
    pub fn tenant(&self, id: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }

    /// The profile that a source or the warehouse names; an empty one when it names none.
    pub fn profile(&self, name: Option<&str>) -> Profile {
        name.and_then(|name| self.profiles.get(name))
            .cloned()
            .unwrap_or_default()
    }

    /// A URL or path of the configuration with a relative path made absolute: `file:///…`, or as it is.
    pub fn absolute_url(&self, url: &str) -> String {
        location::absolute_url(url, &self.base)
    }

    /// The local folder that belongs to the warehouse: the run lock and spill files lie here.
    ///
    /// The warehouse itself when it is a folder, else the folder of the ledger's file.
    pub fn local_folder(&self) -> PathBuf {
        if let Some(folder) = location::local_path(&self.warehouse.url, &self.base) {
            return folder;
        }
        match location::sqlite_path(&self.database.url, &self.base)
            .as_deref()
            .and_then(Path::parent)
        {
            Some(folder) => folder.to_path_buf(),
            None => self.base.clone(),
        }
    }
}

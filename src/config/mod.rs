//! The configuration: defaults < file < environment < flags. What it does not know is refused by name.

mod build;
mod build_profile;
mod build_tenant;
mod environment;
mod inventory;
mod kind;
mod layers;
pub mod location;
mod pipeline;
mod problem;
mod profile_keys;
mod reader;
mod redaction;
mod secret;
mod show;
pub mod suggest;
mod tree;
mod types;
pub mod units;

pub use environment::hold_environment;
pub use inventory::ProviderSide;
pub use kind::{InventorySource, Role, SourceKind};
pub use layers::Flags;
pub use pipeline::{Maintain, Pipeline};
pub use redaction::{redact, remember_environment};
pub use secret::{Profile, Secret, looks_secret};
pub use suggest::{hint as suggestion, nearest};
pub use types::{
    AllocationTag, Ask, Config, Database, Engine, Factors, Landing, Limits, Mapping, MappingSet, Method,
    Source, SupplierFactor, Tenant, UtilisationOverride, Warehouse,
};

/// Every key with its default and what it means.
pub const DEFAULTS: &str = include_str!("defaults.toml");

#[cfg(test)]
mod tests;

//! OffGridFlow: a batch engine for carbon accounting.
//!
//! The modules in the order data flows: a connector extracts deliveries, landing writes them to `raw.*`,
//! SQL models normalize, roll up, estimate and publish them.

pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod extract;
pub mod factors;
mod kill_point;
pub mod land;
pub mod ledger;
pub mod model;
pub mod run;
pub mod transform;
pub mod warehouse;

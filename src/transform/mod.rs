//! Running models: the query session, the tables it sees, what is stale, building, audits.

pub mod audits;
pub mod build;
pub mod functions;
pub mod grouping;
pub mod partitions;
pub mod session;
pub mod settings;
pub mod tables;

pub use build::{Built, build_batch};
pub use partitions::{ModelPlan, OutputKey};
pub use session::Engine;
pub use tables::Tables;

//! SQL models: front matter, dependencies, graph, selection, fingerprints. Nothing is executed here.

pub mod front_matter;
pub mod graph;
pub mod render;
pub mod select;

pub use front_matter::{AuditCall, Model, ModelKind};
pub use graph::Graph;

//! Running models: the query session, the tables it sees, what is stale, building, audits.

pub mod audits;
pub mod build;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod digits;
pub mod functions;
pub mod grouping;
mod own_bytes;
mod part;
pub mod partitions;
mod raw_types;
pub mod read_only;
pub mod session;
pub mod settings;
mod small_views;
pub mod tables;
mod unchanged;

pub use build::{Batch, Built};
pub use part::Part;
pub use partitions::{ModelPlan, OutputKey};
pub use session::Engine;
pub use tables::Tables;

/// What a build without the cluster part says where one is asked for.
#[cfg(not(feature = "cluster"))]
pub fn cluster_not_built() -> crate::error::Error {
    crate::error::Error::usage("this build has no cluster part").hint(
        "build it with `cargo build --release --features cluster`, or set [engine] url = \"local\"; released binaries hold every part",
    )
}

//! Parquet at the level of pages and column chunks, beneath what the Parquet crate offers: codes in place of arrays, chunks
//! that are copied or put together, and what a stranger's file may do to its reader. It knows no tables, no bills and no
//! store; what it must hold, and which of it may go when, is written in `docs/parquet.md`.
//!
//! Our module is `crate::parquet`, the crate is `datafusion::parquet`.

mod closed_chunk;
pub mod coded_columns;
pub mod column_encoders;
pub mod constant_chunk;
pub mod copied_chunk;
pub mod demand;
pub mod file_properties;
pub mod footer;
mod levels;
mod page_check;
mod page_kinds;
pub mod row_group_rows;
pub mod row_groups;
mod runs;
pub mod same_bytes;
pub mod text_chunks;
mod thrift;
pub mod window;

pub use closed_chunk::closed_chunk;
pub use constant_chunk::Constant;
pub use demand::Demand;

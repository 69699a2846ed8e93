//! Landing: delivered files to `raw.<kind>`, every row landed, quarantined or refused by name.

pub mod checks;
mod clean_rows;
mod coded;
pub mod column_types;
mod content;
pub mod contract;
pub mod cost_basis;
pub mod csv_rows;
pub mod currency;
pub mod dates;
mod day_filter;
pub mod json_rows;
mod limits;
mod lossless;
mod nested_cells;
mod new_files;
mod overlap;
pub mod parquet_rows;
pub mod quarantine;
pub mod raw_columns;
mod rewriting;
mod row_identity;
mod rows;
pub mod slice;
mod slice_key;
mod staging;
pub mod unreadable_tags;
mod verbatim;

pub use column_types::AgreedColumns;
pub use contract::Contract;
pub use quarantine::Rejection;
pub use slice::{Landed, SliceRequest, land_slice};
pub use slice_key::{SliceKey, app_id, transaction_version};

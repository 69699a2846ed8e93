//! Landing: delivered files to `raw.<kind>`, every row landed, quarantined or refused by name.

pub mod checks;
pub mod contract;
pub mod csv_rows;
pub mod currency;
pub mod dates;
pub mod parquet_rows;
pub mod quarantine;
pub mod raw_columns;
pub mod slice;

pub use contract::Contract;
pub use quarantine::Rejection;
pub use slice::{Landed, SliceKey, SliceRequest, land_slice};

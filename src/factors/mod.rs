//! The factor set: reference tables that the binary carries, a tenant's overlay on top, a version over both.

pub mod archive;
pub mod csv_table;
pub mod set;

pub use set::FactorSet;

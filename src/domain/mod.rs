//! Pure values of the field: money, quantities, periods, ids. No Arrow, no async, no I/O.

pub mod days;
pub mod decimal;
pub mod id_text;
pub mod nested_text;
pub mod period;
pub mod tag_text;
pub mod timestamp;

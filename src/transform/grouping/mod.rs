//! Grouping by codes: aggregates over wide text keys, computed on the numbers that Parquet stores in place of the texts.
//!
//! A bill of millions of lines has few distinct texts. The rule ([`rule`]) takes an aggregate whose input is made row by row
//! from one table of the warehouse (projections, filters, unions, joins to small tables: what a model is), and puts one
//! operator ([`exec`]) in its place. It reads text columns as dictionary codes, groups rows by their codes and evaluates
//! every expression of the keys once per distinct combination of what it reads, never per row. Only what is summed is
//! computed per row. The expressions are the model's own, evaluated by the engine; docs/decisions/0013 tells why.

mod batch;
mod branch;
mod codes;
mod exec;
mod feed;
mod function;
mod groups;
mod lookup;
mod narrow;
mod one_tag;
mod provider;
mod rule;
mod scan;
mod state;
mod sums;
mod totals;
mod tuples;

pub use exec::is_exhausted;
pub use rule::{GroupByCodes, in_place_of};
pub use sums::Fold;

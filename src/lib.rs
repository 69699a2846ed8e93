//! OffGridFlow: a batch engine for carbon accounting.
//!
//! A connector extracts deliveries, landing writes them to `raw.*`, SQL models normalize, roll up, estimate and publish them.
//! The modules, each after those that it may use:
//!
//! - `domain`: decimals, units, dates, periods;
//! - `embedded`: the files that the binary carries;
//! - `kill_point`: where a test ends the process;
//! - `error`, `config`: what went wrong and what to do; settings, sources, profiles;
//! - `retry`: calls that are made again;
//! - `login`: who we are to AWS, Azure and Google;
//! - `parquet`: pages and column chunks, beneath what the Parquet crate offers;
//! - `warehouse`: Delta tables in object storage;
//! - `ledger`: runs, slices and fingerprints in a database;
//! - `model`: SQL models, what they read and which are meant;
//! - `extract`: connectors that find deliveries;
//! - `land`: the contract of each kind, checks, quarantine, raw tables;
//! - `transform`: the SQL engine that builds the models;
//! - `factors`: reference tables;
//! - `run`: what a run does, from extracting to publishing;
//! - `cli`: the verbs of the program.

pub mod cli;
pub mod config;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod extract;
pub mod factors;
mod kill_point;
pub mod land;
pub mod ledger;
mod login;
pub mod model;
pub mod parquet;
pub mod retry;
pub mod run;
pub mod transform;
pub mod warehouse;

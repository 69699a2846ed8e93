//! The integration tests, one binary: whole commands and the library, on real files, stores and tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // In a test a panic is the message.
#![allow(clippy::tests_outside_test_module, missing_docs)] // The names of the tests say what holds.

mod all_sources;
mod architecture;
mod aws_api;
mod aws_files;
mod azure_api;
mod azure_cost;
mod azure_ranges;
mod bad_inputs;
mod changed_files;
mod cluster;
mod column_types;
mod date_order;
mod deliveries;
mod doctor;
mod documents;
mod explain;
mod factor_sets;
mod factor_tables;
mod fast_landing;
mod faults;
mod focus_versions;
mod gcp;
mod golden_equations;
mod grouping;
mod headers;
mod kills;
mod odd_rows;
mod properties;
mod readers;
mod reconciliation;
mod rejections;
mod renamed_deliveries;
mod sample;
mod secrets;
mod shared_samples;
mod side_files;
mod slt;
mod stores;
mod support;
mod tags;
mod time_travel;
mod transcripts;
mod upkeep;

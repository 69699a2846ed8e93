//! The integration tests, one binary: whole commands and the library, on real files, stores and tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // In a test a panic is the message.
#![allow(clippy::tests_outside_test_module, missing_docs)] // The names of the tests say what holds.

mod architecture;
mod bad_inputs;
mod deliveries;
mod kills;
mod properties;
mod readers;
mod rejections;
mod sample;
mod shared_samples;
mod slt;
mod stores;
mod support;
mod transcripts;

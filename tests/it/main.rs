//! The integration tests, one binary: whole commands and the library, on real files, stores and tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // In a test a panic is the message.
#![allow(clippy::tests_outside_test_module, missing_docs)] // The names of the tests say what holds.

mod deliveries;
mod rejections;
mod sample;
mod support;

//! What the tests share: a project in a folder of its own, generated bills, servers.

pub mod aws_stub;
pub mod azure_stub;
pub mod azurite;
pub mod bench;
pub mod bigquery;
pub mod bigquery_stub;
pub mod bills;
pub mod cluster;
pub mod contents;
pub mod fault_proxy;
pub mod gcs;
pub mod http;
pub mod in_process;
pub mod memory;
pub mod moto;
pub mod project;
pub mod s3;

pub use project::{Outcome, Project};

/// The checkout.
pub fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `scripts/test` sets up: a missing one fails the test, it is never skipped.
pub fn prepared(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with scripts/test"))
}

/// Compares a text with `tests/snapshots/<name>.snap`.
#[track_caller]
pub fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A number of a JSON report, which writes one with many digits as text.
#[track_caller]
pub fn number(value: &serde_json::Value) -> f64 {
    let text = value.as_str().map(|text| text.parse().unwrap());
    value.as_f64().or(text).unwrap()
}

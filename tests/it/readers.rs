//! Tools that know nothing of this program read every published table and agree with `offgridflow sql`.

use std::process::Command;

use crate::support::project::SAMPLE;
use crate::support::{Outcome, prepared, root};

#[test]
fn duckdb_deltalake_polars_and_pyarrow_read_every_published_table() {
    let python = prepared("OFFGRIDFLOW_TEST_PYTHON");
    let (project, ran) = &*SAMPLE;
    ran.expect(0);
    let mut command = Command::new(python);
    command.arg(root().join("tests/readers/read_tables.py"));
    command
        .args([env!("CARGO_BIN_EXE_offgridflow"), "--config"])
        .arg(root().join("warehouse/sample/offgridflow.toml"));
    command.arg(project.path("data"));
    command.env(
        "OFFGRIDFLOW_WAREHOUSE_URL",
        format!("file://{}", project.path("data").display()),
    );
    let outcome = Outcome::of(command);
    outcome.expect(0);
    for reader in ["duckdb", "deltalake", "polars", "pyarrow"] {
        let agreed = outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with(reader))
            .count();
        assert!(agreed >= 8, "{reader} read {agreed} tables: {}", outcome.stdout);
    }
}

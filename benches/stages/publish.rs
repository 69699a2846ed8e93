//! Publishing: every table for people and tools, as Delta and as plain Parquet.

use criterion::Criterion;

use crate::bills::write_csv;
use crate::project::{Project, stage};

pub fn benches(criterion: &mut Criterion) {
    let before = ["raw.*", "rollup.*", "estimate.*"];
    let input = |project: &Project| project.table_bytes("rollup.") + project.table_bytes("estimate.");
    stage(criterion, "publish", write_csv, &before, "publish.*", input);
}

//! The rollup: a month of lines to daily keys, the one wide scan.

use criterion::Criterion;

use crate::bills::{write_csv, write_parquet};
use crate::project::{Project, stage};

pub fn benches(criterion: &mut Criterion) {
    let raw = |project: &Project| project.table_bytes("raw.");
    let table = "rollup.usage_daily";
    stage(criterion, "rollup_of_text", write_csv, &["raw.*"], table, raw);
    stage(
        criterion,
        "rollup_of_typed",
        write_parquet,
        &["raw.*"],
        table,
        raw,
    );
}

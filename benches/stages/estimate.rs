//! The estimate: daily keys times factors. Rows are those of the bill; the stage itself reads the rollup.

use criterion::Criterion;

use crate::bills::write_csv;
use crate::project::{Project, stage};

pub fn benches(criterion: &mut Criterion) {
    let before = ["raw.*", "rollup.usage_daily"];
    let rollup = |project: &Project| project.table_bytes("rollup.");
    stage(
        criterion,
        "estimate",
        write_csv,
        &before,
        "estimate.cloud_emissions",
        rollup,
    );
}

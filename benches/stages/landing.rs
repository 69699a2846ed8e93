//! Landing: a delivered file to a partition of the raw table.

use criterion::Criterion;

use crate::bills::{write_csv, write_parquet};
use crate::project::{Project, stage};

pub fn benches(criterion: &mut Criterion) {
    let input = Project::delivered_bytes;
    stage(criterion, "land_csv", write_csv, &[], "raw.*", input);
    stage(criterion, "land_parquet", write_parquet, &[], "raw.*", input);
}

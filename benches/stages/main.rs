//! What each stage and kernel costs, in rows and bytes per second, from 10^4 rows on.
//!
//! Sizes are 10^4 and 10^5 rows; OFFGRIDFLOW_BENCH_LARGE=1 adds 10^6 and 10^7. Bills are made, landed and opened outside
//! the timed part. The whole program beside another one is timed by scripts/benchmark.
#![allow(clippy::unwrap_used)] // A bench that cannot be set up has nothing to measure.
#![allow(missing_docs)] // criterion_group! makes undocumented items.

mod bills;
mod compaction;
mod estimate;
mod kernels;
mod landing;
mod project;
mod publish;
mod rollup;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    stages,
    landing::benches,
    rollup::benches,
    estimate::benches,
    publish::benches,
    kernels::benches,
    compaction::benches
);
criterion_main!(stages);

//! The files that the binary carries: models, audits, pipelines, factor tables, migrations, the sample company and the
//! empty forms. `build.rs` makes the lists.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

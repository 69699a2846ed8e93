//! What the binary carries: models, audits, pipelines, factor tables, migrations.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

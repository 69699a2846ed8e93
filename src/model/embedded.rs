//! What the binary carries: models, audits, factor tables, migrations.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

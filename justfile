# The usual tasks. `just` alone lists them; every recipe is one command that works without just as well.

_default:
    @just --list

# format, lints, licences: everything that needs no test data
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo deny check bans licenses sources

# all tests, with whatever servers they need
test *arguments:
    scripts/test {{arguments}}

# the release program beside DuckDB, as a table: just bench --rows 20000000 --only publish
bench *arguments:
    cargo build --release
    scripts/benchmark {{arguments}}

# the benches of stages and kernels, or one of them: just bench-stages rollup
bench-stages *filter:
    cargo bench --all-features --bench stages -- {{filter}}

# the program, by default the daily run on the sample company
run *arguments="run":
    cargo run --release -- {{arguments}}

# make the factor tables of warehouse/reference again from a folder of upstream tables
factors upstream:
    scripts/import-factors {{upstream}}
    scripts/import-factors --check

# make the sample company again; the same bytes unless its script changed
sample:
    scripts/make-sample

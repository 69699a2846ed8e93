//! A run that dies at any of its writes, and another one after it, give what one run gives that did not die.

use crate::support::bench::{ALL_MODELS, Bench, OWN_MODELS};
use crate::support::contents::{Contents, assert_same};
use crate::support::s3::S3;

/// Kills a run at a write; `false` when it ended before.
fn dies(bench: &Bench, moment: &str) -> bool {
    let mut command = bench.project.command(&bench.arguments());
    command.env("OFFGRIDFLOW_KILL_AT", moment);
    let output = command.output().unwrap();
    if let Some(code) = output.status.code() {
        assert_eq!(code, 0, "{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.code().is_none()
}

fn is_long() -> bool {
    std::env::var("OFFGRIDFLOW_TEST_LONG").is_ok()
}

/// Dies at every write in a long test run; else at one in `step`, others in each process.
fn dies_anywhere(bench: &mut Bench, wanted: &Contents, step: u64) {
    let (first, step) = match is_long() {
        true => (1, 1),
        false => (1 + u64::from(std::process::id()) % step, step),
    };
    let mut write = first;
    loop {
        let side = if write % 2 == 0 { "before" } else { "after" };
        let moment = format!("{side}:{write}");
        bench.begin_again();
        if !dies(bench, &moment) {
            break;
        }
        assert_same(&bench.run().contents, wanted, &format!("killed {moment}"));
        write += step;
    }
    assert!(write > 40, "a run ended before write {write}");
}

/// The first run, and one that finds a restated period, another rejected row and a new period.
fn first_and_second_run(mut bench: Bench, step: u64) {
    let first = bench.run().contents;
    assert_eq!(
        (
            first["raw.aws_cur2"].len(),
            first["raw.focus"].len(),
            first["raw.focus_parquet"].len(),
            first["quarantine"].len(),
        ),
        (2, 2, 2, 1)
    );
    dies_anywhere(&mut bench, &first, step);

    // The run that was not killed is the ground of the next one.
    bench.keep();
    bench.deliver_again();
    bench.begin_again();
    let second = bench.run().contents;
    for name in ["quarantine", "published/bill", "published/bill_total"] {
        assert_ne!(second.get(name), first.get(name), "{name}");
    }
    assert_eq!(second["published/bill_total: folders"], ["3"]);
    dies_anywhere(&mut bench, &second, step);
}

#[test]
fn a_run_that_dies_at_any_write_and_another_one_give_what_one_run_gives() {
    first_and_second_run(Bench::new(None, OWN_MODELS), 6);
    if is_long() {
        first_and_second_run(Bench::new(None, ALL_MODELS), 1);
    }
}

#[test]
fn a_run_on_tables_in_a_bucket_may_die_at_any_write_too() {
    first_and_second_run(Bench::new(Some(S3::start(&["lake"])), OWN_MODELS), 8);
}

//! The tables are the truth and the ledger mirrors them: whatever becomes of the one or the other, the next run says what it
//! found and ends with the right tables, or refuses and names what is damaged.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Project;
use crate::support::bench::{Bench, OWN_MODELS, Ran};
use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::contents::{Contents, assert_same};
use crate::support::in_process::InProcess;
use crate::support::project::source;

const DATABASE: [&str; 3] = [
    "data/offgridflow.db",
    "data/offgridflow.db-wal",
    "data/offgridflow.db-shm",
];
const TABLES: [&str; 6] = [
    "raw.aws_cur2",
    "raw.focus",
    "raw.focus_parquet",
    "rollup.bill",
    "publish.bill",
    "publish.bill_total",
];

fn remove_database(project: &Project) {
    for file in DATABASE {
        let _ = std::fs::remove_file(project.path(file));
    }
}

/// Puts the ledger of another copy of the folder `data` in the place of the present one.
fn take_database(project: &Project, from: &std::path::Path) {
    remove_database(project);
    for file in DATABASE {
        let name = file.strip_prefix("data/").unwrap();
        if let Ok(bytes) = std::fs::read(from.join(name)) {
            project.write(file, bytes);
        }
    }
}

fn log(bench: &Bench, table: &str) -> PathBuf {
    let folder = table.replace('.', "/");
    bench.project.path(&format!("data/{folder}/_delta_log"))
}

fn newest_version(bench: &Bench, table: &str) -> u64 {
    let entries = std::fs::read_dir(log(bench, table)).unwrap();
    let versions = entries.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".json")?.parse().ok()
    });
    versions.max().unwrap()
}

fn newest_commit(bench: &Bench, table: &str) -> PathBuf {
    log(bench, table).join(format!("{:020}.json", newest_version(bench, table)))
}

fn set_back(bench: &Bench, table: &str) {
    std::fs::remove_file(newest_commit(bench, table)).unwrap();
}

fn empty(bench: &Bench, table: &str) {
    std::fs::write(newest_commit(bench, table), "").unwrap();
}

/// Writes a checkpoint of the version that is so many behind the newest one.
fn checkpoint(bench: &Bench, table: &str, behind: u64) {
    let process = InProcess::configured(&bench.project);
    let version = newest_version(bench, table) - behind;
    process.runtime.block_on(async {
        let warehouse = &process.workspace.warehouse;
        let opened = warehouse.open(table, Some(version)).await.unwrap().unwrap();
        opened.checkpoint().await.unwrap();
    });
    process.close();
}

fn rows(mut contents: Contents) -> Contents {
    // A table that came to a version a second time is published in a folder more.
    contents.retain(|name, _| !name.ends_with(": folders"));
    contents
}

/// A warehouse after two deliveries and what it holds; beside it, in `older`, a copy of what was there after the first.
fn twice() -> (Bench, Contents) {
    let mut bench = Bench::new(None, OWN_MODELS);
    bench.run();
    bench.copy("data", "older");
    bench.deliver_again();
    let wanted = rows(bench.run().contents);
    bench.keep();
    (bench, wanted)
}

/// Damages what was kept: the next run says each of these phrases and gives the same as before.
#[track_caller]
fn heals(bench: &mut Bench, wanted: &Contents, what: &str, damage: &dyn Fn(&Bench), says: &[&str]) {
    bench.begin_again();
    damage(bench);
    let ran = bench.run();
    for phrase in says {
        assert!(
            ran.warnings.iter().any(|warning| warning.contains(phrase)),
            "{what}: `{phrase}` is not in {:?}",
            ran.warnings
        );
    }
    assert_same(&rows(ran.contents), wanted, what);
}

const LOST: &str = "the ledger knows nothing of the 6 tables";

#[test]
fn a_ledger_that_is_lost_or_empty_or_older_or_newer_or_of_other_tables() {
    let (mut bench, wanted) = twice();
    let lose = |bench: &Bench| remove_database(&bench.project);
    heals(&mut bench, &wanted, "deleted", &lose, &[LOST]);
    let again = bench.run();
    assert!(
        !again.warnings.iter().any(|w| w.contains("the ledger")),
        "it is said once: {:?}",
        again.warnings
    );

    let clear = |bench: &Bench| {
        remove_database(&bench.project);
        bench.project.write(DATABASE[0], "");
    };
    heals(&mut bench, &wanted, "emptied", &clear, &[LOST]);

    let older = |bench: &Bench| take_database(&bench.project, &bench.project.path("older"));
    let says = ["the ledger is older than publish.bill, publish.bill_total"];
    heals(&mut bench, &wanted, "older", &older, &says);

    let newer = |bench: &Bench| {
        bench.copy("older", "data");
        take_database(&bench.project, &bench.project.path("kept"));
    };
    let says = TABLES.map(|table| format!("the table {table} was set back from version"));
    let says: Vec<&str> = says.iter().map(String::as_str).collect();
    heals(&mut bench, &wanted, "newer", &newer, &says);

    let other = Bench::new(None, OWN_MODELS);
    other.run();
    let other_data = other.project.path("data");
    let others = |bench: &Bench| take_database(&bench.project, &other_data);
    let says = TABLES.map(|table| format!("the table {table} is not the one that the ledger knows"));
    let says: Vec<&str> = says.iter().map(String::as_str).collect();
    heals(&mut bench, &wanted, "of another warehouse", &others, &says);
}

#[test]
fn tables_that_were_set_back_or_whose_newest_commit_is_empty() {
    let (mut bench, wanted) = twice();
    for table in TABLES {
        let says = format!("the table {table} was set back from version");
        heals(
            &mut bench,
            &wanted,
            &says,
            &|bench| set_back(bench, table),
            &[&says],
        );
        let says = format!("of the table {table} does not hold what the ledger saw there");
        let file = format!("of the table {table} is an empty file");
        let says = match table.starts_with("raw.") {
            true => vec![says.as_str(), file.as_str()],
            false => vec![says.as_str()],
        };
        heals(&mut bench, &wanted, says[0], &|bench| empty(bench, table), &says);
    }
    // All at once, with a checkpoint before the newest version or without, with the ledger or without.
    for (has_checkpoint, has_ledger) in [(false, true), (false, false), (true, true), (true, false)] {
        let all = |damage: fn(&Bench, &str)| {
            move |bench: &Bench| {
                for table in TABLES {
                    if has_checkpoint {
                        checkpoint(bench, table, 1);
                    }
                    damage(bench, table);
                }
                if !has_ledger {
                    remove_database(&bench.project);
                }
            }
        };
        let what = format!("checkpoint {has_checkpoint}, ledger {has_ledger}");
        let says = |phrase| if has_ledger { [phrase] } else { [LOST] };
        let back = says("the table rollup.bill was set back");
        heals(
            &mut bench,
            &wanted,
            &format!("set back, {what}"),
            &all(set_back),
            &back,
        );
        let empties = ["of the table raw.focus is an empty file"];
        heals(
            &mut bench,
            &wanted,
            &format!("empty, {what}"),
            &all(empty),
            &empties,
        );
    }
}

#[test]
fn a_log_that_lost_what_its_checkpoint_tells_of_is_refused_by_name() {
    let (mut bench, wanted) = twice();
    for table in ["raw.aws_cur2", "publish.bill"] {
        // Set back with its checkpoint, which is still named.
        bench.begin_again();
        checkpoint(&bench, table, 0);
        let checkpoint_file = newest_commit(&bench, table).with_extension("checkpoint.parquet");
        set_back(&bench, table);
        std::fs::remove_file(checkpoint_file).unwrap();
        let refused = bench.project.call(&bench.arguments());
        refused
            .expect(4)
            .says(&format!("the table {table} cannot be read"))
            .says("delete the file `_last_checkpoint`");
        std::fs::remove_file(log(&bench, table).join("_last_checkpoint")).unwrap();
        let ran = bench.run();
        let says = format!("the table {table} was set back");
        assert!(
            ran.warnings.iter().any(|w| w.contains(&says)),
            "{:?}",
            ran.warnings
        );
        assert_same(&rows(ran.contents), &wanted, table);

        // Without the entry of the version that the checkpoint holds: nothing can be committed after it.
        bench.begin_again();
        checkpoint(&bench, table, 0);
        let entry = newest_commit(&bench, table);
        std::fs::remove_file(&entry).unwrap();
        remove_database(&bench.project);
        let refused = bench.project.call(&bench.arguments());
        refused
            .expect(4)
            .says(&format!("table {table}"))
            .says("whose entry is gone")
            .says("or delete");
        std::fs::remove_file(entry.with_extension("checkpoint.parquet")).unwrap();
        std::fs::remove_file(log(&bench, table).join("_last_checkpoint")).unwrap();
        assert_same(&rows(bench.run().contents), &wanted, table);
    }
}

#[test]
fn one_bill_of_two_sources_is_refused_without_a_ledger_too() {
    let sources = source("one", "aws_cur2", "one") + &source("two", "aws_cur2", "two");
    let project = Project::acme(&sources);
    let bill = cur2_csv("2026-09", &[Line::instance("2026-09-02", 5)]);
    deliver_cur2(&project, "one", "2026-09", "first", std::slice::from_ref(&bill));
    deliver_cur2(&project, "two", "2026-09", "other", &[bill + "\n"]);
    project.run().expect(2).says("hold the same bill");
    remove_database(&project);
    project.run().expect(2).says("hold the same bill");
    // What is gone from a source keeps its rows and what is known of them.
    std::fs::remove_dir_all(project.path("two")).unwrap();
    std::fs::create_dir_all(project.path("two")).unwrap();
    remove_database(&project);
    project.run().expect(2).says("hold the same bill");
}

#[test]
fn runs_are_of_now_and_leave_nothing_of_killed_ones() {
    let bench = Bench::new(None, OWN_MODELS);
    bench.run();
    let project = &bench.project;
    project
        .call(&["run", "--as-of", "2026-01-01"])
        .expect(2)
        .says("--as-of 2026-01-01 is only for verbs that read");
    project.write("data/spool/.tmpdead", "half a download");
    // A publish of the coming version that was killed, and one of a version that never came.
    for version in ["v0000000002", "v0000000099"] {
        project.write(
            &format!("data/published/bill/{version}/dead.parquet"),
            "half a file",
        );
    }
    project.write("data/published/bill/current/part-00001.parquet", "half a file");
    bench.deliver_again();
    let contents = bench.run().contents;
    assert!(!project.path("data/spool/.tmpdead").exists());
    assert!(!project.path("data/published/bill/v0000000099").exists());
    assert_eq!(
        contents["published/bill: folders"],
        ["3"],
        "`current`, the newest snapshot and the one before"
    );

    // By hand beside what is published, and in its place, while nothing new is delivered.
    let current = |file: &str| project.path(&format!("data/published/bill/current/{file}"));
    let says = |ran: &Ran, phrase: &str| {
        let of_folder = |warning: &&String| warning.contains("published/bill/current");
        let told: Vec<&String> = ran.warnings.iter().filter(of_folder).collect();
        assert_eq!(told.len(), 1, "{:?}", ran.warnings);
        assert!(told[0].contains(phrase), "{}", told[0]);
    };
    std::fs::copy(current("part-00000.parquet"), current("copy.parquet")).unwrap();
    let ran = bench.run();
    says(&ran, "copy.parquet removed");
    assert!(!current("copy.parquet").exists());
    assert_same(&ran.contents, &contents, "the copy is counted nowhere");
    std::fs::remove_file(current("part-00000.parquet")).unwrap();
    let ran = bench.run();
    says(&ran, "published again: part-00000.parquet (gone)");
    assert_same(&rows(ran.contents), &rows(contents), "it is published again");
    let again = bench.run().warnings;
    assert!(
        !again.iter().any(|warning| warning.contains("published/bill")),
        "it is said once: {again:?}"
    );
}

#[test]
fn of_two_runs_one_waits_for_nobody_and_none_publishes_older_rows_over_newer_ones() {
    let (mut bench, wanted) = twice();
    // The folder as the first delivery left it, and the second one is there.
    bench.copy("older", "data");
    bench.keep();
    bench.begin_again();
    // This process has looked at the tables before the others.
    let early = InProcess::configured(&bench.project);
    let mut holder = bench.project.command(&bench.arguments()).spawn().unwrap();
    let lock = bench.project.path("data/run.lock");
    let started = Instant::now();
    while std::fs::read_to_string(&lock).unwrap_or_default().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "it takes no lock");
        std::thread::sleep(Duration::from_millis(1));
    }
    let process = holder.id().to_string();
    let stopped = Command::new("kill").args(["-STOP", &process]).status();
    assert!(stopped.unwrap().success());
    bench
        .project
        .call(&bench.arguments())
        .expect(4)
        .says("another run holds the warehouse")
        .says(&format!("end process {process}"));
    // SIGKILL, which a stopped process does not outlive either.
    holder.kill().unwrap();
    holder.wait().unwrap();
    bench.project.call(&bench.arguments()).expect(0);
    let ran = bench.run_of(early);
    assert_same(&rows(ran.contents), &wanted, "the one that looked first");
}

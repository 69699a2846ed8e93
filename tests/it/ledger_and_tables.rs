//! The tables are the truth and the ledger mirrors them: whatever becomes of the one or the other, the next run says what it
//! found and ends with the right tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::kill_points::two_sources;
use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::project::source;

const DATABASE: [&str; 3] = [
    "data/offgridflow.db",
    "data/offgridflow.db-wal",
    "data/offgridflow.db-shm",
];

/// Every published folder with its files: plain ones by name, the others by how many there are.
fn published(project: &Project) -> BTreeMap<String, usize> {
    let mut files = BTreeMap::new();
    let root = project.path("data/published");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let place = folder.strip_prefix(&root).unwrap().display().to_string();
                *files.entry(place).or_default() += 1;
            }
        }
    }
    files
}

fn remove_database(project: &Project) {
    for file in DATABASE {
        let _ = std::fs::remove_file(project.path(file));
    }
}

fn database(project: &Project) -> Vec<Option<Vec<u8>>> {
    DATABASE.map(|file| std::fs::read(project.path(file)).ok()).into()
}

fn restore_database(project: &Project, files: &[Option<Vec<u8>>]) {
    remove_database(project);
    for (name, bytes) in DATABASE.iter().zip(files) {
        if let Some(bytes) = bytes {
            project.write(name, bytes);
        }
    }
}

/// The newest commit of every table.
fn newest_commits(folder: &Path) -> Vec<PathBuf> {
    let mut newest = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let paths: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        if folder.ends_with("_delta_log") {
            newest.extend(
                paths
                    .iter()
                    .filter(|p| p.extension().is_some_and(|e| e == "json"))
                    .max()
                    .cloned(),
            );
        } else {
            folders.extend(paths.into_iter().filter(|path| path.is_dir()));
        }
    }
    newest
}

#[test]
fn a_ledger_that_is_older_or_lost_or_of_other_tables_and_tables_that_were_set_back() {
    let figures = "select month, cast(sum(billed_cost) as varchar), sum(line_count) \
                   from publish.emissions_by_account_month group by 1 order by 1";
    let bill = |period: &str, day: &str, hours: u32| cur2_csv(period, &[Line::instance(day, hours)]);
    let project = Project::with_source("aws_cur2");
    deliver_cur2(
        &project,
        "bills",
        "2026-08",
        "first",
        &[bill("2026-08", "2026-08-02", 5)],
    );
    project.run().expect(0);
    let older = database(&project);
    deliver_cur2(
        &project,
        "bills",
        "2026-08",
        "second",
        &[bill("2026-08", "2026-08-02", 6)],
    );
    deliver_cur2(
        &project,
        "bills",
        "2026-09",
        "first",
        &[bill("2026-09", "2026-09-02", 7)],
    );
    project.run().expect(0);
    let wanted = project.rows(figures);
    let newer = database(&project);

    restore_database(&project, &older);
    assert!(project.plan().is_empty(), "{:?}", project.plan());
    project.run().expect(0);
    assert_eq!(
        project.rows(figures),
        wanted,
        "a ledger that is older than the tables"
    );

    remove_database(&project);
    assert!(project.plan().is_empty(), "{:?}", project.plan());
    project.run().expect(0).says("the ledger knows nothing of the");
    assert_eq!(project.rows(figures), wanted, "a ledger that was lost");
    assert!(
        !project
            .run()
            .expect(0)
            .stderr
            .contains("the ledger knows nothing")
    );

    let other = Project::with_source("aws_cur2");
    deliver_cur2(
        &other,
        "bills",
        "2026-08",
        "second",
        &[bill("2026-08", "2026-08-02", 6)],
    );
    other.run().expect(0);
    restore_database(&project, &database(&other));
    project
        .run()
        .expect(0)
        .says("the table raw.aws_cur2 is not the one that the ledger knows");
    assert_eq!(project.rows(figures), wanted, "a ledger of other tables");

    for commit in newest_commits(&project.path("data")) {
        std::fs::remove_file(commit).unwrap();
    }
    project
        .run()
        .expect(0)
        .says("the table raw.aws_cur2 was set back from version");
    assert_eq!(project.rows(figures), wanted, "tables that were set back");
    assert!(project.plan().is_empty(), "{:?}", project.plan());

    for commit in newest_commits(&project.path("data")) {
        std::fs::write(commit, "").unwrap();
    }
    project.run().expect(0).says("is an empty file");
    assert_eq!(project.rows(figures), wanted, "commits that are empty");

    // A backup of the tables under a ledger that has seen more.
    restore_database(&project, &newer);
    project.run().expect(0);
    assert_eq!(
        project.rows(figures),
        wanted,
        "a ledger that has seen other versions"
    );
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
    let project = two_sources();
    project.run().expect(0);
    project
        .call(&["run", "--as-of", "2026-01-01"])
        .expect(2)
        .says("--as-of 2026-01-01 is only for verbs that read");
    let wanted = published(&project);
    project.write("data/spool/.tmpdead", "half a download");
    project.write("data/published/coverage/v0000000099/dead.parquet", "half a file");
    let before = std::fs::read_dir(project.path("data/published/coverage"))
        .unwrap()
        .count();
    project.run().expect(0);
    assert!(!project.path("data/spool/.tmpdead").exists());
    deliver_cur2(
        &project,
        "cur",
        "2026-09",
        "second",
        &[cur2_csv("2026-09", &[Line::instance("2026-09-02", 6)])],
    );
    project.run().expect(0);
    let after = std::fs::read_dir(project.path("data/published/coverage"))
        .unwrap()
        .count();
    assert_eq!(
        (before, after),
        (4, 4),
        "the dead snapshot went, a second one came: {wanted:?}"
    );
    assert!(!project.path("data/published/coverage/v0000000099").exists());
}

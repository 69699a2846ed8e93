//! Files that change while a run reads them: the delivery fails by name, nothing of it lands, and the next run lands it
//! whole. Some runs happen in this process, where an observer changes the file at a moment that is exactly known.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use offgridflow::run::{Observer, RunReport};

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2, focus_csv, focus_row};
use crate::support::in_process::InProcess;
use crate::support::project::gzip;
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};

/// More rows than the reader may be ahead of the writer: when the first ones arrive, the file is still being read.
const ROWS: usize = 45_000;

/// A bill of so many equal rows at this cost in USD; the account tells its version.
fn bill(version: &str, rows: usize, cost: &str) -> String {
    let row = focus_row("2025-01", "2025-01-10", version, "", "1", cost);
    focus_csv(&vec![row; rows])
}

/// When the file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// It has been listed, but not opened.
    Listed,
    /// Its first rows have come, its last ones not.
    Reading,
}

/// Changes a file once, at a moment of the run.
struct Meddler<'a> {
    moment: Moment,
    change: &'a (dyn Fn() + Sync),
    done: AtomicBool,
}

impl<'a> Meddler<'a> {
    fn new(moment: Moment, change: &'a (dyn Fn() + Sync)) -> Self {
        Meddler {
            moment,
            change,
            done: AtomicBool::new(false),
        }
    }

    fn now(&self, moment: Moment) {
        if moment == self.moment && !self.done.swap(true, Ordering::SeqCst) {
            (self.change)();
        }
    }
}

impl Observer for Meddler<'_> {
    fn begin(&self, stage: &str, _: &str, _: u64) {
        if stage == "land" {
            self.now(Moment::Listed);
        }
    }
    fn advance(&self, rows: u64, _: u64) {
        if rows > 0 {
            self.now(Moment::Reading);
        }
    }
    fn end(&self) {}
    fn warn(&self, _: &str) {}
}

/// Lands what a project has while `change` happens.
fn land(project: &Project, moment: Moment, change: &(dyn Fn() + Sync)) -> RunReport {
    let meddler = Meddler::new(moment, change);
    let report = InProcess::open(project).run(&["raw.*"], &meddler);
    assert!(meddler.done.load(Ordering::SeqCst), "the file was changed");
    report
}

#[track_caller]
fn assert_changed(report: &RunReport, file: &str, context: &str) {
    assert_eq!(report.exit_code(), 4, "{context}: {:?}", report.failures);
    assert_eq!(report.failures.len(), 1, "{context}: {:?}", report.failures);
    let failure = &report.failures[0];
    let error = failure.to_string();
    assert!(
        error.contains("a file changed while it was read") && error.contains(file),
        "{context}: {error}"
    );
    let hint = failure.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("run again"), "{context}: {hint}");
}

/// Landing alone.
const LAND: [&str; 3] = ["run", "--select", "raw.*"];

/// What is landed: version and rows of every file.
const LANDED: &str =
    "select export, sub_account_id, count(*) from normalize.focus group by 1, 2 order by 1, 2";

/// A way in which a file changes.
type Change = (&'static str, fn(&Project, usize));

const CHANGES: [Change; 6] = [
    ("overwritten with as many bytes", |project, rows| {
        project.write("bills/large.csv", bill("version-3", rows, "1.25"));
    }),
    ("grown by a row", |project, _| {
        let mut after = std::fs::read_to_string(project.path("bills/large.csv")).unwrap();
        after.push_str(&focus_row("2025-01", "2025-01-10", "version-2", "", "1", "1.25"));
        after.push('\n');
        project.write("bills/large.csv", after);
    }),
    ("cut within a row", |project, _| {
        let file = std::fs::File::options()
            .write(true)
            .open(project.path("bills/large.csv"));
        let file = file.unwrap();
        file.set_len(file.metadata().unwrap().len() - 7).unwrap();
    }),
    ("emptied", |project, _| project.write("bills/large.csv", "")),
    ("replaced by another file of its name", |project, rows| {
        project.write("incoming.csv", bill("version-3", rows, "1.25"));
        std::fs::rename(project.path("incoming.csv"), project.path("bills/large.csv")).unwrap();
    }),
    ("removed", |project, _| {
        std::fs::remove_file(project.path("bills/large.csv")).unwrap();
    }),
];

#[test]
fn a_local_file_that_changes_is_named_and_its_earlier_version_stays_until_the_next_run() {
    let row = |cells: [&str; 3]| cells.map(str::to_string).to_vec();
    let beside = row(["small.csv", "beside", "2"]);
    // A file that changes before it is opened may be short.
    for (moment, rows) in [(Moment::Listed, 100), (Moment::Reading, ROWS)] {
        for (name, change) in CHANGES {
            let context = format!("{name}, {moment:?}");
            let project = Project::with_source("focus");
            project.write("bills/large.csv", bill("version-1", 3, "1.25"));
            project.call(&LAND).expect(0);
            project.write("bills/large.csv", bill("version-2", rows, "1.25"));
            project.write("bills/small.csv", bill("beside", 2, "1.25"));

            let report = land(&project, moment, &|| change(&project, rows));
            assert_changed(&report, "bills/large.csv", &context);
            let earlier = row(["large.csv", "version-1", "3"]);
            assert_eq!(project.rows(LANDED), [earlier, beside.clone()], "{context}");

            // What is only a part is delivered whole in the end; the rest stays as the change left it.
            let file = project.path("bills/large.csv");
            let text = || std::fs::read_to_string(&file).unwrap_or_default();
            if !text().ends_with('\n') {
                project.write("bills/large.csv", bill("version-3", rows, "1.25"));
            }
            let version = match text().contains("version-3") {
                true => "version-3",
                false => "version-2",
            };
            let lines = (text().lines().count() - 1).to_string();
            project.call(&LAND).expect(0);
            let whole = row(["large.csv", version, &lines]);
            assert_eq!(project.rows(LANDED), [whole, beside.clone()], "{context}");
        }
    }
}

#[test]
fn a_file_that_grows_through_the_whole_run_never_lands_in_part() {
    let project = Project::with_source("focus");
    project.write("bills/large.csv", bill("grows", ROWS / 4, "1"));
    let path = project.path("bills/large.csv");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            use std::io::Write;
            let mut file = std::fs::File::options().append(true).open(&path).unwrap();
            let row = focus_row("2025-01", "2025-01-10", "grows", "", "1", "1") + "\n";
            // Bounded, so that a test that fails comes to its end.
            for _ in 0..400_000 {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                file.write_all(row.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        // A run that finds the file at rest by chance lands all that it held; any other one lands nothing.
        let mut landed = 0;
        let refused = (0..20).any(|_| {
            let outcome = project.call(&LAND);
            let count: usize = project.value("select count(*) from raw.focus").parse().unwrap();
            match outcome.code {
                0 => assert!(count > landed, "{count} rows after {landed}"),
                _ => {
                    outcome
                        .expect(4)
                        .says("a file changed while it was read")
                        .says("bills/large.csv");
                    assert_eq!(count, landed, "nothing of a refused delivery is landed");
                }
            }
            landed = count;
            outcome.code == 4
        });
        stop.store(true, Ordering::SeqCst);
        writer.join().unwrap();
        assert!(refused, "no run of twenty met a file that changed");
    });
    project.call(&LAND).expect(0);
    let lines = std::fs::read_to_string(&path).unwrap().lines().count() - 1;
    assert_eq!(project.value("select count(*) from raw.focus"), lines.to_string());
}

/// A period in two parts as AWS delivers it.
fn deliver(project: &Project, execution: &str, hours: [u32; 2]) {
    let parts = hours.map(|hours| cur2_csv("2025-01", &[Line::instance("2025-01-03", hours)]));
    deliver_cur2(project, "bills", "2025-01", execution, &parts);
}

#[test]
fn a_delivery_that_is_overwritten_during_the_run_is_refused_as_a_whole() {
    const HOURS: &str = "select sum(usage_quantity), count(*) from normalize.usage";
    for moment in [Moment::Listed, Moment::Reading] {
        let project = Project::with_source("aws_cur2");
        deliver(&project, "first", [1, 2]);
        let report = land(&project, moment, &|| deliver(&project, "second", [10, 20]));
        assert_changed(&report, "BILLING_PERIOD=2025-01", &format!("{moment:?}"));
        assert_eq!(project.rows(HOURS), [["", "0"]], "{moment:?}");
        project.run().expect(0);
        assert_eq!(project.rows(HOURS), [["30.000000000000000", "2"]], "{moment:?}");
    }
}

#[test]
fn a_manifest_that_is_replaced_during_the_run_takes_its_delivery_along() {
    let project = Project::with_source("aws_cur2");
    deliver(&project, "first", [1, 2]);
    let manifest = "bills/metadata/BILLING_PERIOD=2025-01/cur2-Manifest.json";
    let text = std::fs::read_to_string(project.path(manifest)).unwrap();
    // The next version is about to be delivered: its manifest is there, the files that it shares are still the same.
    let report = land(&project, Moment::Reading, &|| {
        project.write(manifest, text.replace("first", "second"));
    });
    assert_changed(&report, "cur2-Manifest.json", "a new manifest");
    assert_eq!(project.value("select count(*) from normalize.usage"), "0");
    project.run().expect(0);
    assert_eq!(project.value("select count(*) from normalize.usage"), "2");
}

#[test]
fn an_object_that_changes_in_a_bucket_is_named_and_lands_whole_with_the_next_run() {
    let server = S3::start(&["bills"]);
    let profile = server
        .profile("server")
        .replace("env:TEST_S3_ACCESS_KEY", "file:./access-key")
        .replace("env:TEST_S3_SECRET_KEY", "file:./secret-key");
    let project = Project::new(&format!(
        "{profile}[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"focus\"\n\
         url = \"s3://bills/focus\"\nprofile = \"server\"\n"
    ));
    project.write("access-key", ACCESS_KEY);
    project.write("secret-key", SECRET_KEY);
    let put = |version: &str, rows: usize| {
        server.put(
            "bills/focus/large.csv.gz",
            &gzip(bill(version, rows, "1.25").as_bytes()),
        );
    };
    put("version-1", 3);
    project.call(&LAND).expect(0);

    let mut earlier = ("version-1".to_string(), 3.to_string());
    for (moment, before, after) in [
        (Moment::Listed, "version-2", "version-3"),
        (Moment::Reading, "version-4", "version-5"),
    ] {
        put(before, ROWS);
        let report = land(&project, moment, &|| put(after, ROWS + 1));
        let context = format!("replaced, {moment:?}");
        assert_changed(&report, "s3://bills/focus/large.csv.gz", &context);
        let landed = |(version, rows): &(String, String)| {
            [["large.csv.gz".to_string(), version.clone(), rows.clone()]]
        };
        assert_eq!(project.rows(LANDED), landed(&earlier), "{context}");
        project.call(&LAND).expect(0);
        earlier = (after.to_string(), (ROWS + 1).to_string());
        assert_eq!(project.rows(LANDED), landed(&earlier), "{context}");
    }
}

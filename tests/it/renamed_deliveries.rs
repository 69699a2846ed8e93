//! A delivery that changes its name counts once: found and named before anything is built, and the way out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2, focus_csv, focus_row};
use crate::support::project::{listing, source};

fn usd(amount: &str, rows: u64) -> Vec<(String, String, u64)> {
    vec![("USD".to_string(), amount.to_string(), rows)]
}

/// A FOCUS file of January with rows of these days, each of 2 USD.
fn january(days: &[&str]) -> String {
    let rows: Vec<String> = days
        .iter()
        .map(|day| focus_row("2025-01", day, "a", "", "1", "2"))
        .collect();
    focus_csv(&rows)
}

fn rename(project: &Project, from: &str, to: &str) {
    let target = project.path(to);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::rename(project.path(from), target).unwrap();
}

/// Lines in the rollup, and in what is published.
fn published(project: &Project) -> Vec<Vec<String>> {
    project.rows(
        "select (select sum(line_count) from rollup.usage_daily), \
         (select sum(line_count) from publish.emissions_by_account_month)",
    )
}

/// What a plan says of models: action, table and partition.
fn planned(project: &Project) -> BTreeSet<String> {
    let outcome = project.call(&["plan", "--output", "json"]);
    outcome.expect(0);
    let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(plan["failures"], serde_json::json!([]));
    let steps = plan["steps"].as_array().unwrap().iter();
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_string();
    steps
        .map(|step| {
            ["action", "table", "partition"]
                .map(|name| text(step, name))
                .join(" ")
        })
        .collect()
}

fn builds(planned: &BTreeSet<String>) -> BTreeSet<String> {
    let builds = planned.iter().filter_map(|step| step.strip_prefix("build "));
    builds.map(String::from).collect()
}

/// What a run builds.
fn built(project: &Project) -> BTreeSet<String> {
    let outcome = project.call(&["run", "--output", "json"]);
    outcome.expect(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let models = report["models"].as_array().unwrap().iter();
    models
        .flat_map(|model| {
            let built = model["built"].as_array().cloned().unwrap_or_default().into_iter();
            built.map(|key| format!("{} {}", model["name"].as_str().unwrap(), key.as_str().unwrap()))
        })
        .collect()
}

#[test]
fn a_renamed_file_is_named_before_anything_is_built_and_forgetting_the_old_name_mends_it_as_taking_it_out_and_back_does()
 {
    let project = Project::with_source("focus");
    project.write("bills/january.csv", january(&["2025-01-03", "2025-01-04"]));
    project.run().expect(0);
    let before = published(&project);
    rename(&project, "bills/january.csv", "bills/2025/bill of january.csv");
    project
        .run()
        .expect(2)
        .says("`january.csv` and `2025/bill of january.csv` hold the same content")
        .says("offgridflow maintain --forget acme/bills/january.csv");
    assert_eq!(
        published(&project),
        before,
        "nothing was built from rows that stand there twice"
    );
    // It stays refused until somebody decides, also when nothing is landed.
    project.call(&["run", "--select", "rollup.*"]).expect(2);
    project
        .call(&["plan"])
        .says("`january.csv` and `2025/bill of january.csv` hold the same content");

    let name = "acme/bills/january.csv";
    let tables = listing(&project.path("data/raw"));
    let dry = project.call(&["maintain", "--forget", name, "--dry-run", "--output", "csv"]);
    dry.expect(0).says("2 rows would be removed");
    assert!(
        dry.stdout.contains("raw.focus,acme/bills,january.csv,2025-01,2,"),
        "{}",
        dry.stdout
    );
    assert_eq!(
        listing(&project.path("data/raw")),
        tables,
        "a dry run writes nothing"
    );
    project.run().expect(2);

    project
        .call(&["maintain", "--forget", name])
        .expect(0)
        .says("2 rows removed");
    assert_eq!(project.billed(), usd("4", 2));
    let planned = planned(&project);
    assert!(
        planned
            .contains("drop rollup.usage_daily tenant=acme/source=bills/export=january.csv/period=2025-01"),
        "{planned:?}"
    );
    assert_eq!(builds(&planned), built(&project));
    assert_eq!(project.billed(), usd("4", 2));
    assert_eq!(published(&project), before);
    // What is forgotten while it is still delivered comes back.
    let name = "acme/bills/2025/bill of january.csv";
    project.call(&["maintain", "--forget", name]).expect(0);
    let planned = self::planned(&project);
    assert!(
        !planned.iter().any(|step| step.starts_with("drop")),
        "{planned:?}"
    );
    assert_eq!(builds(&planned), built(&project));
    assert_eq!(published(&project), before);
    assert_eq!(
        project.value("select count(distinct export) from rollup.usage_daily"),
        "1"
    );
    let report = project.land_report();
    assert_eq!(report["sources"][0]["slices_current"], 1, "{report}");

    // A source that is taken out and put back counts again.
    let configure = |role: &str| {
        project.configure(&format!(
            "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}role = \"{role}\"\n",
            source("bills", "focus", "bills")
        ));
    };
    configure("compare");
    project.run().expect(0);
    assert_eq!(project.value("select count(*) from rollup.usage_daily"), "0");
    configure("counts");
    project.run().expect(0);
    assert_eq!(published(&project), before);
}

#[test]
fn two_files_with_the_same_content_that_are_both_there_are_refused_but_empty_ones_are_not() {
    let project = Project::with_source("focus");
    project.write("bills/a.csv", january(&["2025-01-03"]));
    project.write("bills/b.csv", focus_csv(&[]));
    project.write("bills/c.csv", focus_csv(&[]));
    project.land().expect(0);
    project.write("bills/copy.csv", january(&["2025-01-03"]));
    project
        .land()
        .expect(2)
        .says("`copy.csv` and `a.csv` hold the same content")
        .says("take one of the files out of the source");
    // The same text packed, and saved by another program.
    std::fs::remove_file(project.path("bills/copy.csv")).unwrap();
    let saved = format!("\u{feff}{}\n", january(&["2025-01-03"]).replace('\n', "\r\n"));
    project.write_gzip("bills/copy.csv.gz", &saved);
    project
        .call(&["maintain", "--forget", "acme/bills/copy.csv"])
        .expect(0);
    project
        .land()
        .expect(2)
        .says("`copy.csv.gz` and `a.csv` hold the same content");
    std::fs::remove_file(project.path("bills/copy.csv.gz")).unwrap();
    project.write("bills/copy.csv", january(&["2025-01-03"]));
    project
        .call(&["maintain", "--forget", "acme/bills/copy.csv.gz"])
        .expect(0);
    project.land().expect(2);
    std::fs::remove_file(project.path("bills/copy.csv")).unwrap();
    project
        .land()
        .expect(2)
        .says("offgridflow maintain --forget acme/bills/copy.csv");
    project
        .call(&["maintain", "--forget", "acme/bills/copy.csv"])
        .expect(0);
    project.land().expect(0);
    assert_eq!(project.billed(), usd("2", 1));
}

#[test]
fn a_copy_in_a_period_folder_without_a_manifest_is_refused() {
    let project = Project::with_source("aws_cur2");
    let csv = cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]);
    project.write("bills/20250101-20250201/cur-1.csv", &csv);
    project.write("bills/20250101-20250201/cur-1 (1).csv", &csv);
    project
        .land()
        .expect(2)
        .says("two files of one export have the same content")
        .says("cur-1 (1).csv");
}

#[test]
fn a_part_that_is_gone_from_a_folder_keeps_its_rows_until_somebody_says_otherwise() {
    let project = Project::with_source("focus");
    let part = |number: u32| format!("bills/exp/billing_period=2025-01/part-{number}.csv");
    project.write(&part(0), january(&["2025-01-03", "2025-01-04"]));
    project.write(&part(1), january(&["2025-01-05"]));
    project.land().expect(0);
    assert_eq!(project.billed(), usd("6", 3));
    std::fs::remove_file(project.path(&part(1))).unwrap();
    for _ in 0..2 {
        project
            .land()
            .expect(4)
            .says("part-1.csv with 1 landed row")
            .says("offgridflow maintain --forget acme/bills/exp/2025-01");
        assert_eq!(project.billed(), usd("6", 3));
    }
    // Who delivers the folder anew says what it holds.
    std::thread::sleep(std::time::Duration::from_millis(10));
    project.write(&part(0), january(&["2025-01-03", "2025-01-06"]));
    project.land().expect(0);
    assert_eq!(project.billed(), usd("4", 2));
    // A source that is configured no more says what becomes of its rows.
    project.configure(&format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("other", "focus", "bills")
    ));
    project
        .land()
        .says("acme/bills is configured no more")
        .says("maintain --forget acme/bills/exp");
}

#[test]
fn a_manifest_that_comes_after_a_first_run_does_not_count_the_month_twice() {
    let project = Project::with_source("aws_cur2");
    let csv = cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]);
    project.write("bills/data/cur2-00001.csv", &csv);
    project.land().expect(0);
    let manifest = r#"{"executionId":"first","reportName":"cur2","billingPeriod":{"start":"2025-01-01T00:00:00.000Z",
        "end":"2025-02-01T00:00:00.000Z"},"dataFiles":["data/cur2-00001.csv"]}"#;
    project.write("bills/cur2-Manifest.json", manifest);
    project
        .land()
        .expect(2)
        .says("hold the same content")
        .says("offgridflow maintain --forget acme/bills/data/cur2-00001.csv");
    project
        .call(&["maintain", "--forget", "acme/bills/data/cur2-00001.csv"])
        .expect(0);
    project.land().expect(0);
    assert_eq!(project.billed(), usd("4.608", 1));
}

#[test]
fn a_moved_export_whose_content_changed_too_is_named_by_its_bill() {
    let project = Project::with_source("aws_cur2");
    let csv = |hours| cur2_csv("2025-01", &[Line::instance("2025-01-03", hours)]);
    deliver_cur2(&project, "bills/cur2", "2025-01", "first", &[csv(24)]);
    project.land().expect(0);
    std::fs::remove_dir_all(project.path("bills/cur2")).unwrap();
    deliver_cur2(&project, "bills/deep/cur2", "2025-01", "second", &[csv(25)]);
    project
        .land()
        .expect(2)
        .says("`cur2` is no longer delivered")
        .says("`deep/cur2`")
        .says("999999999999")
        .says("2025-01")
        .says("offgridflow maintain --forget acme/bills/cur2");
    project
        .call(&["maintain", "--forget", "acme/bills/cur2"])
        .expect(0);
    project.land().expect(0);
    assert_eq!(project.billed(), usd("4.8", 1));
}

#[test]
fn a_bill_that_was_replaced_under_another_name_counts_once_without_the_ledger_too() {
    // With a rejected row, which the ledger alone has.
    let project = Project::new(&format!(
        "[landing]\nmax_rejected = 9\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n{}",
        source("main", "focus", "bills")
    ));
    let bad = focus_row("2025-01", "2025-01-09", "a", "", "1", "nothing");
    let lose_ledger = || {
        for file in std::fs::read_dir(project.path("data")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("offgridflow.db") {
                std::fs::remove_file(path).unwrap();
            }
        }
    };
    project.write("bills/january.csv", january(&["2025-01-03"]) + &bad + "\n");
    project.run().expect(0);
    let before = published(&project);
    std::fs::remove_file(project.path("bills/january.csv")).unwrap();
    project.write("bills/jan.csv", january(&["2025-01-03", "2025-01-04"]));
    lose_ledger();
    // Lost before the new name comes, and once more after it was refused.
    for _ in 0..2 {
        project
            .run()
            .expect(2)
            .says("the export `january.csv` is no longer delivered, but holds the same bill as `jan.csv`")
            .says("the ledger does not have the rejected rows of acme/main/january.csv, 1 of them");
        assert_eq!(published(&project), before);
        lose_ledger();
    }
    project
        .call(&["maintain", "--forget", "acme/main/january.csv"])
        .expect(0);
    project.run().expect(0);
    assert_eq!(published(&project), [["2", "2"]]);
}

#[test]
fn another_kind_of_a_source_does_not_count_beside_the_old_one() {
    let project = Project::with_source("aws_cur");
    // Without tags and maps a report may be of either kind.
    let csv = cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]);
    let without_tags: Vec<&str> = csv
        .lines()
        .filter_map(|line| Some(line.rsplit_once(",\"{").or(line.rsplit_once(','))?.0))
        .collect();
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[without_tags.join("\n") + "\n"],
    );
    project.land().expect(0);
    project.configure(&format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n{}",
        source("bills", "aws_cur2", "bills")
    ));
    project
        .land()
        .expect(2)
        .says("(kind aws_cur)")
        .says("(kind aws_cur2)")
        .says("offgridflow maintain --forget acme/bills/cur2");
    let forgotten = project.call(&["maintain", "--forget", "acme/bills/cur2", "--output", "csv"]);
    forgotten.expect(0).says("the next run lands it again");
    assert!(forgotten.stdout.contains("raw.aws_cur,") && forgotten.stdout.contains("raw.aws_cur2,"));
    let report = project.land_report();
    assert_eq!(report["sources"][0]["slices_new"], 1, "{report}");
    assert_eq!(project.billed(), usd("4.608", 1));
}

#[test]
fn what_a_lifecycle_rule_takes_away_keeps_its_rows_and_files_that_stood_side_by_side_add_up() {
    let project = Project::with_source("focus");
    project.write("bills/week-1.csv", january(&["2025-01-03"]));
    project.write("bills/week-2.csv", january(&["2025-01-10"]));
    project.land().expect(0);
    std::fs::remove_file(project.path("bills/week-1.csv")).unwrap();
    project.land().expect(0);
    assert_eq!(project.billed(), usd("4", 2));
    // Nothing tells this from a renamed file whose content changed: a person does.
    project.write("bills/week-3.csv", january(&["2025-01-17"]));
    project
        .land()
        .expect(2)
        .says("`week-1.csv` is no longer delivered")
        .says("`week-3.csv`")
        .says("offgridflow maintain --keep acme/bills/week-1.csv");
    project
        .call(&["maintain", "--keep", "acme/bills/week-3.csv"])
        .expect(2)
        .says("is not known to be gone");
    project
        .call(&["maintain", "--keep", "acme/bills/week-1.csv"])
        .expect(0);
    project.land().expect(0);
    assert_eq!(project.billed(), usd("6", 3));
}

#[test]
fn forgetting_takes_a_period_or_an_export_of_any_source_and_an_unknown_name_is_refused() {
    let project = Project::with_source("aws_cur2");
    for (period, day) in [("2025-01", "2025-01-03"), ("2025-02", "2025-02-03")] {
        let csv = cur2_csv(period, &[Line::instance(day, 24)]);
        deliver_cur2(&project, "bills/cur2", period, "first", &[csv]);
    }
    project.run().expect(0);
    project
        .call(&["maintain", "--forget", "acme/bills/cur3/2025-01"])
        .expect(2)
        .says("names no export that was landed")
        .says("acme/bills/cur2");
    project
        .call(&["maintain", "--forget", "acme/bills/cur2/2025-03"])
        .expect(2);
    project
        .call(&["maintain", "--forget", "acme/bills/cur2/2025-01"])
        .expect(0)
        .says("the next run lands it again");
    assert_eq!(project.billed(), usd("4.608", 1));
    let report = project.land_report();
    assert_eq!(report["sources"][0]["slices_new"], 1, "{report}");
    assert_eq!(report["sources"][0]["slices_current"], 1, "{report}");
    assert!(
        !report["warnings"].to_string().contains("the ledger"),
        "what a person gave up is no news: {report}"
    );
    assert_eq!(project.billed(), usd("9.216", 2));

    // The source is no longer configured, and its last month goes from everything that was built.
    project.write("other/a/b/c.csv", january(&["2025-01-03"]));
    project.configure(&format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n{}",
        source("other", "focus", "other")
    ));
    project.run().expect(0);
    project
        .call(&["maintain", "--forget", "acme/bills/cur2"])
        .expect(0)
        .says("2 rows removed");
    project.run().expect(0);
    assert_eq!(project.value("select count(*) from raw.aws_cur2"), "0");
    assert_eq!(published(&project), [["1", "1"]]);
    let noted = project.rows(
        "select distinct partition_key from system.fingerprints where partition_key like '%source=bills%'",
    );
    assert_eq!(noted, Vec::<Vec<String>>::new());

    // The last rows of all leave nothing published.
    std::fs::remove_dir_all(project.path("other/a")).unwrap();
    project
        .call(&["maintain", "--forget", "acme/other/a/b/c.csv/2025-01"])
        .expect(0);
    project.run().expect(0);
    for table in [
        "rollup.usage_daily",
        "estimate.cloud_emissions",
        "publish.emissions_by_account_month",
    ] {
        assert_eq!(
            project.value(&format!("select count(*) from {table}")),
            "0",
            "{table}"
        );
    }
}

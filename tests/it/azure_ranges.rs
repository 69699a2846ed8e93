//! Azure cost exports of days that somebody chose: each day lands once, as the newest run that holds it delivered it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;

use serde_json::Value;

use crate::support::project::{plain, source};
use crate::support::{Outcome, Project};

const RUN: &str = "11111111-1111-4111-8111-111111111111";

/// How the rows of a run are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    /// Actual cost, dates with slashes.
    Csv,
    /// FOCUS cost.
    FocusCsv,
    /// Actual cost as Parquet.
    Parquet,
}

/// The days from one to another of a month, each with a cost.
fn days(month: &str, from: u32, to: u32, cost: &str) -> Vec<(String, String)> {
    (from..=to)
        .map(|day| (format!("{month}-{day:02}"), cost.to_string()))
        .collect()
}

fn bytes(rows: &[(String, String)], written: Written) -> Vec<u8> {
    let lines = |header: &str, line: &dyn Fn(&str, &str) -> String| {
        let lines: String = rows.iter().map(|(day, cost)| line(day, cost) + "\n").collect();
        format!("{header}\n{lines}").into_bytes()
    };
    match written {
        Written::Csv => lines(
            "BillingAccountId,SubscriptionId,BillingPeriodStartDate,Date,ChargeType,MeterCategory,Quantity,Cost,BillingCurrency",
            &|day, cost| {
                let (month, date) = (&day[5..7], format!("{}/{}/{}", &day[5..7], &day[8..], &day[..4]));
                format!(
                    "7000001,sub-web,{month}/01/{},{date},Usage,Storage,1,{cost},EUR",
                    &day[..4]
                )
            },
        ),
        Written::FocusCsv => lines(
            "BilledCost,EffectiveCost,BillingAccountId,SubAccountId,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,ProviderName,ServiceName",
            &|day, cost| {
                format!(
                    "{cost},{cost},7000001,sub-web,EUR,Usage,{day}T00:00:00Z,{day}T23:59:59Z,Microsoft,Storage"
                )
            },
        ),
        Written::Parquet => {
            let text = |of: &dyn Fn(&(String, String)) -> String| -> ArrayRef {
                Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
            };
            let numbers = |of: &dyn Fn(&(String, String)) -> f64| -> ArrayRef {
                Arc::new(rows.iter().map(of).collect::<Float64Array>())
            };
            let batch = RecordBatch::try_from_iter([
                ("BillingAccountId", text(&|_| "7000001".into())),
                ("SubscriptionId", text(&|_| "sub-web".into())),
                ("Date", text(&|row| row.0.clone())),
                ("ChargeType", text(&|_| "Usage".into())),
                ("MeterCategory", text(&|_| "Storage".into())),
                ("Quantity", numbers(&|_| 1.0)),
                ("Cost", numbers(&|row| row.1.parse().unwrap())),
                ("BillingCurrency", text(&|_| "EUR".into())),
            ])
            .unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            bytes
        }
    }
}

/// A run of the days of its folder, begun at a time, in two parts with a manifest.
fn deliver(project: &Project, range: &str, time: &str, rows: &[(String, String)], written: Written) {
    let folder = format!("costs/{range}/{time}/{RUN}");
    let ending = if written == Written::Parquet {
        "parquet"
    } else {
        "csv"
    };
    let cut = rows.len() / 2;
    let mut blobs = Vec::new();
    for (part, rows) in [&rows[..cut], &rows[cut..]].into_iter().enumerate() {
        let name = format!("{folder}/part_{part}_0001.{ending}");
        project.write(&format!("bills/{name}"), bytes(rows, written));
        blobs.push(format!("{{\"blobName\":\"{name}\"}}"));
    }
    project.write(
        &format!("bills/{folder}/manifest.json"),
        manifest(rows.len(), &blobs),
    );
}

fn manifest(rows: usize, blobs: &[String]) -> String {
    format!(
        "{{\"blobCount\":{},\"dataRowCount\":{rows},\"exportConfig\":{{\"type\":\"ActualCost\",\"timeFrame\":\"Custom\"}},\
         \"runInfo\":{{\"runId\":\"{RUN}\"}},\"blobs\":[{}]}}",
        blobs.len(),
        blobs.join(",")
    )
}

/// Lands what arrived and builds nothing: what counts is told by the view over the raw tables.
fn land(project: &Project) -> Outcome {
    project.call(&["run", "--select", "raw.*"])
}

/// The slices of which another run has nothing new.
fn slices_current(project: &Project) -> Value {
    let outcome = project.call(&["run", "--select", "raw.*", "--output", "json"]);
    outcome.expect(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    report["sources"][0]["slices_current"].clone()
}

/// Cost and lines of each period.
fn periods(project: &Project) -> Vec<String> {
    let query = "select period, sum(billed_cost), count(*), min(charge_period_start), max(charge_period_start) \
                 from normalize.usage group by 1 order by 1";
    let of = |row: &Vec<String>| {
        format!(
            "{}: {} in {} lines, {} to {}",
            row[0],
            plain(&row[1]),
            row[2],
            &row[3][..10],
            &row[4][..10]
        )
    };
    project.rows(query).iter().map(of).collect()
}

#[test]
fn a_later_run_of_five_days_replaces_these_and_no_others() {
    for (kind, written) in [
        ("azure_cost", Written::Csv),
        ("azure_cost", Written::Parquet),
        ("focus", Written::FocusCsv),
    ] {
        let at_once = Project::with_source(kind);
        let in_turn = Project::with_source(kind);
        for project in [&at_once, &in_turn] {
            deliver(
                project,
                "20260601-20260630",
                "202607010400",
                &days("2026-06", 1, 30, "1"),
                written,
            );
        }
        land(&in_turn).expect(0);
        assert_eq!(
            periods(&in_turn),
            ["2026-06: 30 in 30 lines, 2026-06-01 to 2026-06-30"]
        );
        for project in [&at_once, &in_turn] {
            deliver(
                project,
                "20260601-20260605",
                "202607150400",
                &days("2026-06", 1, 5, "2"),
                written,
            );
            let run = land(project);
            run.expect(0)
                .says("costs 2026-06 is put together from 2 runs")
                .says("for 2026-06-01 to 2026-06-05")
                .says("5 of its rows of 2026-06 are left out, newer runs deliver their days");
            assert_eq!(
                periods(project),
                ["2026-06: 35 in 30 lines, 2026-06-01 to 2026-06-30"],
                "{kind} {written:?}"
            );
            assert_eq!(slices_current(project), 1);
        }
        // The next run of the whole month counts alone.
        deliver(
            &in_turn,
            "20260601-20260630",
            "202607160400",
            &days("2026-06", 1, 30, "3"),
            written,
        );
        land(&in_turn).expect(0);
        assert_eq!(
            periods(&in_turn),
            ["2026-06: 90 in 30 lines, 2026-06-01 to 2026-06-30"]
        );
    }
}

#[test]
fn months_of_one_run_are_periods_of_their_own() {
    let project = Project::with_source("azure_cost");
    deliver(
        &project,
        "20260601-20260630",
        "202607010400",
        &days("2026-06", 1, 30, "1"),
        Written::Csv,
    );
    let quarter = [
        days("2026-04", 1, 30, "1"),
        days("2026-05", 1, 31, "1"),
        days("2026-06", 1, 30, "1"),
    ]
    .concat();
    deliver(
        &project,
        "20260401-20260630",
        "202607020400",
        &quarter,
        Written::Csv,
    );
    land(&project)
        .expect(0)
        .says("costs 2026-05: from a run of 2026-04-01 to 2026-06-30");
    assert_eq!(
        periods(&project),
        [
            "2026-04: 30 in 30 lines, 2026-04-01 to 2026-04-30",
            "2026-05: 31 in 31 lines, 2026-05-01 to 2026-05-31",
            "2026-06: 30 in 30 lines, 2026-06-01 to 2026-06-30",
        ]
    );
    assert_eq!(slices_current(&project), 3);
}

#[test]
fn rolling_windows_land_each_day_once_from_the_newest() {
    let project = Project::with_source("azure_cost");
    let mut windows = vec![
        ("20260624-20260630", "202607010400", days("2026-06", 24, 30, "1")),
        (
            "20260628-20260704",
            "202607050400",
            [days("2026-06", 28, 30, "2"), days("2026-07", 1, 4, "2")].concat(),
        ),
        ("20260701-20260707", "202607080400", days("2026-07", 1, 7, "4")),
    ];
    // Copies may come in any order.
    windows.reverse();
    for (range, time, rows) in &windows {
        deliver(&project, range, time, rows, Written::Csv);
    }
    land(&project)
        .expect(0)
        .says("costs 2026-06: no run holds 2026-06-01 to 2026-06-23")
        .says("costs 2026-07: no run holds 2026-07-08 to 2026-07-31");
    assert_eq!(
        periods(&project),
        [
            "2026-06: 10 in 7 lines, 2026-06-24 to 2026-06-30",
            "2026-07: 28 in 7 lines, 2026-07-01 to 2026-07-07",
        ]
    );
}

#[test]
fn a_row_of_another_day_than_its_run_is_landed_or_named() {
    let day = |day: &str| (day.to_string(), "0.5".to_string());
    // Of a whole month it belongs to that month: corrections and purchases have dates of their own.
    let project = Project::with_source("azure_cost");
    let rows = [
        days("2026-06", 1, 30, "1"),
        vec![day("2026-05-31"), day("2026-07-02")],
    ]
    .concat();
    deliver(
        &project,
        "20260601-20260630",
        "202607010400",
        &rows,
        Written::FocusCsv,
    );
    land(&project).expect(0);
    assert_eq!(
        periods(&project),
        ["2026-06: 31 in 32 lines, 2026-05-31 to 2026-07-02"]
    );
    // Also when a later run replaces some of its days.
    deliver(
        &project,
        "20260601-20260605",
        "202607150400",
        &days("2026-06", 1, 5, "2"),
        Written::FocusCsv,
    );
    land(&project).expect(0).says(
        "2 of its rows have a date outside the days of its run (2026-06-01 to 2026-06-30); they count in 2026-06",
    );
    assert_eq!(
        periods(&project),
        ["2026-06: 36 in 32 lines, 2026-05-31 to 2026-07-02"]
    );

    // A run of several months gives them to its first and last one.
    let alone = Project::with_source("azure_cost");
    let rows = [
        vec![day("2026-03-31")],
        days("2026-04", 1, 30, "1"),
        days("2026-05", 1, 31, "1"),
        vec![day("2026-07-01")],
    ]
    .concat();
    deliver(
        &alone,
        "20260401-20260531",
        "202607020400",
        &rows,
        Written::FocusCsv,
    );
    land(&alone).expect(0);
    assert_eq!(
        periods(&alone),
        [
            "2026-04: 30.5 in 31 lines, 2026-03-31 to 2026-04-30",
            "2026-05: 31.5 in 32 lines, 2026-05-01 to 2026-07-01",
        ]
    );

    // Of a run of some days that lies beside others nobody knows whether they hold it too.
    let beside = Project::with_source("azure_cost");
    deliver(
        &beside,
        "20260601-20260630",
        "202607010400",
        &days("2026-06", 1, 30, "1"),
        Written::FocusCsv,
    );
    let rows = [days("2026-06", 1, 5, "2"), vec![day("2026-06-06")]].concat();
    deliver(
        &beside,
        "20260601-20260605",
        "202607150400",
        &rows,
        Written::FocusCsv,
    );
    land(&beside)
        .expect(3)
        .says("the date `2026-06-06T00:00:00Z` is none of the days of its run (2026-06-01 to 2026-06-05)")
        .says("column ChargePeriodStart")
        .says("part_1_0001.csv row 3");
    assert_eq!(periods(&beside), Vec::<String>::new());
}

#[test]
fn a_part_of_a_run_that_lacks_rows_or_files_holds_up_its_months() {
    let project = Project::with_source("azure_cost");
    deliver(
        &project,
        "20260601-20260630",
        "202607010400",
        &days("2026-06", 1, 30, "1"),
        Written::Csv,
    );
    deliver(
        &project,
        "20260601-20260605",
        "202607150400",
        &days("2026-06", 1, 5, "2"),
        Written::Csv,
    );
    land(&project).expect(0);
    let before = periods(&project);
    // The manifest of the older run tells of a row that no file of its own has, whatever the other run holds.
    let older = "bills/costs/20260601-20260630/202607010400";
    let blobs = [0, 1].map(|part| {
        format!("{{\"blobName\":\"costs/20260601-20260630/202607010400/{RUN}/part_{part}_0001.csv\"}}")
    });
    project.write(
        &format!("{older}/{RUN}/manifest.json"),
        manifest(31, &blobs) + " ",
    );
    let land_again = ["run", "--full-refresh", "--select", "raw.*"];
    project
        .call(&land_again)
        .expect(3)
        .says("a manifest tells of 31 rows, but its files hold 30")
        .says("20260601-20260630/202607010400");
    project.write(&format!("{older}/{RUN}/manifest.json"), manifest(30, &blobs));
    let newer = project.path(&format!(
        "bills/costs/20260601-20260605/202607150400/{RUN}/part_0_0001.csv"
    ));
    std::fs::remove_file(newer).unwrap();
    project.call(&land_again).expect(4).says("which is not there");
    assert_eq!(periods(&project), before);
}

#[test]
fn only_the_bills_of_days_that_count_are_compared_with_other_sources() {
    let project = Project::acme(&format!(
        "{}{}",
        source("bills", "azure_cost", "bills"),
        source("june", "focus", "june")
    ));
    // A run of two months, of which this source brings April for another subscription too.
    let mut text = String::from_utf8(bytes(&days("2026-05", 1, 31, "1"), Written::Csv)).unwrap();
    text += "7000001,sub-old,04/01/2026,04/30/2026,Usage,Storage,1,1,EUR\n";
    let name = format!("costs/20260430-20260531/202607020400/{RUN}/part.csv");
    project.write(&format!("bills/{name}"), text);
    project.write(
        &format!("bills/costs/20260430-20260531/202607020400/{RUN}/manifest.json"),
        manifest(32, &[format!("{{\"blobName\":\"{name}\"}}")]),
    );
    let may = String::from_utf8(bytes(&days("2026-05", 1, 31, "3"), Written::FocusCsv)).unwrap();
    project.write("june/may.csv", may.replace("7000001,sub-web", "7000002,sub-old"));
    project.run().expect(0);
    assert_eq!(
        periods(&project),
        [
            "2026-04: 1 in 1 lines, 2026-04-30 to 2026-04-30",
            "2026-05: 124 in 62 lines, 2026-05-01 to 2026-05-31",
        ]
    );
}

#[test]
fn folders_without_a_manifest_are_laid_over_each_other_too() {
    let project = Project::with_source("azure_cost");
    for (range, run, rows) in [
        ("20260601-20260630", "202607010400", days("2026-06", 1, 30, "1")),
        ("20260601-20260605", "202607150400", days("2026-06", 1, 5, "2")),
    ] {
        project.write(
            &format!("bills/costs/{range}/{run}/{RUN}/a.csv"),
            bytes(&rows, Written::Csv),
        );
    }
    land(&project)
        .expect(0)
        .says("no manifest speaks for costs 2026-06");
    assert_eq!(
        periods(&project),
        ["2026-06: 35 in 30 lines, 2026-06-01 to 2026-06-30"]
    );
}

#[test]
fn days_whose_run_is_gone_stay_until_somebody_gives_them_up() {
    let project = Project::with_source("azure_cost");
    deliver(
        &project,
        "20260601-20260630",
        "202607010400",
        &days("2026-06", 1, 30, "1"),
        Written::Csv,
    );
    land(&project).expect(0);
    deliver(
        &project,
        "20260601-20260605",
        "202607150400",
        &days("2026-06", 1, 5, "2"),
        Written::Csv,
    );
    land(&project).expect(0);
    let composed = ["2026-06: 35 in 30 lines, 2026-06-01 to 2026-06-30"];
    assert_eq!(periods(&project), composed);
    std::fs::remove_dir_all(project.path("bills/costs/20260601-20260630")).unwrap();
    land(&project)
        .expect(0)
        .says("acme/bills costs 2026-06: 25 rows of 2026-06-06 to 2026-06-30 stay as they were landed")
        .says("costs/20260601-20260630/202607010400")
        .says("offgridflow maintain --forget acme/bills/costs/2026-06");
    assert_eq!(periods(&project), composed);
    assert_eq!(slices_current(&project), 1);
    let again = land(&project);
    again.expect(0);
    assert!(!again.stderr.contains("stay as they were"), "{}", again.stderr);

    // The next run that holds some of these days replaces them, and no others.
    let rows = [days("2026-06", 28, 30, "3"), days("2026-07", 1, 4, "3")].concat();
    deliver(&project, "20260628-20260704", "202607160400", &rows, Written::Csv);
    let replaced = [
        "2026-06: 41 in 30 lines, 2026-06-01 to 2026-06-30",
        "2026-07: 12 in 4 lines, 2026-07-01 to 2026-07-04",
    ];
    for arguments in [
        ["run", "--select", "raw.*"].as_slice(),
        &["run", "--full-refresh", "--select", "raw.*"],
    ] {
        project
            .call(arguments)
            .expect(0)
            .says("22 rows of 2026-06-06 to 2026-06-27 stay as they were landed");
        assert_eq!(periods(&project), replaced);
    }
    let of_gone = "select count(*), min(_row_number), max(_row_number) from raw.azure_cost \
                   where _source_uri like '%20260601-20260630/202607010400%'";
    assert_eq!(project.rows(of_gone), [["22", "1", "15"]]);
    // Without the ledger the table itself tells what is kept.
    std::fs::remove_file(project.path("data/offgridflow.db")).unwrap();
    land(&project).expect(0);
    assert_eq!(periods(&project), replaced);

    project
        .call(&["maintain", "--forget", "acme/bills/costs/2026-06"])
        .expect(0);
    land(&project).expect(0);
    assert_eq!(
        periods(&project)[0],
        "2026-06: 19 in 8 lines, 2026-06-01 to 2026-06-30"
    );
}

#[test]
fn rolling_windows_under_a_retention_rule_keep_what_they_brought() {
    for (kind, written) in [
        ("azure_cost", [Written::Parquet; 3]),
        ("azure_cost", [Written::Csv, Written::Csv, Written::Parquet]),
        ("focus", [Written::FocusCsv; 3]),
    ] {
        let project = Project::with_source(kind);
        let windows = [
            ("20260601-20260607", "202606080400", days("2026-06", 1, 7, "1")),
            ("20260605-20260611", "202606120400", days("2026-06", 5, 11, "2")),
            ("20260609-20260615", "202606160400", days("2026-06", 9, 15, "4")),
        ];
        for (index, ((range, time, rows), written)) in windows.iter().zip(written).enumerate() {
            deliver(&project, range, time, rows, written);
            // The rule takes each window away when the next one comes.
            if let Some((gone, ..)) = index.checked_sub(1).map(|before| &windows[before]) {
                std::fs::remove_dir_all(project.path(&format!("bills/costs/{gone}"))).unwrap();
            }
            land(&project).expect(0);
            assert_eq!(slices_current(&project), 1, "{kind} {written:?}");
        }
        // 4 of the first, 4 of the second and 7 of the third.
        assert_eq!(
            periods(&project),
            ["2026-06: 40 in 15 lines, 2026-06-01 to 2026-06-15"],
            "{kind} {written:?}"
        );
        // Of a row of another day nobody can tell whether what is gone holds it too.
        let rows = [days("2026-06", 13, 19, "8"), days("2026-06", 4, 4, "8")].concat();
        deliver(&project, "20260613-20260619", "202606200400", &rows, written[2]);
        land(&project).expect(3).says("is none of the days of its run");
    }
}

#[test]
fn a_run_of_fewer_days_than_its_folder_replaces_no_days_of_a_run_that_is_gone() {
    let project = Project::with_source("azure_cost");
    deliver(
        &project,
        "20260601-20260630",
        "202607010400",
        &days("2026-06", 1, 30, "1"),
        Written::Csv,
    );
    land(&project).expect(0);
    std::fs::remove_dir_all(project.path("bills/costs/20260601-20260630/202607010400")).unwrap();
    let name = format!("costs/20260601-20260630/202607150400/{RUN}/part.csv");
    project.write(
        &format!("bills/{name}"),
        bytes(&days("2026-06", 1, 5, "2"), Written::Csv),
    );
    let dated = format!(
        "\"runId\":\"{RUN}\",\"startDate\":\"2026-06-01T00:00:00\",\"endDate\":\"2026-06-05T00:00:00\""
    );
    let manifest = manifest(5, &[format!("{{\"blobName\":\"{name}\"}}")])
        .replace(&format!("\"runId\":\"{RUN}\""), &dated);
    project.write(
        &format!("bills/costs/20260601-20260630/202607150400/{RUN}/manifest.json"),
        manifest,
    );
    land(&project)
        .expect(4)
        .says("rows whose files are gone cannot be told from those that came instead")
        .says("it brought rows of 2026-06-06")
        .says("offgridflow maintain --forget acme/bills/costs/2026-06");
    assert_eq!(
        periods(&project),
        ["2026-06: 30 in 30 lines, 2026-06-01 to 2026-06-30"]
    );
}

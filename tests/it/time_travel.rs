//! What earlier runs left stays readable: by run, by instant, after later runs and after an upkeep of the tables.

use std::collections::BTreeMap;

use offgridflow::ledger::NewRun;
use serde_json::Value;

use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::in_process::InProcess;
use crate::support::project::source;
use crate::support::{Project, number};

const TABLES: [&str; 4] = [
    "select charge_period_start, usage_quantity, billed_cost, tags['team'] from normalize.usage order by 1, 2",
    "select * from estimate.cloud_emissions order by charge_date, component, tag_team",
    "select * from publish.emissions_by_service_region_month order by month",
    "select month, scope, method, co2e_kg from publish.inventory order by 1, 2, 3, 4",
];
const TOTAL_KG: &str =
    "select sum(total_location_gco2e) / 1000 from publish.emissions_by_service_region_month";

/// What a run left.
struct Left {
    run_id: String,
    finished_at: String,
    rows: Vec<Vec<Vec<String>>>,
    total_kg: f64,
}

fn deliver(project: &Project, period: &str, execution: &str, hours: &[u32]) {
    let line = |(day, hours): (usize, &u32)| Line::instance(&format!("{period}-{:02}", day + 1), *hours);
    let lines: Vec<Line> = hours.iter().enumerate().map(line).collect();
    deliver_cur2(project, "bills", period, execution, &[cur2_csv(period, &lines)]);
}

fn run(project: &Project) -> Left {
    project.run().expect(0);
    let newest = "select run_id, finished_at from system.runs order by started_at desc limit 1";
    let mut newest = project.rows(newest).remove(0);
    Left {
        rows: TABLES.map(|query| project.rows(query)).into(),
        total_kg: project.value(TOTAL_KG).parse().unwrap(),
        finished_at: newest.remove(1),
        run_id: newest.remove(0),
    }
}

/// Three runs: January; January restated and February; January restated again.
fn three_runs() -> (Project, [Left; 3]) {
    let project = Project::acme(&format!(
        "allocation_tags = [\"team\"]\n{}",
        crate::support::project::source("bills", "aws_cur2", "bills")
    ));
    deliver(&project, "2025-01", "first", &[24, 24, 5]);
    let first = run(&project);
    deliver(&project, "2025-01", "second", &[24, 20, 5, 3]);
    deliver(&project, "2025-02", "first", &[7]);
    let second = run(&project);
    deliver(&project, "2025-01", "third", &[24, 20]);
    let third = run(&project);
    (project, [first, second, third])
}

fn as_of(project: &Project, when: &str) -> Vec<Vec<Vec<String>>> {
    let rows = |query: &&str| {
        let outcome = project.call(&["sql", "--as-of", when, "--output", "csv", query]);
        outcome.expect(0);
        let mut reader = csv::Reader::from_reader(outcome.stdout.as_bytes());
        let row = |row: csv::StringRecord| row.iter().map(str::to_string).collect();
        reader.records().map(|r| row(r.unwrap())).collect()
    };
    TABLES.iter().map(rows).collect()
}

#[test]
fn every_run_left_what_it_left_whatever_came_after() {
    let (project, runs) = three_runs();
    assert!(runs[0].rows != runs[1].rows && runs[1].rows != runs[2].rows);
    for left in &runs {
        assert_eq!(as_of(&project, &left.run_id), left.rows, "by run");
        assert_eq!(as_of(&project, &left.finished_at), left.rows, "by instant");
    }
    assert_eq!(as_of(&project, "last"), runs[2].rows);

    // An upkeep lets no version go that a run of the last 90 days left.
    project.call(&["maintain", "--vacuum"]).expect(0);
    for left in &runs {
        assert_eq!(as_of(&project, &left.run_id), left.rows, "after the upkeep");
    }
    let before_all = project.call(&["sql", "--as-of", "2020-01-01", TABLES[0]]);
    before_all.expect(2).says("no run had finished at 2020-01-01");
    for when in ["yesterday", "2026-01-01T00:00:00+99:99"] {
        project
            .call(&["sql", "--as-of", when, TABLES[0]])
            .expect(2)
            .says(&format!("--as-of `{when}` is neither a run nor an instant"))
            .says("system.runs");
    }
}

#[test]
fn an_upkeep_keeps_the_versions_that_it_is_told_and_says_of_others_that_they_are_gone() {
    let (project, runs) = three_runs();
    let InProcess { workspace, runtime } = InProcess::open(&project);
    // Through the library: the command lets only files go that are a week old.
    runtime.block_on(async {
        let kept = workspace.ledger.table_versions(&runs[0].run_id).await.unwrap();
        for (name, table) in &workspace.tables.snapshots {
            let kept: Vec<u64> = kept.get(name).map(|v| *v as u64).into_iter().collect();
            table.vacuum(0, &kept, false).await.unwrap();
        }
    });
    assert_eq!(as_of(&project, &runs[0].run_id), runs[0].rows);
    assert_eq!(as_of(&project, &runs[2].run_id), runs[2].rows);
    let gone = project.call(&["sql", "--as-of", &runs[1].run_id, TABLES[1]]);
    gone.expect(4).says("cannot be read").says("maintain --vacuum");

    // Nothing but the current version is kept of runs older than zero days.
    project
        .call(&["maintain", "--vacuum", "--keep-days", "0"])
        .expect(0);
    assert_eq!(as_of(&project, &runs[2].run_id), runs[2].rows);
    project
        .call(&["sql", "--as-of", &runs[0].run_id, TABLES[1]])
        .expect(4);
    project
        .call(&["diff", &runs[0].run_id, &runs[2].run_id])
        .expect(4)
        .says("cannot be read any more")
        .says("maintain --vacuum");
    assert!(project.plan().is_empty(), "what is current is whole");
}

/// The lines of a difference: how often each kind of change, and the days of each.
fn changes(difference: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in difference["lines"].as_array().unwrap() {
        let day = line["charge_date"].as_str().unwrap().to_string();
        found
            .entry(line["change"].as_str().unwrap().to_string())
            .or_default()
            .push(day);
    }
    found.values_mut().for_each(|days| days.sort());
    found
}

#[test]
fn a_difference_of_two_runs_names_the_lines_and_adds_up_to_the_totals() {
    let (project, runs) = three_runs();
    let difference = |before: &Left, after: &Left| {
        let outcome = project.call(&["diff", &before.run_id, &after.run_id, "--output", "json"]);
        outcome.expect(0);
        let difference: Value = serde_json::from_str(&outcome.stdout).unwrap();
        // Kilograms are shown to the milligram.
        for reason in ["change_kg", "usage_kg"] {
            let kilograms = number(&difference["total"][0][reason]);
            let off = kilograms - (after.total_kg - before.total_kg);
            assert!(off.abs() < 5e-6, "{reason} {kilograms} is {off} off");
        }
        changes(&difference)
    };
    let days = |kind: &str, days: &[&str]| (kind.to_string(), days.iter().map(|d| d.to_string()).collect());
    assert_eq!(
        difference(&runs[0], &runs[1]),
        BTreeMap::from([
            days("added", &["2025-01-04", "2025-02-01"]),
            days("changed", &["2025-01-02"])
        ])
    );
    assert_eq!(
        difference(&runs[1], &runs[2]),
        BTreeMap::from([days("removed", &["2025-01-03", "2025-01-04"])])
    );
    let same = project.call(&["diff", &runs[2].run_id, &runs[2].run_id]);
    same.expect(0);
    assert!(same.stdout.contains("Nothing changed"), "{}", same.stdout);
}

#[test]
fn activity_data_alone_is_compared_between_runs() {
    let project = Project::acme(&source("offices", "activity", "activity"));
    let deliver = |rows: &[&str]| {
        let text = format!(
            "activity,quantity,unit,period_start,period_end,country\n{}\n",
            rows.join("\n")
        );
        project.write("activity/a.csv", text);
        run_plain(&project)
    };
    let first = deliver(&[
        "electricity,100,kWh,2025-01-01,2025-02-01,DE",
        "moon dust,1,kg,2025-01-01,2025-02-01,DE",
    ]);
    let second = deliver(&[
        "electricity,150,kWh,2025-01-01,2025-02-01,DE",
        "moon dust,2,kg,2025-01-01,2025-02-01,DE",
    ]);
    let outcome = project.call(&["diff", &first, &second, "--output", "json"]);
    outcome.expect(0);
    let difference: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let of = |activity: &str| {
        let rows = difference["activities"].as_array().unwrap();
        let is_own = |row: &&Value| row["activity"] == activity && row["scope"] != "3";
        rows.iter()
            .find(is_own)
            .unwrap_or_else(|| panic!("{activity}: {rows:?}"))
    };
    let electricity = of("electricity");
    assert_eq!(electricity["change"], "usage");
    let kilograms = |side: &str| number(&electricity[side]);
    assert!(
        (kilograms("kg_after") - 1.5 * kilograms("kg_before")).abs() < 1e-6,
        "{electricity}"
    );
    assert!(kilograms("kg_before") > 0.0, "{electricity}");
    // An unknown stays unknown.
    assert!(of("moon dust")["kg_after"].is_null(), "{difference}");
    let text = project.call(&["diff", &first, &second]);
    assert!(text.stdout.contains("Activity data: kg CO2e"), "{}", text.stdout);
    assert!(!text.stdout.contains("of cloud usage"), "{}", text.stdout);
    let same = project.call(&["diff", &second, &second]);
    assert!(
        same.stdout.contains("Nothing changed"),
        "{} {}",
        same.stdout,
        same.stderr
    );
    // Of a month without a bill nothing is known.
    project
        .call(&["diff", "2025-01", "2025-02"])
        .expect(2)
        .says("there is no cloud usage in 2025-01")
        .says("between two runs");
}

#[test]
fn a_run_that_did_not_come_to_its_end_left_nothing_to_travel_to() {
    let project = Project::with_source("aws_cur2");
    deliver(&project, "2025-01", "first", &[24]);
    let left = run_plain(&project);
    const KILLED: &str = "01KILLED000000000000000000";
    let InProcess { workspace, runtime } = InProcess::open(&project);
    let begun = NewRun {
        run_id: KILLED,
        verb: "run",
        ..NewRun::default()
    };
    runtime.block_on(workspace.ledger.begin_run(begun)).unwrap();
    deliver(&project, "2025-02", "first", &[7]);
    // The next run notices that the process of the one before is gone, and when.
    let last = run_plain(&project);
    let noticed = project.value(&format!(
        "select finished_at from system.runs where run_id = '{KILLED}' and status = 'interrupted'"
    ));

    const COUNT: &str = "select count(*) from normalize.usage";
    let count = |when: &str| {
        let outcome = project.call(&["sql", "--as-of", when, "--output", "csv", COUNT]);
        outcome.expect(0);
        outcome.stdout.lines().nth(1).unwrap().to_string()
    };
    assert_eq!(
        count(&noticed),
        "1",
        "an instant shows what the last whole run before it left"
    );
    assert_eq!((count(&left), count(&last)), ("1".into(), "2".into()));
    project
        .call(&["sql", "--as-of", KILLED, COUNT])
        .expect(2)
        .says(KILLED)
        .says("interrupted");
    project
        .call(&["diff", &left, KILLED])
        .expect(2)
        .says("interrupted");
}

fn run_plain(project: &Project) -> String {
    project.report()["run_id"].as_str().unwrap().to_string()
}

//! `kill -9` at any moment and a second run give the same tables as one clean run.

use std::time::Duration;

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2};

/// Some 50,000 lines in four periods.
fn project() -> Project {
    let project = Project::with_source("aws_cur2");
    for month in 1..=4 {
        let period = format!("2025-{month:02}");
        let lines: Vec<Line> = (0..12_500)
            .map(|n| {
                let day = format!("{period}-{:02}", n % 28 + 1);
                Line {
                    cost: format!("0.{n:06}"),
                    ..Line::instance(&day, n % 24 + 1)
                }
            })
            .collect();
        let (first, second) = lines.split_at(6_000);
        deliver_cur2(
            &project,
            "bills",
            &period,
            "first",
            &[cur2_csv(&period, first), cur2_csv(&period, second)],
        );
    }
    project
}

fn contents(project: &Project) -> Vec<Vec<Vec<String>>> {
    [
        "select period, count(*), count(distinct _source_uri || _row_number), sum(money(line_item_unblended_cost)) from raw.aws_cur2 group by 1 order by 1",
        "select * from rollup.usage_daily order by period, charge_date",
        "select * from estimate.cloud_emissions order by period, charge_date, component",
        "select * from publish.emissions_by_service_region_day order by charge_date",
        "select * from publish.cost_and_carbon order by month, \"ChargePeriodStart\"",
        "select * from publish.inventory order by month, scope, method, energy_kwh, co2e_kg",
        "select * from publish.coverage order by month",
    ]
    .map(|query| project.rows(query))
    .into()
}

#[test]
fn a_killed_run_and_another_one_give_the_tables_of_a_clean_run() {
    let clean = project();
    let started = std::time::Instant::now();
    clean.run().expect(0);
    let length = started.elapsed();
    let wanted = contents(&clean);
    assert_eq!(
        wanted[0]
            .iter()
            .map(|r| r[1].parse::<u64>().unwrap())
            .sum::<u64>(),
        50_000
    );

    let killed = project();
    // Moments all over the run; where exactly differs from one test run to the next.
    for share in [5, 20, 45, 80] {
        let mut run = killed.command(&["run"]).spawn().unwrap();
        let jitter = Duration::from_millis(u64::from(std::process::id() % 40));
        std::thread::sleep(length * share / 100 + jitter);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    killed.run().expect(0);
    assert_eq!(contents(&killed), wanted);
    assert_eq!(
        killed.value("select count(*) from system.runs where status = 'running'"),
        "0"
    );
}

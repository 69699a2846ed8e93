//! The bundled sample company from its bills to what is published: the figures, and that a second run does nothing.

use serde_json::Value;

use crate::support::project::{SAMPLE, listing, plain};
use crate::support::{Project, root, snapshot};

const MONTHLY: &str = "select provider_name, month, billing_currency, sum(facility_kwh) as facility_kwh, \
    sum(location_gco2e) as location_gco2e, sum(market_gco2e) as market_gco2e, sum(embodied_gco2e) as embodied_gco2e, \
    sum(internet_gco2e) as internet_gco2e, sum(billed_cost) as billed_cost, sum(line_count) as line_count \
    from publish.emissions_by_service_region_month group by 1, 2, 3 order by 1, 2, 3";
const INVENTORY: &str = "select scope, scope3_category, method, entity, sum(co2e_kg) as co2e_kg, \
    sum(energy_kwh) as energy_kwh, count(*) as row_count from publish.inventory group by 1, 2, 3, 4 order by 1, 2, 3, 4";
const COVERAGE: &str = "select provider_name, billing_currency, sum(effective_cost) as effective_cost, \
    sum(covered_cost) as covered_cost, sum(line_count) as line_count, sum(covered_lines) as covered_lines \
    from publish.coverage group by 1, 2 order by 1, 2";

fn sums(report: &Value, list: &str, key: &str) -> u64 {
    report[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part[key].as_u64().unwrap())
        .sum()
}

#[test]
fn a_year_of_bills_gives_the_figures_of_the_snapshot_and_a_second_run_does_nothing() {
    let project = Project::sample_after_a_run();
    // As `run --output json` prints it.
    let first: Value = serde_json::from_str(&project.value("select summary_json from system.runs")).unwrap();
    assert_eq!(
        (
            sums(&first, "sources", "slices_new"),
            sums(&first, "sources", "rejected")
        ),
        (38, 0)
    );
    assert!(
        first["audits"]
            .as_array()
            .unwrap()
            .iter()
            .all(|audit| audit["passed"] == true)
    );
    let figures = [MONTHLY, INVENTORY, COVERAGE].map(|query| project.csv(query));
    snapshot("sample_emissions_by_month", &figures[0]);
    snapshot("sample_inventory", &figures[1]);
    snapshot("sample_coverage", &figures[2]);

    // A tag of an empty delivery or a rewritten file would show here.
    let tables = ["raw", "rollup", "estimate", "publish", "published"];
    let before: Vec<_> = tables
        .iter()
        .map(|folder| listing(&project.path(&format!("data/{folder}"))))
        .collect();
    assert!(project.plan().is_empty());
    let second = project.report();
    let after: Vec<_> = tables
        .iter()
        .map(|folder| listing(&project.path(&format!("data/{folder}"))))
        .collect();
    assert_eq!(before, after, "a run with nothing new writes no table");
    assert_eq!(sums(&second, "sources", "slices_current"), 38);
    assert_eq!(
        sums(&second, "sources", "rows") + sums(&second, "models", "partitions_built"),
        0
    );

    let third = project.call(&["run", "--full-refresh", "--output", "json"]);
    third.expect(0);
    let third: Value = serde_json::from_str(&third.stdout).unwrap();
    assert_eq!(sums(&third, "sources", "slices_replaced"), 38);
    assert_eq!(
        figures,
        [MONTHLY, INVENTORY, COVERAGE].map(|query| project.csv(query))
    );
}

#[test]
fn a_run_without_anything_new_opens_no_data_file() {
    let project = Project::sample_after_a_run();
    // Whatever a data file holds, it is not looked at: without the files the run still says that all is well.
    for folder in ["raw", "rollup", "estimate"] {
        for (path, ..) in listing(&project.path(&format!("data/{folder}"))) {
            if path.extension().is_some_and(|e| e == "parquet")
                && !path.to_string_lossy().contains("_delta_log")
            {
                std::fs::write(&path, b"not a table").unwrap();
            }
        }
    }
    let second = project.report();
    assert_eq!(sums(&second, "sources", "slices_current"), 38);
    assert_eq!(sums(&second, "models", "partitions_built"), 0);
}

#[test]
fn money_is_exact_from_the_bill_to_the_tables() {
    let (project, first) = &*SAMPLE;
    first.expect(0);
    the_tour_is(&first.stdout);
    let expected = [
        ["AWS", "USD", "54364.7007317813937391"],
        ["Google Cloud", "USD", "14645.93598635179984"],
        ["Microsoft", "EUR", "16301.6830003828903568"],
    ];
    let per_provider = |column: &str, provider: &str, currency: &str, table: &str| -> Vec<[String; 3]> {
        let rows = project.rows(&format!(
            "select {provider}, {currency}, sum({column}) from {table} group by 1, 2 order by 1, 2"
        ));
        rows.into_iter()
            .map(|r| [r[0].clone(), r[1].clone(), plain(&r[2])])
            .collect()
    };
    for table in ["normalize.usage", "rollup.usage_daily"] {
        assert_eq!(
            per_provider("billed_cost", "provider_name", "billing_currency", table),
            expected,
            "{table}"
        );
    }
    let raw_aws = "select sum(money(line_item_unblended_cost)) from raw.aws_cur2";
    assert_eq!(plain(&project.value(raw_aws)), expected[0][2]);
    // Published money keeps ten digits: each row may be half a unit of the last one off.
    for table in [
        "publish.emissions_by_service_region_month",
        "publish.emissions_by_account_month",
    ] {
        let rows = project.rows(&format!(
            "select provider_name, sum(billed_cost), count(*) from {table} group by 1 order by 1"
        ));
        for (row, wanted) in rows.iter().zip(expected) {
            let difference = format!("select abs({} - {})", row[1], wanted[2]);
            let bound: f64 = row[2].parse::<f64>().unwrap() * 0.5e-10;
            let off: f64 = project.value(&difference).parse().unwrap();
            assert!(
                off <= bound + 1e-15,
                "{table} {} is {off} off, the bound is {bound}",
                row[0]
            );
        }
    }
}

/// The tour of the README shows, in its order, what the first run prints.
#[track_caller]
fn the_tour_is(printed: &str) {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, tour) = readme.split_once("$ cargo run --release -- run\n").unwrap();
    let (tour, _) = tour.split_once("\n$ ").unwrap();
    let mut lines = printed.lines().map(str::trim_end);
    for line in tour.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        assert!(
            lines.any(|l| l == line),
            "the README shows\n{line}\nbut the run prints\n{printed}"
        );
    }
}

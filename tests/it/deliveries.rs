//! What a delivery replaces and what follows from it: restatements, repeats, corrections, one bill in two sources.

use serde_json::Value;

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2, focus_csv, focus_row};
use crate::support::project::{plain, source};

/// Three months of one instance; the bill of March also charges an hour of late February.
fn three_months() -> Project {
    let project = Project::with_source("aws_cur2");
    for (period, days) in [
        ("2025-01", ["2025-01-03", "2025-01-20"]),
        ("2025-02", ["2025-02-01", "2025-02-10"]),
    ] {
        deliver_cur2(
            &project,
            "bills",
            period,
            "first",
            &[cur2_csv(period, &days.map(|day| Line::instance(day, 24)))],
        );
    }
    let march = [Line::instance("2025-03-05", 24), Line::instance("2025-02-28", 1)];
    deliver_cur2(
        &project,
        "bills",
        "2025-03",
        "first",
        &[cur2_csv("2025-03", &march)],
    );
    project
}

fn built(report: &Value, model: &str) -> Vec<String> {
    let models = report["models"].as_array().unwrap();
    let found = models
        .iter()
        .find(|m| m["name"] == model)
        .unwrap_or_else(|| panic!("{model} is not in {report}"));
    let partitions = found["built"].as_array().cloned().unwrap_or_default();
    partitions
        .iter()
        .map(|p| p.as_str().unwrap().to_string())
        .collect()
}

#[test]
fn a_restated_month_rebuilds_its_period_and_the_charge_months_it_touches() {
    let project = three_months();
    project.run().expect(0);
    let march = [Line::instance("2025-03-05", 24), Line::instance("2025-02-28", 3)];
    deliver_cur2(
        &project,
        "bills",
        "2025-03",
        "second",
        &[cur2_csv("2025-03", &march)],
    );

    let planned = project.plan();
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_replaced"], 1);
    assert_eq!(report["sources"][0]["slices_current"], 2);
    let period = ["tenant=acme/source=bills/export=cur2/period=2025-03"];
    let months = ["tenant=acme/month=2025-02", "tenant=acme/month=2025-03"];
    for (model, partitions) in [
        ("rollup.usage_daily", period.as_slice()),
        ("estimate.cloud_emissions", &period),
        ("publish.emissions_by_service_region_day", &months),
        ("publish.emissions_by_service_region_month", &months),
        ("publish.cost_and_carbon", &months),
        ("publish.emissions_by_account_month", &months),
    ] {
        assert_eq!(built(&report, model), partitions, "{model}");
        let named: Vec<&str> = planned
            .iter()
            .filter(|(table, ..)| table == model)
            .map(|(_, p, _)| p.as_str())
            .collect();
        assert_eq!(named, partitions, "plan of {model}");
    }
    let hours = "select month, sum(facility_kwh) / 0.01129300000 from publish.emissions_by_service_region_month group by 1 order by 1";
    assert_eq!(project.rows(hours).len(), 3);
}

#[test]
fn a_repeated_delivery_is_a_no_op_and_the_order_of_deliveries_does_not_matter() {
    let project = three_months();
    project.run().expect(0);
    let once = project.billed();
    // The same bytes again, with a new time of change but the same size and name.
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_current"], 3);
    assert_eq!(project.billed(), once);

    let restated = cur2_csv("2025-02", &[Line::instance("2025-02-11", 10)]);
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "second",
        std::slice::from_ref(&restated),
    );
    project.land().expect(0);
    project.land().expect(0);
    let in_turn = project.billed();

    let at_once = three_months();
    deliver_cur2(&at_once, "bills", "2025-02", "second", &[restated]);
    at_once.land().expect(0);
    assert_eq!(at_once.billed(), in_turn);
    // 24 + 24 in January, 10 in February's restatement, 24 + 1 in March, at 0.192.
    assert_eq!(in_turn, [("USD".to_string(), "15.936".to_string(), 5)]);
}

#[test]
fn a_lost_ledger_costs_its_rebuild_and_no_data() {
    let project = three_months();
    project.run().expect(0);
    let before = project.billed();
    std::fs::remove_file(project.path("data/offgridflow.db")).unwrap();
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_current"], 3, "{report}");
    assert!(built(&report, "rollup.usage_daily").is_empty());
    assert_eq!(project.billed(), before);
}

/// The bill of May and a correction that June's bill brings, in one of its two forms.
fn corrected(correction: &[String]) -> Project {
    let project = Project::with_source("focus");
    let may = [
        focus_row("2025-05", "2025-05-10", "account-a", "", "1500", "1500.25"),
        focus_row("2025-05", "2025-05-11", "account-a", "", "24", "24"),
    ];
    project.write("bills/focus-2025-05.csv", focus_csv(&may));
    project.run().expect(0);
    project.write("bills/focus-2025-06.csv", focus_csv(correction));
    project.run().expect(0);
    project
}

#[test]
fn corrections_in_delta_and_ledger_form_give_the_same_usage_and_cost_per_charge_period() {
    let line = |account: &str, hours: &str, cost: &str| {
        focus_row("2025-06", "2025-05-10", account, "Correction", hours, cost)
    };
    let delta = corrected(&[
        line("account-a", "-300", "-300.05"),
        line("account-b", "300", "300.05"),
    ]);
    let ledger = corrected(&[
        line("account-a", "-1500", "-1500.25"),
        line("account-a", "1200", "1200.20"),
        line("account-b", "300", "300.05"),
    ]);
    let per_charge_period = "select charge_date, sub_account_id, sum(usage_quantity), sum(billed_cost) \
        from rollup.usage_daily group by 1, 2 order by 1, 2";
    let emissions = "select month, sub_account_id, sum(facility_kwh), sum(total_location_gco2e), sum(billed_cost) \
        from publish.emissions_by_account_month group by 1, 2 order by 1, 2";
    assert_eq!(delta.rows(per_charge_period), ledger.rows(per_charge_period));
    assert_eq!(delta.rows(emissions), ledger.rows(emissions));
    let rows = delta.rows(per_charge_period);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|r| r.iter().map(|cell| plain(cell)).collect())
        .collect();
    assert_eq!(
        cells,
        [
            ["2025-05-10", "account-a", "1200", "1200.2"],
            ["2025-05-10", "account-b", "300", "300.05"],
            ["2025-05-11", "account-a", "24", "24"],
        ]
    );
}

#[test]
fn one_bill_in_two_sources_stops_the_run_and_names_both() {
    let sources = source("main", "aws_cur2", "cur") + &source("copy", "aws_cur2", "other");
    let project = Project::acme(&sources);
    let csv = cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]);
    deliver_cur2(&project, "cur", "2025-01", "first", std::slice::from_ref(&csv));
    deliver_cur2(&project, "other", "2025-01", "first", &[csv]);
    let stopped = project.run();
    stopped
        .expect(2)
        .says("`copy` and `main`")
        .says("999999999999")
        .says("2025-01")
        .says("role = \"compare\"");
    assert!(
        !project.path("data/publish").exists(),
        "nothing is built from a bill that counts twice"
    );

    project.configure(&format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{sources}role = \"compare\"\n"
    ));
    project.land().expect(0);
    assert_eq!(project.billed(), [("USD".to_string(), "4.608".to_string(), 1)]);
    assert_eq!(
        project.value("select count(*) from raw.aws_cur2"),
        "2",
        "what is compared is landed too"
    );
}

#[test]
fn manifests_name_what_belongs_to_a_period_and_old_files_beside_it_do_not_count() {
    let project = Project::with_source("aws_cur2");
    let part = |day: &str| cur2_csv("2025-01", &[Line::instance(day, 1)]);
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[part("2025-01-01"), part("2025-01-02"), part("2025-01-03")],
    );
    project.land().expect(0);
    assert_eq!(project.billed()[0].2, 3);
    // The next version has two parts; the third file of the first one is still there.
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "second",
        &[part("2025-01-01"), part("2025-01-02")],
    );
    project.land().expect(0);
    assert_eq!(project.billed()[0].2, 2);
}

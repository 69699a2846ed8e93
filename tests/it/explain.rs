//! `explain`: a reader computes a figure again out of what the page shows.

use serde_json::Value;

use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::project::source;
use crate::support::{Project, number};

/// A machine, a database with a standby, and its stored gigabytes.
fn project() -> Project {
    let project = Project::acme(&format!(
        "allocation_tags = [\"team\"]\n{}",
        source("aws", "aws_cur2", "aws")
    ));
    let line = |usage_type: &str,
                product: &'static str,
                instance_type: &'static str,
                unit: &'static str,
                amount: &str| Line {
        usage_type: usage_type.into(),
        operation: "CreateDBInstance",
        product,
        instance_type,
        unit,
        amount: amount.into(),
        ..Line::instance("2025-01-02", 1)
    };
    let lines = [
        Line::instance("2025-01-02", 100),
        Line::instance("2025-01-03", 24),
        line(
            "Multi-AZUsage:db.m5.large",
            "AmazonRDS",
            "db.m5.large",
            "Hrs",
            "10",
        ),
        line("RDS:Multi-AZ-GP2-Storage", "AmazonRDS", "", "GB-Mo", "50"),
        line(
            "ReadRequestUnits",
            "AmazonDynamoDB",
            "",
            "ReadRequestUnits",
            "1000",
        ),
    ];
    deliver_cur2(&project, "aws", "2025-01", "one", &[cur2_csv("2025-01", &lines)]);
    project.run().expect(0);
    project
}

fn explained(project: &Project, table: &str, filter: &str) -> Value {
    let outcome = project.call(&["explain", table, filter, "--output", "json"]);
    outcome.expect(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The equation of a component of a usage type.
fn equation<'a>(way: &'a Value, usage: &str, component: &str) -> &'a Value {
    let rows = way["equations"].as_array().unwrap();
    let mut rows = rows
        .iter()
        .filter(|row| row["usage"] == usage && row["component"] == component);
    let found = rows.next().unwrap();
    assert!(rows.next().is_none());
    found
}

#[track_caller]
fn near(computed: f64, shown: f64) {
    assert!(
        (computed - shown).abs() <= shown.abs() * 1e-9,
        "{computed} and {shown}"
    );
}

#[test]
fn figures_are_computed_again_from_what_is_shown_and_what_has_no_estimate_is_unknown() {
    let project = project();
    figures_of_accounts(&project);
    cost_and_carbon(&project);
    differences(&project);
}

fn figures_of_accounts(project: &Project) {
    let way = explained(project, "publish.emissions_by_account_month", "month = '2025-01'");
    for (usage, copies, hours) in [
        ("BoxUsage:m5.xlarge", 1.0, 124.0),
        ("Multi-AZUsage:db.m5.large", 2.0, 10.0),
    ] {
        let compute = equation(&way, usage, "compute");
        let of = |name: &str| number(&compute[name]);
        near(of("zone_copies"), copies);
        near(of("usage_quantity"), hours);
        near(of("vcpu_count") * copies, of("vcpu_hours_per_unit"));
        let watts = of("min_watts") + of("utilisation") * (of("max_watts") - of("min_watts"));
        let it_kwh = hours * watts * of("vcpu_hours_per_unit") / 1000.0 * of("burstable_ratio");
        near(it_kwh, of("it_kwh"));
        near(it_kwh * of("pue_ratio"), of("facility_kwh"));
        near(
            it_kwh * of("pue_ratio") * of("location_gco2e_per_kwh"),
            of("location_gco2e"),
        );

        let memory = equation(&way, usage, "memory");
        let of = |name: &str| number(&memory[name]);
        let own = (of("platform_memory_gb") - of("platform_memory_gb_in_watts")).max(0.0);
        let share = own * of("memory_gb") / of("platform_memory_gb");
        near(
            hours * share * of("hours_per_unit") * of("memory_kwh_per_gb_hour"),
            of("it_kwh"),
        );

        let embodied = equation(&way, usage, "embodied");
        let of = |name: &str| number(&embodied[name]);
        let hourly = of("platform_embodied_kgco2e") * 1000.0 / 35_040.0 / of("embodied_platform_vcpu_count");
        near(hours * hourly * of("vcpu_hours_per_unit"), of("embodied_gco2e"));
    }
    let storage = equation(&way, "RDS:Multi-AZ-GP2-Storage", "storage");
    let of = |name: &str| number(&storage[name]);
    let gb_hours = of("usage_quantity") * of("stored_gb_per_unit");
    assert!(of("replication_ratio") > 1.0);
    let it_kwh = gb_hours / 1000.0 * of("watt_hours_per_tb_hour") * of("replication_ratio") / 1000.0;
    near(it_kwh, of("it_kwh"));
    near(
        it_kwh * of("pue_ratio") * of("location_gco2e_per_kwh"),
        of("location_gco2e"),
    );

    let page = project.call(&["explain", "estimate.cloud_emissions", "component = 'storage'"]);
    page.expect(0);
    for told in [
        "it_kwh = usage_quantity × stored_gb_per_unit",
        "replication_ratio",
        "pue_ratio",
    ] {
        assert!(page.stdout.contains(told), "{told} is not in {}", page.stdout);
    }
}

fn cost_and_carbon(project: &Project) {
    let filter = "\"x_UsageType\" = 'BoxUsage:m5.xlarge' and \"ChargePeriodStart\" = date '2025-01-02'";
    let way = explained(project, "publish.cost_and_carbon", filter);
    let checks = way["checks"].as_array().unwrap();
    assert!(
        checks.len() >= 6 && checks.iter().all(|check| check["equal"] == true),
        "{checks:?}"
    );
    near(number(&way["figure"][0]["x_CarbonLocationGrams"]), {
        let rows = way["equations"].as_array().unwrap().iter();
        rows.filter(|row| !row["location_gco2e"].is_null())
            .map(|row| number(&row["location_gco2e"]))
            .sum()
    });
    assert_eq!(way["lines"].as_array().unwrap().len(), 1);
}

/// DynamoDB has no estimate in either month.
fn differences(project: &Project) {
    let line = |amount: &str| Line {
        usage_type: "ReadRequestUnits".into(),
        operation: "GetItem",
        product: "AmazonDynamoDB",
        instance_type: "",
        unit: "ReadRequestUnits",
        amount: amount.into(),
        ..Line::instance("2025-02-02", 2)
    };
    let lines = [line("4000"), Line::instance("2025-02-02", 30)];
    deliver_cur2(project, "aws", "2025-02", "two", &[cur2_csv("2025-02", &lines)]);
    project.run().expect(0);
    let outcome = project.call(&["diff", "2025-01", "2025-02", "--output", "json"]);
    outcome.expect(0);
    let difference: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let rows = difference["services"].as_array().unwrap();
    let service = |name: &str| {
        rows.iter()
            .find(|row| row["service_name"].as_str().unwrap().contains(name))
            .unwrap()
    };
    for column in ["kg_before", "kg_after", "change_kg", "usage_kg", "coverage_kg"] {
        assert!(service("DynamoDB")[column].is_null(), "{column}: {rows:?}");
    }
    // What is no longer there emits nothing.
    assert_eq!(number(&service("Relational")["kg_after"]), 0.0);
    assert!(number(&service("Relational")["kg_before"]) > 0.0);
    near(
        number(&service("Elastic Compute")["change_kg"]),
        number(&service("Elastic Compute")["usage_kg"]),
    );
    let text = project.call(&["diff", "2025-01", "2025-02"]);
    text.expect(0);
    let told = text
        .stdout
        .lines()
        .find(|line| line.contains("DynamoDB"))
        .unwrap();
    assert!(told.contains('–'), "{told}");
}

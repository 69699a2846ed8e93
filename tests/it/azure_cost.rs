//! Azure cost exports as Azure delivers them: manifests of both forms, runs that replace each other, one basis of cost.

use crate::support::project::source;
use crate::support::{Project, root};

const HEADER: &str =
    "BillingAccountId,SubscriptionId,Date,ChargeType,MeterCategory,Quantity,Cost,BillingCurrency";

/// An actual or amortized export: a line of each amount.
fn csv(charge_type: &str, costs: &[&str]) -> String {
    let lines = costs
        .iter()
        .map(|cost| format!("7000001,sub-web,09/15/2026,{charge_type},Storage,1,{cost},EUR\n"));
    format!("{HEADER}\n{}", lines.collect::<String>())
}

fn focus_csv(cost: &str) -> String {
    format!(
        "BilledCost,EffectiveCost,BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,ProviderName,ServiceName\n\
         {cost},{cost},/providers/Microsoft.Billing/billingAccounts/7000001,/subscriptions/SUB-WEB,EUR,2026-09-01T00:00:00Z,Usage,2026-09-15T00:00:00Z,2026-09-16T00:00:00Z,Microsoft,Storage Accounts\n"
    )
}

const RUN_1: &str = "11111111-1111-4111-8111-111111111111";
const RUN_2: &str = "22222222-2222-4222-8222-222222222222";
const MONTH: &str = "bills/costs/daily/20260901-20260930";

/// The manifest of a run, in the form with `exportConfig`.
fn manifest(export_type: &str, run: &str, rows: usize, blobs: &[&str]) -> String {
    let blobs: Vec<String> = blobs
        .iter()
        .map(|name| format!("{{\"blobName\":\"{name}\"}}"))
        .collect();
    format!(
        "{{\"manifestVersion\":\"2024-04-01\",\"blobCount\":{},\"dataRowCount\":{rows},\
         \"exportConfig\":{{\"exportName\":\"daily\",\"type\":\"{export_type}\",\"dataVersion\":\"2021-10-01\"}},\
         \"runInfo\":{{\"runId\":\"{run}\",\"startDate\":\"2026-09-01T00:00:00Z\"}},\"blobs\":[{}]}}",
        blobs.len(),
        blobs.join(",")
    )
}

/// A run with a folder of its own: parts, then their manifest. Names in manifests start at the container.
fn deliver(project: &Project, run: &str, export_type: &str, rows: usize, parts: &[String]) {
    let mut names = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let name = format!("{MONTH}/{run}/part_{number}_0001.csv.gz");
        project.write_gzip(&name, part);
        names.push(name.trim_start_matches("bills/").to_string());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = run.rsplit('/').next().unwrap();
    project.write(
        &format!("{MONTH}/{run}/manifest.json"),
        manifest(export_type, id, rows, &names),
    );
}

fn azure() -> Project {
    Project::with_source("azure_cost")
}

fn billed(project: &Project) -> Vec<(String, u64)> {
    project
        .billed()
        .into_iter()
        .map(|(_, cost, rows)| (cost, rows))
        .collect()
}

#[test]
fn the_newest_run_of_a_month_replaces_the_others() {
    let project = azure();
    // Each run is the month to date, and the folder says when it was begun, whatever the time of a copy.
    deliver(
        &project,
        &format!("202609150400/{RUN_2}"),
        "ActualCost",
        3,
        &[csv("Usage", &["1", "2"]), csv("Usage", &["4"])],
    );
    deliver(
        &project,
        &format!("202609140400/{RUN_1}"),
        "ActualCost",
        1,
        &[csv("Usage", &["9"])],
    );
    project.run().expect(0);
    assert_eq!(billed(&project), [("7".to_string(), 3)]);
    assert_eq!(
        project.value("select distinct export || ' ' || period from normalize.usage"),
        "costs/daily 2026-09"
    );
    assert_eq!(project.land_report()["sources"][0]["slices_current"], 1);

    deliver(
        &project,
        &format!("202609160400/{RUN_1}"),
        "ActualCost",
        1,
        &[csv("Usage", &["8"])],
    );
    assert_eq!(project.land_report()["sources"][0]["slices_replaced"], 1);
    assert_eq!(billed(&project), [("8".to_string(), 1)]);
}

#[test]
fn a_month_may_become_empty() {
    let project = azure();
    deliver(&project, RUN_1, "ActualCost", 1, &[csv("Usage", &["9"])]);
    project.land().expect(0);
    assert_eq!(billed(&project), [("9".to_string(), 1)]);
    project.write(
        &format!("{MONTH}/{RUN_1}/manifest.json"),
        "{\"manifestVersion\":\"2024-04-01\",\"blobCount\":0,\"dataRowCount\":0}",
    );
    project.land().expect(0);
    assert_eq!(billed(&project), []);
}

#[test]
fn the_older_manifest_names_its_parts_and_rows() {
    let project = azure();
    let blob = format!("costs/daily/20260901-20260930/202609141442/{RUN_1}/000001.csv");
    project.write(&format!("bills/{blob}"), csv("Usage", &["1", "2"]));
    let manifest = |rows: u32| {
        format!(
            "{{\"manifestVersion\":\"2021-01-01\",\"dataFormat\":\"csv\",\"blobCount\":1,\"dataRowCount\":{rows},\
                 \"blobs\":[{{\"blobName\":\"{blob}\",\"dataRowCount\":{rows},\"headerRowCount\":1}}]}}"
        )
    };
    let path = format!("{MONTH}/202609141442/{RUN_1}/manifest.json");
    project.write(&path, manifest(3));
    project
        .land()
        .expect(3)
        .says("a manifest tells of 3 rows, but its files hold 2")
        .says("manifest.json");
    project.write(&path, manifest(2));
    project.land().expect(0);
    assert_eq!(billed(&project), [("3".to_string(), 2)]);
}

#[test]
fn runs_without_manifest_are_told_by_their_file_names() {
    let project = azure();
    project.write(&format!("{MONTH}/daily_{RUN_1}.csv"), csv("Usage", &["9"]));
    project.land().expect(0);
    assert_eq!(billed(&project), [("9".to_string(), 1)]);
    project.write(&format!("{MONTH}/daily_{RUN_2}.csv"), csv("Usage", &["1", "2"]));
    project.land().expect(0);
    assert_eq!(billed(&project), [("3".to_string(), 2)]);
}

#[test]
fn price_sheets_in_the_same_container_are_passed_over() {
    let project = azure();
    deliver(&project, RUN_1, "ActualCost", 1, &[csv("Usage", &["9"])]);
    let folder = "bills/costs/prices/20260901-20260930";
    project.write(
        &format!("{folder}/{RUN_2}/part_0_0001.csv"),
        "MeterId,UnitPrice\n1,2\n",
    );
    let name = format!("costs/prices/20260901-20260930/{RUN_2}/part_0_0001.csv");
    project.write(
        &format!("{folder}/{RUN_2}/manifest.json"),
        manifest("PriceSheet", RUN_2, 1, &[&name]),
    );
    project
        .land()
        .expect(0)
        .says("exports PriceSheet, which is no cost");
    assert_eq!(billed(&project), [("9".to_string(), 1)]);
}

#[test]
fn a_file_without_a_cost_column_is_refused() {
    let project = azure();
    project.write(
        "bills/prices.csv",
        "SubscriptionId,Date,Preis (UnitPrice)\nsub-web,2026-09-15,2\n",
    );
    project
        .land()
        .expect(3)
        .says("the file has no cost column")
        .says("prices.csv");
}

#[test]
fn one_of_actual_amortized_and_focus_cost_counts() {
    for (other, text, basis) in [
        ("bills/monthly-amortized.csv", csv("Usage", &["1"]), "amortized"),
        ("bills/other.csv", csv("UnusedReservation", &["1"]), "amortized"),
        ("bills/focus.csv", focus_csv("1"), "FOCUS"),
    ] {
        let project = azure();
        project.write("bills/actual.csv", csv("Usage", &["9"]));
        project.write("bills/more.csv", csv("Usage", &["0.5"]));
        project.land().expect(0);
        assert_eq!(
            billed(&project),
            [("9.5".to_string(), 2)],
            "exports of one basis add up"
        );
        project.write(other, text);
        project
            .land()
            .expect(2)
            .says("`actual.csv` (actual cost)")
            .says(&format!("({basis} cost)"))
            .says("period 2026-09")
            .says("role = \"compare\"");
    }
}

#[test]
fn a_subscription_exported_by_itself_is_part_of_its_billing_account() {
    let project = Project::acme(&format!(
        "{}{}",
        source("whole", "azure_cost", "whole"),
        source("part", "azure_cost", "part")
    ));
    project.write("whole/actual.csv", csv("Usage", &["9"]));
    // A pay-as-you-go export of the same subscription, which names no billing account.
    let part = "SubscriptionGuid,UsageDateTime,MeterCategory,UsageQuantity,PreTaxCost,Currency\nSUB-WEB,2026-09-15,Storage,1,9,EUR\n";
    project.write("part/actual.csv", part);
    project
        .run()
        .expect(2)
        .says("`part` and `whole` hold the same bill");
    let compared = format!("{}role = \"compare\"\n", source("part", "azure_cost", "part"));
    project.configure(&format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}{compared}",
        source("whole", "azure_cost", "whole")
    ));
    project.run().expect(0);
    assert_eq!(billed(&project), [("9".to_string(), 1)]);
}

#[test]
fn a_focus_source_of_the_same_account_is_the_same_bill() {
    let project = Project::acme(&format!(
        "{}{}",
        source("export", "azure_cost", "export"),
        source("focus", "focus", "focus")
    ));
    project.write("export/actual.csv", csv("Usage", &["9"]));
    project.write("focus/focus.csv", focus_csv("9"));
    project
        .land()
        .expect(2)
        .says("`export` and `focus` hold the same bill");
}

#[test]
fn an_amount_that_is_missing_beside_others_is_no_placeholder() {
    let project = azure();
    project.write(
        "bills/actual.csv",
        format!("{HEADER}\n7000001,sub-web,2026-09-15,Usage,Storage,1,,EUR\n"),
    );
    project
        .land()
        .expect(3)
        .says("column Cost")
        .says("the cell is empty");
}

#[test]
fn the_raw_table_keeps_the_delivered_spelling() {
    let project = azure();
    let fixture = std::fs::read_to_string(root().join("tests/fixtures/azure_cost/german.csv")).unwrap();
    project.write("bills/german.csv", fixture);
    project.land().expect(0);
    let log =
        std::fs::read_to_string(project.path("data/raw/azure_cost/_delta_log/00000000000000000000.json"))
            .unwrap();
    assert!(
        log.contains("Kosten (PreTaxCost)"),
        "the delivered header is in the table's schema"
    );
    assert_eq!(
        project.value("select string_agg(\"PreTaxCost\", ' ') from raw.azure_cost"),
        "0.075 2.2"
    );
}

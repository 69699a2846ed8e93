//! Dates and currencies as spreadsheets and people write them: each right, or refused by row.

use crate::support::Project;
use crate::support::bills::{FOCUS_HEADER, deliver_manifest, focus_csv, focus_row};
use crate::support::project::{plain, source};

#[test]
fn dates_are_read_by_the_part_that_writes_them_odd_years_go_to_quarantine_and_currencies_are_one_in_every_case()
 {
    let sources = ["aws_cur2", "focus", "focus"]
        .iter()
        .zip(["parts", "years", "currency"]);
    let sources: String = sources.map(|(kind, id)| source(id, kind, id)).collect();
    let project = Project::acme(&sources).env("OFFGRIDFLOW_LANDING_MAX_REJECTED", "9");
    let header = "bill_payer_account_id,line_item_line_item_type,line_item_usage_start_date,line_item_unblended_cost,\
                  line_item_currency_code,resource_tags";
    let part = |dates: &[&str]| {
        let rows: Vec<String> = dates
            .iter()
            .map(|date| format!("999999999999,Usage,{date},1,USD,{{}}"))
            .collect();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    let names = ["a.csv", "b.csv"].map(|name| format!("data/BILLING_PERIOD=2025-02/{name}"));
    // The same text last in one part and first in the other.
    project.write(&format!("parts/{}", names[0]), part(&["2/13/2025", "2/3/2025"]));
    project.write(&format!("parts/{}", names[1]), part(&["2/3/2025", "13/2/2025"]));
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("\"s3://billing/exports/cur2/{name}\""))
        .collect();
    deliver_manifest(&project, "parts", "2025-02", "first", &quoted.join(","));
    let row = |day: &str| focus_row("2026-09", day, "sub-1", "", "2", "1");
    project.write(
        "years/data/BILLING_PERIOD=2026-09/f.csv",
        focus_csv(&["2026-09-03", "1899-12-30", "9999-12-31", "0001-01-01"].map(row)),
    );
    // Another account: one bill counts once.
    let usd = focus_row("2026-09", "2026-09-03", "sub-1", "", "2", "1.25").replace("billing-1", "billing-2");
    project.write(
        "currency/f.csv",
        format!("{FOCUS_HEADER}\n{usd}\n{}\n", usd.replace("USD", "usd")),
    );
    project.run().expect(0);

    let days = "select charge_date, sum(line_count) from rollup.usage_daily where source = 'parts' group by 1 order by 1";
    assert_eq!(
        project.rows(days),
        [["2025-02-03", "1"], ["2025-02-13", "2"], ["2025-03-02", "1"]]
    );
    let costs = "select source, billing_currency, sum(billed_cost), count(*) from normalize.usage \
                 where source <> 'parts' group by 1, 2 order by 1, 2";
    let costs: Vec<Vec<String>> = project
        .rows(costs)
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    assert_eq!(
        costs,
        [["currency", "USD", "2.5", "2"], ["years", "USD", "1", "1"]]
    );
    assert_eq!(
        project.rows("select distinct billing_currency from publish.coverage"),
        [["USD"]]
    );
    let reasons =
        project.rows("select row_number, column_name, reason, source from system.quarantine order by 1");
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons
            .iter()
            .all(|r| r[1] == "ChargePeriodStart" && r[2].contains("1990 to 2100") && r[3] == "years"),
        "{reasons:?}"
    );
    let report = project.report();
    assert!(
        report["models"]
            .as_array()
            .unwrap()
            .iter()
            .all(|m| m["partitions_built"] == 0),
        "{report}"
    );
}

#[test]
fn an_activity_that_ends_before_it_begins_is_refused_by_row() {
    let project = Project::acme(&source("offices", "activity", "activity"));
    project.write(
        "activity/a.csv",
        "activity,quantity,unit,period_start,period_end,country\nelectricity,100,kWh,2026-02-01,2026-01-01,DE\n",
    );
    let outcome = project.land();
    outcome
        .expect(3)
        .says("period_end")
        .says("`2026-01-01` is before `2026-02-01`")
        .says("row 1");
}

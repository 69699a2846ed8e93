//! Rows that break the contract and audits that fail: what is refused, what stays.

use serde_json::Value;

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2, focus_csv, focus_row};
use crate::support::project::source;

fn with_one_bad_row(landing: &str) -> Project {
    let project = Project::new(&format!(
        "{landing}\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bills", "aws_cur2", "bills")
    ));
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)])],
    );
    let bad = Line {
        cost: "NaN".into(),
        ..Line::instance("2025-02-03", 24)
    };
    let february = [
        Line::instance("2025-02-02", 24),
        bad,
        Line::instance("2025-02-04", 24),
    ];
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "first",
        &[cur2_csv("2025-02", &february)],
    );
    project
}

const QUARANTINE: &str = "select source_uri, row_number, column_name, reason from system.quarantine";

#[test]
fn a_row_that_breaks_the_contract_fails_its_slice_and_the_others_land() {
    let project = with_one_bad_row("");
    let outcome = project.run();
    outcome
        .expect(3)
        .says("row 2")
        .says("line_item_unblended_cost")
        .says("`NaN`")
        .says("max_rejected");
    assert_eq!(
        project.rows("select period, count(*) from normalize.usage group by 1"),
        [["2025-01", "1"]]
    );
    assert_eq!(
        project.value("select count(distinct month) from publish.emissions_by_service_region_month"),
        "1"
    );
    let row = project.rows(QUARANTINE).remove(0);
    assert!(
        row[0].ends_with("BILLING_PERIOD=2025-02/cur2-00001.csv.gz"),
        "{row:?}"
    );
    assert_eq!(row[1..3], ["2", "line_item_unblended_cost"]);
    assert!(row[3].contains("`NaN`"), "{row:?}");
}

#[test]
fn with_max_rejected_the_rest_lands_and_the_row_lies_in_quarantine() {
    let project = with_one_bad_row("[landing]\nmax_rejected = 1");
    let outcome = project.call(&["run", "--output", "json"]);
    outcome.expect(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&report["sources"][0]["rows"], &report["sources"][0]["rejected"]),
        (&3.into(), &1.into())
    );
    assert_eq!(
        project.rows("select period, count(*) from normalize.usage group by 1 order by 1"),
        [["2025-01", "1"], ["2025-02", "2"]]
    );
    assert_eq!(project.rows(QUARANTINE).len(), 1);

    // A delivery that mends the row empties the quarantine.
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "second",
        &[cur2_csv("2025-02", &[Line::instance("2025-02-02", 24)])],
    );
    project.run().expect(0);
    assert_eq!(project.rows(QUARANTINE).len(), 0);
}

#[test]
fn a_refused_delivery_leaves_the_rejected_rows_of_the_one_that_stands() {
    let project = Project::new(&format!(
        "[landing]\nmax_rejected = 2\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bills", "focus", "bills")
    ));
    let row = |cost: &str| focus_row("2026-09", "2026-09-02", "a", "", "1", cost);
    project.write("bills/b.csv", focus_csv(&[row("5"), row("nope")]));
    project.land().expect(0);
    let stands = project.rows(QUARANTINE);
    assert_eq!(stands.len(), 1);
    let aside = project.path("aside.csv");
    for refused in [
        "a,b\n1,2\n".to_string(),
        focus_csv(&[row("x1"), row("x2"), row("x3"), row("7")]),
    ] {
        std::fs::rename(project.path("bills/b.csv"), &aside).unwrap();
        project.write("bills/b.csv", &refused);
        project.land().expect(3);
        assert!(project.rows(QUARANTINE).contains(&stands[0]), "{refused}");
        // The file that the slice holds, as it was.
        std::fs::rename(&aside, project.path("bills/b.csv")).unwrap();
        project.land().expect(0);
        assert_eq!(project.rows(QUARANTINE), stands, "{refused}");
    }
    project.write("bills/b.csv", focus_csv(&[row("5"), row("6")]));
    let ledger = project.path("data/offgridflow.db");
    let older = std::fs::read(&ledger).unwrap();
    project.land().expect(0);
    assert!(project.rows(QUARANTINE).is_empty());
    // A ledger from before: what it says of the bare file's rows is replaced.
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(project.path(&format!("data/offgridflow.db{ending}")));
    }
    std::fs::write(&ledger, older).unwrap();
    project.land().expect(0);
    assert!(project.rows(QUARANTINE).is_empty());
}

#[test]
fn a_failed_audit_leaves_what_is_published_untouched() {
    let project = Project::with_source("aws_cur2");
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)])],
    );
    project.run().expect(0);
    let published = "select month, sum(facility_kwh), sum(billed_cost) from publish.emissions_by_service_region_month group by 1";
    let before = (
        project.rows(published),
        std::fs::read(project.path("data/published/cost_and_carbon/latest.json")).unwrap(),
    );

    // The project's own version of a model loses every second cent.
    let own = std::fs::read_to_string(crate::support::root().join("sql/rollup/usage_daily.sql")).unwrap();
    let broken = own.replacen("SUM(billed_cost)", "SUM(billed_cost) / 2", 1);
    assert_ne!(own, broken, "the rollup sums billed_cost");
    project.write("sql/rollup/usage_daily.sql", broken);
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "first",
        &[cur2_csv("2025-02", &[Line::instance("2025-02-03", 24)])],
    );
    let outcome = project.run();
    outcome.expect(3).says("rollup.usage_daily");
    let after = (
        project.rows(published),
        std::fs::read(project.path("data/published/cost_and_carbon/latest.json")).unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!(
        project.value("select count(*) from raw.aws_cur2"),
        "2",
        "what landed is kept"
    );

    std::fs::remove_file(project.path("sql/rollup/usage_daily.sql")).unwrap();
    project.run().expect(0);
    assert_eq!(
        project.value("select count(distinct month) from publish.emissions_by_service_region_month"),
        "2"
    );
}

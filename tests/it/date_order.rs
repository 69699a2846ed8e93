//! Dates with slashes: told by the file, or by the source's `date_order`, or refused.

use crate::support::Project;
use crate::support::bills::FOCUS_HEADER;

/// A FOCUS file whose dates have slashes.
fn file(dates: &[&str]) -> String {
    let mut text = format!("{FOCUS_HEADER}\n");
    for date in dates {
        text.push_str(&format!(
            "billing-1,a,USD,,Usage,,{date},{date},1,Hours,1.5,1.5,Vendor,Functions,iad1,\n"
        ));
    }
    text
}

fn configure(project: &Project, key: &str) {
    project.configure(&format!(
        "[landing]\nmax_rejected = 1\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n[[tenant.source]]\nid = \"bills\"\n\
         kind = \"focus\"\nurl = \"file://./bills\"\n{key}\n"
    ));
}

fn days(project: &Project) -> Vec<Vec<String>> {
    project.rows("select period, cast(charge_period_start as date) from normalize.usage order by 2")
}

#[test]
fn what_the_dates_do_not_tell_the_source_does_and_another_order_lands_again() {
    let project = Project::with_source("focus");
    project.write("bills/a.csv", file(&["4/5/2021", "02/02/2021"]));
    // Dates that are the same both ways need no order.
    project.write("bills/same.csv", file(&["02/02/2020", "3/3/2020"]));
    project
        .land()
        .expect(3)
        .says("no date tells whether the month or the day comes first")
        .says("date_order = \"mdy\" or \"dmy\"");
    assert_eq!(
        days(&project),
        [["2020-02", "2020-02-02"], ["2020-03", "2020-03-03"]]
    );
    std::fs::remove_file(project.path("bills/same.csv")).unwrap();
    project
        .call(&["maintain", "--forget", "acme/bills/same.csv"])
        .expect(0);
    configure(&project, "date_order = \"ymd\"");
    project
        .land()
        .expect(2)
        .says("unknown date_order `ymd`")
        .says("offgridflow.toml")
        .says("mdy");
    configure(&project, "date_order = \"mdy\"");
    project.land().expect(0);
    assert_eq!(
        days(&project),
        [["2021-02", "2021-02-02"], ["2021-04", "2021-04-05"]]
    );
    configure(&project, "date_order = \"dmy\"");
    let report = project.land_report();
    assert_eq!(report["sources"][0]["slices_replaced"], 1, "{report}");
    assert_eq!(
        days(&project),
        [["2021-02", "2021-02-02"], ["2021-05", "2021-05-04"]]
    );
    assert_eq!(project.land_report()["sources"][0]["slices_current"], 1);
}

#[test]
fn a_date_that_contradicts_the_order_goes_to_quarantine_by_row() {
    let project = Project::with_source("focus");
    configure(&project, "date_order = \"mdy\"");
    project.write("bills/a.csv", file(&["4/5/2021", "25/12/2021", "12/25/2021"]));
    project.land().expect(0);
    assert_eq!(
        days(&project),
        [["2021-04", "2021-04-05"], ["2021-12", "2021-12-25"]]
    );
    let rejected = project.rows("select row_number, column_name, reason from system.quarantine");
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0][..2], ["2", "ChargePeriodStart"]);
    assert!(
        rejected[0][2].contains("`25/12/2021` does not fit the order of dates, mdy"),
        "{rejected:?}"
    );
}

#[test]
fn a_file_that_plainly_says_the_other_order_is_refused_whichever_column_says_it() {
    let project = Project::with_source("focus");
    configure(&project, "date_order = \"mdy\"");
    // The end of the charge period, which no row needs, names the day first.
    project.write(
        "bills/a.csv",
        file(&["3/2/2021"]).replace("3/2/2021,1,", "28/02/2021,1,"),
    );
    project
        .land()
        .expect(3)
        .says("the dates contradict the source's date_order")
        .says("its dates put the day first, date_order is \"mdy\"");
    assert!(days(&project).is_empty());
}

//! The same run on a folder and on a real S3 server: bills read from a bucket, tables kept in one, equal results.

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv};
use crate::support::project::{gzip, source};
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};

const RESULTS: [&str; 3] = [
    "select period, count(*), sum(billed_cost) from normalize.usage group by 1 order by 1",
    "select month, sum(facility_kwh), sum(location_gco2e), sum(billed_cost) from publish.emissions_by_service_region_month group by 1 order by 1",
    "select * from publish.coverage order by month",
];

fn bill(period: &str, hours: u32) -> Vec<u8> {
    gzip(
        cur2_csv(
            period,
            &[
                Line::instance(&format!("{period}-03"), hours),
                Line::instance(&format!("{period}-04"), 24),
            ],
        )
        .as_bytes(),
    )
}

fn key(period: &str) -> String {
    format!("cur/data/BILLING_PERIOD={period}/cur2-00001.csv.gz")
}

#[test]
fn bills_and_tables_in_a_bucket_give_what_folders_give() {
    let server = S3::start(&["bills", "lake"]);
    let on_s3 = Project::new(&format!(
        "[warehouse]\nurl = \"s3://lake/acme\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./offgridflow.db\"\n{}\
         [[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\n\
         url = \"s3://bills/cur\"\nprofile = \"server\"\n",
        server.profile("server")
    ))
    .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
    .env("TEST_S3_SECRET_KEY", SECRET_KEY);
    let in_folders = Project::acme(&source("bills", "aws_cur2", "bills/cur"));
    let deliver = |period: &str, hours: u32| {
        server.put(&format!("bills/{}", key(period)), &bill(period, hours));
        in_folders.write(&format!("bills/{}", key(period)), bill(period, hours));
    };
    deliver("2025-01", 24);
    deliver("2025-02", 24);
    on_s3.run().expect(0);
    in_folders.run().expect(0);
    let results = |project: &Project| RESULTS.map(|query| project.rows(query));
    assert_eq!(results(&on_s3), results(&in_folders));

    assert!(on_s3.plan().is_empty(), "a second run has nothing to do");
    deliver("2025-02", 5);
    let report = on_s3.report();
    assert_eq!(
        (
            &report["sources"][0]["slices_replaced"],
            &report["sources"][0]["slices_current"]
        ),
        (&1.into(), &1.into())
    );
    in_folders.run().expect(0);
    assert_eq!(results(&on_s3), results(&in_folders));
}

#[test]
fn keys_that_the_server_does_not_know_are_refused_access_with_a_hint() {
    let server = S3::start(&["bills"]);
    server.put(&format!("bills/{}", key("2025-01")), &bill("2025-01", 24));
    let project = Project::new(&format!(
        "{}[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\n\
         url = \"s3://bills/cur\"\nprofile = \"server\"\n",
        server.profile("server")
    ))
    .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
    .env("TEST_S3_SECRET_KEY", "not-the-secret");
    let outcome = project.run();
    outcome.expect(4).says("acme/bills");
    assert!(
        !outcome.stderr.contains("not-the-secret"),
        "a secret is never printed"
    );
}

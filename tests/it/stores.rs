//! The same run on a folder, in memory and on the servers of each cloud's storage: bills read from a bucket or container,
//! tables kept in one, equal results.

use std::sync::LazyLock;
use std::time::Duration;

use offgridflow::run::observer::Silent;

use crate::support::Project;
use crate::support::azurite::{Azurite, account_key};
use crate::support::bills::{Line, cur2_csv};
use crate::support::gcs::Gcs;
use crate::support::in_process::InProcess;
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

/// A project with its bills and its tables in a store.
fn in_store(warehouse: &str, bills: &str, profile: &str) -> Project {
    Project::new(&format!(
        "[warehouse]\nurl = \"{warehouse}\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./offgridflow.db\"\n{profile}\
         [[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\n\
         url = \"{bills}\"\nprofile = \"server\"\n"
    ))
}

/// A project with a folder for its tables and its bills in a store.
fn from_store(bills: &str, profile: &str) -> Project {
    Project::new(&format!(
        "{profile}[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\n\
         url = \"{bills}\"\nprofile = \"server\"\n"
    ))
}

type Results = [Vec<Vec<String>>; RESULTS.len()];

fn results(project: &Project) -> Results {
    RESULTS.map(|query| project.rows(query))
}

/// What tables in a folder hold after two bills, and after one of them that changed.
static IN_FOLDERS: LazyLock<[Results; 2]> = LazyLock::new(|| {
    let project = Project::acme(&source("bills", "aws_cur2", "bills/cur"));
    project.write(&format!("bills/{}", key("2025-01")), bill("2025-01", 24));
    [24, 5].map(|hours| {
        project.write(&format!("bills/{}", key("2025-02")), bill("2025-02", hours));
        project.run().expect(0);
        results(&project)
    })
});

/// Delivers bills to a store: they give the same results as in a folder, also after a bill changed.
fn gives_what_folders_give(stored: &Project, put: &dyn Fn(&str, &[u8])) {
    let deliver = |period: &str, hours: u32| put(&format!("bills/{}", key(period)), &bill(period, hours));
    deliver("2025-01", 24);
    deliver("2025-02", 24);
    stored.run().expect(0);
    assert_eq!(results(stored), IN_FOLDERS[0]);

    assert!(stored.plan().is_empty(), "a second run has nothing to do");
    deliver("2025-02", 5);
    let report = stored.report();
    assert_eq!(
        (
            &report["sources"][0]["slices_replaced"],
            &report["sources"][0]["slices_current"]
        ),
        (&1.into(), &1.into())
    );
    assert_eq!(results(stored), IN_FOLDERS[1]);
}

#[test]
fn bills_and_tables_in_a_bucket_give_what_folders_give() {
    let server = S3::start(&["bills", "lake"]);
    let project = in_store("s3://lake/acme", "s3://bills/cur", &server.profile("server"))
        .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
        .env("TEST_S3_SECRET_KEY", SECRET_KEY);
    gives_what_folders_give(&project, &|path, bytes| server.put(path, bytes));
}

#[test]
fn bills_and_tables_in_a_container_of_azure_give_what_folders_give() {
    let server = Azurite::start("bills");
    let project = in_store(
        "az://bills/tables",
        "az://bills/cur",
        &Azurite::emulator_profile("server"),
    )
    .env("TEST_AZURE_KEY", &account_key())
    .env("AZURITE_BLOB_STORAGE_URL", &server.url());
    gives_what_folders_give(&project, &|path, bytes| server.put(path, bytes));
}

#[test]
fn bills_are_read_with_a_shared_access_signature() {
    let server = Azurite::start("bills");
    let profile = server.profile("server", "sas_token = \"env:TEST_AZURE_SAS\"\n");
    let soon = chrono::Utc::now() + Duration::from_secs(3600);
    let project = from_store("az://bills/cur", &profile).env("TEST_AZURE_SAS", &Azurite::sas("rl", soon));
    gives_what_folders_give(&project, &|path, bytes| server.put(path, bytes));
}

#[test]
fn bills_are_read_with_a_bearer_token_over_https() {
    let server = Azurite::start_with_tokens("bills");
    let profile = server.profile("server", "bearer_token = \"env:TEST_AZURE_TOKEN\"\n");
    let soon = chrono::Utc::now() + Duration::from_secs(3600);
    let project = from_store("abfss://bills@acmebilling.dfs.core.windows.net/cur", &profile)
        .env("TEST_AZURE_TOKEN", &Azurite::token(soon))
        .env("SSL_CERT_FILE", &server.authority());
    gives_what_folders_give(&project, &|path, bytes| server.put(path, bytes));
}

#[test]
fn bills_in_a_bucket_of_google_give_what_folders_give() {
    let server = Gcs::start("bills");
    let project = from_store("gs://bills/cur", &server.profile("server"));
    gives_what_folders_give(&project, &|path, bytes| server.put(path, bytes));
}

#[test]
fn tables_in_memory_hold_what_tables_in_folders_hold() {
    let beside = Project::new(&format!(
        "[database]\nurl = \"sqlite://./offgridflow.db\"\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bills", "aws_cur2", "bills/cur")
    ));
    let deliver = |period: &str, hours: u32| {
        beside.write(&format!("bills/{}", key(period)), bill(period, hours));
    };
    // A store in memory lives and dies with its process.
    let mut in_memory = InProcess::with_warehouse(&beside, "memory:///lake");
    deliver("2025-01", 24);
    deliver("2025-02", 24);
    for ((february, replaced, current), wanted) in [(24, 0, 0), (5, 1, 1)].into_iter().zip(IN_FOLDERS.iter())
    {
        deliver("2025-02", february);
        let report = in_memory.run(&[], &Silent);
        assert_eq!(report.exit_code(), 0, "{:?}", report.failures);
        let source = &report.sources[0];
        assert_eq!(
            (source.slices_replaced, source.slices_current),
            (replaced, current)
        );
        assert_eq!(RESULTS.map(|query| in_memory.rows(query)), *wanted);
    }
    let warehouse = &in_memory.workspace.warehouse;
    let published = warehouse.published_contents("cost_and_carbon");
    let published = in_memory.runtime.block_on(published).unwrap();
    assert!(published.is_some(), "plain Parquet lies beside the tables");
    assert!(!beside.path("data").exists(), "nothing of it is in a folder");
}

#[test]
fn keys_that_the_server_does_not_know_are_refused_access_with_a_hint() {
    let server = S3::start(&["bills"]);
    server.put(&format!("bills/{}", key("2025-01")), &bill("2025-01", 24));
    let project = from_store("s3://bills/cur", &server.profile("server"))
        .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
        .env("TEST_S3_SECRET_KEY", "not-the-secret");
    let outcome = project.run();
    outcome.expect(4).says("acme/bills");
    assert!(
        !outcome.stderr.contains("not-the-secret"),
        "a secret is never printed"
    );
}

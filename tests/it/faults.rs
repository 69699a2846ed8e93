//! What networks and busy services do, between the program and real servers: a run ends with the right data, or with a
//! named failure and the rest landed; nothing lands twice, nothing is lost; the next run without the fault completes it.

use std::sync::Arc;

use crate::support::azurite::{Azurite, account_key};
use crate::support::bills::{Line, cur2_csv};
use crate::support::fault_proxy::{Call, Fault, FaultProxy};
use crate::support::project::{gzip, source};
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use crate::support::{Outcome, Project};

const LANDED: &str =
    "select source, period, count(*), sum(billed_cost) from normalize.usage group by 1, 2 order by 1, 2";
/// Enough that an answer comes in several pieces.
const LINES: u32 = 300;

/// How a run under a fault ends.
enum Ends {
    /// With everything landed.
    Right,
    /// With exit code 4 and these words; what the fault did not touch is landed.
    Saying(&'static [&'static str]),
}

/// A fault and what becomes of it.
struct Case {
    name: &'static str,
    plan: fn(&Call, usize) -> Option<Fault>,
    ends: Ends,
}

fn bill(period: &str) -> Vec<u8> {
    let line = |number: u32| Line {
        usage_type: format!(
            "BoxUsage:m5.{}xlarge",
            number.wrapping_mul(2_654_435_761) % 100_003
        ),
        ..Line::instance(&format!("{period}-{:02}", 1 + number % 28), 1 + number % 7)
    };
    gzip(cur2_csv(period, &(0..LINES).map(line).collect::<Vec<_>>()).as_bytes())
}

fn key(period: &str) -> String {
    format!("cur/data/BILLING_PERIOD={period}/cur2-00001.csv.gz")
}

/// One source behind the faults, and one in a folder.
fn project(profile: &str, url: &str) -> Project {
    let project = Project::new(&format!(
        "{profile}[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\n\
         url = \"{url}\"\nprofile = \"server\"\n[[tenant]]\nid = \"other\"\nname = \"Other\"\n{}",
        source("local", "aws_cur2", "local/cur")
    ));
    project.write(&format!("local/{}", key("2025-02")), bill("2025-02"));
    project
        .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
        .env("TEST_S3_SECRET_KEY", SECRET_KEY)
        .env("TEST_AZURE_KEY", &account_key())
}

/// Lands without building what follows: that reads no source.
fn land(project: &Project) -> Outcome {
    project.call(&["run", "--select", "raw.aws_cur2"])
}

/// What a run without any fault lands.
fn clean() -> Vec<Vec<String>> {
    let project = project("[profile.server]\n", "file://./bills/cur");
    for period in ["2025-01", "2025-02"] {
        project.write(&format!("bills/{}", key(period)), bill(period));
    }
    land(&project).expect(0);
    let rows = project.rows(LANDED);
    assert_eq!(rows.len(), 3);
    rows
}

/// Every case with a warehouse of its own.
fn hold(proxy: &FaultProxy, project: &dyn Fn() -> Project, cases: &[Case]) {
    let clean = clean();
    for Case { name, plan, ends } in cases {
        let project = project();
        proxy.disturb(*plan);
        let outcome = land(&project);
        assert!(proxy.heal() > 0, "{name}: nothing happened\n{}", outcome.stderr);
        let landed = project.rows(LANDED);
        match ends {
            Ends::Right => {
                assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
                assert_eq!(landed, clean, "{name}");
            }
            Ends::Saying(words) => {
                assert_eq!(outcome.code, 4, "{name}: {}", outcome.stderr);
                for word in *words {
                    assert!(
                        outcome.stderr.contains(word),
                        "{name} does not say `{word}`: {}",
                        outcome.stderr
                    );
                }
                assert!(landed.iter().all(|row| clean.contains(row)), "{name}: {landed:?}");
                assert!(
                    landed.iter().any(|row| row[0] == "local"),
                    "{name}: the rest is not landed"
                );
                let lists_all = !words.contains(&LISTING);
                let january = landed.iter().any(|row| row[0] == "bills" && row[1] == "2025-01");
                assert_eq!(
                    january, lists_all,
                    "{name}: what the fault did not touch is landed"
                );
            }
        }
        let outcome = land(&project);
        assert_eq!(outcome.code, 0, "{name}, the next run: {}", outcome.stderr);
        assert_eq!(project.rows(LANDED), clean, "{name}, the next run");
    }
}

/// Part of what a failure says that leaves nothing known of a source.
const LISTING: &str = "acme/bills";

fn xml(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

/// What may happen before every store.
fn common() -> Vec<Case> {
    vec![
        Case {
            name: "connections that are reset in the middle of a body",
            plan: |call, faults| (call.reads("2025-02") && faults < 3).then_some(Fault::Reset),
            ends: Ends::Right,
        },
        Case {
            name: "connections that are always reset",
            plan: |call, _| call.reads("2025-02").then_some(Fault::Reset),
            ends: Ends::Saying(&["2025-02"]),
        },
        Case {
            name: "a listing that is reset in the middle",
            plan: |call, faults| (call.lists() && faults < 2).then_some(Fault::Reset),
            ends: Ends::Right,
        },
        Case {
            name: "a burst of 500 before a listing",
            plan: |call, faults| {
                (call.lists() && faults < 3).then(|| Fault::Answer(500, "", xml("InternalError", "Oh.")))
            },
            ends: Ends::Right,
        },
        Case {
            name: "a burst of 503 before an object",
            plan: |call, faults| {
                (call.reads("2025-02") && faults < 3)
                    .then(|| Fault::Answer(503, "", xml("SlowDown", "Please.")))
            },
            ends: Ends::Right,
        },
        Case {
            name: "a 503 that stays",
            plan: |call, _| {
                call.reads("2025-02")
                    .then(|| Fault::Answer(503, "", xml("SlowDown", "Please.")))
            },
            ends: Ends::Saying(&["2025-02", "503"]),
        },
        Case {
            name: "429 with Retry-After",
            plan: |call, faults| {
                let answer = || Fault::Answer(429, "Retry-After: 1\r\n", xml("TooManyRequests", "Wait."));
                (call.reads("2025-02") && faults < 2).then(answer)
            },
            ends: Ends::Right,
        },
        Case {
            name: "429 without Retry-After",
            plan: |call, faults| {
                (faults < 4).then(|| Fault::Answer(429, "", xml("TooManyRequests", &call.method)))
            },
            ends: Ends::Right,
        },
        Case {
            name: "slow bodies",
            plan: |_, _| Some(Fault::Slow),
            ends: Ends::Right,
        },
        Case {
            name: "a body that is announced longer than it is",
            plan: |call, faults| (call.reads("2025-02") && faults < 1).then_some(Fault::Longer),
            ends: Ends::Saying(&["2025-02"]),
        },
        Case {
            name: "a body that is announced shorter than it is",
            plan: |call, faults| (call.reads("2025-02") && faults < 1).then_some(Fault::Shorter),
            ends: Ends::Saying(&["2025-02"]),
        },
    ]
}

/// A listing's page that says that there is another one.
fn followed(page: String) -> String {
    page.replace(
        "<IsTruncated>false</IsTruncated>",
        "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>",
    )
    .replace("<NextMarker/>", "<NextMarker>again</NextMarker>")
    .replace("<NextMarker />", "<NextMarker>again</NextMarker>")
}

fn page_loop(call: &Call, _: usize) -> Option<Fault> {
    match (call.lists(), call.target.contains("again")) {
        (true, false) => Some(Fault::Changed(followed)),
        (true, true) => Some(Fault::Repeated),
        _ => None,
    }
}

#[test]
fn faults_before_a_bucket_of_s3() {
    let server = S3::start(&["bills"]);
    for period in ["2025-01", "2025-02"] {
        server.put(&format!("bills/{}", key(period)), &bill(period));
    }
    let proxy = FaultProxy::start(server.port);
    let mut cases = common();
    cases.extend([
        Case {
            name: "a listing whose pages go in a circle",
            plan: page_loop,
            ends: Ends::Saying(&[LISTING, "lists an object twice"]),
        },
        Case {
            name: "a token that expires in the middle of a listing",
            plan: |call, _| match (call.lists(), call.target.contains("again")) {
                (true, false) => Some(Fault::Changed(followed)),
                (true, true) => Some(Fault::Answer(
                    400,
                    "",
                    xml("ExpiredToken", "The provided token has expired."),
                )),
                _ => None,
            },
            ends: Ends::Saying(&[LISTING, "ExpiredToken", "session_token has expired"]),
        },
        Case {
            name: "a clock that is off",
            plan: |call, _| {
                call.lists().then(|| {
                    let message =
                        "The difference between the request time and the current time is too large.";
                    Fault::Answer(403, "", xml("RequestTimeTooSkewed", message))
                })
            },
            ends: Ends::Saying(&[LISTING, "RequestTimeTooSkewed", "the clock of this machine"]),
        },
        Case {
            name: "an object encrypted with a key that is not ours",
            plan: |call, _| {
                call.reads("2025-02").then(|| {
                    let message = "User is not authorized to perform: kms:Decrypt on the resource";
                    Fault::Answer(403, "", xml("AccessDenied", message))
                })
            },
            ends: Ends::Saying(&["2025-02", "kms:Decrypt"]),
        },
    ]);
    hold(
        &proxy,
        &|| project(&S3::profile_at(proxy.port, "server"), "s3://bills/cur"),
        &cases,
    );
}

#[test]
fn faults_before_a_container_of_azure() {
    let server = Azurite::start("bills");
    for period in ["2025-01", "2025-02"] {
        server.put(&format!("bills/{}", key(period)), &bill(period));
    }
    let proxy = FaultProxy::start(server.port);
    let mut cases = common();
    cases.extend([
        Case {
            name: "a listing whose pages go in a circle",
            plan: page_loop,
            ends: Ends::Saying(&[LISTING, "lists an object twice"]),
        },
        Case {
            name: "a signature that expires in the middle of a listing",
            plan: |call, _| match (call.lists(), call.target.contains("again")) {
                (true, false) => Some(Fault::Changed(followed)),
                (true, true) => Some(Fault::Answer(
                    403,
                    "",
                    xml("AuthenticationFailed", "No.").replace(
                        "</Error>",
                        "<AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail></Error>",
                    ),
                )),
                _ => None,
            },
            ends: Ends::Saying(&[LISTING, "AuthenticationFailed", "has expired"]),
        },
    ]);
    let profile = Azurite::profile_at(
        proxy.port,
        false,
        "server",
        "account_key = \"env:TEST_AZURE_KEY\"\n",
    );
    hold(&proxy, &|| project(&profile, "az://bills/cur"), &cases);
}

#[test]
fn an_object_that_is_overwritten_between_its_manifest_and_its_reading() {
    let server = Arc::new(S3::start(&["bills"]));
    let manifest = "{\"executionId\":\"run-1\",\"exportArn\":\"arn:aws:bcm-data-exports:us-east-1:999999999999:export/cur2\",\
         \"reportName\":\"cur2\",\"charset\":\"UTF-8\",\"compression\":\"GZIP\",\"contentType\":\"text/csv\",\
         \"billingPeriod\":{\"start\":\"2025-02-01T00:00:00.000Z\",\"end\":\"2025-03-01T00:00:00.000Z\"},\
         \"dataFiles\":[\"s3://bills/cur/data/BILLING_PERIOD=2025-02/cur2-00001.csv.gz\"]}";
    server.put(
        "bills/cur/metadata/BILLING_PERIOD=2025-02/cur2-Manifest.json",
        manifest.as_bytes(),
    );
    let old = gzip(cur2_csv("2025-02", &[Line::instance("2025-02-03", 7)]).as_bytes());
    server.put(&format!("bills/{}", key("2025-01")), &bill("2025-01"));
    server.put(&format!("bills/{}", key("2025-02")), &old);
    let proxy = FaultProxy::start(server.port);
    let project = project(&S3::profile_at(proxy.port, "server"), "s3://bills/cur");
    let writer = server.clone();
    proxy.disturb(move |call, faults| {
        if !call.reads("2025-02") || call.reads("Manifest") || faults > 0 {
            return None;
        }
        writer.put(&format!("bills/{}", key("2025-02")), &bill("2025-02"));
        // The server's answer, which is the new object's by now.
        Some(Fault::Slow)
    });
    let outcome = land(&project);
    assert_eq!(proxy.heal(), 1);
    outcome
        .expect(4)
        .says("a file changed while it was read")
        .says("2025-02");
    let clean = clean();
    let landed = project.rows(LANDED);
    assert!(landed.iter().all(|row| clean.contains(row)), "{landed:?}");
    assert_eq!(
        landed.len(),
        2,
        "the other period and the other source: {landed:?}"
    );
    land(&project).expect(0);
    assert_eq!(project.rows(LANDED), clean);
}

#[test]
fn a_store_of_tables_that_fails_now_and_then() {
    let server = S3::start(&["lake"]);
    let proxy = FaultProxy::start(server.port);
    let on_server = |port: u16| {
        let project = Project::new(&format!(
            "[warehouse]\nurl = \"s3://lake/acme\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./offgridflow.db\"\n{}\
             [[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
            S3::profile_at(port, "server"),
            source("bills", "aws_cur2", "bills/cur")
        ));
        for period in ["2025-01", "2025-02"] {
            project.write(&format!("bills/{}", key(period)), bill(period));
        }
        project
            .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
            .env("TEST_S3_SECRET_KEY", SECRET_KEY)
    };
    let project = on_server(proxy.port);
    // Answers that are lost are the worst: what was asked for has happened, and is asked for again.
    proxy.disturb(|call, _| match call.number % 23 {
        4 => Some(Fault::Answer(503, "", xml("SlowDown", "Please."))),
        11 => Some(Fault::Reset),
        17 => Some(Fault::Lost),
        _ => None,
    });
    let first = project.run();
    let second = project.run();
    assert!(proxy.heal() > 10, "{}{}", first.stderr, second.stderr);
    for outcome in [&first, &second] {
        assert!(
            [0, 4].contains(&outcome.code),
            "{}: {}",
            outcome.code,
            outcome.stderr
        );
    }
    project.run().expect(0);
    let local = Project::acme(&source("bills", "aws_cur2", "bills/cur"));
    for period in ["2025-01", "2025-02"] {
        local.write(&format!("bills/{}", key(period)), bill(period));
    }
    local.run().expect(0);
    for query in [
        LANDED,
        "select month, sum(facility_kwh), sum(location_gco2e), sum(billed_cost) from publish.emissions_by_service_region_month group by 1 order by 1",
    ] {
        assert_eq!(project.rows(query), local.rows(query), "{query}");
    }
    assert!(project.plan().is_empty(), "nothing is left to do");
}

//! Azure's cost query and carbon API against the project's own STUB of them: paging, quotas, faults, refusals, logins.

use serde_json::json;

use crate::support::azure_stub::{AzureStub, Call, Reply, World, subscription};
use crate::support::memory::{LITTLE_KIB, peak_kib};
use crate::support::{Project, root, snapshot};

const LAND: [&str; 7] = ["run", "--select", "raw.*", "--from", "2026-09", "--to", "2026-11"];
const ONE_MONTH: [&str; 7] = ["run", "--select", "raw.*", "--from", "2026-10", "--to", "2026-11"];

fn landed(project: &Project) -> Vec<Vec<String>> {
    project.rows(
        "select sub_account_id, count(*), sum(cost), sum(cast(quantity_raw as decimal(38,3))) from normalize.azure_cost_query \
         group by 1 order by 1",
    )
}

fn id(number: usize) -> String {
    subscription(number).to_lowercase()
}

/// Rows, cost and quantity of one subscription.
fn sums(number: usize, rows: i128) -> Vec<String> {
    let cost = rows * 1_000_000_001;
    vec![
        id(number),
        rows.to_string(),
        format!(
            "{}.{:010}00000000000000",
            cost / 10_000_000_000,
            cost % 10_000_000_000
        ),
        format!("{}.000", rows * 24),
    ]
}

#[test]
fn every_page_of_every_subscription_lands_and_a_second_run_makes_no_call() {
    let stub = AzureStub::start(World::default());
    let project = stub.project("azure_cost_query", "");
    project.call(&LAND).expect(0);
    // Two months of three pages of four rows.
    assert_eq!(landed(&project), [sums(0, 24), sums(1, 24)]);
    let queries = stub.calls("query");
    assert_eq!(
        (
            queries.len(),
            stub.calls("subscriptions").len(),
            stub.calls("token").len()
        ),
        (12, 2, 1)
    );
    for call in &queries {
        assert_eq!(
            call.body["dataset"]["granularity"], "Daily",
            "the question goes with every page"
        );
    }
    let before = stub.count();
    project.call(&LAND).expect(0);
    assert_eq!(stub.count(), before, "a second run makes no call");
}

#[test]
fn every_fault_that_passes_ends_with_the_right_data() {
    type Fault = fn(&World, &Call) -> Reply;
    let faults: Vec<(&str, usize, Fault)> = vec![
        ("429 without Retry-After", 3, |_, _| {
            Reply::Json(429, json!({"error": {"code": "429", "message": "busy"}}))
        }),
        ("429 with pauses", 1, |_, _| {
            Reply::Headers(
                429,
                vec![
                    ("x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after", "1"),
                    ("Retry-After", "0"),
                ],
                json!({"error": {"code": "429", "message": "busy"}}),
            )
        }),
        ("a burst of 500", 4, |_, _| Reply::Json(500, json!({}))),
        ("503 with Retry-After", 2, |_, _| {
            Reply::Headers(503, vec![("Retry-After", "0")], json!("<html>"))
        }),
        ("an expired token", 1, |_, _| {
            Reply::Json(
                401,
                json!({"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expiry ..."}}),
            )
        }),
        ("a reset in the body", 2, |world, call| match world.answer(call) {
            Reply::Json(_, body) => Reply::Cut(body),
            other => other,
        }),
        ("a length that is too short", 2, |world, call| {
            match world.answer(call) {
                Reply::Json(_, body) => Reply::Short(body),
                other => other,
            }
        }),
        ("a slow body", 2, |world, call| match world.answer(call) {
            Reply::Json(_, body) => Reply::Slow(body),
            other => other,
        }),
    ];
    for (name, times, fault) in faults {
        let world = World {
            subscriptions: 1,
            ..World::default()
        };
        // From the second page on: the first is held already when the fault comes.
        let stub = AzureStub::with(world, move |world, call, before| {
            match call.name == "query" && (1..=times).contains(&before) {
                true => fault(world, call),
                false => world.answer(call),
            }
        });
        let project = stub.project("azure_cost_query", "");
        let outcome = project.call(&ONE_MONTH);
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        assert_eq!(landed(&project), [sums(0, 12)], "{name}");
        let tokens = stub.calls("token").len();
        assert_eq!(tokens, if name == "an expired token" { 2 } else { 1 }, "{name}");
    }
}

#[test]
fn a_fault_that_stays_is_named_the_rest_lands_and_the_next_run_completes_it() {
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = broken.clone();
    let stub = AzureStub::with(World::default(), move |world, call, _| {
        let first = call.path.contains(&id(0)) && is_broken.load(std::sync::atomic::Ordering::Relaxed);
        match (call.name, first, world.answer(call)) {
            // The second page names itself as the next one.
            ("query", true, Reply::Json(status, mut body)) => {
                let link = body["properties"]["nextLink"]
                    .as_str()
                    .unwrap_or_default()
                    .to_string();
                if !link.is_empty() {
                    body["properties"]["nextLink"] = json!(link.replace("skiptoken=3", "skiptoken=2"));
                }
                Reply::Json(status, body)
            }
            (_, _, reply) => reply,
        }
    });
    let project = stub.project("azure_cost_query", "");
    let outcome = project.call(&ONE_MONTH);
    outcome
        .expect(4)
        .says("lead back to an earlier one")
        .says(&id(0))
        .says("team 0");
    assert_eq!(landed(&project), [sums(1, 12)]);
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    project.call(&ONE_MONTH).expect(0);
    assert_eq!(landed(&project), [sums(0, 12), sums(1, 12)]);
}

#[test]
fn a_next_page_on_another_server_gets_no_token() {
    let stub = AzureStub::with(World::default(), |world, call, _| {
        match (call.name, world.answer(call)) {
            ("query", Reply::Json(status, mut body)) => {
                body["properties"]["nextLink"] = json!("https://example.org/steal");
                Reply::Json(status, body)
            }
            (_, reply) => reply,
        }
    });
    let project = stub.project("azure_cost_query", "");
    project
        .call(&ONE_MONTH)
        .expect(4)
        .says("another server")
        .says("example.org");
}

#[test]
fn fifty_subscriptions_land_side_by_side_and_a_denied_one_is_named() {
    let world = World {
        subscriptions: 50,
        denied: vec![7],
        pages: 1,
        ..World::default()
    };
    let stub = AzureStub::start(world);
    let project = stub.project("azure_cost_query", "");
    let outcome = project.call(&ONE_MONTH);
    outcome
        .expect(4)
        .says(&id(7))
        .says("team 7")
        .says("RBACAccessDenied");
    let expected: Vec<_> = (0..50).filter(|n| *n != 7).map(|n| sums(n, 4)).collect();
    assert_eq!(landed(&project), expected);
    let queries = stub.calls("query").len();
    assert_eq!(queries, 50);
    project.call(&ONE_MONTH).expect(4);
    assert_eq!(
        stub.calls("query").len(),
        queries + 1,
        "only the denied one is asked again"
    );
    let doctor = project.call(&["doctor"]);
    assert!(
        doctor.stdout.contains("Cost Management Reader"),
        "{}",
        doctor.stdout
    );
}

#[test]
fn dimensions_that_an_offer_does_not_know_are_left_out() {
    let stub = AzureStub::with(World::default(), |world, call, _| {
        let asks = |name: &str| call.body["dataset"]["grouping"].to_string().contains(name);
        match call.name == "query" && (asks("UnitOfMeasure") || asks("ServiceFamily")) {
            true => Reply::Json(
                400,
                json!({"error": {"code": "BadRequest", "message": "Invalid query definition: Invalid dataset grouping: \
                    'UnitOfMeasure'; valid values: 'ResourceLocation','MeterCategory','Meter','SubscriptionId','ChargeType',''."}}),
            ),
            false => world.answer(call),
        }
    });
    let project = stub.project("azure_cost_query", "");
    project.call(&ONE_MONTH).expect(0);
    assert_eq!(landed(&project), [sums(0, 12), sums(1, 12)]);
}

#[test]
fn an_empty_month_is_no_failure() {
    let stub = AzureStub::with(World::default(), |world, call, _| match call.name {
        "query" if call.path.contains(&id(1)) => Reply::Nothing,
        _ => world.answer(call),
    });
    let project = stub.project("azure_cost_query", "");
    project.call(&ONE_MONTH).expect(0);
    assert_eq!(landed(&project), [sums(0, 12)]);
    let before = stub.count();
    project.call(&ONE_MONTH).expect(0);
    assert_eq!(stub.count(), before);
}

#[test]
fn a_wrong_secret_is_final_named_and_never_shown() {
    let stub = AzureStub::start(World::default());
    let project = stub
        .project("azure_cost_query", "")
        .env("TEST_AZURE_SECRET", "hunter2-hunter2");
    for arguments in [&ONE_MONTH[..], &["doctor"]] {
        let outcome = project.call(arguments);
        outcome.expect(4);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(
            said.contains("AADSTS7000215") && said.contains("not its id"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(stub.calls("token").len(), 2, "a refused login is not repeated");
}

#[test]
fn certificates_workload_and_managed_identities_log_in() {
    let stub = AzureStub::start(World::default());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("app.pem"),
        format!("{}{}", certificate.pem(), key.serialize_pem()),
    )
    .unwrap();
    std::fs::write(path("token"), "eyJ-of-the-cluster").unwrap();
    let app = "tenant_id = \"contoso\"\nclient_id = \"app\"\n";
    for (login, named) in [
        (
            format!("{app}client_certificate_path = \"{}\"\n", path("app.pem")),
            "client certificate",
        ),
        (
            format!("{app}federated_token_file = \"{}\"\n", path("token")),
            "workload identity",
        ),
        (
            format!(
                "msi_endpoint = \"{}/metadata/identity/oauth2/token\"\n",
                stub.url()
            ),
            "managed identity",
        ),
    ] {
        let project = stub.project_with("azure_cost_query", "", &login);
        let outcome = project.call(&["doctor"]);
        outcome.expect(0);
        assert!(outcome.stdout.contains(named), "{}", outcome.stdout);
        assert!(
            outcome.stdout.contains("2 subscriptions, costs can be read"),
            "{}",
            outcome.stdout
        );
    }
    assert_eq!((stub.calls("token").len(), stub.calls("identity").len()), (2, 1));
    assert!(
        stub.calls("query")
            .iter()
            .any(|call| call.token == "token-of-the-machine")
    );
}

#[test]
fn carbon_lands_by_subscription_and_scope_in_grams() {
    let world = World {
        subscriptions: 3,
        denied: vec![2],
        report_rows: 5,
        ..World::default()
    };
    let stub = AzureStub::start(world);
    let project = stub.project("azure_carbon", "");
    let outcome = project.call(&["run", "--select", "raw.*", "--from", "2026-09", "--to", "2026-12"]);
    outcome.expect(4).says(&id(2)).says("Carbon Optimization Reader");
    // September and October; November is not available yet. Twelve figures of two subscriptions in pages of five.
    assert_eq!(
        (stub.calls("report").len(), stub.calls("dates").len()),
        (2 * 3 * 3, 1)
    );
    let rows = project.rows(
        "select month, sub_account_id, scope, service_name, region_id, count(*), sum(gco2e) from normalize.azure_carbon \
         where month = '2026-10' and sub_account_id like '%1' group by 1, 2, 3, 4, 5 order by scope, service_name",
    );
    let row = |scope: &str, service: &str, grams: &str| -> Vec<String> {
        ["2026-10", &id(1), scope, service, "westeurope", "3", grams]
            .map(String::from)
            .to_vec()
    };
    let three = "3.000000000";
    assert_eq!(
        rows,
        [
            row("1", "Storage Accounts", three),
            row("1", "Virtual Machines", three),
            row("2_market", "Storage Accounts", three),
            row("2_market", "Virtual Machines", three),
            row("3", "Storage Accounts", three),
            row("3", "Virtual Machines", three),
            row("total_market", "Storage Accounts", "9.000000000"),
            row("total_market", "Virtual Machines", "9.000000000"),
        ]
    );
}

#[test]
fn carbon_is_split_below_the_cap_and_a_second_run_makes_no_call() {
    // 9,001 resources of each: neither both subscriptions nor one of them fits into one answer.
    let world = World {
        resources: 9001,
        ..World::default()
    };
    let stub = AzureStub::start(world);
    let project = stub.project("azure_carbon", "");
    project.call(&ONE_MONTH).expect(0);
    let rows = project.rows(
        "select \"subscriptionId\", count(*), count(distinct \"resourceId\") from raw.azure_carbon group by 1 order by 1",
    );
    let expected = |number: usize| vec![id(number), "27003".to_string(), "9001".to_string()];
    assert_eq!(rows, [expected(0), expected(1)]);
    let before = stub.count();
    project.call(&ONE_MONTH).expect(0);
    assert_eq!(stub.count(), before, "a second run makes no call");
}

#[test]
fn carbon_of_a_subscription_that_is_denied_later_is_kept() {
    let denies = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_denied = denies.clone();
    let stub = AzureStub::with(World::default(), move |world, call, _| {
        let mut world = world.clone();
        if is_denied.load(std::sync::atomic::Ordering::Relaxed) {
            world.denied = vec![0];
            world.resources = 2;
        }
        world.answer(call)
    });
    let project = stub.project("azure_carbon", "refresh = \"0 hours\"\n");
    project.call(&ONE_MONTH).expect(0);
    denies.store(true, std::sync::atomic::Ordering::Relaxed);
    project.call(&ONE_MONTH).expect(4).says(&id(0));
    let rows =
        project.rows("select \"subscriptionId\", count(*) from raw.azure_carbon group by 1 order by 1");
    assert_eq!(rows, [[id(0), "18".to_string()], [id(1), "6".to_string()]]);
}

#[test]
fn a_hundred_thousand_rows_stay_below_300_mib() {
    let world = World {
        subscriptions: 1,
        pages: 20,
        page_rows: 5000,
        ..World::default()
    };
    let stub = AzureStub::start(world);
    let project = stub.project("azure_cost_query", "");
    let peak = peak_kib(project.command(&ONE_MONTH).spawn().unwrap());
    assert_eq!(landed(&project), [sums(0, 100_000)]);
    assert!(peak < LITTLE_KIB, "{} MiB", peak / 1024);
}

#[test]
fn a_hundred_thousand_figures_stay_below_300_mib() {
    let world = World {
        subscriptions: 34,
        resources: 1000,
        ..World::default()
    };
    let stub = AzureStub::start(world);
    let project = stub.project("azure_carbon", "");
    let peak = peak_kib(project.command(&ONE_MONTH).spawn().unwrap());
    assert!(peak < LITTLE_KIB, "{} MiB", peak / 1024);
    assert_eq!(project.value("select count(*) from raw.azure_carbon"), "102000");
}

/// A body of `tests/fixtures`, invented after the documented examples.
fn fixture(path: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures").join(path)).unwrap()
}

#[test]
fn an_answer_becomes_usage_to_the_last_digit() {
    let stub = AzureStub::with(World::default(), |world, call, _| {
        let link = format!("{}{}&$skiptoken=2", call.server(), call.path);
        match (
            call.name,
            call.path.contains("skiptoken"),
            call.path.contains(&id(0)),
        ) {
            ("query", false, true) => {
                Reply::Text(fixture("azure_cost_query/page_1.json").replace("NEXT", &link))
            }
            ("query", true, true) => Reply::Text(fixture("azure_cost_query/page_2.json")),
            ("query", ..) => Reply::Nothing,
            _ => world.answer(call),
        }
    });
    let project = stub.project("azure_cost_query", "cost_type = \"amortized\"\n");
    project.call(&ONE_MONTH).expect(0);
    assert!(
        stub.calls("query")
            .iter()
            .all(|call| call.body["type"] == "AmortizedCost")
    );
    snapshot(
        "azure_cost_query",
        &project.csv(
            "select provider_name, sub_account_id, charge_period_start, charge_period_end, charge_category, service_name, \
             region_id, instance_type, sku_meter, usage_quantity_raw, usage_quantity, usage_unit, billed_cost, effective_cost, \
             billing_currency, is_usage, exclusion_reason from normalize.usage order by source_row_number",
        ),
    );
}

#[test]
fn a_report_becomes_grams_to_the_last_digit() {
    let stub = AzureStub::with(
        World {
            subscriptions: 1,
            ..World::default()
        },
        |world, call, _| match call.name {
            "report" => Reply::Text(fixture("azure_carbon/report.json")),
            _ => world.answer(call),
        },
    );
    let project = stub.project("azure_carbon", "");
    project.call(&ONE_MONTH).expect(0);
    snapshot(
        "azure_carbon",
        &project.csv(
            "select provider_name, billing_account_id, sub_account_id, month, service_name, region_id, scope, gco2e, \
             model_version, source_row_number from normalize.azure_carbon order by scope, service_name",
        ),
    );
}

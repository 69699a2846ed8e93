//! AWS's APIs: Cost Explorer on moto's seeded answers, and what moto cannot do (throttling, resets, expired tokens, page
//! loops, the Sustainability API) on a stub of our own.

use std::time::Duration;

use serde_json::Value;

use crate::support::aws_stub::{AwsStub, Call, PAYER, Reply};
use crate::support::bills::{Line, cur2_csv};
use crate::support::memory::{LITTLE_KIB, peak_kib};
use crate::support::moto::{ACCOUNT, Moto};
use crate::support::project::plain;
use crate::support::{Outcome, Project};

const USAGE_1: &str = include_str!("../fixtures/aws_cost_explorer/usage_1.json");
const USAGE_2: &str = include_str!("../fixtures/aws_cost_explorer/usage_2.json");
const CHARGES: &str = include_str!("../fixtures/aws_cost_explorer/charges.json");
const NOTHING: &str = r#"{"GroupDefinitions":[],"ResultsByTime":[],"DimensionValueAttributes":[]}"#;
const HOUR: Duration = Duration::from_secs(3600);
const JANUARY: [&str; 5] = ["run", "--from", "2025-01", "--to", "2025-02"];

/// A project with one source that asks.
fn asking(kind: &str, profile: &str, keys: &str) -> Project {
    Project::acme(&format!(
        "[[tenant.source]]\nid = \"aws\"\nkind = \"{kind}\"\nprofile = \"aws\"\n{keys}\n{profile}"
    ))
    .env("TEST_AWS_ID", "AKIATESTS")
    .env("TEST_AWS_SECRET", "the-secret")
    .env("OFFGRIDFLOW_RETRY_MILLISECONDS", "5")
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn january(project: &Project) -> Value {
    let outcome = project.call(&[&JANUARY[..], &["--output", "json"]].concat());
    outcome.expect(0);
    report(&outcome)
}

/// What a call groups by, beside the service.
fn grouped_by(call: &Call) -> String {
    let body: Value = serde_json::from_str(&call.body).unwrap();
    let groups = body["GroupBy"].as_array().unwrap();
    groups.last().unwrap()["Key"].as_str().unwrap().to_string()
}

/// The pages of the fixtures, by what is asked.
fn page(call: &Call) -> String {
    match (grouped_by(call).as_str(), call.body.contains("page-2")) {
        ("USAGE_TYPE", false) => USAGE_1,
        ("USAGE_TYPE", true) => USAGE_2,
        _ => CHARGES,
    }
    .to_string()
}

fn refusal(code: &str, message: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.awsinsightsindexservice#{code}","Message":"{message}"}}"#)
}

const ONE_ACCOUNT: &str = "accounts = [\"111111111111\"]";

#[test]
fn a_bill_is_asked_for_page_by_page_and_only_once() {
    let moto = Moto::start();
    moto.costs(&[USAGE_1, USAGE_2, CHARGES].map(String::from));
    let project = asking("aws_cost_explorer", &moto.profile("aws", ""), ONE_ACCOUNT);

    let plan = project.call(&["plan", "--from", "2025-01", "--to", "2025-02"]);
    plan.expect(0);
    assert!(plan.stdout.contains("USD 0.02"), "{}", plan.stdout);

    let first = january(&project);
    assert_eq!(first["sources"][0]["slices_new"], 1);
    assert_eq!(first["sources"][0]["rows"], 10);
    assert_eq!(
        project.billed(),
        [("USD".to_string(), "36.4463000007".to_string(), 10)]
    );
    let rows = project.rows(
        "select charge_category, service_name, coalesce(service_code, ''), region_id, usage_unit, billed_cost, effective_cost \
         from normalize.usage order by billed_cost desc",
    );
    let texts: Vec<String> = rows
        .iter()
        .map(|row| {
            let amounts = row[5..].iter().map(|amount| plain(amount));
            row[..5]
                .iter()
                .cloned()
                .chain(amounts)
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect();
    assert_eq!(
        texts,
        [
            "Purchase|AWS Support (Business)|AWSSupportBusiness||unknown|29|29",
            "Usage|Amazon Elastic Compute Cloud|AmazonEC2|us-east-1|hour|4.6080000001|3.9",
            "Usage|Acme Marketplace Product|Acme Marketplace Product|us-east-1|unknown|1.5|1.5",
            "Tax|Tax|Tax||unknown|1.19|1.19",
            "Purchase|Savings Plans for AWS Compute usage|ComputeSavingsPlans||unknown|0.75|0.05",
            "Usage|Amazon Simple Storage Service|AmazonS3|eu-west-1|gb_hour|0.1533|0.1533",
            "Usage|Amazon Elastic Compute Cloud|AmazonEC2|eu-central-1|gb|0.0450000003|0.0450000003",
            "Usage|AWS Key Management Service|awskms|eu-central-1|request|0.0000000003|0.0000000003",
            "Credit|Amazon Simple Storage Service|AmazonS3||unknown|-0.1|-0.1",
            "Adjustment|Amazon Elastic Compute Cloud|AmazonEC2||unknown|-0.7|0",
        ]
    );
    assert_eq!(
        project.rows("select distinct billing_account_id, sub_account_id, period from normalize.usage"),
        [[ACCOUNT, "111111111111", "2025-01"].map(String::from)]
    );

    // Nobody is left to be asked: a call would fail.
    drop(moto);
    let second = january(&project);
    assert_eq!(second["sources"][0]["slices_current"], 1);
    assert_eq!(second["sources"][0]["slices_replaced"], 0);
}

#[test]
fn what_cost_explorer_says_of_usage_is_estimated_as_the_bill_is() {
    let stub = AwsStub::start(HOUR, |call, _| Reply::Body(200, page(call)));
    let asked = asking("aws_cost_explorer", &stub.profile("aws", ""), ONE_ACCOUNT);
    asked.call(&JANUARY).expect(0);
    let billed = Project::with_source("aws_cur2");
    billed.write(
        "bills/data/BILLING_PERIOD=2025-01/bill.csv",
        cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]),
    );
    billed.run().expect(0);
    let compute = "select component, it_kwh, facility_kwh, location_gco2e, embodied_gco2e from estimate.cloud_emissions \
                   where usage_type = 'BoxUsage:m5.xlarge' order by component";
    let rows = asked.rows(compute);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows, billed.rows(compute));
}

#[test]
fn the_accounts_are_listed_once_and_each_month_of_each_asked_for() {
    let stub = AwsStub::start(HOUR, |call, _| {
        let listing = r#"{"ResultsByTime":[{"TimePeriod":{"Start":"2025-01-01","End":"2025-02-01"},"Estimated":false,"Groups":[
            {"Keys":["111111111111"],"Metrics":{"UnblendedCost":{"Amount":"1","Unit":"USD"}}},
            {"Keys":["222222222222"],"Metrics":{"UnblendedCost":{"Amount":"0","Unit":"USD"}}}]}]}"#;
        let answer = match grouped_by(call).as_str() {
            "LINKED_ACCOUNT" => listing.to_string(),
            // The second account has only usage of a day that is not over: its bill may still change.
            _ if call.body.contains("222222222222") && call.body.contains("USAGE_TYPE") => {
                USAGE_2.replace("\"Estimated\": false", "\"Estimated\": true")
            }
            _ if call.body.contains("222222222222") => NOTHING.to_string(),
            _ => page(call),
        };
        Reply::Body(200, answer)
    });
    let project = asking("aws_cost_explorer", &stub.profile("aws", ""), "");
    let first = january(&project);
    assert_eq!(first["sources"][0]["slices_new"], 2);
    assert_eq!(stub.calls("GetCostAndUsage").len(), 1 + 3 + 2);
    let rows = project
        .rows("select export, count(*), min(billing_account_id) from normalize.usage group by 1 order by 1");
    assert_eq!(
        rows,
        [["111111111111", "10", PAYER], ["222222222222", "2", PAYER]]
            .map(|row| row.map(String::from).to_vec())
    );

    let calls = stub.count();
    let second = january(&project);
    assert_eq!(second["sources"][0]["slices_current"], 2);
    assert_eq!(stub.count(), calls, "a second run asks for nothing");

    // What was an estimate is asked for again when its answer is no longer fresh; what is final is not.
    let config = std::fs::read_to_string(project.path("offgridflow.toml")).unwrap();
    project.configure(&config.replace(
        "profile = \"aws\"\n",
        "profile = \"aws\"\nrefresh = \"0 hours\"\n",
    ));
    january(&project);
    let asked: Vec<Call> = stub.calls("GetCostAndUsage").split_off(6);
    assert_eq!(
        asked.len(),
        1 + 2,
        "the list, and the two halves of the unfinished month"
    );
    assert!(asked[1..].iter().all(|call| call.body.contains("222222222222")));
}

#[test]
fn throttled_and_broken_calls_are_made_again() {
    let stub = AwsStub::start(HOUR, |call, before| match before {
        0 => Reply::Body(400, refusal("LimitExceededException", "Rate limit exceeded")),
        1 => Reply::Body(
            400,
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_string(),
        ),
        2 => Reply::Cut(page(call)),
        3 => Reply::Body(500, "<html>out of order</html>".to_string()),
        4 => Reply::Header(503, ("Retry-After", "1"), "{}".to_string()),
        6 => Reply::Cut(page(call)),
        _ => Reply::Body(200, page(call)),
    });
    let project = asking("aws_cost_explorer", &stub.profile("aws", ""), ONE_ACCOUNT);
    january(&project);
    assert_eq!(
        project.billed(),
        [("USD".to_string(), "36.4463000007".to_string(), 10)]
    );
    assert_eq!(stub.calls("GetCostAndUsage").len(), 9);
}

#[test]
fn an_expired_token_in_the_middle_is_renewed_and_the_call_made_again() {
    let stub = AwsStub::start(HOUR, |call, _| {
        match (call.key.as_str(), call.body.contains("page-2")) {
            ("ASIA0", true) => Reply::Body(
                400,
                refusal(
                    "ExpiredTokenException",
                    "The security token included in the request is expired",
                ),
            ),
            _ => Reply::Body(200, page(call)),
        }
    });
    let role = "role_arn = \"arn:aws:iam::999999999999:role/costs\"\nexternal_id = \"acme-7\"\n";
    let project = asking("aws_cost_explorer", &stub.profile("aws", role), ONE_ACCOUNT);
    january(&project);
    assert_eq!(
        project.billed(),
        [("USD".to_string(), "36.4463000007".to_string(), 10)]
    );
    let assumed = stub.calls("AssumeRole");
    assert_eq!(assumed.len(), 2);
    assert!(
        assumed[0].body.contains("ExternalId=acme-7"),
        "{}",
        assumed[0].body
    );
    assert!(assumed.iter().all(|call| call.key == "AKIATESTS"));
}

#[test]
fn credentials_of_a_role_are_renewed_before_they_expire() {
    // They are good for four minutes: too short for another page.
    let stub = AwsStub::start(Duration::from_secs(240), |call, _| Reply::Body(200, page(call)));
    let role = "role_arn = \"arn:aws:iam::1:role/a,arn:aws:iam::2:role/b\"\n";
    let project = asking("aws_cost_explorer", &stub.profile("aws", role), ONE_ACCOUNT);
    january(&project);
    let assumed = stub.calls("AssumeRole");
    assert!(
        assumed.len() >= 6 && assumed.len().is_multiple_of(2),
        "{}",
        assumed.len()
    );
    // Each second role is assumed with the first one's credentials.
    assert!(assumed[1].key == "ASIA0" && assumed[0].key == "AKIATESTS");
    let keys: Vec<String> = stub
        .calls("GetCostAndUsage")
        .into_iter()
        .map(|call| call.key)
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn what_no_further_try_mends_is_named_and_nothing_of_the_month_landed() {
    for (status, body, phrases) in [
        (
            400,
            refusal("DataUnavailableException", "no data"),
            ["DataUnavailableException", "enable it"],
        ),
        (
            400,
            refusal("BillExpirationException", "too old"),
            ["BillExpirationException", "since"],
        ),
        (
            400,
            refusal("AccessDeniedException", "not authorized"),
            ["AccessDenied", "grant ce:GetCostAndUsage"],
        ),
        (
            400,
            refusal("ExpiredTokenException", "expired"),
            ["ExpiredToken", "session_token has expired"],
        ),
        (
            400,
            refusal("UnrecognizedClientException", "invalid"),
            ["UnrecognizedClient", "access_key_id"],
        ),
        (200, USAGE_1.to_string(), ["circle", "report it"]),
        (
            200,
            USAGE_2
                .replace("USE1-SoftwareUsage", "eu-central-1-KMS-Requests")
                .replace("Acme Marketplace Product", "AWS Key Management Service"),
            ["a group came twice", "nothing of this month"],
        ),
    ] {
        let stub = AwsStub::start(HOUR, move |_, _| Reply::Body(status, body.clone()));
        let project = asking("aws_cost_explorer", &stub.profile("aws", ""), ONE_ACCOUNT);
        let outcome = project.call(&JANUARY);
        outcome.expect(4);
        for phrase in phrases {
            outcome.says(phrase);
        }
        assert!(
            !outcome.stderr.contains("the-secret"),
            "a secret is never printed"
        );
        assert!(
            stub.calls("GetCostAndUsage").len() <= 2,
            "it is not asked for again and again"
        );
        assert_eq!(project.value("select count(*) from normalize.usage"), "0");
    }
}

#[test]
fn doctor_says_who_asks_and_what_to_grant() {
    let stub = AwsStub::start(HOUR, |call, _| match grouped_by(call).as_str() {
        "LINKED_ACCOUNT" => Reply::Body(400, refusal("AccessDeniedException", "User is not authorized")),
        _ => Reply::Body(200, page(call)),
    });
    let project = asking("aws_cost_explorer", &stub.profile("aws", ""), ONE_ACCOUNT);
    let outcome = project.call(&["doctor"]);
    outcome.expect(4);
    assert!(
        outcome.stdout.contains("grant ce:GetCostAndUsage"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_hundred_thousand_rows_take_little_memory() {
    const PAGES: usize = 20;
    const GROUPS: usize = 5000;
    let stub = AwsStub::start(HOUR, |call, before| {
        if grouped_by(call) != "USAGE_TYPE" {
            return Reply::Body(200, NOTHING.to_string());
        }
        let groups: Vec<String> = (0..GROUPS)
            .map(|number| {
                format!(
                    r#"{{"Keys":["Amazon Simple Storage Service","USE1-Requests-Tier{number}"],"Metrics":{{"UnblendedCost":
                    {{"Amount":"0.0000000001","Unit":"USD"}},"AmortizedCost":{{"Amount":"0.0000000001","Unit":"USD"}},
                    "UsageQuantity":{{"Amount":"1","Unit":"Requests"}}}}}}"#
                )
            })
            .collect();
        let day = before + 1;
        let token = match day {
            PAGES => String::new(),
            _ => format!(r#","NextPageToken":"page-{day}-more""#),
        };
        Reply::Body(
            200,
            format!(
                r#"{{"ResultsByTime":[{{"TimePeriod":{{"Start":"2025-01-{day:02}","End":"2025-01-{:02}"}},"Estimated":false,
                "Groups":[{}]}}]{token}}}"#,
                day + 1,
                groups.join(",")
            ),
        )
    });
    let project = asking("aws_cost_explorer", &stub.profile("aws", ""), ONE_ACCOUNT);
    let arguments = [&JANUARY[..], &["--select", "raw.*", "--quiet"]].concat();
    let peak = peak_kib(project.command(&arguments).spawn().unwrap());
    assert!(peak < LITTLE_KIB, "{} MiB", peak / 1024);
    assert_eq!(
        project.value("select count(*) from raw.aws_cost_explorer"),
        (PAGES * GROUPS).to_string()
    );
    assert_eq!(
        plain(&project.value("select sum(billed_cost) from normalize.usage")),
        "0.00001"
    );
}

/// A month of the Sustainability API.
fn emissions(month: &str, version: &str, account: &str, tons: &str, unit: &str) -> String {
    let (year, number) = month.split_once('-').unwrap();
    let next = number.parse::<u32>().unwrap() + 1;
    format!(
        r#"{{"TimePeriod":{{"Start":"{month}-01T00:00:00Z","End":"{year}-{next:02}-01T00:00:00Z"}},"DimensionsValues":{{
        "USAGE_ACCOUNT_ID":"{account}","REGION":"eu-west-1","SERVICE":"AmazonEC2"}},"ModelVersion":"{version}",
        "EmissionsValues":{{"TOTAL_LBM_CARBON_EMISSIONS":{{"Value":{tons},"Unit":"{unit}"}},
        "TOTAL_MBM_CARBON_EMISSIONS":{{"Value":0.0,"Unit":"{unit}"}}}}}}"#
    )
}

fn results(results: &[String], token: &str) -> String {
    let token = match token {
        "" => String::new(),
        token => format!(r#","NextToken":"{token}""#),
    };
    format!(r#"{{"Results":[{}]{token}}}"#, results.join(","))
}

const EMISSIONS: &str = "/v1/estimated-carbon-emissions";

#[test]
fn emissions_are_asked_for_by_version_and_month() {
    let stub = AwsStub::start(HOUR, |call, before| {
        if before == 0 {
            return Reply::Header(
                429,
                ("Retry-After", "1"),
                r#"{"message":"Rate exceeded"}"#.to_string(),
            );
        }
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let of = |month: &str, account: &str, tons: &str| emissions(month, "v3.0.0", account, tons, "MTCO2e");
        let answer = match (body["GroupBy"].is_null(), body["NextToken"].as_str()) {
            (true, _) => results(&[of("2025-01", "-", "1"), of("2025-02", "-", "1")], ""),
            (false, None) if call.body.contains("2025-01-01") => {
                results(&[of("2025-01", "111111111111", "0.412")], "more")
            }
            (false, None) => results(&[of("2025-02", "111111111111", "0.000000001234567")], ""),
            (false, Some(_)) => results(&[of("2025-01", "222222222222", "0.1")], ""),
        };
        Reply::Body(200, answer)
    });
    let project = asking("aws_carbon", &stub.profile("aws", ""), "");
    let run = ["run", "--from", "2025-01", "--to", "2025-04", "--output", "json"];
    let outcome = project.call(&run);
    outcome.expect(0);
    assert_eq!(report(&outcome)["sources"][0]["slices_new"], 2);
    assert_eq!(
        project.rows(
            "select month, sub_account_id, service_name, region_id, scope, gco2e, model_version, billing_account_id \
             from normalize.aws_carbon where scope = 'total_location' order by 1, 2"
        ),
        [
            ["2025-01", "111111111111", "Amazon Elastic Compute Cloud", "eu-west-1", "total_location", "412000.000000000", "v3.0.0", PAYER],
            ["2025-01", "222222222222", "Amazon Elastic Compute Cloud", "eu-west-1", "total_location", "100000.000000000", "v3.0.0", PAYER],
            ["2025-02", "111111111111", "Amazon Elastic Compute Cloud", "eu-west-1", "total_location", "0.001234567", "v3.0.0", PAYER],
        ]
        .map(|row| row.map(String::from).to_vec())
    );
    assert_eq!(
        project.value("select count(*) from normalize.aws_carbon where scope = 'total_market' and gco2e = 0"),
        "3"
    );
    assert_eq!(
        project.value("select distinct export from raw.aws_carbon"),
        "carbon_model_version=v3.0.0"
    );

    let calls = stub.count();
    let outcome = project.call(&run);
    outcome.expect(0);
    assert_eq!(report(&outcome)["sources"][0]["slices_current"], 2);
    assert_eq!(stub.count(), calls, "a second run asks for nothing");
    assert_eq!(stub.calls(EMISSIONS).len(), 5);
}

#[test]
fn a_figure_in_an_unknown_unit_is_refused_and_a_missing_right_named() {
    let stub = AwsStub::start(HOUR, |_, _| {
        Reply::Body(
            200,
            results(
                &[emissions("2025-01", "v3.0.0", "111111111111", "1", "KGCO2e")],
                "",
            ),
        )
    });
    let project = asking("aws_carbon", &stub.profile("aws", ""), "");
    let outcome = project.call(&JANUARY);
    outcome.expect(3);
    outcome.says("KGCO2e").says("MTCO2e");
    assert_eq!(project.value("select count(*) from normalize.aws_carbon"), "0");

    let stub = AwsStub::start(HOUR, |_, _| {
        let denied =
            r#"{"message":"User is not authorized to perform sustainability:GetEstimatedCarbonEmissions"}"#;
        Reply::Header(
            403,
            ("x-amzn-ErrorType", "AccessDeniedException"),
            denied.to_string(),
        )
    });
    let project = asking("aws_carbon", &stub.profile("aws", ""), "");
    let outcome = project.call(&JANUARY);
    outcome.expect(4);
    outcome.says("grant sustainability:GetEstimatedCarbonEmissions");
}

#[test]
fn a_hundred_thousand_figures_take_little_memory() {
    const PAGES: usize = 20;
    const FIGURES: usize = 5000;
    let stub = AwsStub::start(HOUR, |call, _| {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        if body["GroupBy"].is_null() {
            return Reply::Body(
                200,
                results(&[emissions("2025-01", "v3.0.0", "-", "1", "MTCO2e")], ""),
            );
        }
        let page: usize = body["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let figures: Vec<String> = (0..FIGURES)
            .map(|n| {
                emissions(
                    "2025-01",
                    "v3.0.0",
                    &format!("{:012}", page * FIGURES + n),
                    "0.000001",
                    "MTCO2e",
                )
            })
            .collect();
        let next = match page + 1 {
            PAGES => String::new(),
            next => next.to_string(),
        };
        Reply::Body(200, results(&figures, &next))
    });
    let project = asking("aws_carbon", &stub.profile("aws", ""), "");
    let arguments = [&JANUARY[..], &["--select", "raw.*", "--quiet"]].concat();
    let peak = peak_kib(project.command(&arguments).spawn().unwrap());
    assert!(peak < LITTLE_KIB, "{} MiB", peak / 1024);
    assert_eq!(
        project
            .value("select count(*) from normalize.aws_carbon where scope = 'total_location' and gco2e = 1"),
        (PAGES * FIGURES).to_string()
    );
}

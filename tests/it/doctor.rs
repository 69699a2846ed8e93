//! Set-ups that are broken in one way each: `doctor` names the fault, says what to grant or do, and ends with the exit code
//! of whose move it is.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::Project;
use crate::support::aws_stub::{AwsStub, Reply};
use crate::support::azure_stub::{self, AzureStub, SECRET, World, subscription};
use crate::support::azurite::{Azurite, account_key};
use crate::support::bigquery::{BigQuery, DATASET, PROJECT};
use crate::support::bigquery_stub::{BigQueryStub, Fault};
use crate::support::bills::{Line, cur2_csv};
use crate::support::moto::{Keys, Moto};
use crate::support::project::listing;

const ROLE_ACTIONS: [&str; 2] = ["s3:ListBucket", "s3:GetObject"];

fn bill() -> String {
    cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)])
}

/// A project with one source; its profile is `cloud`.
fn project(profile: &str, source: &str) -> Project {
    Project::acme(&format!(
        "[[tenant.source]]\nid = \"bills\"\nprofile = \"cloud\"\n{source}\n{profile}"
    ))
    .env("OFFGRIDFLOW_RETRY_MILLISECONDS", "5")
}

/// What `doctor` finds of the source, and its exit code.
fn finding(project: &Project) -> (i32, Value) {
    let outcome = project.call(&["doctor", "--output", "json"]);
    let findings: Vec<Value> = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|_| panic!("{}: {}{}", outcome.code, outcome.stdout, outcome.stderr));
    let of_source = |finding: &&Value| finding["what"] == "source acme/bills";
    let found = findings.iter().rfind(of_source).unwrap().clone();
    (outcome.code, found)
}

#[track_caller]
fn is_well(project: &Project) {
    let (code, found) = finding(project);
    assert_eq!((code, &found["state"]), (0, &"ok".into()), "{found}");
}

/// The source fails with an exit code, these words in its finding and these in the hint.
#[track_caller]
fn fails(project: &Project, code: i32, words: &[&str], advice: &[&str]) {
    let (exit_code, found) = finding(project);
    assert_eq!((exit_code, &found["state"]), (code, &"failed".into()), "{found}");
    for (part, words) in [("finding", words), ("hint", advice)] {
        let text = found[part].as_str().unwrap_or_default();
        for word in words {
            assert!(text.contains(word), "{part} does not say `{word}`: {found}");
        }
    }
    let shown = found.to_string();
    for secret in ["-secret-", "sig=", "eyJ", "PRIVATE KEY"] {
        assert!(!shown.contains(secret), "a secret is shown: {shown}");
    }
}

/// A refusal before anything is tried: exit code 2, and these words.
#[track_caller]
fn is_refused(project: &Project, words: &[&str]) {
    let outcome = project.call(&["doctor"]);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.code, 2, "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn aws() {
    let moto = Moto::start();
    moto.bucket("bills");
    moto.put(
        "bills/cur/data/BILLING_PERIOD=2025-01/cur2-00001.csv",
        bill().as_bytes(),
    );
    let reader = moto.user("reader", &ROLE_ACTIONS);
    let stranger = moto.user("stranger", &[]);
    let role = moto.role("reads", &ROLE_ACTIONS);
    let may_assume = moto.user("assumes", &["sts:AssumeRole"]);
    moto.enforce();
    let with = |keys: &Keys, more: &str, url: &str| {
        project(
            &moto.profile("cloud", more),
            &format!("kind = \"aws_cur2\"\nurl = \"{url}\""),
        )
        .env("TEST_AWS_ID", &keys.id)
        .env("TEST_AWS_SECRET", &keys.secret)
    };
    let bills = "s3://bills/cur";
    let assumed = format!("role_arn = \"{role}\"\n");
    is_well(&with(&reader, "", bills));
    is_well(&with(&may_assume, &assumed, bills));

    let wrong = |id: &str, secret: &str| Keys {
        id: id.to_string(),
        secret: secret.to_string(),
    };
    fails(
        &with(&wrong(&reader.id, "a-secret-of-another"), "", bills),
        4,
        &["the store refused access", "SignatureDoesNotMatch", bills],
        &["secret_access_key does not belong"],
    );
    fails(
        &with(&wrong("AKIAUNKNOWN000000000", "a-secret-of-nobody"), "", bills),
        4,
        &["the store refused access", "InvalidAccessKeyId"],
        &["access_key_id"],
    );
    fails(
        &with(&stranger, "", bills),
        4,
        &["the store refused access", "AccessDenied"],
        &["grant s3:ListBucket and s3:GetObject"],
    );
    fails(
        &with(&stranger, &assumed, bills),
        4,
        &["sts:AssumeRole", &role],
        &["allow sts:AssumeRole on this role", "trust policy"],
    );
    fails(
        &with(&reader, "", "s3://bolls/cur"),
        4,
        &["s3://bolls/cur", "does not exist"],
        &["url"],
    );
    fails(
        &with(&reader, "", "s3://bills/nowhere"),
        4,
        &["nothing is at s3://bills/nowhere"],
        &["url"],
    );
}

/// moto writes this refusal as AWS does not: a stub, our own reading of the API.
#[test]
fn cost_explorer() {
    let stub = AwsStub::start(Duration::from_secs(3600), |_, _| {
        let refusal = r#"{"__type":"AccessDeniedException","Message":"User: stranger is not authorized to perform: ce:GetCostAndUsage"}"#;
        Reply::Body(400, refusal.to_string())
    });
    let denied = project(&stub.profile("cloud", ""), "kind = \"aws_cost_explorer\"")
        .env("TEST_AWS_ID", "AKIATESTS")
        .env("TEST_AWS_SECRET", "the-secret-of-nobody");
    fails(&denied, 4, &["AccessDenied"], &["grant ce:GetCostAndUsage"]);
}

/// There is no emulator of Azure's APIs: a stub, our own reading of them.
#[test]
fn azure_apis() {
    let with = |stub: &AzureStub, kind: &str, secret: &str| {
        let login =
            "tenant_id = \"contoso\"\nclient_id = \"app\"\nclient_secret = \"env:TEST_AZURE_SECRET\"\n";
        project(&stub.profile("cloud", login), &format!("kind = \"{kind}\""))
            .env("TEST_AZURE_SECRET", secret)
            .env("SSL_CERT_FILE", &stub.authority().display().to_string())
    };
    let world = World {
        denied: vec![1],
        ..World::default()
    };
    let well = AzureStub::start(World::default());
    let denying = AzureStub::start(world);
    for (kind, role) in [
        ("azure_cost_query", "Cost Management Reader"),
        ("azure_carbon", "Carbon Optimization Reader"),
    ] {
        is_well(&with(&well, kind, SECRET));
        fails(
            &with(&denying, kind, SECRET),
            4,
            &[&subscription(1).to_lowercase()],
            &["grant", role],
        );
    }
    fails(
        &with(&well, "azure_cost_query", "a-secret-of-another"),
        4,
        &["AADSTS7000215"],
        &["client_secret"],
    );
    let expired = AzureStub::with(World::default(), |world, call, _| match call.name {
        "token" => azure_stub::Reply::Json(
            401,
            serde_json::json!({"error": "invalid_client", "error_codes": [7000222], "error_description":
                "AADSTS7000222: The provided client secret keys for app 'app' are expired."}),
        ),
        _ => world.answer(call),
    });
    fails(
        &with(&expired, "azure_cost_query", SECRET),
        4,
        &["AADSTS7000222"],
        &["secret"],
    );
}

#[test]
fn azure_storage() {
    let server = Azurite::start("bills");
    server.put(
        "bills/cur/data/BILLING_PERIOD=2025-01/cur2-00001.csv",
        bill().as_bytes(),
    );
    let with = |login: &str, value: &str, url: &str| {
        let profile = server.profile("cloud", &format!("{login} = \"env:TEST_AZURE\"\n"));
        project(&profile, &format!("kind = \"aws_cur2\"\nurl = \"{url}\"")).env("TEST_AZURE", value)
    };
    let hour = Duration::from_secs(3600);
    let now = chrono::Utc::now();
    is_well(&with("account_key", &account_key(), "az://bills/cur"));
    is_well(&with(
        "sas_token",
        &Azurite::sas("rl", now + hour),
        "az://bills/cur",
    ));

    fails(
        &with("account_key", "d3Jvbmc=", "az://bills/cur"),
        4,
        &["the store refused access", "az://bills/cur"],
        &["account_key"],
    );
    fails(
        &with("sas_token", &Azurite::sas("rl", now - hour), "az://bills/cur"),
        4,
        &["the sas_token of the profile `cloud` expired at"],
        &["sp=rl"],
    );
    fails(
        &with("sas_token", &Azurite::sas("r", now + hour), "az://bills/cur"),
        4,
        &["the store refused access", "AuthorizationPermissionMismatch"],
        &["grant the role Storage Blob Data Reader", "sp=rl"],
    );
    fails(
        &with("account_key", &account_key(), "az://bolls/cur"),
        4,
        &["the bucket or container does not exist", "az://bolls/cur"],
        &["url"],
    );
    let nobody = Azurite::profile_at(1, false, "cloud", "account_key = \"env:TEST_AZURE\"\n");
    let nobody =
        project(&nobody, "kind = \"aws_cur2\"\nurl = \"az://bills/cur\"").env("TEST_AZURE", &account_key());
    fails(
        &nobody,
        4,
        &["the object store failed", "Connection refused"],
        &["network", "endpoint"],
    );
}

#[test]
fn an_expired_token_of_azure_storage() {
    let server = Azurite::start_with_tokens("bills");
    server.put(
        "bills/cur/data/BILLING_PERIOD=2025-01/cur2-00001.csv",
        bill().as_bytes(),
    );
    let hour = Duration::from_secs(3600);
    let now = chrono::Utc::now();
    let with = |expiry| {
        let profile = server.profile("cloud", "bearer_token = \"env:TEST_AZURE\"\n");
        project(&profile, "kind = \"aws_cur2\"\nurl = \"az://bills/cur\"")
            .env("TEST_AZURE", &Azurite::token(expiry))
            .env("SSL_CERT_FILE", &server.authority())
    };
    is_well(&with(now + hour));
    fails(
        &with(now - hour),
        4,
        &["the store refused access", "AuthenticationFailed"],
        &["bearer_token", "expired"],
    );
}

#[test]
fn google() {
    let server = BigQuery::start();
    server.create("gcp_billing_export_v1_0A", "gcp_billing/schema.json");
    let with = |profile: &str, table: &str| {
        let source = format!("kind = \"gcp_billing\"\ntable = \"{table}\"");
        project(profile, &source)
    };
    let table = format!("{PROJECT}.{DATASET}.gcp_billing_export_v1_0A");
    is_well(&with(&server.profile("cloud"), &table));
    fails(
        &with(
            &server.profile("cloud"),
            &format!("{PROJECT}.{DATASET}.gcp_billing_export_v1_0B"),
        ),
        4,
        &["BigQuery has no such table", "gcp_billing_export_v1_0B"],
        &["table"],
    );
    is_refused(
        &with(&server.profile("cloud"), "gcp_billing_export_v1_0A"),
        &["project.dataset.table"],
    );
    fails(
        &with(
            "[profile.cloud]\nendpoint = \"http://127.0.0.1:1\"\ndisable_oauth = true\n",
            &table,
        ),
        4,
        &["BigQuery cannot be reached"],
        &["network", "endpoint"],
    );

    // What the emulator cannot do: tokens, and refusals of a login. The stub before it is our own reading of the API.
    let stub = BigQueryStub::before(server.port);
    let profile = format!(
        "[profile.cloud]\nendpoint = \"http://127.0.0.1:{}\"\nallow_http = true\nservice_account_key = \"env:TEST_GCP_KEY\"\n",
        stub.port
    );
    let keyed = with(&profile, &table).env("TEST_GCP_KEY", &stub.key());
    is_well(&keyed);
    stub.fail(&[Fault::Refusal(403, "accessDenied", None)]);
    fails(
        &keyed,
        4,
        &["BigQuery does not allow it"],
        &["roles/bigquery.dataViewer", "roles/bigquery.jobUser", PROJECT],
    );
    stub.refuse_logins();
    fails(
        &keyed,
        4,
        &["Google does not log the service account in", "reader@"],
        &["key exist"],
    );
}

#[test]
fn a_secret_that_is_not_there() {
    let profile = "[profile.cloud]\naccess_key_id = \"AKIA\"\nsecret_access_key = \"env:NOBODY_SETS_THIS\"\n";
    let project = project(profile, "kind = \"aws_cur2\"\nurl = \"s3://bills/cur\"");
    is_refused(&project, &["NOBODY_SETS_THIS"]);
}

#[test]
fn keys_that_contradict_each_other() {
    let no_secret = "[profile.cloud]\nclient_secret = \"env:TEST_SECRET\"\nclient_id = \"app\"\n";
    let project = project(no_secret, "kind = \"azure_cost_query\"").env("TEST_SECRET", "a-secret-of-an-app");
    is_refused(&project, &["tenant_id"]);
}

#[test]
fn files_that_are_gone_from_the_warehouse() {
    let project = Project::sample_after_a_run();
    let look = |code: i32| -> Vec<Value> {
        let outcome = project.call(&["doctor", "--output", "json"]);
        outcome.expect(code);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let data_file = |table: &str| {
        let files = listing(&project.path(&format!("data/{table}"))).into_iter();
        let mut paths = files.map(|(path, ..)| path);
        let is_data = |path: &PathBuf| {
            path.extension().is_some_and(|e| e == "parquet") && !path.to_string_lossy().contains("_delta_log")
        };
        paths.find(is_data).unwrap()
    };
    let raw = data_file("raw/aws_cur2");
    std::fs::remove_file(&raw).unwrap();
    std::fs::write(data_file("rollup/usage_daily"), b"cut").unwrap();
    let current = |file: &str| project.path(&format!("data/published/{file}"));
    std::fs::remove_file(current("coverage/current/part-00000.parquet")).unwrap();
    std::fs::write(current("cost_and_carbon/current/x.parquet"), b"a copy").unwrap();

    let findings = look(4);
    let says = |what: &str, state: &str, words: &[&str]| {
        let mut of_it = findings.iter().filter(|finding| finding["what"] == what);
        let finding = of_it.next().unwrap_or_else(|| panic!("{what}: {findings:?}"));
        assert_eq!(finding["state"], state, "{finding}");
        for word in words {
            let text = format!("{} {}", finding["finding"], finding["hint"]);
            assert!(text.contains(word), "`{word}` is not in {text}");
        }
    };
    says("tables", "ok", &["all there as their logs say"]);
    let gone = format!("{} (gone)", raw.file_name().unwrap().to_string_lossy());
    let land = "`offgridflow run --full-refresh --select raw.aws_cur2` lands its deliveries anew";
    says("table raw.aws_cur2", "failed", &["1 of ", &gone, land]);
    let build = "`offgridflow run --full-refresh --select rollup.usage_daily` builds it anew";
    says(
        "table rollup.usage_daily",
        "failed",
        &["(3 bytes instead of ", build],
    );
    says(
        "published coverage",
        "failed",
        &["part-00000.parquet (gone)", "publishes the table again"],
    );
    says(
        "published cost_and_carbon",
        "warning",
        &["x.parquet was put there by no run"],
    );

    // What the hints say mends it.
    let mend = [
        "run",
        "--full-refresh",
        "--select",
        "raw.aws_cur2",
        "--select",
        "rollup.usage_daily",
    ];
    project.call(&mend).expect(0).says("x.parquet removed");
    let findings = look(0);
    assert!(
        findings.iter().all(|finding| finding["state"] == "ok"),
        "{findings:?}"
    );
}

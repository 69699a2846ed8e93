//! AWS's files in buckets: chains of roles against moto with policies enforced, refusals explained, the carbon export's folders.

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv};
use crate::support::moto::{Keys, Moto};
use crate::support::project::{gzip, source};

const KEY: &str = "bills/cur/data/BILLING_PERIOD=2025-01/cur2-00001.csv.gz";

fn bill() -> Vec<u8> {
    gzip(cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]).as_bytes())
}

fn reading(moto: &Moto, keys: &Keys, bucket: &str, more: &str) -> Project {
    Project::acme(&format!(
        "[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\nurl = \"s3://{bucket}/cur\"\nprofile = \"aws\"\n{}",
        moto.profile("aws", more)
    ))
    .env("TEST_AWS_ID", &keys.id)
    .env("TEST_AWS_SECRET", &keys.secret)
}

#[test]
fn each_role_of_a_chain_is_assumed_from_the_one_before() {
    let moto = Moto::start();
    moto.bucket("bills");
    moto.put(KEY, &bill());
    let keys = moto.user("alice", &["sts:AssumeRole"]);
    let entry = moto.role("entry", &["sts:AssumeRole"]);
    let reader = moto.role("reader", &["s3:*"]);
    let nobody = moto.role("nobody", &["ec2:DescribeInstances"]);
    moto.enforce();

    let chain = format!(
        "role_arn = \"{entry}, {reader}\"\nexternal_id = \"acme-7\"\nrole_session_name = \"nightly\"\n"
    );
    let project = reading(&moto, &keys, "bills", &chain);
    project.land().expect(0);
    assert_eq!(project.billed(), [("USD".to_string(), "4.608".to_string(), 1)]);

    // Without the roles alice may not look into the bucket; neither may a role that was not given the right.
    let alone = reading(&moto, &keys, "bills", "").land();
    alone.expect(4).says("AccessDenied").says("grant s3:ListBucket");
    let chain = format!("role_arn = \"{entry},{nobody}\"\n");
    reading(&moto, &keys, "bills", &chain)
        .land()
        .expect(4)
        .says("AccessDenied");

    // A role that may not assume the next one.
    let chain = format!("role_arn = \"{nobody},{reader}\"\n");
    let outcome = reading(&moto, &keys, "bills", &chain).land();
    outcome
        .expect(4)
        .says("sts:AssumeRole")
        .says(&reader)
        .says("trust policy");
    assert!(
        !outcome.stderr.contains(&keys.secret),
        "a secret is never printed"
    );
}

#[test]
fn each_refusal_of_a_bucket_has_its_own_advice() {
    let moto = Moto::start();
    moto.bucket("bills");
    moto.put(KEY, &bill());
    let keys = moto.user("alice", &["s3:*"]);
    moto.enforce();

    reading(&moto, &keys, "bills", "").land().expect(0);
    let wrong = Keys {
        id: keys.id.clone(),
        secret: "not-the-secret".to_string(),
    };
    let outcome = reading(&moto, &wrong, "bills", "").land();
    outcome
        .expect(4)
        .says("SignatureDoesNotMatch")
        .says("secret_access_key does not belong");
    assert!(
        !outcome.stderr.contains("not-the-secret"),
        "a secret is never printed"
    );
    let unknown = Keys {
        id: "AKIAUNKNOWN".to_string(),
        secret: keys.secret.clone(),
    };
    reading(&moto, &unknown, "bills", "")
        .land()
        .expect(4)
        .says("InvalidAccessKeyId")
        .says("does not exist or was deactivated");
    reading(&moto, &keys, "no-such-bucket", "")
        .land()
        .expect(4)
        .says("the bucket or container does not exist");
    let asks_payer = reading(&moto, &keys, "bills", "request_payer = true\n");
    asks_payer.land().expect(0);
}

const CARBON: &str = include_str!("../fixtures/aws_carbon/carbon.csv");

/// The rows of a version of the carbon model, with the header.
fn carbon_of(version: &str, month: &str) -> String {
    let mut lines = CARBON.lines();
    let header = lines.next().unwrap();
    let rows =
        lines.filter(|line| line.contains(version) && line.ends_with(&format!("{month}-01T00:00:00.000Z")));
    std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn each_version_of_the_carbon_model_is_landed_beside_the_others() {
    let project = Project::acme(&source("carbon", "aws_carbon", "carbon"));
    let deliver = |version: &str, month: &str| {
        let folder = format!("carbon_model_version={version}/usage_period={month}");
        let name = format!("data/{folder}/export-00001.csv.gz");
        project.write_gzip(&format!("carbon/export/{name}"), &carbon_of(version, month));
        project.write(
            &format!("carbon/export/metadata/{folder}/export-Manifest.json"),
            format!(
                "{{\"executionId\":\"e-{version}-{month}\",\"dataFiles\":[\"s3://bucket/export/{name}\"]}}"
            ),
        );
    };
    deliver("v2.0.0", "2025-01");
    project.land_report();
    deliver("v3.0.0", "2025-01");
    deliver("v3.0.0", "2025-02");
    let report = project.report();
    assert_eq!(
        (
            &report["sources"][0]["slices_new"],
            &report["sources"][0]["slices_current"]
        ),
        (&2.into(), &1.into())
    );
    assert_eq!(
        project.rows("select distinct export, period from raw.aws_carbon order by 1, 2"),
        [
            ["export/carbon_model_version=v2.0.0", "2025-01"],
            ["export/carbon_model_version=v3.0.0", "2025-01"],
            ["export/carbon_model_version=v3.0.0", "2025-02"],
        ]
        .map(|row| row.map(String::from).to_vec())
    );
    assert_eq!(
        project.rows(
            "select model_version, month, gco2e from normalize.aws_carbon where scope = 'total_market' \
             and sub_account_id = '111111111111' order by 1, 2"
        ),
        [
            ["v2.0.0", "2025-01", "250000.000000000"],
            ["v3.0.0", "2025-01", "0.000000000"],
            ["v3.0.0", "2025-02", "250000.000000000"],
        ]
        .map(|row| row.map(String::from).to_vec())
    );

    let outcome = {
        let name = "carbon/export/data/carbon_model_version=v3.0.0/usage_period=2025-02/export-00001.csv.gz";
        project.write_gzip(
            name,
            &carbon_of("v3.0.0", "2025-02").replace("MTCO2e,0.5,", "KG,0.5,"),
        );
        project.land()
    };
    outcome.expect(3).says("the unit `KG` is not MTCO2e");
}

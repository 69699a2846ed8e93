//! One configuration with every kind, each against the server that plays its cloud: one run lands all of it with the totals
//! that were delivered, a second run makes no needless call, and `doctor` finds nothing wrong.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::azure_stub::{AzureStub, SECRET, World};
use crate::support::azurite::{Azurite, account_key};
use crate::support::bigquery::{BigQuery, DATASET, PROJECT};
use crate::support::fault_proxy::FaultProxy;
use crate::support::gcs::Gcs;
use crate::support::moto::Moto;
use crate::support::project::plain;
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use crate::support::{Project, root};

const BILLING: &str = "gcp_billing_export_resource_v1_01A2B3_C4D5E6_F7A8B9";
const CARBON: &str = "carbon_footprint";
const COSTS: &str = "select tenant, billing_currency, sum(billed_cost), count(*) from normalize.usage group by 1, 2 order by 1, 2";
const EMISSIONS: &str =
    "select tenant, sum(gco2e) from normalize.provider_emissions where scope = '1' group by 1 order by 1";

/// A tenant for each source: some hold the same bill.
fn tenant(id: &str, kind: &str, keys: &str) -> String {
    format!(
        "[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n[[tenant.source]]\nid = \"{id}\"\nkind = \"{kind}\"\n{keys}\n"
    )
}

fn fixture(path: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures").join(path)).unwrap()
}

/// Every file below a folder, with its path below it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_string();
            found.push((name, std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The servers with everything in them.
struct Clouds {
    s3: S3,
    /// Cost Explorer, behind a proxy that counts.
    costs: FaultProxy,
    _moto: Moto,
    azure: Azurite,
    /// Our own reading of Azure's APIs: there is no emulator of them.
    azure_apis: AzureStub,
    gcs: Gcs,
    bigquery: BigQuery,
    tenants: String,
}

impl Clouds {
    fn start() -> Clouds {
        let moto = Moto::start();
        let clouds = Clouds {
            s3: S3::start(&["bills"]),
            costs: FaultProxy::start(moto.port),
            _moto: moto,
            azure: Azurite::start("exports"),
            azure_apis: AzureStub::start(World::default()),
            gcs: Gcs::start("extracts"),
            bigquery: BigQuery::start(),
            tenants: String::new(),
        };
        clouds.with_fixtures().with_samples()
    }

    /// Files of a folder, and a tenant that reads them, where their kind lies.
    fn deliver(&mut self, id: &str, kind: &str, folder: &Path) {
        for (name, bytes) in files(folder) {
            match kind {
                "azure_cost" => self.azure.put(&format!("exports/{id}/{name}"), &bytes),
                "gcp_billing_files" => self.gcs.put(&format!("extracts/{id}/{name}"), &bytes),
                _ => self.s3.put(&format!("bills/{id}/{name}"), &bytes),
            }
        }
        let (url, profile) = match kind {
            "azure_cost" => ("az://exports", "azure"),
            "gcp_billing_files" => ("gs://extracts", "gcs"),
            _ => ("s3://bills", "s3"),
        };
        let keys = format!("url = \"{url}/{id}\"\nprofile = \"{profile}\"\ncurrency = \"USD\"");
        self.tenants.push_str(&tenant(id, kind, &keys));
    }

    fn with_fixtures(mut self) -> Self {
        let folder = root().join("tests/fixtures");
        for kind in [
            "aws_cur",
            "aws_cur2",
            "focus",
            "aws_carbon",
            "azure_cost",
            "gcp_billing_files",
        ] {
            self.deliver(kind, kind, &folder.join(kind));
        }
        // Asked for from this month on, it is this month's bill.
        let now = chrono::Utc::now();
        let month = now.format("%Y-%m").to_string();
        let next = (now + chrono::Months::new(1)).format("%Y-%m").to_string();
        let answers = ["usage_1", "usage_2", "charges"].map(|name| {
            let answer = fixture(&format!("aws_cost_explorer/{name}.json"));
            answer.replace("2025-02", &next).replace("2025-01", &month)
        });
        self._moto.costs(&answers);
        let keys = format!("profile = \"aws\"\naccounts = [\"111111111111\"]\nsince = \"{month}\"");
        self.tenants
            .push_str(&tenant("aws_cost_explorer", "aws_cost_explorer", &keys));

        for (kind, since) in [("azure_cost_query", month.as_str()), ("azure_carbon", "2026-09")] {
            let keys = format!("since = \"{since}\"\nprofile = \"azure_apis\"");
            self.tenants.push_str(&tenant(kind, kind, &keys));
        }

        self.bigquery.create(BILLING, "gcp_billing/schema.json");
        for day in ["2025-09-03", "2025-09-04"] {
            let rows = fixture(&format!("gcp_billing_files/{day}.json"));
            let known = match day {
                "2025-09-04" => fixture("gcp_billing_files/2025-09-03.json"),
                _ => String::new(),
            };
            // The extracts overlap; the table holds each row once.
            let new = rows
                .lines()
                .filter(|row| !known.lines().any(|other| other == *row));
            self.bigquery.insert(BILLING, &new.collect::<Vec<_>>().join("\n"));
        }
        self.bigquery.create(CARBON, "gcp_carbon/schema.json");
        self.bigquery.insert(CARBON, &fixture("gcp_carbon/2025-09.json"));
        for (kind, table) in [("gcp_billing", BILLING), ("gcp_carbon", CARBON)] {
            let keys = format!(
                "table = \"{PROJECT}.{DATASET}.{table}\"\nsince = \"2025-01\"\nprofile = \"bigquery\""
            );
            self.tenants.push_str(&tenant(kind, kind, &keys));
        }
        for kind in ["activity", "instruments"] {
            let keys = format!("url = \"file://{}\"", folder.join(kind).display());
            self.tenants.push_str(&tenant(kind, kind, &keys));
        }
        self
    }

    /// The published sample exports, when they lie beside the checkout.
    fn with_samples(mut self) -> Self {
        let Some(folder) = samples() else { return self };
        for (id, kind, path) in SAMPLES {
            self.deliver(id, kind, &folder.join(path));
        }
        self
    }

    fn project(&self) -> Project {
        let proxied = format!("http://127.0.0.1:{}", self.costs.port);
        let aws = format!(
            "[profile.aws]\nendpoint = \"{proxied}\"\nendpoint_url_sts = \"{proxied}\"\nallow_http = true\n\
             access_key_id = \"env:TEST_S3_ACCESS_KEY\"\nsecret_access_key = \"env:TEST_S3_SECRET_KEY\"\n"
        );
        let profiles = [
            self.s3.profile("s3"),
            aws,
            self.azure
                .profile("azure", "account_key = \"env:TEST_AZURE_KEY\"\n"),
            self.azure_apis.profile(
                "azure_apis",
                "tenant_id = \"contoso\"\nclient_id = \"app\"\nclient_secret = \"env:TEST_AZURE_SECRET\"\n",
            ),
            self.gcs.profile("gcs"),
            self.bigquery.profile("bigquery"),
        ];
        Project::new(&format!("{}{}", profiles.concat(), self.tenants))
            .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
            .env("TEST_S3_SECRET_KEY", SECRET_KEY)
            .env("TEST_AZURE_KEY", &account_key())
            .env("TEST_AZURE_SECRET", SECRET)
            .env(
                "SSL_CERT_FILE",
                &self.azure_apis.authority().display().to_string(),
            )
            .env("OFFGRIDFLOW_RETRY_MILLISECONDS", "5")
    }

    /// The calls that the APIs have answered; tables are looked at for free.
    fn calls(&self) -> [usize; 3] {
        let queries = self.bigquery.calls();
        let asked = queries.iter().filter(|call| !call.starts_with("GET datasets/"));
        [self.costs.calls(), self.azure_apis.count(), asked.count()]
    }
}

fn samples() -> Option<PathBuf> {
    let folder = root().join("../shared/samples");
    let there = folder.join("SOURCES.md").is_file();
    if !there {
        eprintln!("the sample exports are absent: {} is not there", folder.display());
    }
    there.then(|| folder.canonicalize().unwrap())
}

/// Sample folders in which every file is whole.
const SAMPLES: [(&str, &str, &str); 5] = [
    (
        "sample_aws_cur",
        "aws_cur",
        "generated_nise/aws/bucket/billing/cur",
    ),
    ("sample_focus", "focus", "derived"),
    (
        "sample_azure_cost",
        "azure_cost",
        "generated_nise/azure/container/exports/actualcost",
    ),
    (
        "sample_gcp_files",
        "gcp_billing_files",
        "generated_nise/gcp/bucket",
    ),
    ("sample_gcp_koku", "gcp_billing_files", "gcp_billing"),
];

/// Tenant, currency, net cost and rows: of the fixtures as they are written, of the samples as `SOURCES.md` lists them.
const WANTED_COSTS: [(&str, &str, &str, &str); 14] = [
    ("aws_cost_explorer", "USD", "36.4463000007", "10"),
    ("aws_cur", "USD", "5.408", "3"),
    ("aws_cur2", "USD", "166.349995", "9"),
    ("azure_cost", "EUR", "77.875011139000000000000001", "11"),
    ("azure_cost", "USD", "8.967", "7"),
    // Two subscriptions, three pages of four rows of 0.1000000001.
    ("azure_cost_query", "EUR", "2.4000000024", "24"),
    ("focus", "USD", "20.798", "3"),
    ("gcp_billing", "USD", "1.224151", "15"),
    ("gcp_billing_files", "USD", "1.224151", "15"),
    ("sample_aws_cur", "USD", "2304.59677416", "3072"),
    // The second run of September, and October: 20.3023998955979311324 + 2.651080059204593625.
    ("sample_azure_cost", "USD", "22.9534799548025247574", "165"),
    ("sample_focus", "USD", "20.52022672899", "1000"),
    // Net of nested credits, which the list leaves out: see SAMPLE_GROSS.
    ("sample_gcp_files", "EUR", "1168.53333408", "840"),
    ("sample_gcp_koku", "USD", "0", "25"),
];
/// Google's cost before credits, as `SOURCES.md` lists it.
const SAMPLE_GROSS: [[&str; 2]; 2] = [
    ["sample_gcp_files", "1185.33333408"],
    ["sample_gcp_koku", "0.000032"],
];
const GROSS: &str = "select tenant, sum(double_money(cost)) from raw.gcp_billing_files \
    where starts_with(tenant, 'sample_') group by 1 order by 1";

#[test]
fn every_kind_lands_in_one_run_and_a_second_one_asks_for_nothing() {
    let clouds = Clouds::start();
    let project = clouds.project();
    let report = project.report();
    let rows = |query: &str| -> Vec<Vec<String>> {
        let plain_row = |row: Vec<String>| row.iter().map(|cell| plain(cell)).collect();
        project.rows(query).into_iter().map(plain_row).collect()
    };
    let has_samples = samples().is_some();
    let wanted: Vec<Vec<String>> = WANTED_COSTS
        .iter()
        .filter(|row| has_samples || !row.0.starts_with("sample_"))
        .map(|(tenant, currency, cost, count)| {
            [tenant, currency, cost, count]
                .map(|cell| cell.to_string())
                .to_vec()
        })
        .collect();
    assert_eq!(rows(COSTS), wanted, "{}", report["sources"]);
    if has_samples {
        assert_eq!(rows(GROSS), SAMPLE_GROSS);
    }
    // Azure: two subscriptions, six resources, two months, a gram each.
    assert_eq!(
        rows(EMISSIONS),
        [
            ["aws_carbon", "102000"],
            ["azure_carbon", "24"],
            ["gcp_carbon", "3"]
        ]
    );
    assert_eq!(rows("select count(*) from normalize.activity"), [["4"]]);
    assert_eq!(rows("select count(*) from normalize.instrument"), [["1"]]);

    let before = clouds.calls();
    let again = project.report();
    let no_slice = |source: &Value, key: &str| source[key] == 0;
    for source in again["sources"].as_array().unwrap() {
        assert!(
            no_slice(source, "slices_new") && no_slice(source, "slices_replaced"),
            "{source}"
        );
        assert!(!no_slice(source, "slices_current"), "{source}");
    }
    assert_eq!(clouds.calls(), before, "a second run asks for nothing");
    assert!(project.plan().is_empty());

    let doctor = project.call(&["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
    assert!(!doctor.stdout.contains("failed"), "{}", doctor.stdout);
}

//! A project whose runs begin again and again from one state, to look at what becomes of them.

use std::process::Command;

use offgridflow::run::observer::Silent;
use offgridflow::warehouse::Location;

use super::Project;
use super::bills::{Line, cur2_csv, deliver_cur2};
use super::contents::{Contents, contents};
use super::in_process::InProcess;
use super::project::source;
use super::s3::{ACCESS_KEY, S3, SECRET_KEY};
use crate::tags::{numbers, parquet, texts, times};

/// Two sources: an AWS export, and a FOCUS period of a CSV file, with a row that breaks the contract, and a Parquet file.
fn two_sources() -> Project {
    let project = Project::new(&configuration(""));
    deliver_bill(&project, "2026-09", "first", 5);
    project.write(
        "mixed/billing_period=2026-09/a.csv",
        focus_csv(&["1", "1,5", "2"]),
    );
    let bill = parquet(vec![
        ("BilledCost", numbers([4.0, 8.0])),
        ("BillingAccountId", texts("billing-1", 2)),
        ("BillingCurrency", texts("USD", 2)),
        ("ChargeCategory", texts("Usage", 2)),
        ("ChargePeriodStart", times(2)),
        ("ProviderName", texts("Google", 2)),
    ]);
    project.write("mixed/billing_period=2026-09/b.parquet", bill);
    project
}

fn configuration(head: &str) -> String {
    let sources = source("cur", "aws_cur2", "cur") + &source("mixed", "focus", "mixed");
    format!("{head}[landing]\nmax_rejected = 1\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{sources}")
}

fn deliver_bill(project: &Project, period: &str, execution: &str, hours: u32) {
    let lines = [
        Line::instance(&format!("{period}-02"), hours),
        Line::instance(&format!("{period}-03"), 7),
    ];
    deliver_cur2(project, "cur", period, execution, &[cur2_csv(period, &lines)]);
}

fn focus_csv(costs: &[&str]) -> String {
    let lines = costs.iter().map(|cost| {
        format!(
            "\"{cost}\",billing-1,USD,2026-09-01T00:00:00Z,Usage,2026-09-02T00:00:00Z,Google,Compute Engine\n"
        )
    });
    let header = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,\
                  ProviderName,ServiceName\n";
    header.to_string() + &lines.collect::<String>()
}

/// Models of the project's own on top of what landed: a rollup and two published tables, planned in a moment. The built-in
/// ones are written in the same way, and there are many more of them.
const MODELS: [(&str, &str); 3] = [
    (
        "rollup/bill",
        "/* model\ngrain = \"one row per slice\"\nkind = \"incremental\"\n\
         partition = [\"tenant\", \"source\", \"export\", \"period\"]\n\
         audits = [\"unique(tenant, source, export, period)\", \"not_null(cost)\"]\n*/\n\
         SELECT tenant, source, export, period, count(*) AS line_count, sum(cost) AS cost FROM (\n\
         SELECT tenant, source, export, period, money(line_item_unblended_cost) AS cost FROM raw.aws_cur2\n\
         UNION ALL SELECT tenant, source, export, period, money(\"BilledCost\") FROM raw.focus\n\
         UNION ALL SELECT tenant, source, export, period, money(\"BilledCost\") FROM raw.focus_parquet\n\
         ) AS lines GROUP BY tenant, source, export, period",
    ),
    (
        "publish/bill",
        "/* model\ngrain = \"one row per tenant, source and period\"\nkind = \"incremental\"\n\
         partition = [\"tenant\", \"period\"]\n*/\n\
         SELECT tenant, source, period, sum(line_count) AS line_count, sum(cost) AS cost\n\
         FROM rollup.bill GROUP BY tenant, source, period",
    ),
    (
        "publish/bill_total",
        "/* model\ngrain = \"one row per tenant\"\nkind = \"full\"\n*/\n\
         SELECT tenant, sum(line_count) AS line_count, sum(cost) AS cost FROM publish.bill GROUP BY tenant",
    ),
];
pub const OWN_MODELS: &[&str] = &["raw.*", "rollup.bill", "publish.bill", "publish.bill_total"];
pub const ALL_MODELS: &[&str] = &[];

/// A project whose runs begin again and again from one state; its tables lie in its folder or on a server.
pub struct Bench {
    pub project: Project,
    server: Option<S3>,
    select: &'static [&'static str],
    begun: u32,
}

impl Bench {
    /// With the state that is there before the first run.
    pub fn new(server: Option<S3>, select: &'static [&'static str]) -> Bench {
        let project = two_sources();
        for (name, text) in MODELS {
            project.write(&format!("sql/{name}.sql"), text);
        }
        project.write("access-key", ACCESS_KEY);
        project.write("secret-key", SECRET_KEY);
        std::fs::create_dir_all(project.path("data")).unwrap();
        let mut bench = Bench {
            project,
            server,
            select,
            begun: 0,
        };
        bench.keep();
        bench.begin_again();
        bench
    }

    /// The state to begin from is from now on the one that is there.
    pub fn keep(&mut self) {
        self.copy("data", "kept");
        self.copy_tables(&format!("{}", self.begun), "kept");
    }

    /// Puts the kept state back.
    pub fn begin_again(&mut self) {
        self.copy("kept", "data");
        self.begun += 1;
        let Some(server) = &self.server else { return };
        let profile = server
            .profile("server")
            .replace("env:TEST_S3_ACCESS_KEY", "file:access-key")
            .replace("env:TEST_S3_SECRET_KEY", "file:secret-key");
        self.project.configure(&configuration(&format!(
            "[warehouse]\nurl = \"s3://lake/{}\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./data/offgridflow.db\"\n{profile}",
            self.begun
        )));
        self.copy_tables("kept", &format!("{}", self.begun));
    }

    /// Copies a folder of the project in the place of another.
    pub fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.project.path(from), self.project.path(to));
        let _ = std::fs::remove_dir_all(&to);
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    }

    fn copy_tables(&self, from: &str, to: &str) {
        let Some(server) = &self.server else { return };
        let values = [
            ("endpoint", format!("http://127.0.0.1:{}", server.port)),
            ("allow_http", "true".into()),
            ("region", "us-east-1".into()),
            ("access_key_id", ACCESS_KEY.into()),
            ("secret_access_key", SECRET_KEY.into()),
        ];
        let values = values.map(|(key, value)| (key.to_string(), value)).into();
        let lake = Location::open_with("s3://lake", std::path::Path::new("/"), "server", &values).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            for path in lake.child(from).paths().await.unwrap() {
                lake.copy(&format!("{from}/{path}"), &format!("{to}/{path}"))
                    .await
                    .unwrap();
            }
        });
    }

    /// The second delivery: a restated period, another rejected row and a new period.
    pub fn deliver_again(&self) {
        deliver_bill(&self.project, "2026-09", "second", 6);
        deliver_bill(&self.project, "2026-10", "first", 3);
        self.project.write(
            "mixed/billing_period=2026-09/a.csv",
            focus_csv(&["2,5", "1", "16"]),
        );
    }

    /// The arguments of a run of its models.
    pub fn arguments(&self) -> Vec<&'static str> {
        let select = self.select.iter().flat_map(|table| ["--select", table]);
        ["run"].into_iter().chain(select).collect()
    }

    /// A run that must succeed and leave nothing to do, in the test's own process.
    pub fn run(&self) -> Ran {
        self.run_of(InProcess::configured(&self.project))
    }

    /// The same by a process that was opened before.
    pub fn run_of(&self, mut process: InProcess) -> Ran {
        let report = process.run(self.select, &Silent);
        assert_eq!(report.exit_code(), 0, "{:?}", report.failures);
        assert_eq!(process.steps(self.select), 0, "nothing is left to do");
        let contents = contents(&process);
        process.close();
        let warnings = report.warnings;
        Ran { warnings, contents }
    }
}

/// What a run said, and what was there after it.
pub struct Ran {
    pub warnings: Vec<String>,
    pub contents: Contents,
}

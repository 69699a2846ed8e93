//! What each stage costs: landing (CSV, Parquet), the rollup, the estimate, tags and usage types, in rows per second.
//!
//! Sizes are 10^4 and 10^5 rows; OFFGRIDFLOW_BENCH_LARGE=1 adds 10^6 and 10^7. The data is made outside the timed part.
#![allow(clippy::unwrap_used)] // A bench that cannot be set up has nothing to measure.
#![allow(missing_docs)] // criterion_group! makes undocumented items.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;
use offgridflow::config::{Config, Flags};
use offgridflow::run::observer::Silent;
use offgridflow::run::{Request, Workspace, run};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const USAGE_TYPES: [(&str, &str, &str, &str); 4] = [
    ("AmazonEC2", "BoxUsage:m5.xlarge", "Hrs", "m5.xlarge"),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "GB-Mo", ""),
    ("AmazonS3", "TimedStorage-ByteHrs", "GB-Mo", ""),
    ("AWSDataTransfer", "DataTransfer-Out-Bytes", "GB", ""),
];
const TEAMS: [&str; 3] = ["web", "data", "search"];

fn sizes() -> Vec<u64> {
    match std::env::var_os("OFFGRIDFLOW_BENCH_LARGE") {
        Some(_) => vec![10_000, 100_000, 1_000_000, 10_000_000],
        None => vec![10_000, 100_000],
    }
}

/// A month of CUR 2.0 lines as CSV.
fn write_csv(folder: &Path, rows: u64) {
    let mut text = String::from(
        "bill_payer_account_id,line_item_usage_account_id,line_item_line_item_type,line_item_usage_start_date,\
         line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_operation,line_item_usage_amount,\
         line_item_currency_code,line_item_unblended_cost,product_region_code,product_instance_type,pricing_unit,resource_tags\n",
    );
    for row in 0..rows {
        let (product, usage_type, unit, instance) = USAGE_TYPES[row as usize % USAGE_TYPES.len()];
        let (day, team) = (row % 28 + 1, TEAMS[row as usize % TEAMS.len()]);
        writeln!(
            text,
            "999999999999,{:012},Usage,2025-01-{day:02}T00:00:00.000Z,2025-01-{day:02}T01:00:00.000Z,{product},{usage_type},\
             Run,1.{row},USD,0.{row},us-east-1,{instance},{unit},\"{{\"\"user_team\"\":\"\"{team}\"\"}}\"",
            row % 7,
        )
        .unwrap();
    }
    std::fs::write(folder.join("bill.csv"), text).unwrap();
}

/// The same as Parquet, with the types AWS delivers.
fn write_parquet(folder: &Path, rows: u64) {
    let text = |value: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new((0..rows).map(|r| Some(value(r))).collect::<StringArray>())
    };
    let kind = |index: u64| USAGE_TYPES[index as usize % USAGE_TYPES.len()];
    let number = |value: &dyn Fn(u64) -> f64| -> ArrayRef {
        Arc::new((0..rows).map(|r| Some(value(r))).collect::<Float64Array>())
    };
    let start = |row: u64| Some(1_735_689_600_000_000 + (row % 28) as i64 * 86_400_000_000);
    let time: ArrayRef = Arc::new((0..rows).map(start).collect::<TimestampMicrosecondArray>());
    let columns = vec![
        ("bill_payer_account_id", text(&|_| "999999999999".into())),
        ("line_item_usage_account_id", text(&|r| format!("{:012}", r % 7))),
        ("line_item_line_item_type", text(&|_| "Usage".into())),
        ("line_item_usage_start_date", time.clone()),
        ("line_item_usage_end_date", time),
        ("line_item_product_code", text(&|r| kind(r).0.into())),
        ("line_item_usage_type", text(&|r| kind(r).1.into())),
        ("line_item_operation", text(&|_| "Run".into())),
        (
            "line_item_usage_amount",
            number(&|r| 1.0 + (r % 1000) as f64 / 1000.0),
        ),
        ("line_item_currency_code", text(&|_| "USD".into())),
        (
            "line_item_unblended_cost",
            number(&|r| (r % 10_000) as f64 / 10_000.0),
        ),
        ("product_region_code", text(&|_| "us-east-1".into())),
        ("product_instance_type", text(&|r| kind(r).3.into())),
        ("pricing_unit", text(&|r| kind(r).2.into())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(folder.join("bill.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A project with one bill.
struct Bench {
    folder: TempDir,
    runtime: Runtime,
}

impl Bench {
    fn new(rows: u64, write: fn(&Path, u64)) -> Bench {
        let folder = TempDir::new().unwrap();
        let bills = folder.path().join("bills");
        std::fs::create_dir(&bills).unwrap();
        write(&bills, rows);
        let config = "[warehouse]\nurl = \"file://./data\"\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n\
            allocation_tags = [\"team\"]\n[[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\nurl = \"file://./bills\"\n";
        std::fs::write(folder.path().join("offgridflow.toml"), config).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        Bench { folder, runtime }
    }

    fn open(&self) -> Workspace {
        let flags = Flags {
            config: Some(self.folder.path().to_path_buf()),
            ..Flags::default()
        };
        self.runtime
            .block_on(Workspace::open(Config::load(&flags).unwrap()))
            .unwrap()
    }

    /// Lands or builds these tables again, whatever is current.
    fn run(&self, select: &str) {
        let mut workspace = self.open();
        let request = Request {
            pipeline: "daily".into(),
            select: vec![select.into()],
            full_refresh: true,
            ..Request::default()
        };
        let report = self
            .runtime
            .block_on(run(&mut workspace, "run", &request, &Silent))
            .unwrap();
        assert_eq!(report.exit_code(), 0, "{:?}", report.errors);
    }

    /// Runs a query to its end.
    fn query(&self, workspace: &Workspace, table: &str, query: &str) {
        let context = workspace.engine.session();
        self.runtime.block_on(async {
            workspace
                .tables
                .register(&context, &[table.to_string()], None)
                .await
                .unwrap();
            context.sql(query).await.unwrap().collect().await.unwrap();
        });
    }
}

fn measure(
    criterion: &mut Criterion,
    name: &str,
    write: fn(&Path, u64),
    prepare: &[&str],
    work: impl Fn(&Bench),
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for rows in sizes() {
        let bench = Bench::new(rows, write);
        for select in prepare {
            bench.run(select);
        }
        group.throughput(Throughput::Elements(rows));
        group.bench_function(BenchmarkId::from_parameter(rows), |timed| {
            timed.iter(|| work(&bench))
        });
    }
    group.finish();
}

fn landing(criterion: &mut Criterion) {
    measure(criterion, "land_csv", write_csv, &[], |bench| bench.run("raw.*"));
    measure(criterion, "land_parquet", write_parquet, &[], |bench| {
        bench.run("raw.*")
    });
}

fn rollup(criterion: &mut Criterion) {
    measure(criterion, "rollup", write_csv, &["raw.*"], |bench| {
        bench.run("rollup.usage_daily")
    });
}

fn estimate(criterion: &mut Criterion) {
    let before = ["raw.*", "rollup.usage_daily"];
    measure(criterion, "estimate", write_csv, &before, |bench| {
        bench.run("estimate.cloud_emissions")
    });
}

fn parsing(criterion: &mut Criterion) {
    measure(criterion, "tags", write_csv, &["raw.*"], |bench| {
        bench.query(
            &bench.open(),
            "normalize.usage",
            "select count(tags['team']) from normalize.usage",
        );
    });
    let before = ["raw.*", "rollup.usage_daily"];
    measure(criterion, "usage_types", write_csv, &before, |bench| {
        bench.query(
            &bench.open(),
            "estimate.usage_class",
            "select * from estimate.usage_class",
        );
    });
}

criterion_group!(stages, landing, rollup, estimate, parsing);
criterion_main!(stages);

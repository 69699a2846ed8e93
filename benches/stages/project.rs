//! A project with one bill, and how its stages are timed.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use offgridflow::config::{Config, Flags};
use offgridflow::run::observer::Silent;
use offgridflow::run::{Request, Workspace, run};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bills::Write;

/// Rows of the bills.
pub fn sizes() -> Vec<u64> {
    match std::env::var_os("OFFGRIDFLOW_BENCH_LARGE") {
        Some(_) => vec![10_000, 100_000, 1_000_000, 10_000_000],
        None => vec![10_000, 100_000],
    }
}

/// A group whose runs are long and few.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
}

/// A project with one bill.
pub struct Project {
    folder: TempDir,
    pub runtime: Runtime,
}

impl Project {
    pub fn new(rows: u64, write: Write) -> Project {
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
        Project { folder, runtime }
    }

    pub fn open(&self) -> Workspace {
        let flags = Flags {
            config: Some(self.folder.path().to_path_buf()),
            ..Flags::default()
        };
        self.runtime
            .block_on(Workspace::open(Config::load(&flags).unwrap()))
            .unwrap()
    }

    /// Lands or builds these tables again, whatever is current.
    pub fn run(&self, workspace: &mut Workspace, select: &str) {
        let request = Request {
            pipeline: "daily".into(),
            select: vec![select.into()],
            full_refresh: true,
            ..Request::default()
        };
        let report = self
            .runtime
            .block_on(run(workspace, "run", &request, &Silent))
            .unwrap();
        assert_eq!(report.exit_code(), 0, "{:?}", report.failures);
    }

    /// Bytes of the delivered files.
    pub fn delivered_bytes(&self) -> u64 {
        let bills = std::fs::read_dir(self.folder.path().join("bills")).unwrap();
        bills.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// Bytes of the tables whose name begins like this.
    pub fn table_bytes(&self, prefix: &str) -> u64 {
        let workspace = self.open();
        let tables = workspace.tables.snapshots.values();
        tables
            .filter(|table| table.name.starts_with(prefix))
            .flat_map(|table| table.files())
            .map(|file| file.size)
            .sum()
    }
}

/// Times building `select` from what `prepare` built; `input` gives the bytes it reads.
pub fn stage(
    criterion: &mut Criterion,
    name: &str,
    write: Write,
    prepare: &[&str],
    select: &str,
    input: fn(&Project) -> u64,
) {
    let mut group = group(criterion, name);
    for rows in sizes() {
        let project = Project::new(rows, write);
        for before in prepare {
            project.run(&mut project.open(), before);
        }
        group.throughput(Throughput::ElementsAndBytes {
            elements: rows,
            bytes: input(&project),
        });
        group.bench_function(BenchmarkId::from_parameter(rows), |timed| {
            timed.iter_batched_ref(
                || project.open(),
                |workspace| project.run(workspace, select),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

//! Pipelines on a cluster: a scheduler and two executors as processes over a warehouse on a real S3 server. Its results are
//! those of one process; what dies on the way is survived or named.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::bills::{Line, cur2_csv};
use crate::support::cluster::{Node, free_ports};
use crate::support::project::gzip;
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use crate::support::{Outcome, Project};

/// Everything that models wrote, and what a query over it gives.
const CONTENTS: [&str; 9] = [
    "select period, count(*), sum(money(line_item_unblended_cost)) from raw.aws_cur2 group by 1 order by 1",
    "select * from rollup.usage_daily",
    "select * from estimate.cloud_emissions",
    "select * from publish.emissions_by_service_region_day",
    "select * from publish.emissions_by_tag_month",
    "select * from publish.cost_and_carbon",
    "select * from publish.inventory",
    "select * from publish.coverage",
    "select * from publish.usage_meters",
];

/// A debug build on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a run that was started ended; one that does not come to its end fails the test.
fn outcome(mut run: Child) -> Outcome {
    let started = Instant::now();
    while run.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            run.kill().unwrap();
            panic!("the run does not come to its end");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = run.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The rows of every table, in an order of their own.
fn contents(project: &Project) -> Vec<Vec<Vec<String>>> {
    CONTENTS
        .map(|query| {
            let mut rows = project.rows(query);
            rows.sort();
            rows
        })
        .into()
}

/// A bill of many kinds of usage, parted into two files per period.
fn deliver(server: &S3, lines: usize) {
    for month in 1..=2 {
        let period = format!("2025-{month:02}");
        let all: Vec<Line> = (0..lines).map(|n| line(&period, n)).collect();
        for (part, lines) in all.chunks(lines.div_ceil(2)).enumerate() {
            let key = format!("lake/bills/data/BILLING_PERIOD={period}/cur2-{part:05}.csv.gz");
            server.put(&key, &gzip(cur2_csv(&period, lines).as_bytes()));
        }
    }
}

fn line(period: &str, n: usize) -> Line {
    let instance = Line::instance(&format!("{period}-{:02}", n % 28 + 1), (n % 24 + 1) as u32);
    let cost = format!("{}.{:08}", n % 7, n * 7919 % 100_000_000);
    match n % 4 {
        0 => Line {
            product: "AmazonS3",
            usage_type: "TimedStorage-ByteHrs".into(),
            operation: "StandardStorage",
            instance_type: "",
            unit: "GB-Mo",
            amount: format!("{}.5", n % 900),
            region: "eu-central-1",
            team: "data",
            cost,
            ..instance
        },
        1 => Line {
            product: "AmazonRDS",
            usage_type: "InstanceUsage:db.m5.large".into(),
            operation: "CreateDBInstance",
            instance_type: "db.m5.large",
            team: "",
            cost,
            ..instance
        },
        _ => Line { cost, ..instance },
    }
}

/// A project whose tables lie below `lake/<folder>`, and whose pipelines run on `engine`.
fn project(server: &S3, folder: &str, engine: &str) -> Project {
    Project::new(&format!(
        "[warehouse]\nurl = \"s3://lake/{folder}\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./offgridflow.db\"\n\
         [engine]\nurl = \"{engine}\"\nthreads = 2\n{}[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\nallocation_tags = [\"team\"]\n\
         [[tenant.source]]\nid = \"bills\"\nkind = \"aws_cur2\"\nurl = \"s3://lake/bills\"\nprofile = \"server\"\n",
        server.profile("server")
    ))
    .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
    .env("TEST_S3_SECRET_KEY", SECRET_KEY)
}

#[test]
fn a_cluster_gives_what_one_process_gives() {
    let server = S3::start(&["lake"]);
    deliver(&server, 600);
    let [port] = free_ports();
    let alone = project(&server, "alone", "local");
    let shared = project(&server, "shared", &format!("ballista://127.0.0.1:{port}"));
    let scheduler = Node::scheduler(&shared, port);
    let executors = [Node::executor(&shared, port, 1), Node::executor(&shared, port, 1)];

    alone.run().expect(0);
    shared.run().expect(0);
    let wanted = contents(&alone);
    assert!(wanted.iter().all(|rows| !rows.is_empty()), "{wanted:?}");
    assert_eq!(contents(&shared), wanted);
    assert!(shared.plan().is_empty(), "a second run has nothing to do");
    // Executors group by codes too, each the files that are its part.
    let plan =
        shared.rows("explain select service_name, sum(billed_cost) from rollup.usage_daily group by 1");
    assert!(format!("{plan:?}").contains("PartExec: parts=2"), "{plan:?}");
    // The tables hold the same for whoever reads them without a cluster.
    let tables = shared.env("OFFGRIDFLOW_ENGINE_URL", "local");
    assert_eq!(contents(&tables), wanted);
    for executor in executors {
        assert_eq!(executor.terminate(), 0);
    }
    assert_eq!(scheduler.terminate(), 0);
}

/// Starts a run and waits until it has committed the rollup: other models are to come.
fn in_the_middle(server: &S3, shared: &Project) -> Child {
    let run = shared.command(&["run"]).spawn().unwrap();
    let witness = project(server, "shared", "local");
    let started = Instant::now();
    while witness.value("select count(*) from rollup.usage_daily") == "0" {
        assert!(started.elapsed() < PATIENCE, "nothing is built");
    }
    run
}

#[test]
fn a_run_survives_an_executor_that_is_killed() {
    let server = S3::start(&["lake"]);
    deliver(&server, 600);
    let [port] = free_ports();
    let alone = project(&server, "alone", "local");
    let shared = project(&server, "shared", &format!("ballista://127.0.0.1:{port}"));
    let _scheduler = Node::scheduler(&shared, port);
    let mut killed = Node::executor(&shared, port, 1);
    // One slot: if the scheduler lost it, nothing would go on.
    let _left = Node::executor(&shared, port, 1);
    alone.run().expect(0);

    let mut run = in_the_middle(&server, &shared);
    killed.kill();
    assert!(run.try_wait().unwrap().is_none(), "the run was not over yet");
    outcome(run).expect(0);
    assert_eq!(contents(&shared), contents(&alone));
}

#[test]
fn a_dead_scheduler_is_named_and_the_next_run_is_clean() {
    let server = S3::start(&["lake"]);
    deliver(&server, 200);
    let [port] = free_ports();
    let alone = project(&server, "alone", "local");
    let shared = project(&server, "shared", &format!("ballista://127.0.0.1:{port}"));
    let named = format!("the scheduler of the cluster at 127.0.0.1:{port}");
    alone.run().expect(0);
    // Nothing listens yet: what was delivered is landed all the same.
    shared.run().expect(4).says(&named);

    let mut scheduler = Node::scheduler(&shared, port);
    let _executor = Node::executor(&shared, port, 2);
    let mut run = in_the_middle(&server, &shared);
    scheduler.kill();
    assert!(run.try_wait().unwrap().is_none(), "the run was not over yet");
    outcome(run).expect(4).says(&named);

    let _scheduler = Node::scheduler(&shared, port);
    shared.run().expect(0);
    assert_eq!(contents(&shared), contents(&alone));
}

//! Upkeep: small files merged, old ones deleted, checkpoints written, and nobody who reads or runs notices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use futures::StreamExt;
use offgridflow::ledger::RunLock;
use offgridflow::run::Workspace;
use offgridflow::warehouse::{Commit, DataFile, Replaced, Stager, Table};
use serde_json::Value;

use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::in_process::InProcess;
use crate::support::project::{listing, source};
use crate::support::{Outcome, Project};

const RAW: &str = "raw.aws_cur2";
const ROLLUP: &str = "rollup.usage_daily";
const CONTENTS: [&str; 5] = [
    "select period, _source_uri, _row_number, line_item_unblended_cost from raw.aws_cur2 order by 1, 2, 3",
    "select * from rollup.usage_daily order by period, charge_date",
    "select * from estimate.cloud_emissions order by period, charge_date, component",
    "select * from publish.emissions_by_service_region_day order by charge_date",
    "select * from publish.inventory order by month, scope, method, energy_kwh, co2e_kg",
];

/// Two periods, 60 lines each, landed and built.
fn landed_and_built(project: Project) -> Project {
    for period in ["2025-01", "2025-02"] {
        let lines: Vec<Line> = (0..60)
            .map(|n| Line::instance(&format!("{period}-{:02}", n % 28 + 1), n % 24 + 1))
            .collect();
        deliver_cur2(&project, "bills", period, "first", &[cur2_csv(period, &lines)]);
    }
    project.run().expect(0);
    project
}

fn configuration() -> String {
    format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bills", "aws_cur2", "bills")
    )
}

/// One with bills of its own, for those that deliver more.
fn delivering() -> Project {
    landed_and_built(Project::new(&configuration()))
}

/// One with tables of its own on bills that others read too.
fn project() -> Project {
    static BUILT: LazyLock<Project> =
        LazyLock::new(|| landed_and_built(Project::shared("upkeep", &configuration())));
    Project::copy_of(&BUILT)
}

fn contents(project: &Project) -> Vec<Vec<Vec<String>>> {
    CONTENTS.map(|query| project.rows(query)).into()
}

fn snapshot<'a>(workspace: &'a Workspace, name: &str) -> &'a Table {
    &workspace.tables.snapshots[name]
}

fn on_disk(table: &Table, file: &DataFile) -> PathBuf {
    PathBuf::from(format!("/{}/{}", table.location.prefix, file.path))
}

fn batches(table: &Table, file: &DataFile, rows: usize) -> Vec<RecordBatch> {
    let file = std::fs::File::open(on_disk(table, file)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let reader = reader.with_batch_size(rows).build().unwrap();
    reader.map(|batch| batch.unwrap()).collect()
}

/// Rewrites every partition of a table as files of a few rows each, as many writers side by side would leave them.
fn scatter(project: &Project, name: &str) {
    let InProcess { workspace, runtime } = InProcess::open(project);
    let table = snapshot(&workspace, name);
    let mut added = Vec::new();
    for file in table.files() {
        for (number, batch) in batches(table, file, 7).into_iter().enumerate() {
            let fields = table.schema().fields();
            let columns = fields.iter().map(|field| -> ArrayRef {
                match file.partition.get(field.name()) {
                    Some(value) => {
                        std::sync::Arc::new(StringArray::from(vec![value.clone(); batch.num_rows()]))
                    }
                    None => cast(batch.column_by_name(field.name()).unwrap(), field.data_type()).unwrap(),
                }
            });
            let columns = columns.collect();
            let mut stager = Stager::new(
                table.location.clone(),
                // Names in the order of the rows.
                &format!("scatter-{number:05}"),
                table.schema().clone(),
                table.partition_columns(),
            )
            .unwrap();
            let whole = RecordBatch::try_new(table.schema().clone(), columns).unwrap();
            runtime.block_on(stager.write(&whole)).unwrap();
            added.extend(runtime.block_on(stager.finish()).unwrap());
        }
    }
    let commit = Commit {
        table: name.into(),
        schema: table.schema().clone(),
        partition_columns: table.partition_columns().to_vec(),
        replaced: Replaced::Partitions(table.partitions().into_iter().collect()),
        added,
        transactions: Vec::new(),
        facts: None,
        run_id: "scatter".into(),
    };
    runtime.block_on(workspace.warehouse.commit(commit)).unwrap();
}

/// The raw table and the rollup in many small files, and what reads them built again.
fn scatter_both(project: Project) -> Project {
    scatter(&project, RAW);
    project.run().expect(0);
    scatter(&project, ROLLUP);
    project.run().expect(0);
    project
}

/// One with tables in many small files, its own, on bills that others read too.
fn scattered() -> Project {
    static SCATTERED: LazyLock<Project> =
        LazyLock::new(|| scatter_both(landed_and_built(Project::shared("scattered", &configuration()))));
    Project::copy_of(&SCATTERED)
}

fn files(project: &Project, name: &str) -> usize {
    let InProcess { workspace, .. } = InProcess::open(project);
    snapshot(&workspace, name).files().len()
}

fn listed(project: &Project, arguments: &[&str]) -> BTreeMap<String, BTreeMap<String, String>> {
    let outcome = project.call(&[arguments, &["--output", "json"]].concat());
    outcome.expect(0);
    let rows: Vec<BTreeMap<String, Value>> = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_string);
    let rows = rows.iter().map(|row| {
        let cells: BTreeMap<String, String> = row.iter().map(|(k, v)| (k.clone(), text(v))).collect();
        (cells["table"].clone(), cells)
    });
    rows.collect()
}

#[test]
fn small_files_are_merged_and_nothing_that_reads_them_is_stale() {
    let project = scatter_both(delivering());
    let wanted = contents(&project);
    let last_run = project.value("select run_id from system.runs order by started_at desc limit 1");
    let before = (files(&project, RAW), files(&project, ROLLUP));
    assert!(before.0 >= 18 && before.1 >= 4, "{before:?}");
    let planned = listed(&project, &["maintain"]);
    assert_eq!(planned[RAW]["could merge"], before.0.to_string());
    assert_eq!(
        (files(&project, RAW), files(&project, ROLLUP)),
        before,
        "a look changes nothing"
    );

    let done = listed(&project, &["maintain", "--compact"]);
    assert_eq!(done[RAW]["merged"], before.0.to_string());
    assert_eq!((files(&project, RAW), files(&project, ROLLUP)), (2, 2));
    assert_eq!(contents(&project), wanted);
    assert!(project.plan().is_empty(), "{:?}", project.plan());

    // Rows lie in the order in which they lay before.
    let InProcess { workspace, .. } = InProcess::open(&project);
    let raw = snapshot(&workspace, RAW);
    for file in raw.files() {
        let rows = batches(raw, file, 1000);
        let numbers = rows[0]
            .column_by_name("_row_number")
            .unwrap()
            .as_primitive::<Int64Type>();
        assert_eq!(rows.len(), 1);
        assert!(
            numbers.values().windows(2).all(|pair| pair[0] < pair[1]),
            "{numbers:?}"
        );
    }

    // The next run has nothing to build, and nothing to publish as plain Parquet either.
    let published = listing(&project.path("data/published"));
    let report = project.report();
    for model in report["models"].as_array().unwrap() {
        assert_eq!(model["partitions_built"], 0, "{model}");
    }
    assert_eq!(listing(&project.path("data/published")), published);
    let again = listed(&project, &["maintain", "--compact"]);
    assert!(again.values().all(|table| table["merged"] == "0"), "{again:?}");

    // The versions before stay readable until a vacuum that is told to keep none of them.
    let as_of = |code: i32| {
        project
            .call(&["sql", "--as-of", &last_run, CONTENTS[1]])
            .expect(code)
            .stdout
            .clone()
    };
    let travelled = as_of(0);
    project.call(&["maintain", "--vacuum"]).expect(0);
    assert_eq!(as_of(0), travelled);
    project
        .call(&["maintain", "--vacuum", "--keep-days", "0"])
        .expect(0);
    as_of(4);
    assert_eq!(contents(&project), wanted);
    assert!(project.plan().is_empty());

    // A restated month still replaces what was merged, and rebuilds what reads it.
    let lines = [Line::instance("2025-02-03", 5)];
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "second",
        &[cur2_csv("2025-02", &lines)],
    );
    project.run().expect(0);
    assert_eq!(project.value("select count(*) from raw.aws_cur2"), "61");
    assert_eq!(
        project.value("select sum(line_count) from publish.emissions_by_service_region_month"),
        "61"
    );
}

#[test]
fn a_reader_in_the_middle_of_a_scan_reads_on() {
    let project = project();
    scatter(&project, RAW);
    let InProcess { workspace, runtime } = InProcess::open(&project);
    let context = workspace.engine.session();
    let mut stream = runtime.block_on(async {
        workspace
            .tables
            .register(&context, &[RAW.to_string()], None)
            .await
            .unwrap();
        context.table(RAW).await.unwrap().execute_stream().await.unwrap()
    });
    let mut rows = runtime.block_on(stream.next()).unwrap().unwrap().num_rows();
    assert!(rows < 120, "some of it is not read yet");
    project.call(&["maintain", "--compact", "--vacuum"]).expect(0);
    assert_eq!(files(&project, RAW), 2);
    while let Some(batch) = runtime.block_on(stream.next()) {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 120);
}

#[test]
fn a_killed_compaction_and_another_one_leave_the_same_tables() {
    let project = scattered();
    let wanted = contents(&project);
    for _ in 0..6 {
        let mut upkeep = project.command(&["maintain", "--compact"]).spawn().unwrap();
        // Some are killed before they begin, some in the middle; where differs from one test run to the next.
        let jitter = u64::from(
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .subsec_micros()
                % 250,
        );
        std::thread::sleep(Duration::from_millis(50 + jitter));
        upkeep.kill().unwrap();
        upkeep.wait().unwrap();
    }
    project.call(&["maintain", "--compact"]).expect(0);
    assert_eq!((files(&project, RAW), files(&project, ROLLUP)), (2, 2));
    assert_eq!(contents(&project), wanted);
    assert!(project.plan().is_empty());
}

#[test]
fn upkeep_and_runs_do_not_meet_and_say_whom_they_met() {
    let project = project();
    scatter(&project, RAW);
    let lock = RunLock::acquire(&project.path("data"), "01RUNATWORK").unwrap();
    for arguments in [
        &["maintain", "--compact"][..],
        &["maintain", "--vacuum"],
        &["run", "maintenance"],
    ] {
        project.call(arguments).expect(4).says("01RUNATWORK");
    }
    project.call(&["maintain"]).expect(0);
    project
        .call(&["maintain", "--compact", "--vacuum", "--dry-run"])
        .expect(0);
    drop(lock);
    let lock = RunLock::acquire(&project.path("data"), "maintain").unwrap();
    project.run().expect(4).says("run maintain");
    drop(lock);
    assert_ne!(
        files(&project, RAW),
        2,
        "nothing was merged by those that were turned away"
    );
}

#[test]
fn a_writer_on_another_machine_wins_over_a_compaction_and_nothing_is_doubled() {
    let project = delivering();
    scatter(&project, RAW);
    // Two that looked before either wrote; each has its own warehouse, as on two machines.
    let first = InProcess::open(&project);
    let second = InProcess::open(&project);
    let merge = |process: &InProcess, run_id: &str| {
        let table = snapshot(&process.workspace, RAW);
        let merges: Vec<_> = table.merges().into_values().flatten().collect();
        let merged = process.workspace.warehouse.merge(table, &merges, run_id);
        process.runtime.block_on(merged).map(|table| table.files().len())
    };
    assert_eq!(merge(&first, "first").unwrap(), 2);
    let refused = merge(&second, "second").unwrap_err();
    assert!(refused.to_string().contains("another writer"), "{refused}");
    assert_eq!(project.value("select count(*) from raw.aws_cur2"), "120");
    let left = listing(&project.path("data/raw/aws_cur2/acme"));
    let left = left
        .iter()
        .filter(|(path, ..)| path.display().to_string().contains("second"));
    assert_eq!(left.count(), 0, "what it staged is gone");

    scatter(&project, RAW);
    let upkeep = InProcess::open(&project);
    deliver_cur2(
        &project,
        "bills",
        "2025-02",
        "second",
        &[cur2_csv("2025-02", &[Line::instance("2025-02-03", 5)])],
    );
    project.run().expect(0);
    merge(&upkeep, "third").unwrap_err();
    assert_eq!(project.value("select count(*) from raw.aws_cur2"), "61");
}

#[test]
fn a_checkpoint_keeps_delivery_ids_and_fingerprints() {
    let project = project();
    // Enough commits for a checkpoint of the raw table.
    for _ in 0..20 {
        scatter(&project, RAW);
    }
    project.run().expect(0);
    project.call(&["maintain", "--compact"]).expect(0);
    let log = project.path("data/raw/aws_cur2/_delta_log");
    let pointer: Value =
        serde_json::from_slice(&std::fs::read(log.join("_last_checkpoint")).unwrap()).unwrap();
    let version = pointer["version"].as_u64().unwrap();
    assert!(version >= 20, "{pointer}");
    let wanted = contents(&project);
    assert!(
        !project
            .path("data/publish/inventory/_delta_log/_last_checkpoint")
            .exists(),
        "its log is short"
    );

    let lose_ledger = || {
        for name in ["offgridflow.db", "offgridflow.db-wal", "offgridflow.db-shm"] {
            let _ = std::fs::remove_file(project.path(&format!("data/{name}")));
        }
    };
    // The ledger is not needed to know what is there.
    lose_ledger();
    assert!(project.plan().is_empty(), "{:?}", project.plan());
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_current"], 2, "{report}");
    assert!(
        report["models"]
            .as_array()
            .unwrap()
            .iter()
            .all(|m| m["partitions_built"] == 0),
        "{report}"
    );
    // Nor are the commits before: only without both nobody knows which bills there are, and what is delivered lands again.
    for commit in 0..version {
        std::fs::remove_file(log.join(format!("{commit:020}.json"))).unwrap();
    }
    assert!(project.plan().is_empty(), "{:?}", project.plan());
    lose_ledger();
    assert_eq!(project.report()["sources"][0]["slices_replaced"], 2);
    assert_eq!(contents(&project), wanted);
}

#[test]
fn a_vacuum_deletes_what_a_killed_writer_left_once_it_is_old() {
    let project = project();
    let folder = project.path("data/raw/aws_cur2/acme/bills");
    let (old, young) = (
        folder.join("01OLD-00000.parquet"),
        folder.join("01YOUNG-00000.parquet"),
    );
    for file in [&old, &young] {
        std::fs::write(file, "half a file").unwrap();
    }
    let eight_days_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    std::fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(eight_days_ago)
        .unwrap();
    let wanted = contents(&project);
    assert_eq!(listed(&project, &["maintain"])[RAW]["can be deleted"], "1");
    assert_eq!(listed(&project, &["maintain", "--vacuum"])[RAW]["deleted"], "1");
    assert!(!old.exists() && young.exists());
    assert_eq!(contents(&project), wanted);
}

#[test]
fn the_maintenance_pipeline_does_what_its_plan_says() {
    let project = scattered();
    let outcome = project.call(&["plan", "maintenance", "--output", "json"]);
    outcome.expect(0);
    let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let steps: Vec<(&str, &str, &str)> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["stage"].as_str().unwrap(),
                s["table"].as_str().unwrap(),
                s["action"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(steps, [("maintain", RAW, "merge"), ("maintain", ROLLUP, "merge")]);

    let outcome = project.call(&["run", "maintenance", "--select", "raw.*", "--output", "json"]);
    outcome.expect(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let tables = report["maintenance"].as_array().unwrap();
    assert_eq!((tables.len(), &tables[0]["table"]), (1, &Value::from(RAW)));
    assert!(
        report["sources"].as_array().unwrap().is_empty() && report["models"].as_array().unwrap().is_empty()
    );
    assert_eq!((files(&project, RAW), files(&project, ROLLUP) > 2), (2, true));

    let outcome = project.call(&["run", "maintenance"]);
    outcome.expect(0);
    assert!(
        outcome.stdout.contains("Maintained") && !outcome.stdout.contains("Rebuilt"),
        "{}",
        outcome.stdout
    );
    assert_eq!(files(&project, ROLLUP), 2);
    let runs = project.rows("select pipeline, status from system.runs order by started_at desc limit 1");
    assert_eq!(runs, [["maintenance", "done"]]);
    let nothing = project.call(&["plan", "maintenance"]);
    nothing.expect(0);
    assert!(nothing.stdout.contains("Nothing to do"), "{}", nothing.stdout);
}

#[test]
fn a_projects_pipeline_takes_the_place_of_the_built_in_one() {
    let project = Project::with_source("aws_cur2");
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &[Line::instance("2025-01-03", 5)])],
    );
    project.write("pipelines/daily.toml", "select = [\"raw.*\"]\n");
    let report = project.report();
    assert!(report["models"].as_array().unwrap().is_empty(), "{report}");
    project.write("pipelines/rollups.toml", "select = [\"rollup.*\"]\n");
    project.call(&["run", "rollups"]).expect(0);
    assert_eq!(project.value("select count(*) from rollup.usage_daily"), "1");

    project.write(
        "pipelines/daily.toml",
        "select = [\"raw.*\"]\nmaintian = { vacuum = true }\n",
    );
    let outcome = project.run();
    outcome
        .expect(2)
        .says("pipelines/daily.toml line 2")
        .says("did you mean `maintain`?");
    let unknown = project.call(&["run", "maintenence"]);
    unknown
        .expect(2)
        .says("there is no pipeline `maintenence`")
        .says("did you mean `maintenance`?");
}

#[test]
fn the_log_bounds_keys_and_dates_and_queries_pass_over_files_by_them() {
    let project = project();
    let InProcess { workspace, runtime } = InProcess::open(&project);
    let name = "publish.emissions_by_service_region_day";
    let table = snapshot(&workspace, name);
    for file in table.files() {
        let stats: Value = serde_json::from_str(file.stats.as_deref().unwrap()).unwrap();
        let columns = |which: &str| {
            stats[which]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            columns("minValues"),
            ["charge_date", "provider_name", "region_id", "service_name"]
        );
        assert_eq!(columns("minValues"), columns("maxValues"));
        assert_eq!(stats["minValues"]["service_name"], "Amazon Elastic Compute Cloud");
        assert_eq!(stats["nullCount"]["region_id"], 0);
    }
    let scanned = |filter: &str| {
        let context = workspace.engine.session();
        let query = format!("select * from {name} where {filter}");
        let plan = runtime.block_on(async {
            workspace
                .tables
                .register(&context, &[name.to_string()], None)
                .await
                .unwrap();
            context
                .sql(&query)
                .await
                .unwrap()
                .create_physical_plan()
                .await
                .unwrap()
        });
        let plan = datafusion::physical_plan::displayable(plan.as_ref())
            .indent(false)
            .to_string();
        plan.matches(".parquet").count()
    };
    let service = "service_name = 'Amazon Elastic Compute Cloud'";
    assert_eq!(scanned(service), 2);
    assert_eq!(scanned("service_name = 'Compute Engine'"), 0);
    assert_eq!(scanned("charge_date >= date '2025-02-01'"), 1);
    assert_eq!(
        scanned(&format!("{service} and charge_date = date '2025-01-31'")),
        0
    );
    assert_eq!(scanned("region_id is null"), 0);
    assert_eq!(
        scanned("it_kwh > 1000000"),
        2,
        "decimals have no bounds in the log"
    );
}

/// The command, held to the modes of files even where root starts it.
#[cfg(target_os = "linux")]
fn held_to_modes(command: &Command, unwritable: &Path) -> Command {
    let probe = unwritable.join("probe");
    let mut held = match std::fs::write(&probe, "") {
        Ok(()) => {
            std::fs::remove_file(probe).unwrap();
            let mut held = Command::new("setpriv");
            held.arg("--bounding-set=-dac_override")
                .arg(command.get_program());
            held
        }
        Err(_) => Command::new(command.get_program()),
    };
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    held.args(command.get_args());
    held
}

#[cfg(target_os = "linux")]
#[test]
fn the_state_of_the_tables_and_of_the_ledger_is_shown_where_nothing_can_be_written() {
    use std::os::unix::fs::PermissionsExt;

    let project = project();
    let data = project.path("data");
    let set = |mode: &str| {
        let changed = Command::new("chmod").args(["-R", mode]).arg(&data).status();
        assert!(changed.unwrap().success());
    };
    set("a-w");
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o222, 0);
    let before = listing(&data);
    let call = |arguments: &[&str]| Outcome::of(held_to_modes(&project.command(arguments), &data));
    let outcomes = [
        ["maintain"].as_slice(),
        &["maintain", "--compact", "--dry-run"],
        &["maintain", "--forget", "acme/bills/none", "--dry-run"],
        &["db", "status"],
        &["maintain", "--vacuum"],
    ]
    .map(call);
    let after = listing(&data);
    set("u+w");
    let [shown, dry, forget, status, vacuum] = outcomes;
    for listed in [&shown, &dry] {
        listed.expect(0);
        assert!(listed.stdout.contains(ROLLUP), "{listed:?}");
    }
    forget.expect(2).says("names no export that was landed");
    status.expect(0);
    vacuum.expect(4).says("write access");
    assert_eq!(after, before);
}

//! Everything that parses what others write, fed with damaged forms of what it reads: an answer or a named error, no panic.
//!
//! Each parser has some thousand rounds here, the same ones every time, and its share of an hour with `scripts/test --long`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use offgridflow::cli::{Arguments, Verb};
use offgridflow::config::{Config, Flags, Limits, Pipeline, Profile, SourceKind, units};
use offgridflow::domain::days::DaySpan;
use offgridflow::domain::period::Period;
use offgridflow::domain::timestamp::{DateOrder, parse_timestamp};
use offgridflow::domain::{decimal, id_text, nested_text, tag_text};
use offgridflow::error::{Blame, Error};
use offgridflow::extract::{Compression, Discovery, Format, Manifest, SourceFile, discover};
use offgridflow::factors::FactorSet;
use offgridflow::factors::csv_table::CsvTable;
use offgridflow::land::checks::Checks;
use offgridflow::land::csv_rows::CsvFile;
use offgridflow::land::json_rows::JsonFile;
use offgridflow::land::{CommitFacts, Contract};
use offgridflow::model::render::Placeholders;
use offgridflow::model::select::select;
use offgridflow::model::{Graph, Model, ModelKind};
use offgridflow::warehouse::store::{Location, Object};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::bills::{Line, cur2_csv, focus_csv, focus_row};
use crate::support::in_process::InProcess;
use crate::support::{Project, root};

/// Parsers that are tried one after the other in a long run.
const PARSERS: u32 = 22;

/// What is put into a text: marks of the formats, and values at the edge of what is read.
const TOKENS: [&str; 30] = [
    "\"",
    "\"\"",
    ",",
    "\n",
    "\r\n",
    "{",
    "}",
    "[",
    "]",
    "[[",
    ":",
    "=",
    "#",
    "\\",
    "\\u0000",
    "\0",
    "\u{feff}",
    "é",
    "🌍",
    "-",
    "+",
    ".",
    "e999999999",
    "99999999999999999999999999999999999999999",
    "0x",
    "null",
    "NaN",
    "2026-02-30",
    "/* model",
    "*/",
];

fn mutated(random: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=random.usize(..4) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..24)).min(bytes.len());
        match random.u8(..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied.repeat(random.usize(..5)));
            }
            3 => drop(bytes.splice(at..at, random.choice(TOKENS).unwrap().bytes())),
            4 => drop(bytes.splice(at..end, random.choice(TOKENS).unwrap().bytes())),
            _ => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte = random.u8(..)),
        }
    }
    bytes
}

/// Feeds a parser for so many rounds, or until its time is over. It gives the text of its error, which has to name `place`; it has to take what is
/// whole.
fn attack(enough: u32, place: &str, wholes: &[&[u8]], parse: impl Fn(&[u8]) -> Result<(), String>) {
    attack_with(mutated, enough, place, wholes, parse);
}

/// The same with damage of its own.
fn attack_with(
    damaged: impl Fn(&mut Rng, &[u8]) -> Vec<u8>,
    enough: u32,
    place: &str,
    wholes: &[&[u8]],
    parse: impl Fn(&[u8]) -> Result<(), String>,
) {
    for whole in wholes {
        parse(whole).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(whole)));
    }
    let time = std::env::var("OFFGRIDFLOW_TEST_LONG")
        .is_ok()
        .then(|| Duration::from_secs(3600) / PARSERS);
    let seed = time.map_or(7, |_| fastrand::u64(..));
    let mut random = Rng::with_seed(seed);
    let (begun, mut rounds, mut refused) = (Instant::now(), 0u32, 0u32);
    while time.map_or(rounds < enough, |time| begun.elapsed() < time) {
        let whole = *random.choice(wholes).unwrap();
        let bytes = damaged(&mut random, whole);
        let outcome = catch_unwind(AssertUnwindSafe(|| parse(&bytes)));
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed}, round {rounds}: {:?}", text()));
        if let Err(error) = outcome {
            assert!(
                error.contains(place),
                "seed {seed}, round {rounds}: {error}: {:?}",
                text()
            );
            refused += 1;
        }
        rounds += 1;
    }
    assert!(refused > 0, "{refused} of {rounds}");
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An error's text. What others write is never a bug of this program.
fn said(error: Error) -> String {
    assert_ne!(error.blame(), Blame::Internal, "{error}");
    error.to_string()
}

#[test]
fn configurations() {
    let tenant = "[[tenant]]\nid = \"acme\"\nname = \"ACME\"\nallocation_tags = [\"team\"]\n\
                  [[tenant.source]]\nid = \"bills\"\nkind = \"focus\"\nurl = \"file://./bills\"\n\
                  [[tenant.mapping]]\nwhen = { tag_team = \"web\" }\nset = { entity = \"x\" }\n\
                  [landing]\nmax_cell = \"2MiB\"\nlookback = \"3 months\"\n[engine]\nmemory_limit = \"512MiB\"\n";
    let project = Project::new(tenant);
    let whole = std::fs::read(project.config()).unwrap();
    attack(400, "offgridflow.toml", &[&whole], |bytes| {
        std::fs::write(project.config(), bytes).unwrap();
        let flags = Flags {
            config: Some(project.config().to_path_buf()),
            ..Flags::default()
        };
        Config::load(&flags).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn pipelines_and_models() {
    let pipeline = std::fs::read(root().join("pipelines/daily.toml")).unwrap();
    attack(2_000, "daily.toml", &[&pipeline], |bytes| {
        let parsed = Pipeline::parse("daily", "pipelines/daily.toml", &lossy(bytes));
        parsed.map(drop).map_err(|error| error.to_string())
    });
    let model = std::fs::read(root().join("sql/normalize/usage.sql")).unwrap();
    // Its front matter is what is read here.
    let front = &model[..model.len().min(1500)];
    attack(2_000, "sql/normalize/usage.sql", &[front], |bytes| {
        let parsed = Model::parse("sql/normalize/usage.sql", &lossy(bytes));
        parsed.map(drop).map_err(|error| error.to_string())
    });
    // A project's own model among the others, with its SQL.
    let own = b"/* model\ngrain = 'one row'\nkind = 'incremental'\npartition = ['tenant', 'month']\nsplit_by = 'charge_date'\n\
        audits = ['unique(tenant, month)', 'not_null(cost)']\n*/\nSELECT tenant, month/*{tag_columns}*/, sum(billed_cost) AS cost\n\
        FROM rollup.usage_daily GROUP BY tenant, month;";
    let folder = tempfile::tempdir().unwrap();
    let publish = folder.path().join("sql/publish");
    std::fs::create_dir_all(&publish).unwrap();
    attack(40, "own.sql", &[own], |bytes| {
        std::fs::write(publish.join("own.sql"), bytes).unwrap();
        let loaded = Graph::load(Some(folder.path()), &Placeholders::default());
        loaded.map(drop).map_err(said)
    });
}

#[test]
fn what_chooses_tables_periods_and_times() {
    let graph = Graph::load(None, &Placeholders::default()).unwrap();
    let kept = graph.ordered().filter(|model| model.kind != ModelKind::View);
    let tables: BTreeSet<String> = kept.map(|model| model.name.clone()).collect();
    let patterns: [&[u8]; 6] = [
        b"publish.*",
        b"+publish.inventory",
        b"rollup.usage_daily+",
        b"kind:full",
        b"+estimate.*_emissions+",
        b"*",
    ];
    attack(1_000, "--select", &patterns, |bytes| {
        let chosen = select(&graph, &tables, &[lossy(bytes)]).map_err(said)?;
        assert!(!chosen.is_empty() && chosen.is_subset(&tables), "{chosen:?}");
        Ok(())
    });

    let project = Project::with_source("focus");
    let bill = focus_csv(&[focus_row("2026-08", "2026-08-02", "a", "", "2", "3.5")]);
    project.write("bills/bill.csv", bill);
    let mut opened = InProcess::open(&project);
    let ran = opened.run(&["raw.*"], &offgridflow::run::observer::Silent);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.failures);
    let config = opened.workspace.config.clone();
    let periods: [&[u8]; 3] = [b"2026-08", b"1900-02", b"9999-11"];
    attack(2_000, "", &periods, |bytes| {
        let text = lossy(bytes);
        let request = |first: String, last: String| {
            let line = ["offgridflow", "plan", &first, &last];
            let arguments = Arguments::try_parse_from(line).map_err(|error| error.to_string())?;
            let Verb::Plan(options) = arguments.verb else {
                panic!("{line:?}");
            };
            options.request(&config).map_err(said)
        };
        let from = request(format!("--from={text}"), "--to=9999-12".into());
        let to = request("--from=1900-01".into(), format!("--to={text}"));
        if let (Ok(from), Ok(to)) = (&from, &to) {
            assert!(from.from == to.to && from.from < from.to && to.from < to.to);
        }
        from.and(to).map(drop)
    });
    let (run, opened) = (ran.run_id.clone(), RefCell::new(opened));
    let times: [&[u8]; 4] = [
        b"last",
        run.as_bytes(),
        b"2999-12-31",
        b"2999-12-31T23:59:59.999999+02:00",
    ];
    attack(300, "run", &times, |bytes| {
        let InProcess { workspace, runtime } = &mut *opened.borrow_mut();
        runtime
            .block_on(workspace.travel_to(&lossy(bytes)))
            .map_err(said)?;
        assert!(workspace.holds("raw."), "the one run there is landed it");
        Ok(())
    });
}

#[test]
fn factor_tables_and_their_sources() {
    let table = std::fs::read(root().join("warehouse/reference/pue.csv")).unwrap();
    attack(500, "pue.csv", &[&table], |bytes| {
        let table = CsvTable::parse(&lossy(bytes), "pue.csv").map_err(|error| error.to_string())?;
        let _ = table.to_batch();
        Ok(())
    });
    let folder = tempfile::tempdir().unwrap();
    let types = |set: &FactorSet| {
        let rows = set
            .rows("grid_intensity")
            .map_err(said)?
            .to_batch()
            .map_err(said)?;
        let schema = rows.schema();
        Ok::<_, String>(
            schema
                .fields()
                .iter()
                .map(|f| f.data_type().clone())
                .collect::<Vec<_>>(),
        )
    };
    let built_in = types(&FactorSet::load(None).unwrap()).unwrap();
    let grid = b"factor_id,provider,region,accounting_method,basis,year,intensity_gco2e_per_kwh,quality\n\
        own/grid,aws,us-east-1,location,average-production-lifecycle,2025,301.7,ok\n";
    attack(60, "grid_intensity.csv", &[grid], |bytes| {
        std::fs::write(folder.path().join("grid_intensity.csv"), bytes).unwrap();
        // No file that is read, but it may lie there: whatever it holds is nothing to the figures.
        std::fs::write(folder.path().join("SOURCES.toml"), bytes).unwrap();
        let set = FactorSet::load(Some(folder.path())).map_err(said)?;
        assert_eq!(types(&set)?, built_in, "a column of numbers stays one");
        Ok(())
    });
    let version = || {
        FactorSet::load(Some(folder.path()))
            .unwrap()
            .version()
            .to_string()
    };
    std::fs::write(folder.path().join("grid_intensity.csv"), grid).unwrap();
    std::fs::write(folder.path().join("SOURCES.toml"), b"\xff[[").unwrap();
    let with = version();
    std::fs::remove_file(folder.path().join("SOURCES.toml")).unwrap();
    assert_eq!(with, version());
}

#[test]
fn manifests() {
    let aws = br#"{"assemblyId":"a-1","reportName":"cur","billingPeriod":{"start":"20260801T000000.000Z","end":"20260901T000000.000Z"},"reportKeys":["cur/20260801-20260901/a-1/cur-1.csv.gz"]}"#;
    let export = br#"{"executionId":"e-1","billingPeriod":{"start":"2026-08-01T00:00:00.000Z"},"dataFiles":["s3://b/data/BILLING_PERIOD=2026-08/c-1.csv.gz"]}"#;
    let azure = br#"{"manifestVersion":"2024-04-01","blobCount":1,"dataRowCount":3,"exportConfig":{"exportName":"costs","type":"ActualCost"},"runInfo":{"runId":"r-1","submittedTime":"2026-08-02T03:04:05.1Z","startDate":"2026-08-01T00:00:00","endDate":"2026-08-31T00:00:00"},"blobs":[{"blobName":"costs/20260801-20260831/r-1/part_0_0001.csv","byteCount":10}]}"#;
    attack(5_000, "", &[aws, export, azure], |bytes| {
        Manifest::parse(bytes).map(drop)
    });
}

/// Values where others are awaited: of other types, huge, out of range, names of files elsewhere and of another export.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "0.5",
    "1e400",
    "18446744073709551616",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "\"\"",
    "\"/\"",
    "\"..\"",
    "\"../x.csv\"",
    "\"../../etc/passwd\"",
    "\"s3://\"",
    "[\"../x.csv\",\"../x.csv\"]",
    "\"other/20260801-20260901/other-1.csv.gz\"",
    "\"0001-01-01T00:00:00\"",
    "\"9999-12-31T00:00:00\"",
    "\"20260801-99991231\"",
];

/// Any part of a JSON document.
fn part<'a>(random: &mut Rng, value: &'a mut Value) -> &'a mut Value {
    let parts = match value {
        Value::Object(fields) => fields.len(),
        Value::Array(entries) => entries.len(),
        _ => 0,
    };
    if parts == 0 || random.u8(..4) == 0 {
        return value;
    }
    let at = random.usize(..parts);
    let inner = match value {
        Value::Object(fields) => fields.values_mut().nth(at),
        list => list.get_mut(at),
    };
    part(random, inner.unwrap())
}

/// A manifest with damaged bytes, with another value for one of its own, or with a list that names everything twice.
fn damaged_manifest(random: &mut Rng, whole: &[u8]) -> Vec<u8> {
    let marked = "in place of a value";
    match random.u8(..4) {
        0 => {
            let mut value: Value = serde_json::from_slice(whole).unwrap();
            for list in ["reportKeys", "dataFiles", "blobs"] {
                if let Some(Value::Array(entries)) = value.get_mut(list) {
                    entries.extend(entries.clone());
                }
            }
            value.to_string().into_bytes()
        }
        1 | 2 => {
            let mut value: Value = serde_json::from_slice(whole).unwrap();
            *part(random, &mut value) = marked.into();
            let text = value.to_string();
            let other = random.choice(VALUES).unwrap();
            text.replace(&format!("\"{marked}\""), other).into_bytes()
        }
        _ => mutated(random, whole),
    }
}

/// What lies in a folder, found as a run finds it.
fn found(runtime: &tokio::runtime::Runtime, folder: &Path, kind: SourceKind) -> Discovery {
    let location = Location::open(".", folder, &Profile::default()).unwrap();
    runtime.block_on(discover(&location, kind)).unwrap()
}

fn write(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn deliveries_beside_damaged_manifests() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let run = "costs/20260801-20260831/0b8ba2f8-6f2c-4c48-8b5a-0a4b4cf0f6d1";
    let azure = |file: &str| {
        format!(
            r#"{{"manifestVersion":"2024-04-01","blobCount":1,"dataRowCount":3,"exportConfig":{{"exportName":"costs","type":"ActualCost"}},"runInfo":{{"runId":"r-1","submittedTime":"2026-08-02T03:04:05.1Z","startDate":"2026-08-01T00:00:00","endDate":"2026-08-31T00:00:00"}},"blobs":[{{"blobName":"{file}","byteCount":10}}]}}"#
        )
    };
    let report = |name: &str, file: &str| {
        format!(
            r#"{{"assemblyId":"a-1","reportName":"{name}","billingPeriod":{{"start":"20260801T000000.000Z","end":"20260901T000000.000Z"}},"reportKeys":["{file}"]}}"#
        )
    };
    let data_export = r#"{"executionId":"e-1","billingPeriod":{"start":"2026-08-01T00:00:00.000Z"},"dataFiles":["s3://b/data/BILLING_PERIOD=2026-08/c-1.csv.gz"]}"#;
    let cur = "cur/20260801-20260901/a-1/cur-1.csv.gz";
    let part = format!("{run}/part_0_0001.csv");
    let layouts = [
        (
            SourceKind::AwsCur,
            "cur/20260801-20260901/cur-Manifest.json".to_string(),
            cur,
            report("cur", cur),
        ),
        (
            SourceKind::AwsCur2,
            "metadata/BILLING_PERIOD=2026-08/c-Manifest.json".into(),
            "data/BILLING_PERIOD=2026-08/c-1.csv.gz",
            data_export.into(),
        ),
        (
            SourceKind::AzureCost,
            format!("{run}/manifest.json"),
            &part,
            azure(&part),
        ),
        (
            SourceKind::Focus,
            "loose/manifest.json".into(),
            "loose/part.csv",
            azure("loose/part.csv"),
        ),
    ];
    for (kind, manifest, file, whole) in &layouts {
        let folder = tempfile::tempdir().unwrap();
        let other = "other/20260801-20260901/other-1.csv.gz";
        write(folder.path(), file, b"a,b\n1,2\n");
        write(folder.path(), other, b"a,b\n1,2\n");
        let whole_other = report("other", other);
        write(
            folder.path(),
            "other/20260801-20260901/other-Manifest.json",
            whole_other.as_bytes(),
        );
        attack_with(damaged_manifest, 120, manifest, &[whole.as_bytes()], |bytes| {
            write(folder.path(), manifest, bytes);
            let found = found(&runtime, folder.path(), *kind);
            for delivery in &found.deliveries {
                let keys: Vec<&str> = delivery
                    .files
                    .iter()
                    .map(|file| file.object.key.as_str())
                    .collect();
                let once: BTreeSet<&str> = keys.iter().copied().collect();
                assert!(
                    once.len() == keys.len() && once.iter().all(|key| key == file || *key == other),
                    "{keys:?}"
                );
            }
            let beside = found
                .deliveries
                .iter()
                .filter(|delivery| delivery.export == "other");
            assert_eq!(
                beside.map(|delivery| delivery.files.len()).collect::<Vec<_>>(),
                [1],
                "{found:?}"
            );
            found.failures.into_iter().map(said).next().map_or(Ok(()), Err)
        });
    }
    // Extracts of Google's table have no manifest: what a tool left beside them under that name is not read.
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Rng::with_seed(7));
    write(folder.path(), "dt=2026-08-02/part-0.csv", b"a,b\n1,2\n");
    for _ in 0..50 {
        let bytes = damaged_manifest(&mut random, layouts[0].3.as_bytes());
        write(folder.path(), "dt=2026-08-02/manifest.json", &bytes);
        let found = found(&runtime, folder.path(), SourceKind::GcpBillingFiles);
        let files: Vec<&SourceFile> = found
            .deliveries
            .iter()
            .flat_map(|delivery| &delivery.files)
            .collect();
        assert!(found.failures.is_empty() && files.len() == 1, "{found:?}");
        assert_eq!(files[0].object.key, "dt=2026-08-02/part-0.csv");
    }
}

#[test]
fn what_commits_tell_of_slices() {
    let whole = br#"{"facts":[{"slice":{"tenant":"acme","rows":3,"bills":["x"]}}],"runId":"r"}"#;
    attack(5_000, "", &[whole], |bytes| {
        let value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let _ = CommitFacts::from_json(value);
        Ok(())
    });
}

#[test]
fn texts_of_cells() {
    let tags: [&[u8]; 4] = [
        br#"{"team":"web","size":{"cpu":2}}"#,
        br#"[{"Key":"team","Value":"web"},{"key":"a","value":null}]"#,
        br#""team": "web","cost": "1""#,
        b"{'team': 'web', \"a\": [1, 2.5]}",
    ];
    attack(5_000, "", &tags, |bytes| {
        let text = lossy(bytes);
        let _ = (
            tag_text::pairs(&text),
            id_text::as_id(&text),
            nested_text::text_at(&text, "team"),
        );
        let _ = nested_text::numbers_at(&text, "size.cpu");
        nested_text::as_json(&text)
            .map(drop)
            .or_else(|error| match tag_text::are_tags(&text) {
                true => Ok(()),
                false => Err(error),
            })
    });
    let dates: [&[u8]; 5] = [
        b"2026-08-01T00:00:00.000Z",
        b"08/31/2026 10:11:12",
        b"2026-08-01 00:00:00 UTC",
        b"2026-08-01T00:00:00+02:00",
        b"2026-08",
    ];
    attack(40_000, "", &dates, |bytes| {
        let text = lossy(bytes);
        let period = text.parse::<Period>().is_ok() || Period::from_compact(&text).is_some();
        let _ = (DaySpan::from_compact(&text), DateOrder::parse(&text));
        let read = [None, Some(DateOrder::MonthFirst), Some(DateOrder::DayFirst)]
            .iter()
            .any(|order| parse_timestamp(&text, *order).is_some());
        (read || period).then_some(()).ok_or_else(|| text.clone())
    });
    let numbers: [&[u8]; 4] = [b"-12.345e-6", b"0.000000000000000000000001", b"1e20", b"+7"];
    attack(30_000, "", &numbers, |bytes| {
        let _ = decimal::money(bytes);
        let written = decimal::parse_written(bytes).map_err(|error| error.to_string())?;
        let _ = (
            written.rounded(12),
            written.exact(24),
            decimal::double_money(written),
        );
        let _ = decimal::canonical_quantity(written, 1_000_000_000_000, 744);
        Ok(())
    });
    let sizes: [&[u8]; 3] = [b"512MiB", b"3 months", b"6 hours"];
    attack(20_000, "", &sizes, |bytes| {
        let text = lossy(bytes);
        let read =
            units::bytes(&text).is_some() || units::months(&text).is_some() || units::hours(&text).is_some();
        read.then_some(()).ok_or_else(|| text.clone())
    });
}

const LIMITS: Limits = Limits {
    columns: 200,
    table_columns: 200,
    periods: 10,
    nesting: 8,
    cell: 1000,
    row: 1 << 20,
    key: 1000,
    pages: 1 << 20,
    ratio: 200,
};

fn delivered(format: Format) -> SourceFile {
    SourceFile {
        object: Object::asked("bill"),
        uri: "file:///bills/bill".into(),
        format,
        compression: Compression::None,
        days: None,
        date_order: None,
    }
}

/// Reads a file as landing does: its header, what its dates tell, every row.
fn read(kind: SourceKind, file: &NamedTempFile, source: &SourceFile) -> offgridflow::error::Result<()> {
    let (path, limits) = (file.path(), LIMITS);
    let contract = Contract::of(kind);
    match source.format {
        Format::Json => {
            let json = JsonFile { path, source, limits };
            let headers = json.headers()?;
            let mut checks =
                Checks::new(&contract, &headers, None, None).map_err(|e| e.at(source.uri.clone()))?;
            json.read(&headers, &mut checks, None, None, |_| Ok(())).map(drop)
        }
        _ => {
            let csv = CsvFile { path, source, limits };
            let headers = csv.headers()?;
            let mut checks =
                Checks::new(&contract, &headers, None, None).map_err(|e| e.at(source.uri.clone()))?;
            let order = csv.date_order(&checks)?;
            csv.read(&headers, &mut checks, order, None, |_| Ok(())).map(drop)
        }
    }
}

#[test]
fn delivered_files() {
    let file = NamedTempFile::new().unwrap();
    let cur = cur2_csv(
        "2026-08",
        &[Line::instance("2026-08-02", 5), Line::instance("2026-08-03", 1)],
    );
    let focus = focus_csv(&[focus_row("2026-08", "2026-08-02", "a", "", "2", "3.5")]);
    let json = br#"{"BillingAccountId":"b","BillingCurrency":"USD","BillingPeriodStart":"2026-08-01T00:00:00Z","ChargeCategory":"Usage","ChargePeriodStart":"2026-08-02T00:00:00Z","BilledCost":0.1,"ProviderName":"Vendor","Tags":{"team":"web"}}"#;
    for (kind, format, whole) in [
        (SourceKind::AwsCur2, Format::Csv, cur.as_bytes()),
        (SourceKind::Focus, Format::Csv, focus.as_bytes()),
        (SourceKind::Focus, Format::Json, json.as_slice()),
    ] {
        let source = delivered(format);
        attack(800, "file:///bills/bill", &[whole], |bytes| {
            std::fs::write(file.path(), bytes).unwrap();
            read(kind, &file, &source).map_err(|error| error.to_string())
        });
    }
}

//! Everything that parses what others write, fed with damaged forms of what it reads: an answer or a named error, no panic.
//!
//! Each parser has some thousand rounds here, the same ones every time, and its share of an hour with `scripts/test --long`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use offgridflow::config::{Config, Flags, Kind, Limits, Pipeline, units};
use offgridflow::domain::days::DaySpan;
use offgridflow::domain::period::Period;
use offgridflow::domain::timestamp::{DateOrder, parse_timestamp};
use offgridflow::domain::{decimal, id_text, nested_text, tag_text};
use offgridflow::extract::{Compression, Format, Manifest, SourceFile};
use offgridflow::factors::FactorSet;
use offgridflow::factors::csv_table::CsvTable;
use offgridflow::land::checks::Checks;
use offgridflow::land::csv_rows::CsvFile;
use offgridflow::land::json_rows::JsonFile;
use offgridflow::land::{CommitFacts, Contract};
use offgridflow::model::Model;
use offgridflow::warehouse::store::Object;
use tempfile::NamedTempFile;

use crate::support::bills::{Line, cur2_csv, focus_csv, focus_row};
use crate::support::{Project, root};

/// Parsers that are tried one after the other in a long run.
const PARSERS: u32 = 14;

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

fn mutated(random: &mut fastrand::Rng, text: &[u8]) -> Vec<u8> {
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
    for whole in wholes {
        parse(whole).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(whole)));
    }
    let time = std::env::var("OFFGRIDFLOW_TEST_LONG")
        .is_ok()
        .then(|| Duration::from_secs(3600) / PARSERS);
    let seed = time.map_or(7, |_| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let (begun, mut rounds, mut refused) = (Instant::now(), 0u32, 0u32);
    while time.map_or(rounds < enough, |time| begun.elapsed() < time) {
        let whole = *random.choice(wholes).unwrap();
        let bytes = mutated(&mut random, whole);
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
    attack(40, "", &[&table], |bytes| {
        std::fs::write(folder.path().join("pue.csv"), bytes).unwrap();
        let set = FactorSet::load(Some(folder.path()));
        let rows = set.and_then(|set| set.rows("pue").map(drop));
        rows.map_err(|error| error.to_string())
    });
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
fn read(kind: Kind, file: &NamedTempFile, source: &SourceFile) -> offgridflow::error::Result<()> {
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
        (Kind::AwsCur2, Format::Csv, cur.as_bytes()),
        (Kind::Focus, Format::Csv, focus.as_bytes()),
        (Kind::Focus, Format::Json, json.as_slice()),
    ] {
        let source = delivered(format);
        attack(800, "file:///bills/bill", &[whole], |bytes| {
            std::fs::write(file.path(), bytes).unwrap();
            read(kind, &file, &source).map_err(|error| error.to_string())
        });
    }
}

//! Files that are made to do harm: per format truncated, flipped, nested, wide, huge, of wrong types, with odd names, dates
//! and numbers, and bombs. The same seed makes the same files.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use fastrand::Rng;

use crate::support::bills::{Line, cur2_csv};
use crate::support::project::gzip;

/// A delivery of a source of its own.
pub struct Hostile {
    pub id: String,
    pub kind: &'static str,
    /// Path below the source's folder, and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Its rows, if it lands: none when nobody can tell.
    pub rows: Option<u64>,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Truncated,
    Flipped,
    Nested,
    Wide,
    Huge,
    WrongTypes,
    OddNames,
    OddDates,
    OddNumbers,
    Bomb,
}

const HARMS: [Harm; 10] = [
    Harm::Truncated,
    Harm::Flipped,
    Harm::Nested,
    Harm::Wide,
    Harm::Huge,
    Harm::WrongTypes,
    Harm::OddNames,
    Harm::OddDates,
    Harm::OddNumbers,
    Harm::Bomb,
];

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Gzip,
    Zstd,
    Zip,
    Json,
    Parquet,
    AwsManifest,
    AzureManifest,
}

const FORMS: [Form; 10] = [
    Form::Csv,
    Form::Gzip,
    Form::Zstd,
    Form::Zip,
    Form::Json,
    Form::Parquet,
    Form::Parquet,
    Form::Parquet,
    Form::AwsManifest,
    Form::AzureManifest,
];

/// The `number`th file of a seed.
pub fn hostile(seed: u64, number: usize) -> Hostile {
    let mut random = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    let harm = HARMS[number % HARMS.len()];
    let form = FORMS[number / HARMS.len() % FORMS.len()];
    let id = format!("f{number}-{form:?}-{harm:?}").to_lowercase();
    let (kind, files, rows) = match form {
        Form::Parquet => parquet_file(&mut random, harm),
        Form::AwsManifest => aws(&mut random, harm),
        Form::AzureManifest => azure(&mut random, harm),
        _ => text_file(&mut random, form, harm),
    };
    Hostile {
        id,
        kind,
        files,
        rows,
    }
}

type Files = (&'static str, Vec<(String, Vec<u8>)>, Option<u64>);

const NAMES: [&str; 8] = [
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodStart",
    "ProviderName",
    "Tags",
];

const ROWS: usize = 20;

/// A plain line as texts, in the order of [`NAMES`].
fn plain(row: usize) -> Vec<String> {
    let day = format!("2026-09-{:02}", row % 28 + 1);
    [
        "1",
        "billing-1",
        "USD",
        "2026-09-01",
        "Usage",
        &day,
        "Google",
        "{\"team\":\"web\"}",
    ]
    .map(String::from)
    .to_vec()
}

fn spoil(random: &mut Rng, harm: Harm, mut bytes: Vec<u8>) -> Vec<u8> {
    match harm {
        Harm::Truncated => bytes.truncate(random.usize(..bytes.len())),
        Harm::Flipped => {
            for _ in 0..random.usize(1..9) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
        }
        _ => {}
    }
    bytes
}

fn odd_name(random: &mut Rng) -> String {
    let long = "n".repeat(random.usize(900..100_000));
    let names = [
        "",
        " ",
        "_source_uri",
        "_row_number",
        "tenant",
        "period",
        "billedcost",
        "BilledCost",
        "x\u{0}y",
        "a\nb",
        "\u{202e}x",
        "é",
        "../../x",
        "\"",
        "`; drop table",
        "{x}",
        "🌍",
        "x.y.z",
        "select",
        "resourceTags/user:x",
        "NULL",
        &long,
    ];
    (*random.choice(names.iter()).unwrap()).to_string()
}

fn odd_date(random: &mut Rng) -> String {
    let dates = [
        "2026-09-31",
        "2026-13-01",
        "0000-00-00",
        "0001-01-01",
        "9999-12-31T23:59:60Z",
        "-2026-09-01",
        "+12026-09-01T00:00:00Z",
        "2026-09-01T25:00:00Z",
        "1757000000",
        "20260901",
        "9/30/2026",
        "30/9/2026",
        "2026-W36-1",
        "２０２６-09-01",
        "",
        "null",
        "2026-09-01T00:00:00+99:99",
        "2026-09-01T00:00:00.0000000000000000001Z",
        "now",
        "2262-04-12",
        "1677-09-21",
    ];
    (*random.choice(dates.iter()).unwrap()).to_string()
}

fn odd_number(random: &mut Rng) -> String {
    let digits = "9".repeat(random.usize(20..5000));
    let numbers = [
        "1e400",
        "-1e-400",
        "NaN",
        "inf",
        "-0",
        "0x10",
        "١٢",
        "1,5",
        "1.",
        ".5",
        "1e",
        "--1",
        "1 000",
        "$1",
        "(1)",
        "1e999999999999",
        "0.0000000000000000000000000000000001",
        "170141183460469231731687303715884105728",
        "",
        "null",
        &digits,
    ];
    (*random.choice(numbers.iter()).unwrap()).to_string()
}

/// Names and cells with one kind of harm.
fn cells(random: &mut Rng, harm: Harm) -> (Vec<String>, Vec<Vec<String>>) {
    let mut names: Vec<String> = NAMES.map(String::from).to_vec();
    let mut rows: Vec<Vec<String>> = (0..ROWS).map(plain).collect();
    let row = random.usize(..ROWS);
    match harm {
        Harm::Nested => {
            let depth = random.usize(2..60_000);
            let (open, close) = random
                .choice([("[", "]"), ("{\"a\":", "}"), ("{'a':", "}")])
                .unwrap();
            rows[row][7] = open.repeat(depth) + "1" + &close.repeat(depth);
        }
        Harm::Wide => {
            let columns = if random.bool() {
                random.usize(1..40)
            } else {
                random.usize(3000..60_000)
            };
            names.extend((0..columns).map(|column| format!("x{column}")));
            for cells in &mut rows {
                cells.resize(names.len(), String::new());
            }
        }
        Harm::Huge => {
            let column = random.usize(..NAMES.len());
            rows[row][column] = "x".repeat(random.usize(100_000..24_000_000));
        }
        Harm::WrongTypes => {
            let column = random.usize(..NAMES.len());
            for cells in &mut rows {
                cells[column] = (*random
                    .choice(["true", "[]", "{}", "abc", "", "\u{0}", "{\"a\":1}", "NULL"].iter())
                    .unwrap())
                .into();
            }
        }
        Harm::OddNames => {
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..=names.len());
                names.insert(place, odd_name(random));
                rows.iter_mut().for_each(|cells| cells.insert(place, "x".into()));
            }
        }
        Harm::OddDates => rows[row][*random.choice([3, 5].iter()).unwrap()] = odd_date(random),
        Harm::OddNumbers => rows[row][0] = odd_number(random),
        Harm::Truncated | Harm::Flipped | Harm::Bomb => {}
    }
    (names, rows)
}

fn csv(names: &[String], rows: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

/// As JSON lines; what is a number or an object in a text is one here too.
fn json(random: &mut Rng, names: &[String], rows: &[Vec<String>]) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        let cells: Vec<String> = names
            .iter()
            .zip(row)
            .map(|(name, cell)| {
                let is_raw = random.bool() && serde_json::from_str::<serde::de::IgnoredAny>(cell).is_ok();
                let value = if is_raw {
                    cell.clone()
                } else {
                    serde_json::to_string(cell).unwrap()
                };
                format!("{}:{value}", serde_json::to_string(name).unwrap())
            })
            .collect();
        writeln!(text, "{{{}}}", cells.join(",")).unwrap();
    }
    text
}

/// Text without an end: of commas, of one quoted cell, of blank lines, of one byte, of brackets.
fn endless(random: &mut Rng, start: &[u8]) -> Vec<u8> {
    let what: &[u8] = random
        .choice([
            b",".as_slice(),
            b"\n",
            b"\0",
            b"\"x",
            b"[",
            b"{\"a\":",
            b"a,b,c\n",
            b"\"\n",
        ])
        .unwrap();
    let mut text = start.to_vec();
    let bytes = random.usize(1_000_000..40_000_000);
    if random.bool() {
        text.push(b'"');
    }
    text.extend(what.repeat(bytes / what.len()));
    text
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file("bill.csv", zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.write_all(text).unwrap();
    archive.finish().unwrap().into_inner()
}

fn text_file(random: &mut Rng, form: Form, harm: Harm) -> Files {
    let (names, rows) = cells(random, harm);
    let mut text = match form {
        Form::Json => json(random, &names, &rows),
        _ => csv(&names, &rows),
    };
    if harm == Harm::Bomb {
        text = endless(random, &text);
    }
    // What is packed is spoiled before or after its packing.
    let inside = random.bool() || matches!(form, Form::Csv | Form::Json);
    if inside {
        text = spoil(random, harm, text);
    }
    let (ending, mut bytes) = match form {
        Form::Gzip => ("csv.gz", gzip(&text)),
        Form::Zstd => ("csv.zst", zstd::stream::encode_all(text.as_slice(), 1).unwrap()),
        Form::Zip => ("csv.zip", zipped(&text)),
        Form::Json => ("jsonl", text),
        _ => ("csv", text),
    };
    if !inside {
        bytes = spoil(random, harm, bytes);
    }
    let told = !matches!(harm, Harm::Truncated | Harm::Flipped | Harm::Bomb);
    (
        "focus",
        vec![(format!("bill.{ending}"), bytes)],
        told.then_some(ROWS as u64),
    )
}

/// A column of a type that nobody expects where it stands.
fn odd_column(random: &mut Rng) -> ArrayRef {
    let numbers = || (0..ROWS as i64).map(|row| row * 1_000_000_007);
    match random.u8(..9) {
        0 => Arc::new(Int64Array::from_iter_values(numbers())),
        1 => Arc::new(BooleanArray::from(vec![true; ROWS])),
        2 => Arc::new(BinaryArray::from(vec![&[0xff, 0xfe, 0x00][..]; ROWS])),
        3 => Arc::new(Date32Array::from_iter_values(
            (0..ROWS as i32).map(|row| i32::MAX - row),
        )),
        4 => Arc::new(Float64Array::from_iter_values(
            (0..ROWS).map(|row| [f64::NAN, f64::INFINITY, 5e-324, 1e308][row % 4]),
        )),
        5 => Arc::new(TimestampNanosecondArray::from_iter_values(
            numbers().map(|number| i64::MAX - number),
        )),
        6 => Arc::new(
            Decimal128Array::from_iter_values((0..ROWS as i128).map(|row| 10i128.pow(38) - 1 - row))
                .with_precision_and_scale(38, 37)
                .unwrap(),
        ),
        7 => Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
            numbers().map(|number| Some([Some(number)])),
        )),
        _ => datafusion::arrow::array::new_null_array(&datafusion::arrow::datatypes::DataType::Null, ROWS),
    }
}

fn parquet_file(random: &mut Rng, harm: Harm) -> Files {
    let (names, mut rows) = cells(random, if harm == Harm::Huge { Harm::Bomb } else { harm });
    let mut repeated = None;
    match harm {
        // One large text for many rows, or one that is larger than any cell may be.
        Harm::Huge | Harm::Bomb => {
            let column = random.usize(..NAMES.len());
            let (count, bytes) = match random.u8(..4) {
                0 => (random.usize(1500..3000), random.usize(70_000..200_000)),
                1 => (ROWS, random.usize(1_500_000..60_000_000)),
                2 => (random.usize(200..400), 1_000_000),
                _ => (20_000, 100),
            };
            rows = (0..count).map(plain).collect();
            repeated = Some((column, bytes, count));
        }
        _ => {}
    }
    let odd = (harm == Harm::WrongTypes).then(|| (random.usize(..NAMES.len()), odd_column(random)));
    let columns = names.iter().enumerate().map(|(index, name)| {
        let column: ArrayRef = match (&repeated, &odd) {
            (Some((at, bytes, count)), _) if *at == index => {
                let text = "x".repeat(*bytes);
                match *bytes * *count > 200_000_000 {
                    // Written once, repeated by the dictionary.
                    true => {
                        let keys = datafusion::arrow::array::Int32Array::from(vec![0; *count]);
                        let texts = Arc::new(StringArray::from(vec![text]));
                        Arc::new(datafusion::arrow::array::DictionaryArray::try_new(keys, texts).unwrap())
                    }
                    false => Arc::new(StringArray::from(vec![text.as_str(); *count])),
                }
            }
            (_, Some((at, column))) if *at == index => column.clone(),
            _ => Arc::new(
                rows.iter()
                    .map(|row| Some(row[index].as_str()))
                    .collect::<StringArray>(),
            ),
        };
        (name.clone(), column, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let packing = match random.u8(..6) {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::GZIP(GzipLevel::default()),
        2 => Compression::BROTLI(BrotliLevel::default()),
        3 => Compression::SNAPPY,
        4 => Compression::LZ4_RAW,
        _ => Compression::ZSTD(ZstdLevel::default()),
    };
    let mut properties = WriterProperties::builder().set_compression(packing);
    if random.u8(..3) == 0 && repeated.is_none() {
        let encoding = *random
            .choice(
                [
                    Encoding::PLAIN,
                    Encoding::DELTA_BYTE_ARRAY,
                    Encoding::DELTA_LENGTH_BYTE_ARRAY,
                ]
                .iter(),
            )
            .unwrap();
        properties = properties.set_dictionary_enabled(false);
        if odd.is_none() {
            properties = properties.set_encoding(encoding);
        }
    }
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    // Most of a file are texts; its headers and its footer are where harm is done.
    if harm == Harm::Flipped {
        let footer = bytes.len() - bytes.len().min(random.usize(20..1500));
        for _ in 0..random.usize(1..6) {
            let at = if random.bool() {
                random.usize(footer..bytes.len())
            } else {
                random.usize(..bytes.len())
            };
            bytes[at] = random.u8(..);
        }
    } else {
        bytes = spoil(random, harm, bytes);
    }
    let told = !matches!(harm, Harm::Truncated | Harm::Flipped);
    let rows = told.then_some(batch.num_rows() as u64);
    ("focus", vec![("bill.parquet".into(), bytes)], rows)
}

/// A document with one kind of harm; most harms make it no manifest.
fn document(random: &mut Rng, harm: Harm, whole: String, key: &str) -> Vec<u8> {
    match harm {
        Harm::Truncated | Harm::Flipped => spoil(random, harm, whole.into_bytes()),
        Harm::Nested => {
            let depth = random.usize(2..100_000);
            whole
                .replacen(
                    '{',
                    &format!("{{\"n\":{}1{},", "[".repeat(depth), "]".repeat(depth)),
                    1,
                )
                .into_bytes()
        }
        Harm::Wide => {
            let members = (0..random.usize(1000..200_000)).map(|member| format!("\"m{member}\":{member},"));
            whole
                .replacen('{', &format!("{{{}", members.collect::<String>()), 1)
                .into_bytes()
        }
        Harm::Huge => whole
            .replace(key, &"k".repeat(random.usize(5000..20_000_000)))
            .into_bytes(),
        Harm::WrongTypes => {
            let value = *random
                .choice(["null", "1", "{}", "[]", "\"x\"", "[[]]", "[null]", "true"].iter())
                .unwrap();
            whole.replace(&format!("[{key}]"), value).into_bytes()
        }
        Harm::OddNames => {
            let names = [
                "\"../../../etc/passwd\"",
                "\"\"",
                "\"s3://\"",
                "\"\\u0000\"",
                "\"/\"",
                "\"..\"",
                "\"https://x\"",
            ];
            whole
                .replace(key, random.choice(names.iter()).unwrap())
                .into_bytes()
        }
        Harm::OddDates => whole
            .replace("2026-08-01", &odd_date(random).replace('"', ""))
            .into_bytes(),
        Harm::OddNumbers => {
            let number = *random
                .choice(["-1", "1e400", "18446744073709551616", "0.5", "99999999999"].iter())
                .unwrap();
            whole.replace(":1,", &format!(":{number},")).into_bytes()
        }
        Harm::Bomb => {
            let mut bytes = b"{\"a\":".to_vec();
            let what = random.choice(["[],", "{\"a\":", "[", "0,", "\"\","]).unwrap();
            bytes.push(b'[');
            bytes.extend(
                what.repeat(random.usize(1_000_000..16_000_000) / what.len())
                    .bytes(),
            );
            bytes
        }
    }
}

fn aws(random: &mut Rng, harm: Harm) -> Files {
    let payer = format!("{:012}", random.u64(..999_999_999_999));
    let bill = cur2_csv("2026-08", &[Line::instance("2026-08-02", 5)]).replace("999999999999", &payer);
    let data = "data/BILLING_PERIOD=2026-08/cur2-00001.csv.gz";
    let key = format!("\"s3://billing/{data}\"");
    let whole = format!(
        "{{\"executionId\":\"e\",\"reportName\":\"cur2\",\"version\":1,\"billingPeriod\":{{\"start\":\"2026-08-01T00:00:00.000Z\"}},\"dataFiles\":[{key}]}}"
    );
    let manifest = document(random, harm, whole, &key);
    let files = vec![
        (data.to_string(), gzip(bill.as_bytes())),
        (
            "metadata/BILLING_PERIOD=2026-08/cur2-Manifest.json".to_string(),
            manifest,
        ),
    ];
    ("aws_cur2", files, None)
}

fn azure(random: &mut Rng, harm: Harm) -> Files {
    let folder = "costs/20260801-20260831/202608020304/0b8ba2f8-6f2c-4c48-8b5a-0a4b4cf0f6d1";
    let rows: Vec<Vec<String>> = (0..ROWS).map(plain).collect();
    let bill = csv(&NAMES.map(String::from), &rows);
    let key = format!(
        "{{\"blobName\":\"{folder}/part_0_0001.csv\",\"byteCount\":{}}}",
        bill.len()
    );
    let whole = format!(
        "{{\"manifestVersion\":\"2024-04-01\",\"blobCount\":1,\"dataRowCount\":{ROWS},\"exportConfig\":{{\"exportName\":\"costs\",\"type\":\"FocusCost\"}},\"runInfo\":{{\"runId\":\"r\",\"startDate\":\"2026-08-01T00:00:00\",\"endDate\":\"2026-08-31T00:00:00\"}},\"blobs\":[{key}]}}"
    );
    let manifest = document(random, harm, whole, &key);
    let files = vec![
        (format!("{folder}/part_0_0001.csv"), bill),
        (format!("{folder}/manifest.json"), manifest),
    ];
    ("focus", files, None)
}

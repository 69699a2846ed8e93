//! The fast ways of landing against the way row by row: Parquet files taken over page by page, large CSV files by codes.
//!
//! A file of small row groups, or a small CSV file, goes row by row; the same rows in large ones go the fast way.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Date32Array, Float32Array, Float64Array, Int64Array, MapBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::properties::WriterProperties;

use crate::support::bills::deliver_manifest;
use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use crate::support::{Outcome, Project, prepared, root};

const ROWS: usize = 40_000;
const PARQUET: &str = "raw/aws_cur2_parquet";
const DATA: &str = "bills/data/BILLING_PERIOD=2025-01";

/// 2025-01-01 in microseconds.
const START: i64 = 1_735_689_600_000_000;
const HOUR: i64 = 3_600_000_000;

/// The columns of a bill, with everything that can differ between a delivered file and the raw table.
fn bill(rows: std::ops::Range<usize>) -> Vec<(&'static str, ArrayRef)> {
    let texts = |text: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new(rows.clone().map(text).collect::<StringArray>())
    };
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows.clone() {
        for tag in 0..row % 3 {
            tags.keys().append_value(format!("user_tag{tag}"));
            tags.values()
                .append_option((row % 7 > 0).then(|| format!("wert-{}-ä", row % 11)));
        }
        tags.append(row % 5 > 0).unwrap();
    }
    let start = |row: usize| START + (row % 700) as i64 * HOUR;
    vec![
        (
            "identity_line_item_id",
            texts(&|row| Some(format!("id-{row:032x}"))),
        ),
        ("bill_payer_account_id", texts(&|_| Some("999999999999".into()))),
        (
            "line_item_usage_account_id",
            texts(&|row| Some(format!("{:012}", row * 7919 % 20))),
        ),
        ("line_item_line_item_type", texts(&|_| Some("Usage".into()))),
        (
            "line_item_usage_start_date",
            // Local times, as DuckDB and Spark write them.
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.clone().map(start),
            )),
        ),
        (
            "line_item_usage_end_date",
            // Milliseconds have to be written anew.
            Arc::new(TimestampMillisecondArray::from_iter(
                rows.clone()
                    .map(|row| (row % 9 > 0).then(|| (start(row) + HOUR) / 1000)),
            )),
        ),
        ("line_item_product_code", texts(&|_| Some("AmazonEC2".into()))),
        (
            "line_item_usage_type",
            texts(&|row| Some(format!("BoxUsage:{}", ["m5.large", "m5.xlarge"][row % 2]))),
        ),
        ("line_item_operation", texts(&|_| Some("RunInstances".into()))),
        (
            "line_item_usage_amount",
            Arc::new(Float64Array::from_iter_values(
                rows.clone().map(|row| row as f64 / 8.0),
            )),
        ),
        ("line_item_currency_code", texts(&|_| Some("USD".into()))),
        (
            "line_item_unblended_cost",
            Arc::new(Float64Array::from_iter_values(
                rows.clone().map(|row| row as f64 / 1000.0),
            )),
        ),
        (
            "pricing_public_on_demand_cost",
            Arc::new(Float64Array::from_iter(
                rows.clone().map(|row| (row % 4 > 0).then_some(row as f64)),
            )),
        ),
        (
            "product_region_code",
            texts(&|row| (row % 13 > 0).then(|| "us-east-1".into())),
        ),
        ("product_instance_type", texts(&|_| Some("m5.large".into()))),
        ("pricing_unit", texts(&|_| Some("Hrs".into()))),
        ("resource_tags", Arc::new(tags.finish())),
        // A name that Delta refuses, types of their own, and a column without any value.
        ("Cost Center (old)", texts(&|row| Some(format!("cc-{}", row % 3)))),
        (
            "x_share",
            Arc::new(Float32Array::from_iter_values(
                rows.clone().map(|row| row as f32 / 3.0),
            )),
        ),
        (
            "x_number",
            Arc::new(Int64Array::from_iter(
                rows.clone().map(|row| (row % 2 > 0).then_some(row as i64)),
            )),
        ),
        (
            "x_day",
            Arc::new(Date32Array::from_iter_values(
                rows.clone().map(|row| 20_000 + (row % 31) as i32),
            )),
        ),
        ("x_nothing", texts(&|_| None)),
    ]
}

fn parquet(columns: Vec<(&str, ArrayRef)>, row_group_rows: usize) -> Vec<u8> {
    let required = ["line_item_unblended_cost", "line_item_usage_start_date"];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), !required.contains(name)))
        .collect();
    let columns: Vec<ArrayRef> = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(row_group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A project whose one period has these files.
fn delivered(files: &[Vec<u8>]) -> Project {
    let project = Project::with_source("aws_cur2");
    let mut names = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let name = format!("cur2-{number:05}.snappy.parquet");
        project.write(&format!("{DATA}/{name}"), file);
        names.push(format!(
            "\"s3://billing/exports/cur2/data/BILLING_PERIOD=2025-01/{name}\""
        ));
    }
    deliver_manifest(&project, "bills", "2025-01", "exec-1", &names.join(","));
    project
}

fn land(project: &Project) -> Outcome {
    project.call(&["run", "--select", "raw.*"])
}

/// The footers of the Parquet files below a table's folder.
fn footers(project: &Project, table: &str) -> Vec<ParquetMetaData> {
    files(project, table)
        .iter()
        .map(|path| {
            let file = std::fs::File::open(path).unwrap();
            ParquetMetaDataReader::new().parse_and_finish(&file).unwrap()
        })
        .collect()
}

fn files(project: &Project, table: &str) -> Vec<PathBuf> {
    crate::support::project::listing(&project.path(&format!("data/{table}")))
        .into_iter()
        .map(|(path, ..)| path)
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect()
}

/// Whether a file's columns are the delivered pages: ours are never packed with Snappy.
fn is_copied(footer: &ParquetMetaData, column: &str) -> bool {
    let chunks = footer.row_groups()[0].columns();
    let chunk = chunks
        .iter()
        .find(|c| c.column_path().parts()[0] == column)
        .unwrap();
    chunk.compression() == Compression::SNAPPY
}

/// Every cell but those that tell one run from another.
fn cells(project: &Project, table: &str, order: &str) -> Vec<Vec<String>> {
    let header = project.csv(&format!("select * from {table} limit 1"));
    let skipped = ["_run_id", "_landed_at", "_etag", "_source_uri"];
    let columns: Vec<String> = csv::Reader::from_reader(header.as_bytes())
        .headers()
        .unwrap()
        .iter()
        .filter(|name| !skipped.contains(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    assert!(columns.len() > 8, "{columns:?}");
    let query = format!("select {} from {table} order by {order}", columns.join(", "));
    let mut rows = project.rows(&query);
    rows.insert(0, columns);
    rows
}

#[test]
fn copied_pages_hold_what_decoding_them_would_have_given() {
    let copied = delivered(&[parquet(bill(0..ROWS), 20_000)]);
    land(&copied).expect(0);
    let footer = &footers(&copied, PARQUET)[0];
    assert_eq!(footer.num_row_groups(), 2);
    for column in [
        "identity_line_item_id",
        "resource_tags",
        "line_item_usage_start_date",
        "Cost_Center__old_",
        "x_day",
    ] {
        assert!(is_copied(footer, column), "{column}");
    }
    for column in ["line_item_usage_end_date", "x_share"] {
        assert!(!is_copied(footer, column), "{column} needs another type");
    }

    let decoded = delivered(&[parquet(bill(0..ROWS), 4096)]);
    land(&decoded).expect(0);
    assert!(!is_copied(
        &footers(&decoded, PARQUET)[0],
        "identity_line_item_id"
    ));

    let table = "raw.aws_cur2_parquet";
    let rows = cells(&copied, table, "_row_number");
    assert_eq!(rows.len(), ROWS + 1);
    assert_eq!(rows, cells(&decoded, table, "_row_number"));
    let provenance = "select count(distinct _row_number), min(_row_number), max(_row_number), count(distinct _run_id), \
                      min(_source_uri), count(_etag), count(distinct _landed_at), count(_date_order) from raw.aws_cur2_parquet";
    let provenance = copied.rows(provenance).remove(0);
    assert_eq!(provenance[..4], ["40000", "1", "40000", "1"]);
    assert!(provenance[4].ends_with("cur2-00000.snappy.parquet"));
    assert_eq!(provenance[5..], ["40000", "1", "0"]);

    // The ledger knows the same bills, and everything after landing gives the same.
    for project in [&copied, &decoded] {
        project.run().expect(0);
    }
    let sums = "select sub_account_id, charge_date, sum(billed_cost), sum(usage_quantity), sum(line_count) \
                from rollup.usage_daily group by 1, 2 order by 1, 2";
    assert_eq!(copied.rows(sums), decoded.rows(sums));
    assert_eq!(copied.billed(), decoded.billed());
}

#[test]
fn parts_with_different_columns_are_copied_side_by_side() {
    let without = |name: &str, mut columns: Vec<(&'static str, ArrayRef)>| {
        columns.retain(|(column, _)| *column != name);
        columns
    };
    let project = delivered(&[
        parquet(without("x_number", bill(0..ROWS)), ROWS),
        parquet(without("product_region_code", bill(ROWS..2 * ROWS)), ROWS),
        parquet(bill(2 * ROWS..2 * ROWS + 10), ROWS),
    ]);
    land(&project).expect(0);
    let copied = footers(&project, PARQUET);
    let copied = copied.iter().filter(|f| is_copied(f, "identity_line_item_id"));
    assert_eq!(copied.count(), 2, "the small one is written anew");
    let counts = "select _source_uri, count(*), count(x_number), count(product_region_code), count(resource_tags) \
                  from raw.aws_cur2_parquet group by 1 order by 1";
    let rows: Vec<Vec<String>> = project
        .rows(counts)
        .into_iter()
        .map(|row| row[1..].to_vec())
        .collect();
    assert_eq!(rows[0], ["40000", "0", "36923", "32000"]);
    assert_eq!(rows[1], ["40000", "20000", "0", "32000"]);
    assert_eq!(rows[2][..2], ["10", "5"]);
}

#[test]
fn one_bad_row_sends_the_whole_file_the_way_row_by_row() {
    let mut columns = bill(0..ROWS);
    let costs = (0..ROWS).map(|row| if row == 30_000 { f64::NAN } else { 1.0 });
    for (name, column) in &mut columns {
        if *name == "line_item_unblended_cost" {
            *column = Arc::new(Float64Array::from_iter_values(costs.clone()));
        }
    }
    let project = delivered(&[parquet(columns, 20_000)]);
    land(&project)
        .expect(3)
        .says("row 30001")
        .says("column line_item_unblended_cost");
    assert!(files(&project, PARQUET).is_empty(), "nothing is left of the copy");

    let project_config = std::fs::read_to_string(project.path("offgridflow.toml")).unwrap();
    project.configure(&format!("{project_config}[landing]\nmax_rejected = 1\n"));
    land(&project).expect(0);
    assert_eq!(
        project.value("select count(*) from raw.aws_cur2_parquet"),
        "39999"
    );
    let footers = footers(&project, PARQUET);
    assert_eq!(footers.len(), 1);
    assert!(!is_copied(&footers[0], "identity_line_item_id"));
}

#[test]
fn a_damaged_page_is_never_copied() {
    let whole = parquet(bill(0..ROWS), ROWS);
    let footer = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(whole.clone()))
        .unwrap();
    // A column that no check reads: its last pages are overwritten.
    let chunk = footer.row_groups()[0].column(0);
    let (start, length) = chunk.byte_range();
    let end = (start + length) as usize;
    let mut damaged = whole;
    damaged[end - 60_000..end - 10_000].fill(0xff);
    let project = delivered(&[damaged]);
    land(&project).expect(3).says("the Parquet file is damaged");
    assert!(files(&project, PARQUET).is_empty());
}

const HEADER: &str = "identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,\
lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,\
lineItem/LineItemDescription,product/region,resourceTags/user:team,empty";

/// Lines of a legacy bill: quotes, line breaks and other alphabets, empty cells, ids that no dictionary holds.
fn lines(rows: std::ops::Range<usize>, bad: Option<usize>) -> String {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        let description = match row % 4 {
            0 => "\"$0.10 per \"\"hour\"\", or part\"".to_string(),
            1 => format!("\"zwei\nZeilen für {}\"", row % 50),
            2 => String::new(),
            _ => format!("plain {}", row % 1000),
        };
        let cost = if bad == Some(row) {
            "1,5 EUR".replace(',', ";")
        } else {
            format!("{}.{:09}", row % 9, row)
        };
        writeln!(
            text,
            "id-{:032x},999999999999,2025-01-01T00:00:00Z,{:012},Usage,2025-01-{:02}T{:02}:00:00Z,{}e-3,USD,{cost},{description},{},{},",
            row * 7919,
            row % 20,
            1 + row % 31,
            row % 24,
            row % 900,
            ["us-east-1", "eu-west-1", ""][row % 3],
            if row < 50_000 { "früh" } else { "späť" },
        )
        .unwrap();
    }
    text
}

/// A project whose one period has these files of text.
fn delivered_text(files: &[String]) -> Project {
    let project = Project::with_source("aws_cur");
    let folder = "20250101-20250201";
    let mut names = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let name = format!("{folder}/assembly/cur-{number}.csv");
        project.write(&format!("bills/{name}"), file);
        names.push(format!("\"{name}\""));
    }
    let manifest = format!(
        "{{\"assemblyId\":\"assembly\",\"account\":\"999999999999\",\"reportName\":\"cur\",\"compression\":\"NONE\",\
         \"contentType\":\"text/csv\",\"charset\":\"UTF-8\",\"bucket\":\"billing\",\"reportKeys\":[{}],\
         \"billingPeriod\":{{\"start\":\"20250101T000000.000Z\",\"end\":\"20250201T000000.000Z\"}}}}",
        names.join(",")
    );
    project.write(&format!("bills/{folder}/cur-Manifest.json"), manifest);
    let config = std::fs::read_to_string(project.path("offgridflow.toml")).unwrap();
    project.configure(&format!("{config}[landing]\nmax_rejected = 1\n"));
    project
}

#[test]
fn a_large_file_by_codes_holds_what_its_parts_hold_row_by_row() {
    const ALL: usize = 140_000;
    const BAD: usize = 77_777;
    let whole = lines(0..ALL, Some(BAD));
    assert!(whole.len() > 4 << 20);
    let coded = delivered_text(&[whole]);
    land(&coded).expect(0);
    let parts: Vec<String> = (0..ALL)
        .step_by(20_000)
        .map(|first| lines(first..first + 20_000, Some(BAD)))
        .collect();
    assert!(parts.iter().all(|part| part.len() < 4 << 20));
    let by_rows = delivered_text(&parts);
    land(&by_rows).expect(0);

    let footer = &footers(&coded, "raw/aws_cur")[0];
    assert_eq!(footer.num_row_groups(), 2);
    let pages = |column: usize| footer.row_groups()[1].column(column).dictionary_page_offset();
    assert_eq!(pages(0), None, "ids stay what they are");
    assert!(pages(3).is_some(), "accounts are codes");

    let numbers = "select count(*), count(distinct _row_number), min(_row_number), max(_row_number), count(_date_order) \
                   from raw.aws_cur";
    assert_eq!(coded.rows(numbers)[0], ["139999", "139999", "1", "140000", "0"]);
    let in_order = "select count(*) from raw.aws_cur where \"identity/LineItemId\" = 'id-' || lpad(to_hex((_row_number - 1) * 7919), 32, '0')";
    assert_eq!(coded.value(in_order), "139999");
    let rejected = "select row_number, column_name, reason, raw_text from system.quarantine";
    assert_eq!(coded.rows(rejected)[0][0], "77778");
    assert_eq!(coded.rows(rejected)[0][1..], by_rows.rows(rejected)[0][1..]);

    let table = "(select * except(_row_number) from raw.aws_cur)";
    let order = "\"identity/LineItemId\"";
    let rows = cells(&coded, table, order);
    assert_eq!(rows.len(), ALL);
    assert_eq!(rows, cells(&by_rows, table, order));
}

#[test]
fn a_large_file_that_breaks_off_leaves_nothing() {
    // Noise, so that it is large when it is packed, too; two row groups are written before its end is missing.
    let mut text = format!("{HEADER},noise\n");
    for line in lines(0..140_000, None).split_terminator(",\n").skip(1) {
        let noise = |part: usize| (text.len() as u64 + part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let noise: String = (0..4)
            .map(|part| format!("{:016x}", noise(part).rotate_left(29)))
            .collect();
        writeln!(text, "{line},,{noise}").unwrap();
    }
    let mut packed = crate::support::project::gzip(text.as_bytes());
    packed.truncate(packed.len() - 1000);
    assert!(packed.len() > 4 << 20, "{}", packed.len());
    let project = delivered_text(&[]);
    let folder = "bills/20250101-20250201";
    let manifest = std::fs::read_to_string(project.path(&format!("{folder}/cur-Manifest.json"))).unwrap();
    let name = "20250101-20250201/assembly/cur-1.csv.gz";
    project.write(&format!("bills/{name}"), &packed);
    project.write(
        &format!("{folder}/cur-Manifest.json"),
        manifest
            .replace("\"reportKeys\":[]", &format!("\"reportKeys\":[\"{name}\"]"))
            .replace("NONE", "GZIP"),
    );
    land(&project).expect(3).says("truncated");
    assert!(files(&project, "raw/aws_cur").is_empty());
}

#[test]
fn a_warehouse_that_cannot_be_written_ends_the_reader_too() {
    // Several row groups: the reader is ahead of the writer when that fails.
    let mut text = format!("{HEADER},noise\n");
    for (row, line) in lines(0..90_000, None).split_terminator(",\n").skip(1).enumerate() {
        writeln!(text, "{line},,{}", format!("{row:016x}").repeat(64)).unwrap();
    }
    let project = delivered_text(&[text]);
    project.write("data/raw/aws_cur/acme", "no folder");
    land(&project).expect(4).says("slice acme/bills");
    std::fs::remove_file(project.path("data/raw/aws_cur/acme")).unwrap();
    land(&project).expect(0);
    assert_eq!(project.value("select count(*) from raw.aws_cur"), "89999");
    assert!(footers(&project, "raw/aws_cur")[0].num_row_groups() > 3);
}

#[test]
fn a_copy_of_several_parts_reaches_a_bucket_whole() {
    let server = S3::start(&["lake"]);
    // Noise in a column of its own: the file goes to the bucket in several parts.
    let mut columns = bill(0..ROWS);
    let noise = |row: usize| {
        (0..24)
            .map(|part| {
                format!(
                    "{:016x}",
                    ((row * 24 + part) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                )
            })
            .collect::<String>()
    };
    columns.push((
        "x_noise",
        Arc::new((0..ROWS).map(|row| Some(noise(row))).collect::<StringArray>()),
    ));
    let file = parquet(columns, 20_000);
    assert!(file.len() > 12 << 20, "{}", file.len());
    let local = delivered(std::slice::from_ref(&file));
    let stored = delivered(&[file])
        .env("TEST_S3_ACCESS_KEY", ACCESS_KEY)
        .env("TEST_S3_SECRET_KEY", SECRET_KEY);
    let tenant = std::fs::read_to_string(stored.path("offgridflow.toml")).unwrap();
    let tenant = tenant.split_once("[[tenant]]").unwrap().1;
    stored.configure(&format!(
        "[warehouse]\nurl = \"s3://lake/acme\"\nprofile = \"server\"\n[database]\nurl = \"sqlite://./offgridflow.db\"\n{}[[tenant]]{tenant}",
        server.profile("server")
    ));
    for project in [&local, &stored] {
        land(project).expect(0);
    }
    assert!(is_copied(&footers(&local, PARQUET)[0], "x_noise"));
    let sums = "select count(*), count(distinct x_noise), min(x_noise), max(x_noise), sum(x_number), max(_row_number) \
                from raw.aws_cur2_parquet";
    let rows = stored.rows(sums);
    assert_eq!(rows[0][..2], ["40000", "40000"]);
    assert_eq!(rows, local.rows(sums));
}

#[test]
fn duckdb_deltalake_and_polars_read_files_of_both_fast_ways() {
    let python = prepared("OFFGRIDFLOW_TEST_PYTHON");
    let copied = delivered(&[
        parquet(bill(0..ROWS), 20_000),
        parquet(bill(ROWS..ROWS + 10), 20_000),
    ]);
    let coded = delivered_text(&[lines(0..60_000, None)]);
    for (project, table) in [(&copied, "aws_cur2_parquet"), (&coded, "aws_cur")] {
        land(project).expect(0);
        let mut command = Command::new(&python);
        command.arg(root().join("tests/readers/read_raw.py"));
        command.args([env!("CARGO_BIN_EXE_offgridflow"), "--config"]);
        command.arg(project.path("offgridflow.toml"));
        command.arg(project.path(&format!("data/raw/{table}")));
        let outcome = Outcome::of(command);
        outcome.expect(0);
        for reader in ["duckdb", "deltalake", "polars", "pyarrow"] {
            let agrees = format!("{reader}: agrees");
            assert!(outcome.stdout.contains(&agrees), "{}", outcome.stdout);
        }
    }
}

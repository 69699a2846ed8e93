use std::io::Write;

use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Encoding, GzipLevel, ZstdLevel};
use datafusion::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::*;

const LIMITS: Limits = Limits {
    columns: 3000,
    table_columns: 6000,
    periods: 240,
    nesting: 32,
    cell: 1 << 20,
    row: 16 << 20,
    key: 8 << 10,
    pages: 256 << 20,
    ratio: 200,
};

fn file(column: ArrayRef, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), Some(properties.build())).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    file
}

fn asked(bytes: &[u8], limits: &Limits) -> Result<Demand> {
    asked_with(bytes, limits, &BTreeSet::new())
}

fn asked_with(bytes: &[u8], limits: &Limits, keys: &BTreeSet<usize>) -> Result<Demand> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap())?;
    demand(limits, file, builder.metadata(), keys)
}

fn texts(texts: Vec<String>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

fn zstd() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()))
}

fn gzip() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::GZIP(GzipLevel::default()))
}

#[test]
fn a_usual_file_is_read_in_whole_batches() {
    let lines = (0..20_000).map(|row| format!("i-{row:08}")).collect();
    let demand = asked(&file(texts(lines), zstd()), &LIMITS).unwrap();
    assert_eq!(demand.rows(8192), 8192);
    assert!(demand.is_little());
}

#[test]
fn a_text_that_a_dictionary_repeats_is_read_a_few_rows_at_a_time() {
    let keys = Int32Array::from(vec![0; 8192]);
    let text = texts(vec!["x".repeat(200_000)]);
    let bytes = file(Arc::new(DictionaryArray::try_new(keys, text).unwrap()), zstd());
    assert!(bytes.len() < 4000);
    let rows = asked(&bytes, &LIMITS).unwrap().rows(8192);
    assert!((100..200).contains(&rows), "{rows}");
}

#[test]
fn texts_that_share_what_the_text_before_them_has_count_whole() {
    let properties = zstd()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY);
    let lines = (0..200)
        .map(|row| "x".repeat(100_000) + &row.to_string())
        .collect();
    let rows = asked(&file(texts(lines), properties), &LIMITS)
        .unwrap()
        .rows(8192);
    assert!((200..400).contains(&rows), "{rows}");
    let properties = zstd()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY);
    let mut lines = vec![String::new(); 1000];
    lines[500] = "x".repeat(300_000);
    let rows = asked(&file(texts(lines), properties), &LIMITS)
        .unwrap()
        .rows(8192);
    assert!((100..120).contains(&rows), "{rows}");
}

#[test]
fn cells_pages_lists_and_rows_are_limited_by_name() {
    let refused = |bytes: &[u8], limits: Limits, what: &str| {
        let error = asked(bytes, &limits).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("[landing] max_")),
            "{error}"
        );
    };
    for properties in [zstd(), gzip(), zstd().set_dictionary_enabled(false)] {
        let bytes = file(texts(vec!["x".repeat(3 << 20)]), properties);
        assert!(bytes.len() < 20_000);
        refused(&bytes, LIMITS, "a cell has 3145728 bytes");
        let large = Limits {
            cell: 4 << 20,
            ..LIMITS
        };
        assert_eq!(asked(&bytes, &large).unwrap().rows(8192), 10);
        let little = Limits {
            pages: 1 << 20,
            ..LIMITS
        };
        refused(&bytes, little, "the pages of a row group take");
    }
    // One long text among short ones, in the dictionary or in a page without.
    let mut one_long = vec!["eu-central-1".to_string(); 10_000];
    one_long[5_000] = "x".repeat(100_000);
    for properties in [zstd(), zstd().set_dictionary_enabled(false)] {
        let bytes = file(texts(one_long.clone()), properties);
        assert!(asked(&bytes, &LIMITS).is_ok());
        let error = asked_with(&bytes, &LIMITS, &BTreeSet::from([0])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the names in a row may take 100016 bytes"),
            "{error}"
        );
    }
    let row = Limits { row: 1000, ..LIMITS };
    refused(
        &file(texts(vec!["x".repeat(2000)]), zstd()),
        row,
        "a row may take 2016 bytes",
    );
    let list = vec![Some(vec![None; 2 << 20]), Some(vec![Some(1)])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(list));
    let bytes = file(list, zstd());
    assert!(bytes.len() < 2000);
    refused(&bytes, LIMITS, "a cell has 2097152 bytes");
    let many: ArrayRef = Arc::new(Int64Array::from(vec![1; 2 << 20]));
    refused(
        &file(many, zstd()),
        Limits { ratio: 1, ..LIMITS },
        "2097152 rows: a decompression bomb",
    );
}

#[test]
fn mutated_files_are_read_or_refused() {
    let mut random = fastrand::Rng::with_seed(4);
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
        (0..300).map(|row| Some(vec![Some(row); row as usize % 5])),
    ));
    let lines: Vec<String> = (0..300).map(|row| format!("line {}", row / 3)).collect();
    let plain = || WriterProperties::builder().set_dictionary_enabled(false);
    let files = [
        file(texts(lines.clone()), zstd()),
        file(texts(lines.clone()), gzip()),
        file(
            texts(lines.clone()),
            plain().set_encoding(Encoding::DELTA_BYTE_ARRAY),
        ),
        file(texts(lines), plain()),
        file(list, plain()),
    ];
    let mut refused = 0;
    for round in 0..1000 {
        let mut bytes = files[round % files.len()].clone();
        for _ in 0..=random.usize(..4) {
            let place = random.usize(..bytes.len());
            bytes[place] = random.u8(..);
        }
        // The library that reads footers may stop on some: that is caught where it is called.
        let outcome = std::panic::catch_unwind(|| asked(&bytes, &LIMITS));
        refused += usize::from(!matches!(outcome, Ok(Ok(_))));
    }
    assert!(refused > 250, "{refused}");
}

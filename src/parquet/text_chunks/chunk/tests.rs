use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringViewArray, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::parser::parse_message_type;

use super::*;

/// The cells as any reader finds them.
fn read_back(texts: &TextColumn, rows: usize) -> Vec<Option<String>> {
    let message = parse_message_type("message m { optional binary a (STRING); }").unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(message), Default::default()).unwrap();
    let column = writer.schema_descr().column(0);
    let (bytes, close) = ChunkEncoder::new().unwrap().chunk(texts, &column, rows).unwrap();
    let mut group = writer.next_row_group().unwrap();
    group.append_column(&bytes, close).unwrap();
    group.close().unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let texts = |batch: RecordBatch| {
        let column = batch.column(0).as_string::<i32>();
        column
            .iter()
            .map(|text| text.map(String::from))
            .collect::<Vec<_>>()
    };
    reader.flat_map(|batch| texts(batch.unwrap())).collect()
}

fn check(cells: &[String]) -> TextColumn {
    let mut column = TextColumn::default();
    // Twice: memory that was used before must not show.
    for _ in 0..2 {
        column.clear();
        for cell in cells {
            column.push(Some(cell.as_bytes()).filter(|cell| !cell.is_empty()));
        }
        let wanted: Vec<Option<String>> = cells
            .iter()
            .map(|cell| Some(cell.clone()).filter(|cell| !cell.is_empty()))
            .collect();
        assert_eq!(read_back(&column, cells.len()), wanted);
    }
    column
}

#[test]
fn codes_of_every_width_read_back() {
    for entries in [1, 2, 3, 4, 5, 8, 9, 255, 256, 257, 5000] {
        for rows in [1, 7, 8, 9, PAGE_ROWS, PAGE_ROWS + 1] {
            let cell = |row: usize| format!("text {}", row * 31 % entries);
            check(&(0..rows).map(cell).collect::<Vec<_>>());
            let with_gaps = |row: usize| {
                if row.is_multiple_of(3) {
                    String::new()
                } else {
                    cell(row)
                }
            };
            check(&(0..rows).map(with_gaps).collect::<Vec<_>>());
        }
    }
    check(&vec![String::new(); PAGE_ROWS + 3]);
}

#[test]
fn a_dictionary_that_grows_too_large_is_followed_by_texts() {
    let cells: Vec<String> = (0..60_000)
        .map(|row| {
            if row % 10 == 0 {
                String::new()
            } else {
                format!("{row:040}")
            }
        })
        .collect();
    let mut column = check(&cells);
    assert!(column.given_up());
    assert_eq!(column.dictionary().len(), 0, "it is not tried again");
    column.clear();
    column.push(Some("späť".as_bytes()));
    column.push(None);
    assert_eq!(read_back(&column, 2), [Some("späť".to_string()), None]);
}

/// Texts as a batch of the engine has them.
fn views(texts: &[Option<String>]) -> StringViewArray {
    texts.iter().map(Option::as_deref).collect()
}

#[test]
fn texts_of_arrays_read_back_with_nulls_and_empty_texts_told_apart() {
    for distinct in [1, 2, 300, 70_000] {
        let text = |row: usize| match row % 5 {
            0 => None,
            1 => Some(String::new()),
            2 => Some(format!("{}", row * 31 % distinct)),
            _ => Some(format!(
                "longer than a view holds in itself {}",
                row * 17 % distinct
            )),
        };
        let texts: Vec<Option<String>> = (0..50_000).map(text).collect();
        let mut column = TextColumn::default();
        for part in texts.chunks(8_192) {
            // Rows that share a buffer, as a join leaves them, and others of one's own.
            let array = views(part);
            let order: UInt64Array = (0..array.len() as u64).collect();
            column.extend(take(&array, &order, None).unwrap().as_string_view());
        }
        assert_eq!(read_back(&column, texts.len()), texts, "{distinct}");
    }
}

#[test]
fn a_column_of_codes_tells_its_bounds_and_one_with_long_texts_none() {
    let bounds = |texts: &[Option<&str>]| {
        let mut column = TextColumn::default();
        column.extend(&texts.iter().copied().collect());
        statistics(&column).map(|bounds| {
            let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8(b.to_vec()).unwrap());
            (
                text(bounds.min_bytes_opt()),
                text(bounds.max_bytes_opt()),
                bounds.null_count_opt(),
            )
        })
    };
    let (low, high) = (Some("a".to_string()), Some("c".to_string()));
    assert_eq!(
        bounds(&[Some("c"), None, Some("a"), Some("b")]),
        Some((low, high, Some(1)))
    );
    assert_eq!(bounds(&[None, None]), Some((None, None, Some(2))));
    assert_eq!(bounds(&[Some("a"), Some(&"z".repeat(65))]), None);
}

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::parser::parse_message_type;

use super::*;

fn read_back(constant: &Constant, column: &str, rows: usize) -> ArrayRef {
    let message = parse_message_type(&format!("message m {{ {column} }}")).unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(message), Default::default()).unwrap();
    let (bytes, close) = constant.chunk(&writer.schema_descr().column(0), rows).unwrap();
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
    let mut group = writer.next_row_group().unwrap();
    group.append_column(&bytes, close).unwrap();
    group.close().unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut batches = reader.with_batch_size(rows).build().unwrap();
    batches.next().unwrap().unwrap().column(0).clone()
}

#[test]
fn every_row_has_the_value() {
    for rows in [1, 63, 64, 127, 128, 8192, 1_000_000] {
        let texts = read_back(
            &Constant::Text("räksmörgås".into()),
            "optional binary a (STRING);",
            rows,
        );
        assert_eq!(texts.len(), rows);
        assert!(
            texts
                .as_string::<i32>()
                .iter()
                .all(|text| text == Some("räksmörgås"))
        );
        let numbers = read_back(&Constant::Number(-7), "optional int64 a;", rows);
        assert!(
            numbers
                .as_primitive::<Int64Type>()
                .iter()
                .all(|number| number == Some(-7))
        );
        assert_eq!((numbers.len(), numbers.null_count()), (rows, 0));
        let nothing = read_back(&Constant::Null, "optional binary a (STRING);", rows);
        assert_eq!((nothing.len(), nothing.null_count()), (rows, rows));
    }
}

#[test]
fn only_optional_columns_are_made() {
    let message = parse_message_type("message m { required int64 a; }").unwrap();
    let writer = SerializedFileWriter::new(Vec::new(), Arc::new(message), Default::default()).unwrap();
    assert!(
        Constant::Number(1)
            .chunk(&writer.schema_descr().column(0), 1)
            .is_err()
    );
}

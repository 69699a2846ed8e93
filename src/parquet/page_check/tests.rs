use datafusion::arrow::array::{ArrayRef, BinaryArray, Float64Array, ListArray, RecordBatch};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};
use datafusion::parquet::schema::parser::parse_message_type;
use datafusion::parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::*;

const ROWS: usize = 30_000;

/// A column in a file of one row group: the bytes of its only chunk, and its metadata with offsets within them.
fn chunk(values: ArrayRef, version: WriterVersion, as_text: bool) -> (Bytes, ColumnChunkMetaData) {
    let batch = RecordBatch::try_from_iter_with_nullable([("a", values, true)]).unwrap();
    let properties = WriterProperties::builder().set_writer_version(version).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let footer = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let written = footer.row_group(0).column(0);
    let (start, length) = written.byte_range();
    let column: ColumnDescPtr = match as_text {
        true => {
            let message = parse_message_type("message m { optional binary a (STRING); }").unwrap();
            SchemaDescriptor::new(Arc::new(message)).column(0)
        }
        false => written.column_descr_ptr(),
    };
    let begin = start as i64;
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(written.compression())
        .set_encodings_mask(*written.encodings_mask())
        .set_num_values(written.num_values())
        .set_total_compressed_size(written.compressed_size())
        .set_total_uncompressed_size(written.uncompressed_size())
        .set_dictionary_page_offset(written.dictionary_page_offset().map(|offset| offset - begin))
        .set_data_page_offset(written.data_page_offset() - begin)
        .build()
        .unwrap();
    (file.slice(start as usize..(start + length) as usize), metadata)
}

fn texts(text: impl Fn(usize) -> Option<Vec<u8>>) -> ArrayRef {
    Arc::new((0..ROWS).map(text).collect::<BinaryArray>())
}

#[test]
fn whole_pages_pass_with_what_they_are() {
    let few = texts(|row| (row % 7 > 0).then(|| format!("fünf {}", row % 300).into_bytes()));
    let many = texts(|row| Some(format!("{row:050}").into_bytes()));
    let numbers: ArrayRef = Arc::new(Float64Array::from_iter(
        (0..ROWS).map(|row| (row % 3 > 0).then_some(row as f64)),
    ));
    let lists = (0..ROWS)
        .map(|row| (row % 4 > 0).then(|| (0..row % 5).map(|item| Some(item as i32)).collect::<Vec<_>>()));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    for (values, as_text) in [(few, true), (many, true), (numbers, false), (lists, false)] {
        let (bytes, metadata) = chunk(values, WriterVersion::PARQUET_1_0, as_text);
        let kinds = look_through(&bytes, &metadata, ROWS).unwrap();
        assert!(kinds.iter().any(|kind| kind.encoding == Encoding::RLE_DICTIONARY));
        assert!(
            look_through(&bytes, &metadata, ROWS + 1).is_none(),
            "another count of rows"
        );
        let short = bytes.slice(..bytes.len() - 1);
        assert!(
            look_through(&short, &metadata, ROWS).is_none(),
            "the last byte is missing"
        );
    }
    // The second version of pages has its levels outside what is compressed.
    let few = texts(|row| (row % 7 > 0).then(|| format!("{}", row % 300).into_bytes()));
    let (bytes, metadata) = chunk(few, WriterVersion::PARQUET_2_0, true);
    assert!(look_through(&bytes, &metadata, ROWS).is_some());
}

#[test]
fn what_is_no_text_is_found_in_dictionaries_and_behind_them() {
    for distinct in [100, ROWS] {
        let (bytes, metadata) = chunk(
            texts(|row| match row % distinct {
                99 => Some(vec![b'a', 0xff]),
                other => Some(format!("{other:060}").into_bytes()),
            }),
            WriterVersion::PARQUET_1_0,
            true,
        );
        assert!(look_through(&bytes, &metadata, ROWS).is_none());
    }
}

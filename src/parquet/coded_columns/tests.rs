use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, MapBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};

use super::*;

const ROWS: usize = 5_000;

/// Numbers given to values in the order in which they were met, from 1 on.
#[derive(Default)]
struct Met {
    codes: BTreeMap<String, u32>,
    values: Vec<String>,
}

impl Met {
    fn code(&mut self, value: String) -> u32 {
        let next = self.values.len() as u32 + 1;
        *self.codes.entry(value.clone()).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }

    fn value(&self, code: u32) -> Option<&str> {
        (code > 0).then(|| self.values[code as usize - 1].as_str())
    }
}

fn texts(array: &ArrayRef) -> Vec<String> {
    match array.data_type() {
        DataType::Timestamp(..) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().iter();
            moments.flatten().map(|moment| moment.to_string()).collect()
        }
        _ => array
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(str::to_string)
            .collect(),
    }
}

fn text(row: usize) -> Option<String> {
    match row {
        1_000..1_800 => None,
        2_000..3_000 => Some("the same".to_string()),
        _ if row % 7 == 3 => None,
        _ => Some(format!("value {}", row * row % 613)),
    }
}

/// The entries of a row's map: none, a few, or more than are read at once.
fn entries(row: usize) -> Option<Vec<(String, Option<String>)>> {
    let value = |n: usize| (!n.is_multiple_of(5)).then(|| format!("{}", (row + n) % 91));
    match row {
        3_210 => Some((0..40_000).map(|n| (format!("k{}", n % 11), value(n))).collect()),
        _ if row % 9 == 4 => None,
        _ => Some(
            (0..row % 4)
                .map(|n| (format!("k{}", (row + n) % 3), value(n)))
                .collect(),
        ),
    }
}

fn file(version: WriterVersion, has_dictionary: bool) -> Bytes {
    let moments = (0..ROWS).map(|row| (row % 5 != 1).then_some((row % 744) as i64 * 3_600_000_000));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..ROWS {
        for (key, value) in entries(row).unwrap_or_default() {
            maps.keys().append_value(key);
            maps.values().append_option(value);
        }
        maps.append(entries(row).is_some()).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new((0..ROWS).map(text).collect::<StringArray>())),
        ("moment", Arc::new(moments.collect::<TimestampMicrosecondArray>())),
        ("map", Arc::new(maps.finish())),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(has_dictionary)
        .set_compression(Compression::SNAPPY)
        .set_data_page_row_count_limit(700)
        .set_write_batch_size(64);
    let properties = match has_dictionary {
        true => properties,
        // The second version would store texts as differences.
        false => properties.set_encoding(datafusion::parquet::basic::Encoding::PLAIN),
    };
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn leaf(file: &Bytes, index: usize, delivered: &DataType) -> Leaf {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file).unwrap();
    let chunk = metadata.row_group(0).column(index);
    let (start, length) = chunk.byte_range();
    let bytes = file.slice(start as usize..(start + length) as usize);
    Leaf::open(bytes, chunk, ROWS, delivered).unwrap().unwrap()
}

fn files() -> impl Iterator<Item = Bytes> {
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    versions
        .into_iter()
        .flat_map(|version| [true, false].map(|has_dictionary| file(version, has_dictionary)))
}

#[test]
fn values_are_what_was_written_in_dictionaries_and_outside() {
    for file in files() {
        let moment = DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None);
        let columns = [(0, DataType::Utf8), (1, moment)];
        for (index, delivered) in columns {
            let mut leaf = leaf(&file, index, &delivered);
            let (mut met, mut codes) = (Met::default(), Vec::new());
            let mut meaning = |values: &ArrayRef, output: &mut Vec<u32>| {
                output.extend(texts(values).into_iter().map(|value| met.code(value)));
                Ok(())
            };
            for size in [1, 7, 8, 500, 1_024].iter().cycle() {
                if leaf.read(*size, &mut meaning, None, &mut codes).unwrap() == 0 {
                    break;
                }
            }
            assert_eq!(codes.len(), ROWS);
            for (row, code) in codes.iter().enumerate() {
                let expected = match index {
                    0 => text(row),
                    _ => (row % 5 != 1).then(|| (row as i64 % 744 * 3_600_000_000).to_string()),
                };
                assert_eq!(met.value(*code), expected.as_deref(), "row {row}");
            }
        }
    }
}

#[test]
fn the_first_entry_of_each_wanted_key_counts() {
    for file in files() {
        let mut tags = TagColumn::new(leaf(&file, 2, &DataType::Utf8), leaf(&file, 3, &DataType::Utf8));
        let mut met = Met::default();
        let mut outputs = [Vec::new(), Vec::new()];
        let mut left = ROWS;
        for size in [1, 300, 4_096].iter().cycle() {
            let size = left.min(*size);
            if size == 0 {
                break;
            }
            let mut key = |keys: &ArrayRef, output: &mut Vec<u32>| {
                let number = |key: String| {
                    ["k1", "k2"]
                        .iter()
                        .position(|k| *k == key)
                        .map_or(0, |n| n as u32 + 1)
                };
                output.extend(texts(keys).into_iter().map(number));
                Ok(())
            };
            let mut value = |values: &ArrayRef, output: &mut Vec<u32>| {
                output.extend(texts(values).into_iter().map(|value| met.code(value)));
                Ok(())
            };
            tags.read(size, &mut key, &mut value, &mut outputs).unwrap();
            left -= size;
        }
        for (wanted, output) in ["k1", "k2"].iter().zip(&outputs) {
            assert_eq!(output.len(), ROWS);
            for (row, code) in output.iter().enumerate() {
                let entries = entries(row).unwrap_or_default();
                let expected = entries
                    .into_iter()
                    .find(|(key, _)| key == wanted)
                    .and_then(|(_, value)| value);
                assert_eq!(met.value(*code), expected.as_deref(), "row {row}");
            }
        }
        let (mut none, mut never) = (Vec::new(), |_: &ArrayRef, _: &mut Vec<u32>| Ok(()));
        assert!(
            tags.read(1, &mut never, &mut |_, _| Ok(()), std::slice::from_mut(&mut none))
                .is_err()
        );
    }
}

#[test]
fn a_damaged_chunk_is_an_error() {
    let file = file(WriterVersion::PARQUET_1_0, true);
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let chunk = metadata.row_group(0).column(0);
    let (start, length) = chunk.byte_range();
    let whole = &file[start as usize..(start + length) as usize];
    for place in (0..whole.len()).step_by(13) {
        let mut bytes = whole.to_vec();
        bytes[place] ^= 0x55;
        // An error or other values, as with any reader: never a panic or an endless loop.
        let Ok(Some(mut leaf)) = Leaf::open(bytes.into(), chunk, ROWS, &DataType::Utf8) else {
            continue;
        };
        let mut codes = Vec::new();
        let mut meaning = |values: &ArrayRef, output: &mut Vec<u32>| {
            output.resize(output.len() + values.len(), 1);
            Ok(())
        };
        while leaf
            .read(1_000, &mut meaning, None, &mut codes)
            .is_ok_and(|read| read > 0)
        {}
    }
}

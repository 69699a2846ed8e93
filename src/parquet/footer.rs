//! The shape of a Parquet file, read from its footer without following it down: how deep, how many columns and chunks.
//! It is read before any library reads the footer: one that nests deep enough ends the process.
//!
//! The structures are those of <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::thrift::{Bytes, I32, LIST, STRUCTURE, STRUCTURES};
use crate::error::{Error, Result};

/// Bytes of a Parquet file's footer that are read.
const FOOTER_BYTES: u64 = 64 << 20;
/// The length of the footer and the magic bytes after it.
const TAIL_BYTES: u64 = 8;
/// Ends every Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// What is to be known before the columns are followed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Bytes of the footer.
    pub footer_bytes: u64,
    /// Groups inside each other, the leaf included.
    pub depth: usize,
    /// Columns at the top.
    pub columns: usize,
    /// Columns at the top and inside of them.
    pub elements: u64,
    /// Column chunks of all row groups.
    pub chunks: u64,
}

/// `FileMetaData.schema`.
const SCHEMA: i64 = 2;
/// `FileMetaData.row_groups`.
const ROW_GROUPS: i64 = 4;
/// `SchemaElement.num_children`.
const CHILDREN: i64 = 5;
/// `RowGroup.columns`.
const COLUMNS: i64 = 1;

/// Reads the shape of a file.
///
/// # Errors
/// Data: the file is no Parquet, is cut off, or has a footer of more than 64 MiB.
pub fn read_shape(path: &Path) -> Result<Shape> {
    let damaged = || {
        Error::data("the Parquet file cannot be read")
            .hint("the file is truncated or no Parquet: deliver it again")
    };
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < TAIL_BYTES {
        return Err(damaged().because("it is shorter than the smallest Parquet file"));
    }
    file.seek(SeekFrom::End(-(TAIL_BYTES as i64)))?;
    let mut tail = [0; TAIL_BYTES as usize];
    file.read_exact(&mut tail)?;
    let (length_of_footer, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(damaged().because("it does not end as a Parquet file does"));
    }
    let footer_bytes = length_of_footer
        .iter()
        .rev()
        .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    if footer_bytes > length - TAIL_BYTES {
        return Err(damaged().because("its footer is longer than the file"));
    }
    if footer_bytes > FOOTER_BYTES {
        return Err(Error::data(format!(
            "the Parquet file's footer has {footer_bytes} bytes, more than the {FOOTER_BYTES} that one may have"
        ))
        .hint("export it with larger row groups or fewer columns, in several files"));
    }
    file.seek(SeekFrom::End(-((TAIL_BYTES + footer_bytes) as i64)))?;
    let mut bytes = vec![0; footer_bytes as usize];
    file.read_exact(&mut bytes)?;
    let shape = shape(&bytes).ok_or_else(|| damaged().because("its footer does not describe its columns"))?;
    Ok(Shape {
        footer_bytes,
        ..shape
    })
}

/// The shape that a footer describes; `None` when the bytes are no footer.
fn shape(footer: &[u8]) -> Option<Shape> {
    let mut bytes = Bytes(footer);
    let (mut id, mut shape, mut chunks) = (0, None, 0);
    while let Some((next, kind)) = bytes.field(id)? {
        id = next;
        match (id, kind) {
            (SCHEMA, LIST) => shape = Some(schema(&mut bytes)?),
            (ROW_GROUPS, LIST) => chunks += row_groups(&mut bytes)?,
            _ => bytes.skip(kind, STRUCTURES)?,
        }
    }
    shape.map(|shape| Shape { chunks, ..shape })
}

/// How many column chunks the row groups have together.
fn row_groups(bytes: &mut Bytes<'_>) -> Option<u64> {
    let (groups, kind) = bytes.list()?;
    if kind != STRUCTURE {
        return (groups == 0).then_some(0);
    }
    let mut chunks = 0u64;
    for _ in 0..groups {
        let mut id = 0;
        while let Some((next, kind)) = bytes.field(id)? {
            id = next;
            if (id, kind) == (COLUMNS, LIST) {
                let mut ahead = Bytes(bytes.0);
                chunks = chunks.checked_add(ahead.list()?.0)?;
            }
            bytes.skip(kind, STRUCTURES)?;
        }
    }
    Some(chunks)
}

/// The elements stand in the order of a walk that goes down first; each says how many children it has.
fn schema(bytes: &mut Bytes<'_>) -> Option<Shape> {
    let (length, kind) = bytes.list()?;
    if kind != STRUCTURE || length == 0 {
        return None;
    }
    let columns = element(bytes)?;
    let mut shape = Shape {
        elements: length - 1,
        columns: usize::try_from(columns).ok()?,
        ..Shape::default()
    };
    let mut open = vec![columns];
    for _ in 1..length {
        while open.last() == Some(&0) {
            open.pop();
        }
        *open.last_mut()? -= 1;
        let children = element(bytes)?;
        open.push(children);
        shape.depth = shape.depth.max(open.len() - 1);
    }
    Some(shape)
}

/// The children of a schema element.
fn element(bytes: &mut Bytes<'_>) -> Option<u64> {
    let (mut id, mut children) = (0, 0);
    while let Some((next, kind)) = bytes.field(id)? {
        id = next;
        match (id, kind) {
            (CHILDREN, I32) => children = u64::try_from(bytes.zigzag()?).ok()?,
            _ => bytes.skip(kind, STRUCTURES)?,
        }
    }
    Some(children)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::RecordBatch;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::parquet::arrow::ArrowWriter;
    use proptest::prelude::*;

    use super::*;

    fn footer(fields: Vec<Field>) -> Vec<u8> {
        let rows = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let tail = file.len() - 8;
        let length = u32::from_le_bytes(file[tail..tail + 4].try_into().unwrap()) as usize;
        file[tail - length..tail].to_vec()
    }

    #[test]
    fn depth_and_columns_are_those_of_the_schema() {
        let flat = |name: &str| Field::new(name, DataType::Utf8, true);
        let nested = |inner: Field| Field::new("n", DataType::Struct(vec![inner].into()), true);
        let of = |fields| {
            let shape = shape(&footer(fields)).unwrap();
            (shape.depth, shape.columns, shape.elements)
        };
        assert_eq!(of(vec![flat("a"), flat("b")]), (1, 2, 2));
        let deep = nested(nested(nested(flat("a"))));
        assert_eq!(of(vec![deep, flat("b")]), (4, 2, 5));
        let list = Field::new_list("l", Field::new_list_field(DataType::Int64, true), true);
        assert_eq!(of(vec![list]), (3, 1, 3));
        assert_eq!(shape(b""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = shape(&bytes);
        }
    }
}

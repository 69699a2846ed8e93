//! The shape of a Parquet file, read from its footer without following it down: how deep, how many columns and chunks.
//!
//! The structures are those of <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use super::thrift::{Bytes, I32, LIST, STRUCTURE, STRUCTURES};

/// What is to be known before the columns are followed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
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

/// Reads the shape; `None` when the bytes are no footer.
pub(super) fn shape(footer: &[u8]) -> Option<Shape> {
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

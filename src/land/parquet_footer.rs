//! The shape of a Parquet file's columns, read from its footer without following it down: how deep, how many at the top.
//!
//! The footer is Thrift's compact protocol: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>,
//! with the structures of <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// What is to be known before the columns are followed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Groups inside each other, the leaf included.
    pub depth: usize,
    /// Columns at the top.
    pub columns: usize,
}

/// Structures inside each other in a footer; those of a column's type are three deep.
const STRUCTURES: usize = 16;

/// Types of the compact protocol.
const STOP: u8 = 0;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCTURE: u8 = 12;
const UUID: u8 = 13;

/// `FileMetaData.schema`.
const SCHEMA: i64 = 2;
/// `SchemaElement.num_children`.
const CHILDREN: i64 = 5;

/// Reads the shape; `None` when the bytes are no footer.
pub(super) fn shape(footer: &[u8]) -> Option<Shape> {
    let mut bytes = Bytes(footer);
    let mut id = 0;
    while let Some((next, kind)) = bytes.field(id)? {
        id = next;
        if id == SCHEMA && kind == LIST {
            return bytes.schema();
        }
        bytes.skip(kind, STRUCTURES)?;
    }
    None
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn drop_front(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    /// The id and type of the next field; `Some(None)` at the end of a structure.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind == STOP {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.zigzag()?,
            delta => last.checked_add(i64::from(delta))?,
        };
        Some(Some((id, kind)))
    }

    /// The length and type of a list.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Some((length, head & 0x0f))
    }

    fn skip(&mut self, kind: u8, structures: usize) -> Option<()> {
        match kind {
            // A field's type says which.
            1 | FALSE => Some(()),
            BYTE => self.drop_front(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.drop_front(8),
            UUID => self.drop_front(16),
            BINARY => {
                let length = self.varint()?;
                self.drop_front(length)
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                self.skip_all(length, kind, structures)
            }
            MAP => {
                let length = self.varint()?;
                if length == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                for _ in 0..length {
                    self.skip_all(1, kinds >> 4, structures)?;
                    self.skip_all(1, kinds & 0x0f, structures)?;
                }
                Some(())
            }
            STRUCTURE => {
                let inside = structures.checked_sub(1)?;
                let mut id = 0;
                while let Some((next, kind)) = self.field(id)? {
                    id = next;
                    self.skip(kind, inside)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Elements of a list; a truth value has a byte there.
    fn skip_all(&mut self, count: u64, kind: u8, structures: usize) -> Option<()> {
        let inside = structures.checked_sub(1)?;
        for _ in 0..count {
            match kind {
                1 | FALSE => self.drop_front(1)?,
                kind => self.skip(kind, inside)?,
            }
        }
        Some(())
    }

    /// The elements stand in the order of a walk that goes down first; each says how many children it has.
    fn schema(&mut self) -> Option<Shape> {
        let (length, kind) = self.list()?;
        if kind != STRUCTURE || length == 0 {
            return None;
        }
        let columns = self.element()?;
        let mut shape = Shape {
            depth: 0,
            columns: usize::try_from(columns).ok()?,
        };
        let mut open = vec![columns];
        for _ in 1..length {
            while open.last() == Some(&0) {
                open.pop();
            }
            *open.last_mut()? -= 1;
            let children = self.element()?;
            open.push(children);
            shape.depth = shape.depth.max(open.len() - 1);
        }
        Some(shape)
    }

    /// The children of a schema element.
    fn element(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match (id, kind) {
                (CHILDREN, I32) => children = u64::try_from(self.zigzag()?).ok()?,
                _ => self.skip(kind, STRUCTURES)?,
            }
        }
        Some(children)
    }
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
        let of = |fields| shape(&footer(fields)).unwrap();
        assert_eq!(of(vec![flat("a"), flat("b")]), Shape { depth: 1, columns: 2 });
        let deep = nested(nested(nested(flat("a"))));
        assert_eq!(of(vec![deep, flat("b")]), Shape { depth: 4, columns: 2 });
        let list = Field::new_list("l", Field::new_list_field(DataType::Int64, true), true);
        assert_eq!(of(vec![list]), Shape { depth: 3, columns: 1 });
        assert_eq!(shape(b""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = shape(&bytes);
        }
    }
}

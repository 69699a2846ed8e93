//! Thrift's compact protocol, as far as Parquet needs it, read without trust in any length or depth:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

/// Structures inside each other in a footer; those of a column's type are three deep.
pub(super) const STRUCTURES: usize = 16;

/// Types of the compact protocol.
const STOP: u8 = 0;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCTURE: u8 = 12;
const UUID: u8 = 13;

/// An unsigned number, seven bits a byte, the lowest first.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What is left of the bytes of a structure.
pub(super) struct Bytes<'a>(pub &'a [u8]);

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

    /// An unsigned number.
    pub fn varint(&mut self) -> Option<u64> {
        varint(&mut self.0)
    }

    /// A signed number.
    pub fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    /// The id and type of the next field; `Some(None)` at the end of a structure.
    pub fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
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
    pub fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Some((length, head & 0x0f))
    }

    /// Passes over a value, with at most so many structures inside each other.
    pub fn skip(&mut self, kind: u8, structures: usize) -> Option<()> {
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
}

//! Columns of a row group read as codes: the numbers that Parquet stores in place of values, without arrays between.
//!
//! A column of text is mostly a dictionary and, for each row, an index into it. The reader is asked for rows and told what a
//! value means (a number), which is asked once per entry of the dictionary; the rest are table lookups into buffers that the
//! caller keeps. Values outside of dictionaries are read, too. What is stored in other ways is left to the reader of arrays.

mod leaf;
mod tag;

pub use leaf::{Leaf, Meaning};
pub use tag::TagColumn;

/// The code of an absent value.
pub const ABSENT: u32 = 0;

/// A column of a row group, open for reading.
pub enum CodedColumn {
    /// One value per row.
    Flat(Box<Leaf>),
    /// A map of texts per row.
    Tags(Box<TagColumn>),
}

#[cfg(test)]
mod tests;

//! One leaf of a row group: its pages, and in them levels and values.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::arrow::array::{ArrayRef, BinaryArray, Int32Array, Int64Array, StringArray};
use datafusion::arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::basic::{Encoding, Type};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

use super::ABSENT;
use crate::error::{Error, Result};
use crate::parquet::runs::Runs;
use crate::parquet::window::Window;

/// Says what values mean: appends the code of each value of an array.
pub type Meaning<'a> = dyn FnMut(&ArrayRef, &mut Vec<u32>) -> datafusion::common::Result<()> + 'a;

/// A leaf column of a row group.
pub struct Leaf {
    pages: SerializedPageReader<Window>,
    /// The level from which on a value is there.
    most_definition: u32,
    is_repeated: bool,
    kind: LeafKind,
    dictionary: Option<ArrayRef>,
    /// What the dictionary's entries mean, once it was asked.
    of_entry: Option<Vec<u32>>,
    page: Option<Box<OpenPage>>,
    is_present: Vec<u32>,
    found: Vec<u32>,
}

/// How values are stored, and the type in which they are shown.
enum LeafKind {
    Text,
    Int32(DataType),
    Int64(DataType),
}

struct OpenPage {
    left: usize,
    repetition: Option<Runs>,
    definition: Option<Runs>,
    values: Values,
}

enum Values {
    Indices(Runs),
    Plain(Bytes),
}

/// What came of going to the next page.
enum Next {
    Page(Box<OpenPage>),
    End,
    /// A page that is stored in another way than is read here.
    Unknown,
}

fn damaged() -> Error {
    ParquetError::General("a page is not what its header says".to_string()).into()
}

fn is_coded(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
}

impl Leaf {
    /// Opens a column chunk of `rows` rows, whose bytes begin at its own offset; `delivered` is the type in which arrays
    /// would show it. `None` when it is stored in a way that is not read here.
    ///
    /// # Errors
    /// External when its first pages are damaged.
    pub fn open(
        bytes: Bytes,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        delivered: &DataType,
    ) -> Result<Option<Leaf>> {
        let column = chunk.column_descr();
        let kind = match (column.physical_type(), delivered) {
            (Type::BYTE_ARRAY, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => LeafKind::Text,
            (Type::BYTE_ARRAY, DataType::Dictionary(_, values)) if **values == DataType::Utf8 => {
                LeafKind::Text
            }
            (Type::INT64, DataType::Timestamp(..) | DataType::Int64) => LeafKind::Int64(delivered.clone()),
            (Type::INT32, DataType::Date32) => LeafKind::Int32(delivered.clone()),
            _ => return Ok(None),
        };
        // What dictionaries overflow into with some writers.
        let is_other = |encoding: Encoding| {
            use Encoding::{
                BYTE_STREAM_SPLIT, DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY,
            };
            matches!(
                encoding,
                DELTA_BINARY_PACKED | DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY | BYTE_STREAM_SPLIT
            )
        };
        if chunk.encodings().any(is_other) || column.max_rep_level() > 1 {
            return Ok(None);
        }
        let (start, _) = chunk.byte_range();
        let pages = SerializedPageReader::new(Arc::new(Window { start, bytes }), chunk, rows, None)?;
        let mut leaf = Leaf {
            pages,
            most_definition: column.max_def_level().unsigned_abs().into(),
            is_repeated: column.max_rep_level() == 1,
            kind,
            dictionary: None,
            of_entry: None,
            page: None,
            is_present: Vec::new(),
            found: Vec::new(),
        };
        match leaf.next_page()? {
            Next::Unknown => return Ok(None),
            Next::Page(page) => leaf.page = Some(page),
            Next::End => {}
        }
        Ok(Some(leaf))
    }

    fn next_page(&mut self) -> Result<Next> {
        loop {
            match self.pages.get_next_page()? {
                None => return Ok(Next::End),
                Some(Page::DictionaryPage { buf, num_values, .. }) => {
                    let mut values = buf;
                    self.dictionary = Some(self.kind.plain(&mut values, num_values as usize)?);
                    self.of_entry = None;
                }
                Some(Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    ..
                }) => {
                    let mut rest = buf;
                    let is_unknown = |encoding: Encoding| encoding != Encoding::RLE;
                    if (self.is_repeated && is_unknown(rep_level_encoding))
                        || (self.most_definition > 0 && is_unknown(def_level_encoding))
                    {
                        return Ok(Next::Unknown);
                    }
                    let mut levels = |are_there: bool| match are_there {
                        false => Ok(None),
                        true => {
                            let length = rest.try_get_u32_le().map_err(|_| damaged())? as usize;
                            split(&mut rest, length).map(Some)
                        }
                    };
                    let repetition = levels(self.is_repeated)?;
                    let definition = levels(self.most_definition > 0)?;
                    return self.opened(num_values as usize, repetition, definition, rest, encoding);
                }
                Some(Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    ..
                }) => {
                    let mut rest = buf;
                    let repetition = split(&mut rest, rep_levels_byte_len as usize)?;
                    let definition = split(&mut rest, def_levels_byte_len as usize)?;
                    let repetition = self.is_repeated.then_some(repetition);
                    let definition = (self.most_definition > 0).then_some(definition);
                    return self.opened(num_values as usize, repetition, definition, rest, encoding);
                }
            }
        }
    }

    fn opened(
        &self,
        left: usize,
        repetition: Option<Bytes>,
        definition: Option<Bytes>,
        mut values: Bytes,
        encoding: Encoding,
    ) -> Result<Next> {
        let values = match encoding {
            Encoding::PLAIN => Values::Plain(values),
            // A page without any value may have no bytes at all.
            _ if is_coded(encoding) && values.is_empty() => Values::Plain(values),
            _ if is_coded(encoding) => {
                let width = values.get_u8();
                Values::Indices(Runs::new(values, width.into()))
            }
            _ => return Ok(Next::Unknown),
        };
        let width = u32::BITS - self.most_definition.leading_zeros();
        Ok(Next::Page(Box::new(OpenPage {
            left,
            repetition: repetition.map(|bytes| Runs::new(bytes, 1)),
            definition: definition.map(|bytes| Runs::new(bytes, width)),
            values,
        })))
    }

    /// Appends the codes of up to `at_most` values, absent ones included, and returns how many; 0 at the end. Of a repeated
    /// leaf `levels` takes the repetition levels: 0 begins a row.
    ///
    /// # Errors
    /// External when a page is damaged; what the meaning says of a value it cannot take.
    pub fn read(
        &mut self,
        at_most: usize,
        meaning: &mut Meaning<'_>,
        levels: Option<&mut Vec<u32>>,
        codes: &mut Vec<u32>,
    ) -> Result<usize> {
        while self.page.as_ref().is_none_or(|page| page.left == 0) {
            match self.next_page()? {
                Next::End => return Ok(0),
                Next::Page(page) => self.page = Some(page),
                Next::Unknown => {
                    let what = "the pages of one column are stored in different ways";
                    return Err(ParquetError::NYI(what.to_string()).into());
                }
            }
        }
        let Some(page) = &mut self.page else { return Ok(0) };
        let count = at_most.min(page.left);
        page.left -= count;
        if let (Some(runs), Some(levels)) = (&mut page.repetition, levels) {
            let start = levels.len();
            levels.resize(start + count, 0);
            runs.fill(&mut levels[start..]).ok_or_else(damaged)?;
        }
        let present = match &mut page.definition {
            None => count,
            Some(runs) => match runs.repeated(count) {
                Some(level) if level == self.most_definition => count,
                Some(_) => 0,
                None => {
                    self.is_present.resize(count, 0);
                    runs.fill(&mut self.is_present).ok_or_else(damaged)?;
                    let most = self.most_definition;
                    self.is_present
                        .iter_mut()
                        .for_each(|level| *level = u32::from(*level == most));
                    self.is_present.iter().sum::<u32>() as usize
                }
            },
        };
        if present == 0 {
            codes.resize(codes.len() + count, ABSENT);
            return Ok(count);
        }
        // Where nothing is absent, values are codes at once.
        let is_full = present == count;
        self.found.clear();
        let found = if is_full { &mut *codes } else { &mut self.found };
        let start = found.len();
        match &mut page.values {
            Values::Plain(bytes) => {
                let values = self.kind.plain(bytes, present)?;
                meaning(&values, found)?;
            }
            Values::Indices(runs) => {
                let Some(dictionary) = &self.dictionary else {
                    return Err(damaged());
                };
                let of_entry = match &mut self.of_entry {
                    Some(of_entry) => of_entry,
                    unasked => {
                        let mut asked = Vec::with_capacity(dictionary.len());
                        meaning(dictionary, &mut asked)?;
                        unasked.insert(asked)
                    }
                };
                if let Some(index) = runs.repeated(present) {
                    let code = *of_entry.get(index as usize).ok_or_else(damaged)?;
                    found.resize(start + present, code);
                } else {
                    found.resize(start + present, 0);
                    let found = &mut found[start..];
                    runs.fill(found).ok_or_else(damaged)?;
                    let entries = of_entry.len() as u32;
                    if found
                        .iter()
                        .fold(false, |is_beyond, index| is_beyond | (*index >= entries))
                    {
                        return Err(damaged());
                    }
                    found
                        .iter_mut()
                        .for_each(|index| *index = of_entry[*index as usize]);
                }
            }
        }
        if found.len() != start + present {
            return Err(damaged());
        }
        if is_full {
            return Ok(count);
        }
        // One more, for the rows after the last value.
        self.found.push(ABSENT);
        let mut next = 0;
        codes.extend(self.is_present.iter().map(|is_present| {
            let code = self.found[next] * is_present;
            next += *is_present as usize;
            code
        }));
        Ok(count)
    }
}

fn split(rest: &mut Bytes, length: usize) -> Result<Bytes> {
    match length <= rest.len() {
        true => Ok(rest.split_to(length)),
        false => Err(damaged()),
    }
}

impl LeafKind {
    /// The next `count` values, one after the other.
    fn plain(&self, bytes: &mut Bytes, count: usize) -> Result<ArrayRef> {
        Ok(match self {
            LeafKind::Text => Arc::new(texts(bytes, count)?),
            LeafKind::Int32(shown) => {
                let part = split(bytes, count.checked_mul(4).ok_or_else(damaged)?)?;
                let numbers = part.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b));
                cast(
                    &(Arc::new(Int32Array::from_iter_values(numbers)) as ArrayRef),
                    shown,
                )?
            }
            LeafKind::Int64(shown) => {
                let part = split(bytes, count.checked_mul(8).ok_or_else(damaged)?)?;
                let numbers = part.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b));
                cast(
                    &(Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef),
                    shown,
                )?
            }
        })
    }
}

/// Texts, each with its length before it.
fn texts(bytes: &mut Bytes, count: usize) -> Result<StringArray> {
    let mut ends = Vec::with_capacity(count.min(bytes.len() / 4) + 1);
    ends.push(0);
    let (mut rest, mut all): (&[u8], Vec<u8>) = (bytes, Vec::new());
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        rest = behind;
        let text = rest
            .split_off(..u32::from_le_bytes(*length) as usize)
            .ok_or_else(damaged)?;
        all.extend_from_slice(text);
        ends.push(i32::try_from(all.len()).map_err(|_| damaged())?);
    }
    let used = bytes.len() - rest.len();
    bytes.advance(used);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    Ok(StringArray::try_from_binary(BinaryArray::try_new(
        offsets,
        Buffer::from(all),
        None,
    )?)?)
}

//! Values as numbers: each distinct value of a column or expression has a code, null is 0.

use std::hash::BuildHasher;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, LargeStringArray, StringArray, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Date32Type, Int32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, exec_err};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// The code of null.
pub const NULL_CODE: u32 = 0;

/// The distinct values of one type, in the order in which they were met.
pub struct Codes {
    data_type: DataType,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// For types whose values are not their bytes.
    rows: Option<RowConverter>,
    /// The dictionary that was translated last, kept so that its place in memory stays its own, and its codes.
    dictionary: (ArrayRef, Vec<u32>),
    /// Of days and timestamps: the code of each one met.
    numbers: HashMap<i64, u32>,
}

/// Whether two dictionaries are one and the same piece of memory.
fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    match (one.as_string_opt::<i32>(), other.as_string_opt::<i32>()) {
        (Some(one), Some(other)) => {
            one.len() == other.len()
                && one.value_data().as_ptr() == other.value_data().as_ptr()
                && one.value_offsets().as_ptr() == other.value_offsets().as_ptr()
        }
        _ => false,
    }
}

/// Whether values of the type are texts, which are the same in each of its spellings.
pub fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}

impl Codes {
    /// No value yet but null.
    ///
    /// # Errors
    /// A type that cannot be compared by its bytes.
    pub fn new(data_type: DataType) -> Result<Codes> {
        let mut rows = match is_text(&data_type) || data_type == DataType::Null {
            true => None,
            false => Some(RowConverter::new(vec![SortField::new(data_type.clone())])?),
        };
        let null = match &mut rows {
            Some(rows) => rows
                .convert_columns(&[new_null_array(&data_type, 1)])?
                .row(0)
                .data()
                .to_vec(),
            None => Vec::new(),
        };
        Ok(Codes {
            data_type,
            ends: vec![null.len()],
            bytes: null,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            rows,
            dictionary: (new_null_array(&DataType::Null, 0), Vec::new()),
            numbers: HashMap::new(),
        })
    }

    /// How many codes there are, null's included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * 8
            + self.table.capacity() * 5
            + self.dictionary.1.capacity() * 4
            + self.numbers.capacity() * 16
    }

    /// The bytes of a value: its text, else an encoding that orders as the values do.
    pub fn bytes_of(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }

    /// The code of a value given by its bytes.
    pub fn code_of(&mut self, value: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(value);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let of = |code: u32| &bytes[ends[code as usize - 1]..ends[code as usize]];
        if let Some(code) = self.table.find(hash, |code| of(*code) == value) {
            return *code;
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.table.insert_unique(hash, code, |code| {
            hasher.hash_one(&bytes[ends[*code as usize - 1]..ends[*code as usize]])
        });
        code
    }

    /// Appends the code of each row of an array of this type, or of dictionary codes into it.
    ///
    /// # Errors
    /// What arrow says of a type that does not fit.
    pub fn encode(&mut self, array: &ArrayRef, output: &mut Vec<u32>) -> Result<()> {
        match array.data_type() {
            DataType::Null => output.extend(std::iter::repeat_n(NULL_CODE, array.len())),
            DataType::Dictionary(key, _) if **key == DataType::Int32 && is_text(&self.data_type) => {
                self.encode_dictionary(array, output)?;
            }
            DataType::Utf8View => {
                let texts = array.as_string_view();
                output.extend(
                    texts
                        .iter()
                        .map(|t| t.map_or(NULL_CODE, |t| self.code_of(t.as_bytes()))),
                );
            }
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                output.extend(
                    texts
                        .iter()
                        .map(|t| t.map_or(NULL_CODE, |t| self.code_of(t.as_bytes()))),
                );
            }
            DataType::LargeUtf8 => {
                let texts: &LargeStringArray = array.as_string::<i64>();
                output.extend(
                    texts
                        .iter()
                        .map(|t| t.map_or(NULL_CODE, |t| self.code_of(t.as_bytes()))),
                );
            }
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>().iter();
                self.encode_numbers(array, days.map(|day| day.map(i64::from)), output)?;
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let moments = array.as_primitive::<TimestampMicrosecondType>().iter();
                self.encode_numbers(array, moments, output)?;
            }
            _ => {
                let Some(rows) = &self.rows else {
                    let text = cast(array, &self.data_type)?;
                    return self.encode(&text, output);
                };
                let encoded = rows.convert_columns(std::slice::from_ref(array))?;
                for row in 0..array.len() {
                    let code = match array.is_null(row) {
                        true => NULL_CODE,
                        false => self.code_of(encoded.row(row).data()),
                    };
                    output.push(code);
                }
            }
        }
        Ok(())
    }

    fn encode_numbers(
        &mut self,
        array: &ArrayRef,
        numbers: impl Iterator<Item = Option<i64>>,
        output: &mut Vec<u32>,
    ) -> Result<()> {
        let Some(rows) = self.rows.take() else {
            return datafusion::common::internal_err!("numbers in a column of text");
        };
        let mut coded = Ok(());
        let mut last = (None, NULL_CODE);
        for (row, number) in numbers.enumerate() {
            if number != last.0 {
                let known = number.map_or(Some(&NULL_CODE), |number| self.numbers.get(&number));
                let code = match (known, number) {
                    (Some(code), _) => *code,
                    (None, None) => NULL_CODE,
                    (None, Some(number)) => match rows.convert_columns(&[array.slice(row, 1)]) {
                        Ok(encoded) => {
                            let code = self.code_of(encoded.row(0).data());
                            self.numbers.insert(number, code);
                            code
                        }
                        Err(error) => {
                            coded = Err(error.into());
                            break;
                        }
                    },
                };
                last = (number, code);
            }
            output.push(last.1);
        }
        self.rows = Some(rows);
        coded
    }

    fn encode_dictionary(&mut self, array: &ArrayRef, output: &mut Vec<u32>) -> Result<()> {
        let dictionary = array.as_dictionary::<Int32Type>();
        self.translate(dictionary.values());
        let keys = dictionary.keys();
        let of_key = &self.dictionary.1;
        match keys.nulls() {
            None => output.extend(keys.values().iter().map(|key| of_key[*key as usize])),
            Some(_) => output.extend(
                keys.iter()
                    .map(|key| key.map_or(NULL_CODE, |key| of_key[key as usize])),
            ),
        }
        Ok(())
    }

    /// The code of each value of a dictionary; one translation serves all batches that share it.
    pub fn translate(&mut self, values: &ArrayRef) -> &[u32] {
        if !is_same(&self.dictionary.0, values) {
            let mut codes = Vec::with_capacity(values.len());
            if let Some(texts) = values.as_string_opt::<i32>() {
                codes.extend(
                    texts
                        .iter()
                        .map(|t| t.map_or(NULL_CODE, |t| self.code_of(t.as_bytes()))),
                );
            }
            self.dictionary = (values.clone(), codes);
        }
        &self.dictionary.1
    }

    /// All values by code, null first.
    ///
    /// # Errors
    /// What arrow says of damaged values.
    pub fn values(&self) -> Result<ArrayRef> {
        if self.data_type == DataType::Null {
            return Ok(new_null_array(&DataType::Null, self.len()));
        }
        if let Some(rows) = &self.rows {
            let parser = rows.parser();
            let all = (0..self.len() as u32).map(|code| parser.parse(self.bytes_of(code)));
            let mut columns = rows.convert_rows(all)?;
            return Ok(columns.remove(0));
        }
        let ends = std::iter::once(&0)
            .chain(&self.ends)
            .map(|end| i32::try_from(*end));
        let Ok(ends) = ends.collect::<std::result::Result<Vec<i32>, _>>() else {
            return exec_err!("the distinct texts of a column are larger than 2 GiB");
        };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let valid = NullBuffer::from_iter((0..self.len()).map(|code| code != NULL_CODE as usize));
        let bytes = BinaryArray::try_new(offsets, Buffer::from(self.bytes.clone()), Some(valid))?;
        let texts = StringArray::try_from_binary(bytes)?;
        Ok(cast(&(Arc::new(texts) as ArrayRef), &self.data_type)?)
    }

    /// The values of some codes.
    ///
    /// # Errors
    /// What arrow says of damaged values.
    pub fn decode(&self, codes: &[u32]) -> Result<ArrayRef> {
        // A few values of many are not worth writing all out.
        if let Some(rows) = &self.rows {
            let parser = rows.parser();
            let mut columns =
                rows.convert_rows(codes.iter().map(|code| parser.parse(self.bytes_of(*code))))?;
            return Ok(columns.remove(0));
        }
        if codes.len() * 4 > self.len() || self.data_type == DataType::Null {
            return Ok(take(&self.values()?, &UInt32Array::from(codes.to_vec()), None)?);
        }
        let texts: Vec<Option<&str>> = codes
            .iter()
            .map(|code| match *code {
                NULL_CODE => Ok(None),
                code => std::str::from_utf8(self.bytes_of(code)).map(Some),
            })
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| datafusion::common::DataFusionError::External(Box::new(e)))?;
        Ok(cast(
            &(Arc::new(StringArray::from(texts)) as ArrayRef),
            &self.data_type,
        )?)
    }

    /// The code here of each code of `other`.
    pub fn absorb(&mut self, other: &Codes) -> Vec<u32> {
        let others = 1..other.len() as u32;
        std::iter::once(NULL_CODE)
            .chain(others.map(|code| self.code_of(other.bytes_of(code))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{BooleanArray, Date32Array, DictionaryArray, StringViewArray};

    #[test]
    fn equal_values_have_one_code_in_every_spelling() {
        let mut codes = Codes::new(DataType::Utf8View).unwrap();
        let mut coded = Vec::new();
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), None, Some("a"), Some("")]));
        codes.encode(&texts, &mut coded).unwrap();
        let dictionary: DictionaryArray<Int32Type> =
            vec![Some("a"), None, Some("b"), Some("")].into_iter().collect();
        codes
            .encode(&(Arc::new(dictionary) as ArrayRef), &mut coded)
            .unwrap();
        assert_eq!(coded, [1, 0, 2, 3, 2, 0, 1, 3]);
        let back = codes.decode(&[3, 0, 1]).unwrap();
        assert_eq!(
            back.as_string_view().iter().collect::<Vec<_>>(),
            [Some(""), None, Some("b")]
        );
        assert_eq!(codes.values().unwrap().len(), 4);
    }

    #[test]
    fn days_and_other_types_come_back() {
        let mut codes = Codes::new(DataType::Date32).unwrap();
        let mut coded = Vec::new();
        let days: ArrayRef = Arc::new(Date32Array::from(vec![
            Some(20_000),
            None,
            Some(20_000),
            Some(-1),
        ]));
        codes.encode(&days, &mut coded).unwrap();
        assert_eq!(coded, [1, 0, 1, 2]);
        assert_eq!(codes.decode(&coded).unwrap().as_ref(), days.as_ref());
        let mut codes = Codes::new(DataType::Boolean).unwrap();
        let mut coded = Vec::new();
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        codes.encode(&flags, &mut coded).unwrap();
        assert_eq!(codes.decode(&coded).unwrap().as_ref(), flags.as_ref());
    }
}

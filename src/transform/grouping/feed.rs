//! The inputs of a batch as codes.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int32Type, Schema};
use datafusion::common::{Result, exec_err};

use super::batch::batch_of;
use super::codes::{Codes, NULL_CODE, is_text};
use super::function::Answers;
use super::scan::{RowExpression, ScanPlan, Source};
use crate::parquet::coded_columns::{CodedColumn, Leaf, TagColumn};
use crate::transform::functions::{clean_key, tag_values};
use crate::warehouse::PartitionValues;

/// Texts kept of inputs that only other inputs read, before they are forgotten.
const HIDDEN_BYTES: usize = 32 << 20;

/// What the inputs have brought so far.
pub struct Feed {
    /// By input: its distinct values.
    codes: Vec<Codes>,
    /// By input: whose codes it has. All tags of one column of maps share those of the first.
    owners: Vec<usize>,
    /// By input: what its function has answered; its values are then the input's.
    answers: Vec<Option<Answers>>,
}

/// A batch of a file and what its partition says.
#[derive(Clone, Copy)]
pub struct FileRows<'a> {
    pub batch: &'a RecordBatch,
    pub partition: &'a PartitionValues,
    pub table: &'a Schema,
}

impl FileRows<'_> {
    /// A column as it lies in the batch; `None` when the file lacks it.
    fn delivered(&self, name: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// A column in the table's type.
    pub fn column(&self, name: &str) -> Result<ArrayRef> {
        let rows = self.batch.num_rows();
        let data_type = self.table.field_with_name(name)?.data_type();
        if let Some(value) = self.partition.get(name) {
            let text: ArrayRef = Arc::new(StringViewArray::from_iter(std::iter::repeat_n(
                value.as_deref(),
                rows,
            )));
            return Ok(cast(&text, data_type)?);
        }
        match self.delivered(name) {
            Some(column) if column.data_type() == data_type => Ok(column.clone()),
            Some(column) => Ok(cast(column, data_type)?),
            None => Ok(new_null_array(data_type, rows)),
        }
    }

    /// The value of an expression for each row, given the parameters that it takes.
    pub fn evaluate(&self, expression: &RowExpression, parameters: Vec<ArrayRef>) -> Result<ArrayRef> {
        let rows = self.batch.num_rows();
        let mut columns = Vec::with_capacity(expression.schema.fields().len());
        for name in &expression.columns {
            columns.push(self.column(name)?);
        }
        columns.extend(parameters);
        let batch = batch_of(expression.schema.clone(), columns, rows)?;
        expression.expression.evaluate(&batch)?.into_array(rows)
    }
}

/// The columns of a row group that are read by their codes.
pub type OpenColumns = BTreeMap<String, CodedColumn>;

/// An array in the type of its column; dictionaries of texts stay what they are.
fn in_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(..) => Ok(array.clone()),
        delivered if delivered == data_type || (is_text(delivered) && is_text(data_type)) => {
            Ok(array.clone())
        }
        _ => Ok(cast(array, data_type)?),
    }
}

fn read_leaf(
    leaf: &mut Leaf,
    rows: usize,
    codes: &mut Codes,
    data_type: &DataType,
    column: &mut Vec<u32>,
) -> Result<()> {
    let mut meaning =
        |values: &ArrayRef, output: &mut Vec<u32>| codes.encode(&in_type(values, data_type)?, output);
    while column.len() < rows {
        if leaf.read(rows - column.len(), &mut meaning, None, column)? == 0 {
            return exec_err!("a column of a data file has fewer rows than its row group");
        }
    }
    Ok(())
}

fn read_tags(
    tags: &mut TagColumn,
    rows: usize,
    codes: &mut Codes,
    wanted: &[&String],
    columns: &mut [Vec<u32>],
) -> Result<()> {
    let mut key = |keys: &ArrayRef, output: &mut Vec<u32>| number_keys(keys, wanted, output);
    let mut value = |values: &ArrayRef, output: &mut Vec<u32>| encode_tag_values(codes, values, output);
    Ok(tags.read(rows, &mut key, &mut value, columns)?)
}

/// The number of each of some keys among the wanted ones, from 1 on; 0 for the others.
fn number_keys(keys: &ArrayRef, wanted: &[&String], output: &mut Vec<u32>) -> Result<()> {
    let Some(texts) = keys.as_string_opt::<i32>() else {
        return datafusion::common::internal_err!("the keys of a map are {}", keys.data_type());
    };
    let number = |text: &str| wanted.iter().position(|key| clean_key(text) == *key);
    output.extend(
        texts
            .iter()
            .map(|text| text.and_then(number).map_or(0, |place| place as u32 + 1)),
    );
    Ok(())
}

/// The codes of the values of a tag; an empty one is none.
fn encode_tag_values(codes: &mut Codes, values: &ArrayRef, output: &mut Vec<u32>) -> Result<()> {
    let empty = codes.code_of(b"");
    let start = output.len();
    codes.encode(values, output)?;
    let tags = output[start..].iter_mut().filter(|code| **code == empty);
    tags.for_each(|code| *code = NULL_CODE);
    Ok(())
}

impl Feed {
    /// Nothing seen yet.
    ///
    /// # Errors
    /// An input whose values cannot be told apart.
    pub fn new(plan: &ScanPlan) -> Result<Feed> {
        let codes = plan
            .inputs
            .iter()
            .map(|(_, data_type)| Codes::new(data_type.clone()));
        let answers = plan.inputs.iter().map(|(source, _)| match source {
            Source::PerText(function) => Answers::new(function).map(Some),
            _ => Ok(None),
        });
        let owner = |input: usize| match &plan.inputs[input].0 {
            Source::Tag { column, .. } => (0..input)
                .find(|n| matches!(&plan.inputs[*n].0, Source::Tag { column: other, .. } if other == column))
                .unwrap_or(input),
            _ => input,
        };
        Ok(Feed {
            codes: codes.collect::<Result<_>>()?,
            owners: (0..plan.inputs.len()).map(owner).collect(),
            answers: answers.collect::<Result<_>>()?,
        })
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        let codes: usize = self.codes.iter().map(Codes::size).sum();
        codes + self.answers.iter().flatten().map(Answers::size).sum::<usize>()
    }

    /// The distinct values of an input.
    pub fn values(&self, input: usize) -> &Codes {
        match &self.answers[input] {
            Some(answers) => &answers.values,
            None => &self.codes[self.owners[input]],
        }
    }

    /// The codes here of the values that another thread has met of an input.
    pub fn absorb(&mut self, input: usize, theirs: &Codes) -> Vec<u32> {
        match &mut self.answers[input] {
            Some(answers) => answers.values.absorb(theirs),
            None => self.codes[self.owners[input]].absorb(theirs),
        }
    }

    /// The codes of every input for the rows of a batch; `opened` holds the columns that are read by their codes, and `columns`
    /// takes one column of codes per input, in memory that is used again and again.
    ///
    /// # Errors
    /// What the engine says of a value it cannot take.
    pub fn encode(
        &mut self,
        plan: &ScanPlan,
        rows: &FileRows<'_>,
        opened: &mut OpenColumns,
        columns: &mut Vec<Vec<u32>>,
    ) -> Result<()> {
        self.forget_hidden(plan)?;
        let count = rows.batch.num_rows();
        columns.resize_with(plan.inputs.len(), Vec::new);
        for (input, (source, data_type)) in plan.inputs.iter().enumerate() {
            let (earlier, later) = columns.split_at_mut(input);
            let (column, later) = match later.split_first_mut() {
                Some((column, later)) => (column, later),
                None => return datafusion::common::internal_err!("an input has no column"),
            };
            match source {
                Source::Tag { column: map, .. } if self.owners[input] < input && opened.contains_key(map) => {
                    // Read with the first tag of these maps.
                    continue;
                }
                _ => column.clear(),
            }
            match source {
                Source::Column(name) => match opened.get_mut(name) {
                    Some(CodedColumn::Flat(leaf)) => {
                        read_leaf(leaf, count, &mut self.codes[input], data_type, column)?;
                    }
                    _ => self.encode_column(input, name, data_type, rows, column)?,
                },
                Source::Tag { column: map, key } => match opened.get_mut(map) {
                    Some(CodedColumn::Tags(tags)) => {
                        // All tags of these maps at once.
                        let mut wanted = vec![key];
                        let mut read = vec![std::mem::take(column)];
                        let mut places = vec![column];
                        for (n, place) in (input + 1..).zip(later) {
                            if let (Source::Tag { key, .. }, true) =
                                (&plan.inputs[n].0, self.owners[n] == input)
                            {
                                wanted.push(key);
                                read.push(std::mem::take(place));
                                places.push(place);
                            }
                        }
                        read.iter_mut().for_each(Vec::clear);
                        read_tags(tags, count, &mut self.codes[input], &wanted, &mut read)?;
                        for (place, read) in places.into_iter().zip(read) {
                            *place = read;
                        }
                    }
                    _ => self.encode_tag(input, map, key, rows, column)?,
                },
                Source::PerRow(expression) => {
                    let values = rows.evaluate(expression, Vec::new())?;
                    self.codes[input].encode(&values, column)?;
                }
                Source::PerText(function) => {
                    let Some(mut answers) = self.answers[input].take() else {
                        return datafusion::common::internal_err!("an input has no answers");
                    };
                    let read: Vec<&[u32]> = function.inputs.iter().map(|n| earlier[*n].as_slice()).collect();
                    let values: Vec<&Codes> = function.inputs.iter().map(|n| self.values(*n)).collect();
                    let answered = answers.answer(function, &read, count, &values);
                    self.answers[input] = Some(answers);
                    *column = answered?;
                }
            }
        }
        Ok(())
    }

    fn encode_column(
        &mut self,
        input: usize,
        name: &str,
        data_type: &DataType,
        rows: &FileRows<'_>,
        column: &mut Vec<u32>,
    ) -> Result<()> {
        let count = rows.batch.num_rows();
        let codes = &mut self.codes[input];
        if let Some(value) = rows.partition.get(name) {
            let code = value.as_ref().map_or(NULL_CODE, |v| codes.code_of(v.as_bytes()));
            column.resize(count, code);
            return Ok(());
        }
        match rows.delivered(name) {
            None => column.resize(count, NULL_CODE),
            Some(array) => codes.encode(&in_type(array, data_type)?, column)?,
        }
        Ok(())
    }

    /// A tag of maps whose texts are codes: keys and values are compared as numbers.
    fn encode_tag(
        &mut self,
        input: usize,
        column: &str,
        key: &String,
        rows: &FileRows<'_>,
        output: &mut Vec<u32>,
    ) -> Result<()> {
        let codes = &mut self.codes[self.owners[input]];
        let Some(map) = rows.delivered(column).and_then(|c| c.as_map_opt()) else {
            output.extend(std::iter::repeat_n(NULL_CODE, rows.batch.num_rows()));
            return Ok(());
        };
        let dictionaries = map
            .keys()
            .as_dictionary_opt::<Int32Type>()
            .zip(map.values().as_dictionary_opt::<Int32Type>());
        let Some((keys, values)) = dictionaries else {
            return codes.encode(&tag_values(map, key)?, output);
        };
        let mut is_key = Vec::new();
        number_keys(keys.values(), &[key], &mut is_key)?;
        let mut of_value = Vec::new();
        encode_tag_values(codes, values.values(), &mut of_value)?;
        let (key_codes, value_codes) = (keys.keys(), values.keys());
        let offsets = map.value_offsets();
        for row in 0..map.len() {
            let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
            let found = match map.is_valid(row) {
                true => entries.find(|entry| is_key[key_codes.value(*entry) as usize] == 1),
                false => None,
            };
            output.push(match found {
                Some(entry) if value_codes.is_valid(entry) => of_value[value_codes.value(entry) as usize],
                _ => NULL_CODE,
            });
        }
        Ok(())
    }

    /// Texts that are only read by functions, long JSON for instance, need not be remembered: only their answers.
    fn forget_hidden(&mut self, plan: &ScanPlan) -> Result<()> {
        let is_hidden =
            |input: usize| !plan.is_remembered(input) && matches!(plan.inputs[input].0, Source::Column(_));
        let hidden: Vec<usize> = (0..plan.inputs.len()).filter(|n| is_hidden(*n)).collect();
        if hidden.iter().map(|n| self.codes[*n].size()).sum::<usize>() < HIDDEN_BYTES {
            return Ok(());
        }
        for input in hidden {
            self.codes[input] = Codes::new(plan.inputs[input].1.clone())?;
        }
        for (answers, (source, _)) in self.answers.iter_mut().zip(&plan.inputs) {
            if let (Some(answers), Source::PerText(function)) = (answers, source) {
                answers.forget(function.inputs.len());
            }
        }
        Ok(())
    }
}

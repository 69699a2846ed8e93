//! The inputs of a batch as codes.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int32Type, Schema, TimestampMicrosecondType};
use datafusion::common::Result;

use super::batch::batch_of;
use super::codes::{Codes, NULL_CODE};
use super::function::Answers;
use super::scan::{RowExpression, ScanPlan, Source};
use crate::transform::functions::{clean_key, tag_values};
use crate::warehouse::PartitionValues;

/// Texts kept of inputs that only other inputs read, before they are forgotten.
const HIDDEN_BYTES: usize = 32 << 20;

/// What the inputs have brought so far.
pub struct Feed {
    /// By input: its distinct values.
    pub codes: Vec<Codes>,
    /// By input: what its function has answered; its values are then the input's.
    answers: Vec<Option<Answers>>,
}

/// A batch of a file and what its partition says.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub batch: &'a RecordBatch,
    pub partition: &'a PartitionValues,
    pub table: &'a Schema,
}

impl Rows<'_> {
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
        let values = expression.expression.evaluate(&batch)?.into_array(rows)?;
        Ok(match expression.gives_day {
            true => Arc::new(days(values.as_primitive::<TimestampMicrosecondType>())),
            false => values,
        })
    }
}

/// The UTC day of each timestamp.
fn days(timestamps: &TimestampMicrosecondArray) -> Date32Array {
    timestamps.unary(|micros| micros.div_euclid(86_400_000_000) as i32)
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
        Ok(Feed {
            codes: codes.collect::<Result<_>>()?,
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
            None => &self.codes[input],
        }
    }

    /// The codes here of what another thread's function has answered for an input.
    ///
    /// # Errors
    /// Internal when the input has no function.
    pub fn absorb_answers(&mut self, input: usize, theirs: &Codes) -> Result<Vec<u32>> {
        match &mut self.answers[input] {
            Some(answers) => Ok(answers.values.absorb(theirs)),
            None => datafusion::common::internal_err!("an input has no answers"),
        }
    }

    /// The codes of every input for the rows of a batch.
    ///
    /// # Errors
    /// What the engine says of a value it cannot take.
    pub fn encode(&mut self, plan: &ScanPlan, rows: &Rows<'_>) -> Result<Vec<Vec<u32>>> {
        self.forget_hidden(plan)?;
        let count = rows.batch.num_rows();
        let mut columns: Vec<Vec<u32>> = Vec::with_capacity(plan.inputs.len());
        for (input, (source, data_type)) in plan.inputs.iter().enumerate() {
            let mut column = Vec::with_capacity(count);
            match source {
                Source::Column(name) => self.encode_column(input, name, data_type, rows, &mut column)?,
                Source::Tag { column: map, key } => self.encode_tag(input, map, key, rows, &mut column)?,
                Source::PerRow(expression) => {
                    let values = rows.evaluate(expression, Vec::new())?;
                    self.codes[input].encode(&values, &mut column)?;
                }
                Source::PerText(function) => {
                    let Some(mut answers) = self.answers[input].take() else {
                        return datafusion::common::internal_err!("an input has no answers");
                    };
                    let read: Vec<Vec<u32>> = function.inputs.iter().map(|n| columns[*n].clone()).collect();
                    let values: Vec<&Codes> = function.inputs.iter().map(|n| self.values(*n)).collect();
                    let answered = answers.answer(function, &read, count, &values);
                    self.answers[input] = Some(answers);
                    column = answered?;
                }
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn encode_column(
        &mut self,
        input: usize,
        name: &str,
        data_type: &DataType,
        rows: &Rows<'_>,
        column: &mut Vec<u32>,
    ) -> Result<()> {
        let count = rows.batch.num_rows();
        let codes = &mut self.codes[input];
        if let Some(value) = rows.partition.get(name) {
            let code = value.as_ref().map_or(NULL_CODE, |v| codes.code_of(v.as_bytes()));
            column.extend(std::iter::repeat_n(code, count));
            return Ok(());
        }
        match rows.delivered(name) {
            None => column.extend(std::iter::repeat_n(NULL_CODE, count)),
            Some(array) if matches!(array.data_type(), DataType::Dictionary(..)) => {
                codes.encode(array, column)?
            }
            Some(array) if array.data_type() == data_type => codes.encode(array, column)?,
            Some(array) => codes.encode(&cast(array, data_type)?, column)?,
        }
        Ok(())
    }

    /// A tag of maps whose texts are codes: keys and values are compared as numbers.
    fn encode_tag(
        &mut self,
        input: usize,
        column: &str,
        key: &str,
        rows: &Rows<'_>,
        output: &mut Vec<u32>,
    ) -> Result<()> {
        let codes = &mut self.codes[input];
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
        let is_key: Vec<bool> = match keys.values().as_string_opt::<i32>() {
            Some(texts) => texts
                .iter()
                .map(|t| t.is_some_and(|t| clean_key(t) == key))
                .collect(),
            None => Vec::new(),
        };
        let of_value: Vec<u32> = {
            let empty = codes.code_of(b"");
            let translated = codes.translate(values.values());
            translated
                .iter()
                .map(|code| if *code == empty { NULL_CODE } else { *code })
                .collect()
        };
        let (key_codes, value_codes) = (keys.keys(), values.keys());
        let offsets = map.value_offsets();
        for row in 0..map.len() {
            let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
            let found = match map.is_valid(row) {
                true => entries.find(|entry| is_key[key_codes.value(*entry) as usize]),
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

//! A join to a small table with distinct keys, as a function of the keys.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use datafusion::arrow::compute::{cast, concat_batches, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_plan::collect;

/// The small side of a join: a plan that gives its keys and then its columns.
#[derive(Debug)]
pub struct Lookup {
    plan: LogicalPlan,
    null_keys_match: Vec<bool>,
    entries: OnceLock<Entries>,
}

#[derive(Debug)]
struct Entries {
    rows: HashMap<OwnedRow, u32>,
    converter: RowConverter,
    key_types: Vec<DataType>,
    values: Vec<ArrayRef>,
}

impl Lookup {
    /// `plan` gives one column per key (`null_keys_match` says of each whether null equals null), then the values.
    pub fn new(plan: LogicalPlan, null_keys_match: Vec<bool>) -> Lookup {
        Lookup {
            plan,
            null_keys_match,
            entries: OnceLock::new(),
        }
    }

    /// Reads the small table; false when a key occurs twice, so that the join is no function.
    ///
    /// # Errors
    /// What the engine says when the table cannot be read.
    pub async fn load(&self, state: &dyn Session) -> Result<bool> {
        if self.entries.get().is_some() {
            return Ok(true);
        }
        let plan = state.create_physical_plan(&self.plan).await?;
        let schema = plan.schema();
        let batches = collect(plan, state.task_ctx()).await?;
        let rows = concat_batches(&schema, &batches)?;
        let (keys, values) = rows.columns().split_at(self.null_keys_match.len());
        let key_types: Vec<DataType> = keys.iter().map(|k| k.data_type().clone()).collect();
        let converter = RowConverter::new(key_types.iter().cloned().map(SortField::new).collect())?;
        let encoded = converter.convert_columns(keys)?;
        let mut entries = HashMap::new();
        for row in 0..rows.num_rows() {
            if self.is_matchable(keys, row) && entries.insert(encoded.row(row).owned(), row as u32).is_some()
            {
                return Ok(false);
            }
        }
        let _ = self.entries.set(Entries {
            rows: entries,
            converter,
            key_types,
            values: values.to_vec(),
        });
        Ok(true)
    }

    fn is_matchable(&self, keys: &[ArrayRef], row: usize) -> bool {
        keys.iter()
            .zip(&self.null_keys_match)
            .all(|(key, null_matches)| *null_matches || !key.is_null(row))
    }

    /// The row of the small table for each row of keys.
    fn find(&self, keys: Vec<ArrayRef>) -> Result<(UInt32Array, &Entries)> {
        let Some(entries) = self.entries.get() else {
            return internal_err!("a lookup was used before it was read");
        };
        let keys = keys
            .iter()
            .zip(&entries.key_types)
            .map(|(key, data_type)| cast(key, data_type))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let encoded = entries.converter.convert_columns(&keys)?;
        let found = (0..encoded.num_rows()).map(|row| {
            self.is_matchable(&keys, row)
                .then(|| entries.rows.get(&encoded.row(row).owned()).copied())
                .flatten()
        });
        Ok((found.collect(), entries))
    }

    /// The expression of the `column`-th value at `keys`.
    pub fn value(lookup: &Arc<Lookup>, column: usize, keys: Vec<Expr>) -> Expr {
        let field = lookup.plan.schema().field(lookup.null_keys_match.len() + column);
        function(lookup, Some(column), field.data_type().clone(), keys)
    }

    /// The expression of whether there is a row at `keys`.
    pub fn is_found(lookup: &Arc<Lookup>, keys: Vec<Expr>) -> Expr {
        function(lookup, None, DataType::Boolean, keys)
    }
}

fn function(lookup: &Arc<Lookup>, column: Option<usize>, data_type: DataType, keys: Vec<Expr>) -> Expr {
    let function = Found {
        lookup: lookup.clone(),
        column,
        data_type,
        signature: Signature::any(keys.len(), Volatility::Immutable),
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), keys))
}

#[derive(Debug)]
struct Found {
    lookup: Arc<Lookup>,
    column: Option<usize>,
    data_type: DataType,
    signature: Signature,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lookup, &other.lookup) && self.column == other.column
    }
}

impl Eq for Found {}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.lookup).hash(state);
        self.column.hash(state);
    }
}

impl ScalarUDFImpl for Found {
    fn name(&self) -> &str {
        "lookup"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut keys = Vec::with_capacity(args.args.len());
        for key in &args.args {
            keys.push(key.to_array(args.number_rows)?);
        }
        let (rows, entries) = self.lookup.find(keys)?;
        Ok(ColumnarValue::Array(match self.column {
            Some(column) => take(&entries.values[column], &rows, None)?,
            None => Arc::new(
                (0..rows.len())
                    .map(|row| Some(rows.is_valid(row)))
                    .collect::<BooleanArray>(),
            ),
        }))
    }
}

//! An expression of the keys, evaluated once per distinct combination of the columns that it reads.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;

use super::batch::batch_of;
use super::codes::Codes;
use super::tuples::Tuples;

/// The expression and the inputs that it reads, by their position.
pub struct CodeFunction {
    /// Positions of the inputs, ascending.
    pub inputs: Vec<usize>,
    /// What it returns.
    pub data_type: DataType,
    expression: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
}

impl CodeFunction {
    /// A function of columns named `input_<n>`; `types` are those of all inputs.
    ///
    /// # Errors
    /// What the engine says of an expression it cannot evaluate.
    pub fn new(expr: &Expr, types: &[DataType], state: &dyn Session) -> Result<CodeFunction> {
        let field = |n: usize| Field::new(input_name(n), types[n].clone(), true);
        let all = Schema::new((0..types.len()).map(field).collect::<Vec<_>>());
        let expr = simplified(expr, &all, state)?;
        let mut inputs: Vec<usize> = expr
            .column_refs()
            .iter()
            .filter_map(|column| input_position(column))
            .collect();
        inputs.sort_unstable();
        let schema = Arc::new(Schema::new(inputs.iter().map(|n| field(*n)).collect::<Vec<_>>()));
        let df_schema = DFSchema::try_from(schema.clone())?;
        Ok(CodeFunction {
            data_type: expr.get_type(&df_schema)?,
            expression: state.create_physical_expr(expr, &df_schema)?,
            inputs,
            schema,
        })
    }
}

/// The expression as the engine evaluates it: some functions are rewritten into others, constants are computed.
///
/// # Errors
/// What the engine says of the expression.
pub fn simplified(expr: &Expr, schema: &Schema, state: &dyn Session) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(DFSchema::try_from(schema.clone())?))
        .with_config_options(state.config().options().clone())
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    ExprSimplifier::new(context).simplify(expr.clone())
}

/// The name under which an expression reads the `n`-th input.
pub fn input_name(n: usize) -> String {
    format!("input_{n}")
}

/// The column of the `n`-th input.
pub fn input(n: usize) -> Expr {
    Expr::Column(Column::new_unqualified(input_name(n)))
}

fn input_position(column: &Column) -> Option<usize> {
    column.name.strip_prefix("input_").and_then(|n| n.parse().ok())
}

/// What a function has answered so far.
pub struct Answers {
    seen: Tuples,
    /// By combination: the code of the answer.
    answers: Vec<u32>,
    /// The distinct answers.
    pub values: Codes,
}

impl Answers {
    /// Nothing asked yet.
    ///
    /// # Errors
    /// A type whose values cannot be told apart.
    pub fn new(function: &CodeFunction) -> Result<Answers> {
        Ok(Answers {
            seen: Tuples::new(function.inputs.len()),
            answers: Vec::new(),
            values: Codes::new(function.data_type.clone())?,
        })
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        self.seen.size() + self.answers.capacity() * 4 + self.values.size()
    }

    /// Forgets which combinations were asked; the answers' codes stay.
    pub fn forget(&mut self, width: usize) {
        self.seen = Tuples::new(width);
        self.answers.clear();
    }

    /// The code of the answer for each row; `columns` are the codes of the function's inputs, `inputs` what they mean.
    ///
    /// # Errors
    /// What the expression says of a value it cannot take.
    pub fn answer(
        &mut self,
        function: &CodeFunction,
        columns: &[&[u32]],
        rows: usize,
        inputs: &[&Codes],
    ) -> Result<Vec<u32>> {
        let known = self.seen.len();
        let mut numbers = self.seen.number(columns, rows);
        let fresh = self.seen.len() - known;
        if fresh > 0 {
            let arrays = inputs
                .iter()
                .enumerate()
                .map(|(n, codes)| codes.decode(&self.seen.column(n, known..known + fresh)));
            let batch = batch_of(function.schema.clone(), arrays.collect::<Result<_>>()?, fresh)?;
            let answered = function.expression.evaluate(&batch)?.into_array(fresh)?;
            self.values.encode(&answered, &mut self.answers)?;
        }
        numbers.iter_mut().for_each(|n| *n = self.answers[*n as usize]);
        Ok(numbers)
    }
}

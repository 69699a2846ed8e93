//! How one branch is computed: what is read of its files, what distinguishes rows, what is evaluated when.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;

use super::branch::Branch;
use super::function::{CodeFunction, input, simplified};
use super::narrow::{Inputs, Part};
use super::one_tag::of_each_column;
use super::rule::Aggregated;
use super::sums::{Fold, Leaves, Pieces, Splitter, amounts, parameter_name};
use crate::warehouse::{DataFile, SnapshotTable};

/// Where an input's codes come from.
pub enum Source {
    /// A column of the file or of its partition.
    Column(String),
    /// One tag of a map.
    Tag { column: String, key: String },
    /// An expression over the columns of the batch.
    PerRow(RowExpression),
    /// A function of earlier inputs.
    PerText(CodeFunction),
}

/// An expression over columns of the table and parameters.
pub struct RowExpression {
    pub expression: Arc<dyn PhysicalExpr>,
    pub schema: SchemaRef,
    /// Names of the table's columns that it reads, in the order of the schema.
    pub columns: Vec<String>,
    /// Parameters that it takes, after the columns in the schema.
    pub parameters: Vec<usize>,
}

/// One aggregate over the branch.
pub struct SumPlan {
    pub fold: Fold,
    /// The given function that chooses, an index into [`ScanPlan::given`].
    pub choice: Option<usize>,
    /// By choice: the leaf that is added.
    pub leaves: Vec<Option<usize>>,
    /// Of a maximum or minimum: the given function whose values are compared.
    pub compared: Option<usize>,
}

impl SumPlan {
    /// Whether a row of the branch may add to it.
    pub fn has_values(&self) -> bool {
        self.fold == Fold::Count || self.compared.is_some() || self.leaves.iter().any(Option::is_some)
    }
}

/// Everything that a branch's threads share.
pub struct ScanPlan {
    pub table: SnapshotTable,
    pub files: Vec<DataFile>,
    /// Columns that are read.
    pub read: BTreeSet<String>,
    /// Those of them whose arrays are dictionaries.
    pub coded: BTreeSet<String>,
    /// Those of them that nothing reads but by their codes.
    pub by_code: BTreeSet<String>,
    pub inputs: Vec<(Source, DataType)>,
    /// The inputs that tell rows apart.
    pub key: Vec<usize>,
    pub filters: Vec<CodeFunction>,
    pub groups: Vec<CodeFunction>,
    /// Choices and parameters, evaluated for every new tuple.
    pub given: Vec<CodeFunction>,
    /// Where the parameters begin in `given`.
    pub first_parameter: usize,
    pub leaves: Vec<RowExpression>,
    pub sums: Vec<SumPlan>,
}

impl ScanPlan {
    /// Plans a branch. `None` when what it sums cannot be told apart from its keys.
    ///
    /// # Errors
    /// What the engine says of an expression.
    pub fn new(
        branch: &Branch,
        groups: &[Expr],
        aggregates: &[Aggregated],
        state: &dyn Session,
    ) -> Result<Option<ScanPlan>> {
        let schema = branch.table.columns();
        let df_schema = DFSchema::try_from(schema.clone())?;
        let constant: BTreeSet<String> = branch.table.partition_columns().iter().cloned().collect();
        let mut inputs = Inputs::new(&df_schema, &constant);
        let by_column = |exprs: &[Expr]| {
            let exprs = exprs.iter().map(|e| of_each_column(e, &branch.table));
            exprs.collect::<Result<Vec<Expr>>>()
        };
        let (groups, branch_filters) = (by_column(groups)?, by_column(&branch.filters)?);
        for expr in groups.iter().chain(&branch_filters) {
            inputs.note_whole(expr)?;
        }
        let amounts = amounts(aggregates.iter().filter_map(|a| a.argument.as_ref()), &df_schema)?;
        let mut leaves = Leaves::default();
        let mut pieces: Vec<Pieces> = Vec::new();
        let splitter = Splitter {
            inputs: &inputs,
            amounts: &amounts,
            schema: &df_schema,
        };
        for aggregate in aggregates {
            pieces.push(match (&aggregate.argument, aggregate.fold) {
                (Some(argument), Fold::Sum) => splitter.pieces(argument, &mut leaves)?,
                _ => Pieces {
                    choice: None,
                    leaves: Vec::new(),
                },
            });
        }
        let mut given: Vec<Expr> = pieces.iter().filter_map(|p| p.choice.clone()).collect();
        let mut sums = Vec::new();
        let mut choices = 0;
        for (piece, aggregate) in pieces.iter().zip(aggregates) {
            let choice = piece.choice.is_some().then(|| {
                choices += 1;
                choices - 1
            });
            sums.push(SumPlan {
                fold: aggregate.fold,
                choice,
                leaves: piece.leaves.clone(),
                compared: None,
            });
        }
        for (sum, aggregate) in sums.iter_mut().zip(aggregates) {
            if let (Fold::Max | Fold::Min, Some(argument)) = (aggregate.fold, &aggregate.argument) {
                sum.compared = Some(given.len());
                given.push(argument.clone());
            }
        }
        let first_parameter = given.len();
        given.extend(leaves.parameters.iter().cloned());
        for expr in &given {
            inputs.note_whole(expr)?;
        }
        let rewrite = |exprs: &[Expr], inputs: &mut Inputs| {
            exprs
                .iter()
                .map(|e| inputs.rewrite(e))
                .collect::<Result<Vec<Expr>>>()
        };
        let filters = rewrite(&branch_filters, &mut inputs)?;
        let mut groups = rewrite(&groups, &mut inputs)?;
        let given = rewrite(&given, &mut inputs)?;
        gather(&mut groups, &given, &mut inputs, state)?;
        let types: Vec<DataType> = inputs.parts.iter().map(|(_, t)| t.clone()).collect();
        let functions = |exprs: &[Expr]| {
            exprs
                .iter()
                .map(|e| CodeFunction::new(e, &types, state))
                .collect::<Result<Vec<_>>>()
        };
        let (filters, groups, given) = (functions(&filters)?, functions(&groups)?, functions(&given)?);
        let parameter_types: Vec<DataType> = given[first_parameter..]
            .iter()
            .map(|g| g.data_type.clone())
            .collect();
        let row = |expr: &Expr| RowExpression::new(expr, schema, &parameter_types, state);
        let leaves = leaves.exprs.iter().map(row).collect::<Result<Vec<_>>>()?;
        let mut sources = Vec::new();
        for (part, data_type) in &inputs.parts {
            let source = match part {
                Part::Column(name) => Source::Column(name.clone()),
                Part::Tag { column, key } => Source::Tag {
                    column: column.clone(),
                    key: key.clone(),
                },
                Part::PerRow(expr) => Source::PerRow(row(expr)?),
                Part::PerText(expr) => Source::PerText(CodeFunction::new(expr, &types, state)?),
            };
            sources.push((source, data_type.clone()));
        }
        let used = groups.iter().chain(&given);
        let key: BTreeSet<usize> = used.flat_map(|f| f.inputs.iter().copied()).collect();
        let files = branch.table.prune(state, &branch.filters)?;
        let mut plan = ScanPlan {
            table: branch.table.clone(),
            files,
            read: BTreeSet::new(),
            coded: BTreeSet::new(),
            by_code: BTreeSet::new(),
            inputs: sources,
            key: key.into_iter().collect(),
            filters,
            groups,
            given,
            first_parameter,
            leaves,
            sums,
        };
        plan.choose_columns(&constant, schema);
        Ok(Some(plan))
    }

    /// Whether an input's codes must stay what they are: groups or filters know them.
    pub fn is_remembered(&self, input: usize) -> bool {
        self.key.contains(&input) || self.filters.iter().any(|f| f.inputs.contains(&input))
    }

    fn choose_columns(&mut self, constant: &BTreeSet<String>, schema: &Schema) {
        let is_map = |name: &String| {
            schema
                .field_with_name(name)
                .is_ok_and(|f| matches!(f.data_type(), DataType::Map(..)))
        };
        let mut as_values: BTreeSet<String> = self.leaves.iter().flat_map(|l| l.columns.clone()).collect();
        let mut as_codes: BTreeSet<String> = BTreeSet::new();
        for (source, _) in &self.inputs {
            match source {
                // A map's codes tell single tags, not the whole of it.
                Source::Column(name) if is_map(name) => {
                    as_values.insert(name.clone());
                }
                Source::Column(name) => {
                    as_codes.insert(name.clone());
                }
                Source::Tag { column, .. } => {
                    as_codes.insert(column.clone());
                }
                Source::PerRow(expression) => as_values.extend(expression.columns.iter().cloned()),
                Source::PerText(_) => {}
            }
        }
        self.coded = as_codes
            .iter()
            .filter(|name| !constant.contains(*name) && (!is_map(name) || !as_values.contains(*name)))
            .cloned()
            .collect();
        self.by_code = as_codes
            .difference(&as_values)
            .filter(|name| !constant.contains(*name))
            .cloned()
            .collect();
        self.read = as_codes
            .into_iter()
            .chain(as_values)
            .filter(|name| !constant.contains(name))
            .collect();
    }
}

/// Inputs that one expression of the groups reads and nothing else, from which on its value tells rows apart in their place.
const MANY_INPUTS: usize = 3;

/// An expression that alone reads several inputs (a region out of region, zone and usage type) has fewer values than they have
/// combinations: it is evaluated for each row's combination, and rows are told apart by its value.
fn gather(groups: &mut [Expr], given: &[Expr], inputs: &mut Inputs<'_>, state: &dyn Session) -> Result<()> {
    let read: Vec<BTreeSet<String>> = groups
        .iter()
        .chain(given)
        .map(|expr| expr.column_refs().iter().map(|c| c.name.clone()).collect())
        .collect();
    for (place, group) in groups.iter_mut().enumerate() {
        let is_read_elsewhere = |name: &String| {
            let mut others = read.iter().enumerate().filter(|(other, _)| *other != place);
            others.any(|(_, read)| read.contains(name))
        };
        let alone = read[place].iter().filter(|name| !is_read_elsewhere(name)).count();
        if alone >= MANY_INPUTS {
            let types: Vec<DataType> = inputs.parts.iter().map(|(_, t)| t.clone()).collect();
            let data_type = CodeFunction::new(group, &types, state)?.data_type;
            inputs.parts.push((Part::PerText(group.clone()), data_type));
            *group = input(inputs.parts.len() - 1);
        }
    }
    Ok(())
}

impl RowExpression {
    fn new(
        expr: &Expr,
        table: &Schema,
        parameters: &[DataType],
        state: &dyn Session,
    ) -> Result<RowExpression> {
        let parameter = |n: usize| Field::new(parameter_name(n), parameters[n].clone(), true);
        let columns_and_parameters = table.fields().iter().map(|f| f.as_ref().clone());
        let all: Vec<Field> = columns_and_parameters
            .chain((0..parameters.len()).map(parameter))
            .collect();
        let all = Schema::new(all);
        let expr = simplified(expr, &all, state)?;
        let names: BTreeSet<&str> = expr.column_refs().iter().map(|c| c.name.as_str()).collect();
        let mut fields: Vec<Field> = Vec::new();
        let mut columns = Vec::new();
        for name in &names {
            if let Ok(field) = table.field_with_name(name) {
                fields.push(field.clone());
                columns.push((*name).to_string());
            }
        }
        let taken: Vec<usize> = (0..parameters.len())
            .filter(|n| names.contains(parameter_name(*n).as_str()))
            .collect();
        fields.extend(taken.iter().map(|n| parameter(*n)));
        let schema = Arc::new(Schema::new(fields));
        let df_schema = DFSchema::try_from(schema.clone())?;
        Ok(RowExpression {
            expression: state.create_physical_expr(expr, &df_schema)?,
            schema,
            columns,
            parameters: taken,
        })
    }
}

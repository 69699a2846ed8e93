//! Columns of a raw table whose files came in several types, as the one column that the models read.
//!
//! Landing keeps values of another type as exact text in a column beside the first (`land::column_types`). A table without
//! such columns is read as it is.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, cast, when};
use datafusion::prelude::ident;

use crate::config::SourceKind;
use crate::error::Result;
use crate::land::Contract;
use crate::land::column_types::TEXT_SUFFIX;
use crate::land::contract::plain;
use crate::transform::functions::{DoubleMoney, UsageTimestamp, WrittenTags};

/// The table as the models read it.
///
/// # Errors
/// Internal: the plan cannot be put together.
pub fn one_type_per_column(name: &str, table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let kind = name
        .strip_prefix("raw.")
        .and_then(|raw| raw.strip_suffix("_parquet"));
    let Some(contract) = kind.and_then(SourceKind::from_name).map(Contract::of) else {
        return Ok(table);
    };
    let schema = table.schema();
    let columns: Vec<Option<Column>> = schema
        .fields()
        .iter()
        .map(|field| Column::of(field.name(), &contract, &schema))
        .collect();
    if columns.iter().all(Option::is_none) {
        return Ok(table);
    }
    let mut shown = Vec::with_capacity(columns.len());
    for (field, column) in schema.fields().iter().zip(columns) {
        shown.push(match column {
            Some(column) => column.expression()?.alias(field.name()),
            None => ident(field.name()),
        });
    }
    let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?
        .project(shown)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Whether a column keeps what did not fit into the one before it.
pub fn is_beside_another(name: &str, schema: &Schema) -> bool {
    name.strip_suffix(TEXT_SUFFIX)
        .is_some_and(|first| schema.field_with_name(first).is_ok())
}

/// What the values of a column are read as.
enum Meaning {
    Money,
    Time,
    Tags,
    Text,
}

/// A column that is not read as it lies there.
struct Column {
    first: String,
    beside: Option<String>,
    meaning: Meaning,
}

impl Column {
    fn of(name: &str, contract: &Contract, schema: &Schema) -> Option<Column> {
        let data_type = schema.field_with_name(name).ok()?.data_type();
        let beside = format!("{name}{TEXT_SUFFIX}");
        let beside = schema.field_with_name(&beside).is_ok().then_some(beside);
        let role = plain(name);
        let is_money = [contract.cost, contract.money]
            .iter()
            .any(|list| list.contains(&role.as_str()));
        let is_text = matches!(data_type, DataType::Utf8 | DataType::Utf8View);
        // Doubles in a column of text have more digits than money, and what these say is noise.
        if beside.is_none() && !(is_money && is_text) {
            return None;
        }
        let meaning = match data_type {
            _ if is_money => Meaning::Money,
            DataType::Timestamp(..) | DataType::Date32 => Meaning::Time,
            DataType::Map(..) => Meaning::Tags,
            _ => Meaning::Text,
        };
        Some(Column {
            first: name.to_string(),
            beside,
            meaning,
        })
    }

    fn expression(&self) -> Result<Expr> {
        let read = |column: &str| match self.meaning {
            Meaning::Money => ScalarUDF::from(DoubleMoney::default()).call(vec![ident(column)]),
            Meaning::Time => {
                ScalarUDF::from(UsageTimestamp::default()).call(vec![ident(column), ident("_date_order")])
            }
            Meaning::Tags => ScalarUDF::from(WrittenTags::default()).call(vec![ident(column)]),
            Meaning::Text => cast(ident(column), DataType::Utf8View),
        };
        // A row has its value in one of the two.
        Ok(match &self.beside {
            Some(beside) => when(ident(beside).is_not_null(), read(beside)).otherwise(read(&self.first))?,
            None => read(&self.first),
        })
    }
}

//! Audits: SQL over the staged rows that returns the offending ones.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::prelude::SessionContext;

use super::tables::{FileFilter, Tables};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::render::audit_sql;

/// Offending rows kept of one audit.
const KEPT_ROWS: usize = 1000;

/// What one audit found.
#[derive(Debug, Clone)]
pub struct AuditResult {
    /// `model: audit(arguments)`.
    pub name: String,
    /// The audit's file name.
    pub audit: String,
    /// Offending rows.
    pub failures: usize,
    /// The first of them.
    pub rows: Option<RecordBatch>,
}

/// Runs a model's audits; the staged rows are registered as `staged`.
///
/// # Errors
/// Usage when an audit's SQL cannot be planned; what the engine says when it fails.
pub async fn run_audits(
    context: &SessionContext,
    tables: &Tables,
    model: &Model,
    staged: &str,
    filter: Option<FileFilter<'_>>,
) -> Result<Vec<AuditResult>> {
    let mut results = Vec::new();
    for call in &model.audits {
        let template = tables
            .graph
            .audit(&call.name)
            .ok_or_else(|| Error::usage(format!("the audit `{}` does not exist", call.name)))?;
        let sql = audit_sql(template, staged, call);
        let place = format!("audit {}({}) of {}", call.name, call.arguments, model.name);
        for table in tables_of(&sql).map_err(|e| e.at(place.clone()))? {
            if table != staged {
                tables.register(context, &[table], filter).await?;
            }
        }
        let frame = context
            .sql(&sql)
            .await
            .map_err(|e| Error::from(e).at(place.clone()))?;
        let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
        let batches = frame
            .collect()
            .await
            .map_err(|e| Error::from(e).at(place.clone()))?;
        let failures = batches.iter().map(RecordBatch::num_rows).sum();
        let rows = match failures {
            0 => None,
            _ => {
                // What the engine returns may be a view of the text that its plan announced.
                let schema = batches.first().map_or(schema, RecordBatch::schema);
                let all = concat_batches(&schema, &batches)?;
                Some(all.slice(0, all.num_rows().min(KEPT_ROWS)))
            }
        };
        results.push(AuditResult {
            name: place,
            audit: call.name.clone(),
            failures,
            rows,
        });
    }
    Ok(results)
}

/// The tables a query reads.
///
/// # Errors
/// Usage when the SQL cannot be parsed.
pub fn tables_of(sql: &str) -> Result<Vec<String>> {
    let statements = datafusion::sql::parser::DFParser::parse_sql(sql)?;
    let mut names = Vec::new();
    for statement in &statements {
        let (tables, _) = datafusion::sql::resolve::resolve_table_references(statement, true)?;
        names.extend(tables.iter().map(|t| t.to_string().replace('"', "")));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

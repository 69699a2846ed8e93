//! Audits: SQL over the staged rows that returns the offending ones.

use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::common::DataFusionError;
use datafusion::common::runtime::SpawnedTask;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::{StreamExt, TryStreamExt, stream};

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

impl AuditResult {
    /// Takes in what the same audit found of other partitions.
    pub fn add(&mut self, other: AuditResult) {
        self.failures += other.failures;
        self.rows = match (self.rows.take(), other.rows) {
            // Rows of one query: what cannot be put together is left to the first.
            (Some(own), Some(other)) => Some(match concat_batches(&own.schema(), [&own, &other]) {
                Ok(all) => all.slice(0, all.num_rows().min(KEPT_ROWS)),
                Err(_) => own,
            }),
            (own, other) => own.or(other),
        };
    }
}

/// Runs a model's audits, `at_once` of them side by side; the staged rows are registered as `staged`.
///
/// # Errors
/// Usage when an audit's SQL cannot be planned; what the engine says when it fails.
pub async fn run_audits(
    context: &SessionContext,
    tables: &Tables,
    model: &Model,
    staged: &str,
    filter: Option<FileFilter<'_>>,
    at_once: usize,
) -> Result<Vec<AuditResult>> {
    // An audit asks for whole rows and finds none: the other columns are read only where the condition holds.
    let state = context.state_ref();
    state
        .write()
        .config_mut()
        .options_mut()
        .execution
        .parquet
        .pushdown_filters = true;
    let mut audits = Vec::new();
    for call in &model.audits {
        let template = tables
            .graph
            .audit(&call.name)
            .ok_or_else(|| Error::usage(format!("the audit `{}` does not exist", call.name)))?;
        let audit = Audit {
            name: format!("audit {}({}) of {}", call.name, call.arguments, model.name),
            audit: call.name.clone(),
            sql: audit_sql(template, staged, call),
        };
        for table in tables_of(&audit.sql).map_err(|e| e.at(audit.name.clone()))? {
            if table != staged {
                tables.register(context, &[table], filter).await?;
            }
        }
        audits.push(audit);
    }
    let results = stream::iter(audits).map(|audit| {
        let context = context.clone();
        let task = SpawnedTask::spawn(async move { audit.run(&context).await });
        async move {
            task.join()
                .await
                .map_err(|e| Error::internal("an audit did not come to its end").because(e))?
        }
    });
    results.buffered(at_once).try_collect().await
}

/// One audit as the engine runs it.
struct Audit {
    name: String,
    audit: String,
    sql: String,
}

impl Audit {
    async fn run(self, context: &SessionContext) -> Result<AuditResult> {
        let begun = Instant::now();
        let place = |e: DataFusionError| Error::from(e).at(self.name.clone());
        let frame = context.sql(&self.sql).await.map_err(place)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(place)?;
        tracing::debug!(audit = self.name, took = ?begun.elapsed(), "audited");
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
        Ok(AuditResult {
            name: self.name,
            audit: self.audit,
            failures,
            rows,
        })
    }
}

/// Operators of a query: each lies within the one before it, and what walks through them does so on its stack.
const MOST_OPERATORS: usize = 2000;

/// Refuses a query whose operators lie too deep within each other.
fn hold_operators(sql: &str) -> Result<()> {
    // What is no SQL is refused by the parser, with its place.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return Ok(());
    };
    let is_operator = |token: &Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::XOR
        ),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Pipe | Token::Ampersand | Token::Caret | Token::DoubleColon | Token::LBracket => true,
        _ => false,
    };
    let count = tokens.iter().filter(|token| is_operator(token)).count();
    match count > MOST_OPERATORS {
        true => Err(Error::usage(format!(
            "the query has {count} operators, more than the {MOST_OPERATORS} that one may"
        ))
        .hint("write a long choice as IN (…) or join a list: (VALUES (…), (…))")),
        false => Ok(()),
    }
}

/// The tables a query reads.
///
/// # Errors
/// Usage when the SQL cannot be parsed.
pub fn tables_of(sql: &str) -> Result<Vec<String>> {
    hold_operators(sql)?;
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

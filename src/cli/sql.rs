//! `sql`

use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::{Context, Editor, Helper, Highlighter, Hinter, Validator};

use super::output::Output;
use crate::error::{Error, Result};
use crate::run::Workspace;
use crate::run::query::register;
use crate::transform::audits::tables_of;
use crate::transform::digits::refuse_too_many_digits;
use crate::transform::read_only;

/// One query, or a prompt with history and completion.
///
/// # Errors
/// Usage: SQL that cannot be planned or would write.
pub async fn sql(workspace: &Workspace, output: &Output, query: Option<&str>) -> Result<u8> {
    match query {
        Some(query) => {
            let (schema, batches) = read_only(workspace, query).await?;
            output.rows(&schema, &batches)?;
        }
        None => prompt(workspace, output).await?,
    }
    Ok(0)
}

/// Runs a query that only reads.
///
/// # Errors
/// Usage: SQL that cannot be planned or would write; what the engine says.
pub async fn read_only(workspace: &Workspace, query: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let context: SessionContext = workspace.engine.pipeline_session();
    register(workspace, &context, &known(workspace, query)?).await?;
    // The models are planned. In the query itself a number with a point is exact, as money and quantities are: 2.3 as a
    // double would equal no cost of 2.3.
    context
        .state_ref()
        .write()
        .config_mut()
        .options_mut()
        .sql_parser
        .parse_float_as_decimal = true;
    // The parser takes `estimate` behind `describe` for a word of another dialect, unless it is quoted.
    let quoted = described(query).map(|table| format!("DESCRIBE \"{}\"", table.replace('.', "\".\"")));
    let query = quoted.as_deref().unwrap_or(query);
    let frame = read_only::plan(&context, query).await?;
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    batches
        .iter()
        .try_for_each(|rows| refuse_too_many_digits(rows, true))?;
    Ok((schema, batches))
}

/// The table that `describe x` names without reading it.
fn described(query: &str) -> Option<&str> {
    let (verb, table) = query.trim().split_once(char::is_whitespace)?;
    let table = table.trim().trim_end_matches(';').trim_end();
    verb.eq_ignore_ascii_case("describe").then_some(table)
}

fn known(workspace: &Workspace, query: &str) -> Result<Vec<String>> {
    let names = workspace.tables.names();
    let mut tables = Vec::new();
    let read = match described(query) {
        Some(table) => vec![table.to_string()],
        None => {
            let tables = tables_of(query)?;
            read_only::hold_reading(query)?;
            tables
        }
    };
    for table in read {
        if table.starts_with("information_schema.") {
            continue;
        }
        if !names.contains(&table) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = crate::config::nearest(&table, &names)
                .map(|n| format!("did you mean `{n}`? "))
                .unwrap_or_default();
            return Err(Error::usage(format!("there is no table `{table}`"))
                .hint(format!("{near}`offgridflow models list` names the tables")));
        }
        tables.push(table);
    }
    Ok(tables)
}

#[derive(Helper, Highlighter, Hinter, Validator)]
struct Names(Vec<String>);

impl Completer for Names {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let start = line[..position]
            .rfind(|c: char| c.is_whitespace() || "(,".contains(c))
            .map_or(0, |i| i + 1);
        let word = &line[start..position];
        let pairs = self.0.iter().filter(|n| n.starts_with(word)).map(|n| Pair {
            display: n.clone(),
            replacement: n.clone(),
        });
        Ok((start, pairs.collect()))
    }
}

async fn prompt(workspace: &Workspace, output: &Output) -> Result<()> {
    let failed = |e: ReadlineError| Error::external("the prompt cannot be opened").because(e);
    let mut editor: Editor<Names, _> = Editor::new().map_err(failed)?;
    editor.set_helper(Some(Names(workspace.tables.names().into_iter().collect())));
    let history: PathBuf = workspace.data_folder.join("sql_history");
    let _ = editor.load_history(&history);
    output.note("SQL over the warehouse, read-only. End a query with `;`, leave with Ctrl-D.");
    let mut query = String::new();
    loop {
        match editor.readline(if query.is_empty() { "sql> " } else { "...> " }) {
            Ok(line) => {
                query.push_str(&line);
                query.push('\n');
                if !line.trim_end().ends_with(';') {
                    continue;
                }
                let whole = std::mem::take(&mut query);
                let whole = whole.trim();
                let _ = editor.add_history_entry(whole);
                match read_only(workspace, whole.trim_end_matches(';')).await {
                    Ok((schema, batches)) => output.rows(&schema, &batches)?,
                    Err(error) => {
                        output.fail(&error);
                    }
                }
            }
            Err(ReadlineError::Interrupted) => query.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    let _ = editor.save_history(&history);
    Ok(())
}

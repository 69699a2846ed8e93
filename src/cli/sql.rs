//! `sql`

use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::{Context, Editor, Helper, Highlighter, Hinter, Validator};

use super::output::Output;
use crate::error::{Error, Result};
use crate::run::Workspace;
use crate::run::sql::read_only;

/// One query, or a prompt with history and completion.
///
/// # Errors
/// Usage: SQL that cannot be planned or would write.
pub async fn sql(workspace: &Workspace, output: &Output, query: Option<&str>) -> Result<u8> {
    match query {
        Some(query) => {
            let rows = read_only(workspace, query).await?;
            output.rows(&rows.schema, &rows.batches)?;
        }
        None => prompt(workspace, output).await?,
    }
    Ok(0)
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
                    Ok(rows) => output.rows(&rows.schema, &rows.batches)?,
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

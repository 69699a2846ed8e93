//! Queries that people write.

use super::query::{QueryRows, register};
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::transform::audits::tables_of;
use crate::transform::digits::refuse_too_many_digits;
use crate::transform::read_only;

/// Runs a query that only reads.
///
/// # Errors
/// Usage: SQL that cannot be planned or would write; what the engine says.
pub async fn read_only(workspace: &Workspace, query: &str) -> Result<QueryRows> {
    let context = workspace.engine.pipeline_session();
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
    // The parser takes `estimate` after `describe` for a word of another dialect, unless it is quoted.
    let quoted = described(query).map(|table| format!("DESCRIBE \"{}\"", table.replace('.', "\".\"")));
    let query = quoted.as_deref().unwrap_or(query);
    let frame = read_only::plan(&context, query).await?;
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    batches
        .iter()
        .try_for_each(|rows| refuse_too_many_digits(rows, true))?;
    Ok(QueryRows { schema, batches })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_names_a_table_and_nothing_else_does() {
        assert_eq!(
            described("describe estimate.cloud_emissions ;"),
            Some("estimate.cloud_emissions")
        );
        assert_eq!(described("\nDESCRIBE  raw.cur2"), Some("raw.cur2"));
        assert_eq!(described("select 1"), None);
        assert_eq!(described("describe"), None);
    }
}

//! Queries that people write: they read the warehouse's tables, and nothing else happens.

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{Select, Statement, Visit, Visitor};

use crate::error::{Error, Result};

/// Plans a query that only reads.
///
/// # Errors
/// Usage: SQL that cannot be planned, or that would write, define or set something at any depth.
pub async fn plan(context: &SessionContext, sql: &str) -> Result<DataFrame> {
    hold_reading(sql)?;
    let plan = context.state().create_logical_plan(sql).await?;
    // The words give the better message; what is executed is the plan.
    let mut acts = false;
    plan.apply_with_subqueries(|node| {
        acts = matches!(
            node,
            LogicalPlan::Copy(_) | LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Statement(_)
        );
        Ok(match acts {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match acts {
        true => Err(refusal(&first_words(sql))),
        false => Ok(context.execute_logical_plan(plan).await?),
    }
}

/// Refuses all but one statement that reads, by its words alone: before anything looks for the tables that it names, one
/// of which it may be about to make.
///
/// # Errors
/// Usage: SQL that cannot be read, no statement or several, or one that writes, defines or sets something.
pub fn hold_reading(sql: &str) -> Result<()> {
    let statements = DFParser::parse_sql(sql)?;
    if let Some(act) = statements.iter().find_map(words_of_act) {
        return Err(refusal(&act));
    }
    match statements.len() {
        1 => Ok(()),
        0 => Err(Error::usage("there is no SQL in the query")
            .hint("write one, such as `offgridflow sql \"select * from publish.inventory limit 5\"`")),
        count => Err(Error::usage(format!("the query is {count} statements"))
            .hint("one is run at a time: make a call of each")),
    }
}

fn refusal(act: &str) -> Error {
    let hint = match act.split(' ').next().unwrap_or_default() {
        "SET" | "RESET" | "USE" | "PRAGMA" => "the engine's settings stand in [engine] of the configuration",
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "TRANSACTION" => {
            "no transaction is needed: a query reads the tables as they stood when its command began"
        }
        "VACUUM" | "OPTIMIZE" | "ANALYZE" => "`offgridflow maintain` looks after the tables",
        _ => {
            "`offgridflow run` alone writes tables, from models: a table of your own is a model, a file such as \
             sql/publish/NAME.sql beside the configuration; `offgridflow sql \"SELECT …\" --output parquet > FILE` makes a file \
             of a result"
        }
    };
    Error::usage("a query only reads")
        .because(format!("it holds {act}"))
        .hint(hint)
}

/// What a statement does beside reading, in its own words.
fn words_of_act(parsed: &Parsed) -> Option<String> {
    match parsed {
        Parsed::Statement(statement) => match statement.visit(&mut Acts) {
            ControlFlow::Break(act) => Some(act),
            ControlFlow::Continue(()) => None,
        },
        Parsed::Explain(explained) => words_of_act(&explained.statement),
        other => Some(first_words(&other.to_string())),
    }
}

/// Ends at the first statement that does more than read.
struct Acts;

impl Visitor for Acts {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<String> {
        if matches!(
            statement,
            Statement::Query(_) | Statement::Explain { .. } | Statement::ExplainTable { .. }
        ) {
            return ControlFlow::Continue(());
        }
        match first_words(&statement.to_string()) {
            shows if shows.starts_with("SHOW") => ControlFlow::Continue(()),
            act => ControlFlow::Break(act),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        match select.into {
            Some(_) => ControlFlow::Break("SELECT INTO".to_string()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// `CREATE OR REPLACE TABLE` of a statement that begins so.
fn first_words(statement: &str) -> String {
    const FURTHER: [&str; 18] = [
        "OR",
        "REPLACE",
        "EXTERNAL",
        "UNBOUNDED",
        "TEMPORARY",
        "MATERIALIZED",
        "UNIQUE",
        "TABLE",
        "VIEW",
        "INDEX",
        "SCHEMA",
        "DATABASE",
        "FUNCTION",
        "ROLE",
        "USER",
        "INTO",
        "FROM",
        "TRANSACTION",
    ];
    let mut words = statement.split_whitespace();
    let mut first = words.next().unwrap_or_default().to_ascii_uppercase();
    for word in words.take_while(|word| FURTHER.contains(word)) {
        first.push(' ');
        first.push_str(word);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_read_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.csv");
        let copy = format!("COPY (SELECT 1 AS one) TO '{}' STORED AS CSV", file.display());
        let external = format!(
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'",
            file.display()
        );
        let context = SessionContext::new();
        context.sql("CREATE TABLE held AS SELECT 1 AS one").await.unwrap();
        for (sql, name) in [
            (copy.clone(), "COPY"),
            (format!("EXPLAIN {copy}"), "COPY"),
            (format!("EXPLAIN ANALYZE {copy}"), "COPY"),
            (format!("EXPLAIN ANALYZE VERBOSE {copy}"), "COPY"),
            ("PREPARE p AS SELECT 1".into(), "PREPARE"),
            (format!("EXPLAIN ANALYZE {external}"), "CREATE EXTERNAL TABLE"),
            (external, "CREATE EXTERNAL TABLE"),
            (
                "EXPLAIN ANALYZE INSERT INTO held VALUES (2)".into(),
                "INSERT INTO",
            ),
            ("INSERT INTO held SELECT 3".into(), "INSERT INTO"),
            ("EXPLAIN DELETE FROM held".into(), "DELETE FROM"),
            ("UPDATE held SET one = 2".into(), "UPDATE"),
            ("TRUNCATE TABLE held".into(), "TRUNCATE TABLE"),
            (
                "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1".into(),
                "CREATE TABLE",
            ),
            ("CREATE TABLE x AS SELECT one FROM nowhere".into(), "CREATE TABLE"),
            ("CREATE TABLE x (one INT)".into(), "CREATE TABLE"),
            (
                "CREATE OR REPLACE VIEW v AS SELECT 1".into(),
                "CREATE OR REPLACE VIEW",
            ),
            ("SELECT 1 AS one INTO x".into(), "SELECT INTO"),
            (
                "WITH a AS (SELECT 1) INSERT INTO held SELECT * FROM a".into(),
                "INSERT INTO",
            ),
            ("BEGIN".into(), "BEGIN"),
            ("COMMIT".into(), "COMMIT"),
            ("GRANT SELECT ON held TO me".into(), "GRANT"),
            ("VACUUM".into(), "VACUUM"),
            ("CREATE VIEW v AS SELECT 1".into(), "CREATE VIEW"),
            ("EXPLAIN ANALYZE DROP TABLE held".into(), "DROP TABLE"),
            ("SET datafusion.execution.batch_size = 1".into(), "SET"),
            ("RESET datafusion.execution.batch_size".into(), "RESET"),
            ("EXECUTE p".into(), "EXECUTE"),
            ("DEALLOCATE p".into(), "DEALLOCATE"),
        ] {
            let error = plan(&context, &sql).await.map(|_| ()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a query only reads: it holds {name}"),
                "{sql}"
            );
        }
        assert!(!file.exists(), "a query wrote a file");
        let held = context
            .sql("SELECT one FROM held")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(held.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
        for sql in [
            "EXPLAIN ANALYZE SELECT * FROM held WHERE one IN (SELECT 1)",
            "SELECT * FROM generate_series(1, 3)",
            "DESCRIBE held",
            "SELECT one FROM held;",
            "WITH a AS (SELECT 1 AS one) SELECT * FROM a UNION SELECT * FROM held",
            "VALUES (1)",
        ] {
            plan(&context, sql).await.unwrap().collect().await.unwrap();
        }
    }

    #[test]
    fn the_advice_is_for_what_was_tried() {
        for (sql, advice) in [
            ("CREATE TABLE x AS SELECT 1", "--output parquet"),
            ("INSERT INTO x VALUES (1)", "is a model"),
            ("DROP TABLE x", "is a model"),
            ("COPY (SELECT 1) TO 'x.csv'", "--output parquet"),
            ("SET x = 1", "[engine]"),
            ("BEGIN", "no transaction"),
            ("VACUUM", "offgridflow maintain"),
            ("SELECT 1; SELECT 2", "one is run at a time"),
            ("-- nothing", "write one"),
            ("", "write one"),
        ] {
            let error = hold_reading(sql).unwrap_err();
            assert_eq!(error.blame(), crate::error::Blame::Usage);
            assert!(error.hint_text().unwrap().contains(advice), "{sql}: {error:?}");
        }
    }

    #[tokio::test]
    async fn no_query_reads_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.csv");
        std::fs::write(&file, "a\n1\n").unwrap();
        let file = file.display();
        let context = SessionContext::new();
        for sql in [
            format!("SELECT * FROM '{file}'"),
            format!("SELECT * FROM \"{file}\""),
            format!("SELECT * FROM read_csv('{file}')"),
            format!("SELECT * FROM read_parquet('{file}')"),
            format!("SELECT 1; COPY (SELECT 1) TO '{file}' STORED AS CSV"),
            "VACUUM".to_string(),
        ] {
            let error = plan(&context, &sql).await.map(|_| ()).unwrap_err();
            assert_eq!(error.blame(), crate::error::Blame::Usage, "{sql}: {error}");
        }
    }
}

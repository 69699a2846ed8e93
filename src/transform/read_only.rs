//! Queries that people write: they read the warehouse's tables, and nothing else happens.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use crate::error::{Error, Result};

/// Plans a query that only reads.
///
/// # Errors
/// Usage: SQL that cannot be planned, or that would write, define or set something at any depth.
pub async fn plan(context: &SessionContext, sql: &str) -> Result<DataFrame> {
    let plan = context.state().create_logical_plan(sql).await?;
    let mut acts = None;
    plan.apply_with_subqueries(|node| {
        acts = act_of(node);
        Ok(match acts {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    match acts {
        Some(act) => Err(Error::usage("a query only reads")
            .because(format!("it holds {act}"))
            .hint("tables are written by `offgridflow run` alone; `offgridflow sql … --output csv > FILE` makes a file of a result")),
        None => Ok(context.execute_logical_plan(plan).await?),
    }
}

/// What a step of a plan does beside reading, in SQL's words.
fn act_of(node: &LogicalPlan) -> Option<String> {
    let name = match node {
        LogicalPlan::Copy(_) => "Copy",
        LogicalPlan::Dml(dml) => dml.op.name(),
        LogicalPlan::Ddl(ddl) => ddl.name(),
        LogicalPlan::Statement(statement) => statement.name(),
        _ => return None,
    };
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        words.extend(c.to_uppercase());
    }
    Some(words)
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
            ("EXPLAIN DELETE FROM held".into(), "DELETE"),
            ("UPDATE held SET one = 2".into(), "UPDATE"),
            ("TRUNCATE TABLE held".into(), "TRUNCATE"),
            (
                "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1".into(),
                "CREATE MEMORY TABLE",
            ),
            ("CREATE VIEW v AS SELECT 1".into(), "CREATE VIEW"),
            ("EXPLAIN ANALYZE DROP TABLE held".into(), "DROP TABLE"),
            ("SET datafusion.execution.batch_size = 1".into(), "SET VARIABLE"),
            ("RESET datafusion.execution.batch_size".into(), "RESET VARIABLE"),
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
        ] {
            plan(&context, sql).await.unwrap().collect().await.unwrap();
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

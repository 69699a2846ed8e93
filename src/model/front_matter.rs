//! A model file: TOML front matter in a leading comment, then one SELECT.

use serde::Deserialize;

use crate::error::{Error, PlaceKey, Result};

/// How a model's result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Not kept: planned into whatever reads it.
    View,
    /// Kept, rebuilt as a whole per tenant.
    Full,
    /// Kept, rebuilt per partition.
    Incremental,
}

impl ModelKind {
    /// All of them.
    pub const ALL: [ModelKind; 3] = [ModelKind::View, ModelKind::Full, ModelKind::Incremental];

    /// The name in front matter, listings and `--select kind:`.
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::View => "view",
            ModelKind::Full => "full",
            ModelKind::Incremental => "incremental",
        }
    }
}

/// Columns by which results are partitioned: those of the raw tables, and the charge month. Which values there are of another
/// column no input says before it is read, so that nothing would ever be built.
const PARTITIONS: [&str; 5] = ["tenant", "source", "export", "period", "month"];

/// `name(arguments)` of the front matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCall {
    /// The file in `sql/audits`.
    pub name: String,
    /// The text between the parentheses.
    pub arguments: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    grain: String,
    kind: ModelKind,
    #[serde(default)]
    partition: Vec<String>,
    #[serde(default)]
    audits: Vec<String>,
    #[serde(default)]
    description: String,
    split_by: Option<String>,
    #[serde(default)]
    small: bool,
    #[serde(default)]
    skip_if_unchanged: bool,
}

/// One SQL model.
#[derive(Debug, Clone)]
pub struct Model {
    /// `schema.table`, from the path.
    pub name: String,
    /// What one row is.
    pub grain: String,
    /// What the table is for.
    pub description: String,
    /// How the result is kept.
    pub kind: ModelKind,
    /// Partition columns of a kept result.
    pub partition: Vec<String>,
    /// The column by which a build that exceeds the memory limit is cut into parts: a date of the grain (by its day), or a
    /// whole number. Of a view: what reads it is computed for some of its rows at a time, so each row of what reads it
    /// comes from one row of the view.
    pub split_by: Option<String>,
    /// Of a view: it has few rows whatever the bill's size, so it is computed once where it is read.
    pub small: bool,
    /// Of a kept result: a partition that comes out as it was keeps its files, so that what reads it stays as it is.
    pub skip_if_unchanged: bool,
    /// Audits run on the staged rows.
    pub audits: Vec<AuditCall>,
    /// The SELECT, with its placeholders.
    pub sql: String,
    /// Tables and models it reads.
    pub reads: Vec<String>,
    /// The file it came from, for messages.
    pub file: String,
}

impl Model {
    /// Parses a model file; `path` ends in `sql/<schema>/<table>.sql`.
    ///
    /// # Errors
    /// Usage, naming the file: no front matter, an unknown key, SQL that does not parse.
    pub fn parse(path: &str, text: &str) -> Result<Model> {
        let fail = |what: &str| Error::usage(what.to_string()).at_key(PlaceKey::ModelFile, path);
        let mut parts = path.trim_end_matches(".sql").rsplit('/');
        let (Some(table), Some(schema)) = (parts.next(), parts.next()) else {
            return Err(fail("a model lies in sql/<schema>/<table>.sql"));
        };
        let body = text.trim_start().strip_prefix("/* model").ok_or_else(|| {
            fail("a model starts with its front matter")
                .hint("begin the file with `/* model`, TOML lines and `*/`")
        })?;
        let (header, sql) = body
            .split_once("*/")
            .ok_or_else(|| fail("the front matter has no end"))?;
        let front: FrontMatter =
            toml::from_str(header).map_err(|e| fail("the front matter cannot be read").because(e))?;
        let audits = front
            .audits
            .iter()
            .map(|call| audit_call(call).ok_or_else(|| fail("an audit is `name(arguments)`")));
        let audits = audits.collect::<Result<Vec<_>>>()?;
        hold_partition(front.kind, &front.partition)
            .map_err(|error| error.at_key(PlaceKey::ModelFile, path))?;
        let mut partition = front.partition;
        if front.kind == ModelKind::Full && partition.is_empty() {
            partition.push("tenant".to_string());
        }
        Ok(Model {
            name: format!("{schema}.{table}"),
            grain: front.grain,
            description: front.description,
            kind: front.kind,
            partition,
            split_by: front.split_by,
            small: front.small,
            skip_if_unchanged: front.skip_if_unchanged,
            audits,
            sql: sql.trim().trim_end_matches(';').to_string(),
            reads: Vec::new(),
            file: path.to_string(),
        })
    }

    /// `raw`, `normalize`, `rollup`, `estimate` or `publish`.
    pub fn schema(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// Refuses a partition by which nothing could be built: of unknown or repeated columns, and without the tenant.
fn hold_partition(kind: ModelKind, partition: &[String]) -> Result<()> {
    let what = match kind {
        ModelKind::View if !partition.is_empty() => {
            "a view is not kept, so it has no `partition`".to_string()
        }
        ModelKind::Full if partition.iter().any(|column| column != "tenant") => {
            "a model of kind `full` is rebuilt by tenant and by nothing else".to_string()
        }
        ModelKind::Incremental if !partition.iter().any(|column| column == "tenant") => {
            "the `partition` of an incremental model has no `tenant`".to_string()
        }
        _ => match partition
            .iter()
            .find(|column| !PARTITIONS.contains(&column.as_str()))
        {
            Some(unknown) => format!("no table is partitioned by `{unknown}`"),
            None => match (1..partition.len()).find(|at| partition[..*at].contains(&partition[*at])) {
                Some(at) => format!("`partition` names `{}` twice", partition[at]),
                None => return Ok(()),
            },
        },
    };
    let hint = "partition = [\"tenant\", \"month\"] goes with kind = \"incremental\"; its columns are tenant and any of source, export, period and month";
    Err(Error::usage(what).at("key partition").hint(hint))
}

fn audit_call(text: &str) -> Option<AuditCall> {
    let (name, rest) = text.split_once('(').unwrap_or((text, ")"));
    let arguments = rest.strip_suffix(')')?;
    Some(AuditCall {
        name: name.trim().to_string(),
        arguments: arguments.trim().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_front_matter() {
        let text = "/* model\ngrain = \"one row\"\nkind = \"incremental\"\npartition = [\"tenant\"]\naudits = [\"unique(a, b)\"]\n*/\nSELECT 1;";
        let model = Model::parse("sql/publish/x.sql", text).unwrap();
        assert_eq!(
            (model.name.as_str(), model.sql.as_str()),
            ("publish.x", "SELECT 1")
        );
        assert_eq!(
            model.audits,
            [AuditCall {
                name: "unique".into(),
                arguments: "a, b".into()
            }]
        );
    }

    #[test]
    fn a_partition_by_which_nothing_can_be_built_is_refused() {
        let parsed = |kind: &str, partition: &str| {
            let text = format!("/* model\ngrain='r'\nkind='{kind}'\npartition={partition}\n*/ SELECT 1");
            Model::parse("sql/publish/x.sql", &text).map(|model| model.partition)
        };
        assert_eq!(parsed("full", "[]").unwrap(), ["tenant"]);
        assert_eq!(parsed("full", "['tenant']").unwrap(), ["tenant"]);
        assert_eq!(
            parsed("incremental", "['month', 'tenant']").unwrap(),
            ["month", "tenant"]
        );
        for (kind, partition, said) in [
            ("view", "['tenant']", "a view is not kept"),
            ("full", "['period']", "kind `full`"),
            ("incremental", "[]", "has no `tenant`"),
            ("incremental", "['period']", "has no `tenant`"),
            ("incremental", "['tenant', 'service_name']", "by `service_name`"),
            ("incremental", "['tenant', '']", "by ``"),
            ("incremental", "['tenant', 'month', 'month']", "`month` twice"),
        ] {
            let error = parsed(kind, partition).unwrap_err().to_string();
            assert!(
                error.contains(said) && error.contains("sql/publish/x.sql"),
                "{kind} {partition}: {error}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_file() {
        let error = Model::parse(
            "sql/publish/x.sql",
            "/* model\ngrain='r'\nkind='view'\nkidn='x'\n*/ SELECT 1",
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("sql/publish/x.sql") && error.to_string().contains("kidn"),
            "{error}"
        );
    }
}

//! The models in the order they build, with what each reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use datafusion::sql::parser::{DFParser, Statement as Parsed};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::Statement;

use super::front_matter::{Model, ModelKind};
use super::render::Placeholders;
use crate::embedded::{AUDITS, MODELS};
use crate::error::{Error, PlaceKey, Result};

/// All models, parsed and ordered.
#[derive(Debug, Clone)]
pub struct Graph {
    models: BTreeMap<String, Model>,
    order: Vec<String>,
    audits: BTreeMap<String, String>,
}

impl Graph {
    /// The embedded models; a file of the same path in the project's `sql/` folder replaces one or adds one.
    ///
    /// # Errors
    /// Usage, naming the file: front matter or SQL that cannot be read, a circle.
    pub fn load(project: Option<&Path>, placeholders: &Placeholders) -> Result<Graph> {
        let mut texts: BTreeMap<String, String> = MODELS
            .iter()
            .chain(AUDITS)
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        if let Some(folder) = project {
            for (path, text) in project_files(folder)? {
                texts.insert(path, text);
            }
        }
        let mut models = BTreeMap::new();
        let mut audits = BTreeMap::new();
        for (path, text) in &texts {
            if let Some(name) = path.strip_prefix("sql/audits/") {
                audits.insert(name.trim_end_matches(".sql").to_string(), text.clone());
                continue;
            }
            let mut model = Model::parse(path, text)?;
            model.reads = reads(&model, placeholders)?;
            models.insert(model.name.clone(), model);
        }
        let order = order(&models)?;
        for model in models.values() {
            for call in &model.audits {
                if !audits.contains_key(&call.name) {
                    return Err(Error::usage(format!("the audit `{}` does not exist", call.name))
                        .at_key(PlaceKey::ModelFile, &model.file)
                        .hint("audits are the files in sql/audits"));
                }
            }
        }
        Ok(Graph {
            models,
            order,
            audits,
        })
    }

    /// A model by its name.
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// The models, parents first.
    pub fn ordered(&self) -> impl Iterator<Item = &Model> {
        self.order.iter().filter_map(|name| self.models.get(name))
    }

    /// The template of an audit.
    pub fn audit(&self, name: &str) -> Option<&str> {
        self.audits.get(name).map(String::as_str)
    }

    /// The kept tables (raw, reference, settings and non-view models) that a model reads, through views.
    pub fn kept_inputs(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut stack: Vec<&str> = self
            .models
            .get(name)
            .map(|m| m.reads.iter().map(String::as_str).collect())
            .unwrap_or_default();
        let mut seen = BTreeSet::new();
        while let Some(table) = stack.pop() {
            if !seen.insert(table) {
                continue;
            }
            match self.models.get(table) {
                Some(model) if model.kind == ModelKind::View => {
                    stack.extend(model.reads.iter().map(String::as_str))
                }
                _ => {
                    found.insert(table.to_string());
                }
            }
        }
        found
    }

    /// The SQL that decides a model's rows: its own and that of the views below it, in a fixed order.
    pub fn deciding_sql(&self, name: &str) -> Vec<&str> {
        let mut texts = BTreeMap::new();
        let mut stack = vec![name];
        while let Some(table) = stack.pop() {
            let Some(model) = self.models.get(table) else {
                continue;
            };
            if (table == name || model.kind == ModelKind::View)
                && texts.insert(&model.name, model.sql.as_str()).is_none()
            {
                stack.extend(model.reads.iter().map(String::as_str));
            }
        }
        texts.into_values().collect()
    }

    /// Whether a model reads a view whose rows can be read in parts (`split_by`), through views.
    pub fn reads_in_parts(&self, name: &str) -> bool {
        let mut stack = vec![name];
        let mut seen = BTreeSet::new();
        while let Some(model) = stack.pop().and_then(|table| self.models.get(table)) {
            if seen.insert(&model.name) {
                let views = model.reads.iter().filter_map(|table| self.models.get(table));
                for view in views.filter(|view| view.kind == ModelKind::View) {
                    if view.split_by.is_some() {
                        return true;
                    }
                    stack.push(&view.name);
                }
            }
        }
        false
    }

    /// The models that read a table directly.
    pub fn readers(&self, table: &str) -> Vec<&str> {
        self.ordered()
            .filter(|m| m.reads.iter().any(|r| r == table))
            .map(|m| m.name.as_str())
            .collect()
    }
}

fn project_files(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for schema in ["normalize", "rollup", "estimate", "publish", "audits"] {
        let schema_folder = folder.join("sql").join(schema);
        if !schema_folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&schema_folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "sql") {
                let name = path
                    .file_name()
                    .map(|n| n.to_string_lossy().into_owned())
                    .unwrap_or_default();
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    Error::usage("a model file cannot be read")
                        .at(path.display().to_string())
                        .because(error)
                        .hint("a model is a file of UTF-8 text that this user may read")
                })?;
                files.push((format!("sql/{schema}/{name}"), text));
            }
        }
    }
    Ok(files)
}

fn reads(model: &Model, placeholders: &Placeholders) -> Result<Vec<String>> {
    let fail = |error: &dyn std::fmt::Display| {
        Error::usage("the model's SQL cannot be read")
            .at_key(PlaceKey::ModelFile, &model.file)
            .because(error)
    };
    let sql = placeholders
        .render(&model.sql)
        .map_err(|e| e.at_key(PlaceKey::ModelFile, &model.file))?;
    let mut statements = DFParser::parse_sql(&sql).map_err(|e| fail(&e))?;
    let statement = statements
        .pop_front()
        .ok_or_else(|| fail(&"there is no statement"))?;
    if !statements.is_empty() {
        return Err(fail(&"there is more than one statement"));
    }
    // What a model does beside reading would be done again with every build.
    let is_query = matches!(&statement, Parsed::Statement(inner) if matches!(**inner, Statement::Query(_)));
    if !is_query {
        return Err(fail(&"it is no SELECT").hint("a model is one SELECT; `WITH` before it is part of it"));
    }
    let (tables, _) = resolve_table_references(&statement, true).map_err(|e| fail(&e))?;
    let mut names: Vec<String> = tables.iter().map(|t| t.to_string().replace('"', "")).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn order(models: &BTreeMap<String, Model>) -> Result<Vec<String>> {
    let mut done: Vec<String> = Vec::new();
    let mut waiting: BTreeSet<&String> = models.keys().collect();
    while !waiting.is_empty() {
        let ready: Vec<&String> = waiting
            .iter()
            .filter(|name| models[**name].reads.iter().all(|r| !waiting.contains(r)))
            .copied()
            .collect();
        if ready.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|n| n.as_str()).collect();
            return Err(Error::usage("models read each other in a circle").because(names.join(", ")));
        }
        for name in ready {
            waiting.remove(name);
            done.push(name.clone());
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why the models of a project with this file in `sql/publish` cannot be loaded.
    fn refused(file: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let publish = folder.path().join("sql/publish");
        std::fs::create_dir_all(&publish).unwrap();
        std::fs::write(publish.join("own.sql"), file).unwrap();
        let error = Graph::load(Some(folder.path()), &Placeholders::default()).unwrap_err();
        assert_eq!(error.blame(), crate::error::Blame::Usage, "{error}");
        error.to_string()
    }

    #[test]
    fn a_model_that_cannot_be_read_is_named_with_its_file() {
        let own = |sql: &str| refused(format!("/* model\ngrain = 'r'\nkind = 'full'\n*/\n{sql}").as_bytes());
        for (error, said) in [
            (
                refused(b"/* model\ngrain = '\xff'\nkind = 'full'\n*/ SELECT 1"),
                "UTF-8",
            ),
            (own("SELECT 1 /*{colour}*/"), "colour"),
            (own("SELECT 1 /*{tag_columns"), "has no end"),
            (own("INSERT INTO raw.focus SELECT * FROM raw.focus"), "no SELECT"),
            (own("COPY (SELECT * FROM raw.focus) TO 'out.csv'"), "no SELECT"),
            (own("DROP TABLE raw.focus"), "no SELECT"),
            (own("EXPLAIN SELECT 1"), "no SELECT"),
            (own("SELECT 1; SELECT 2"), "more than one statement"),
            (own(""), "there is no statement"),
        ] {
            assert!(
                error.contains("sql/publish/own.sql") && error.contains(said),
                "{error}"
            );
        }
    }
}

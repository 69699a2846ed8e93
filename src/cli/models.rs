//! `models`

use serde_json::json;

use super::arguments::{Format, LineageFormat, ModelsVerb};
use super::lineage;
use super::listing::{Listing, cut};
use super::output::Output;
use super::retry::counted;
use crate::error::{Error, Result};
use crate::model::{Model, ModelKind};
use crate::run::Workspace;
use crate::run::model_tests::{ModelTests, test_models};

/// Shows or tests the SQL models.
///
/// # Errors
/// Usage: no such model; what the engine says when an audit cannot run.
pub async fn models(workspace: &Workspace, output: &Output, verb: &ModelsVerb) -> Result<u8> {
    match verb {
        ModelsVerb::List => list(workspace, output),
        ModelsVerb::Show { name } => show(workspace, output, find(workspace, name)?).await,
        ModelsVerb::Lineage { name, format } => {
            let format = if output.format == Format::Json {
                LineageFormat::Json
            } else {
                *format
            };
            if let Some(name) = name
                && !workspace.tables.names().contains(name)
            {
                find(workspace, name)?;
            }
            output.line(lineage::draw(&workspace.tables.graph, name.as_deref(), format).trim_end());
            Ok(0)
        }
        ModelsVerb::Render { name } => {
            output.line(workspace.tables.rendered(&find(workspace, name)?.name)?);
            Ok(0)
        }
        ModelsVerb::Test { name } => {
            let only = name.as_deref().map(|name| find(workspace, name)).transpose()?;
            tested(output, &test_models(workspace, only).await?)
        }
    }
}

fn find<'a>(workspace: &'a Workspace, name: &str) -> Result<&'a Model> {
    workspace.tables.graph.get(name).ok_or_else(|| {
        let names: Vec<&str> = workspace
            .tables
            .graph
            .ordered()
            .map(|m| m.name.as_str())
            .collect();
        let near = crate::config::nearest(name, &names)
            .map(|n| format!("did you mean `{n}`? "))
            .unwrap_or_default();
        Error::usage(format!("there is no model `{name}`"))
            .hint(format!("{near}`offgridflow models list` names the models"))
    })
}

fn list(workspace: &Workspace, output: &Output) -> Result<u8> {
    let mut listing = Listing::new(&[
        "model",
        "kind",
        "partitioned by",
        "#partitions",
        "#rows",
        "#audits",
        "grain",
    ]);
    for model in workspace.tables.graph.ordered() {
        let table = workspace.tables.snapshots.get(&model.name);
        let (partitions, rows) = match table {
            Some(table) => (table.partitions().len().to_string(), table.rows().to_string()),
            None => Default::default(),
        };
        let grain = if output.format == Format::Text {
            cut(&model.grain, 70)
        } else {
            model.grain.clone()
        };
        listing.row([
            model.name.clone(),
            model.kind.name().to_string(),
            model.partition.join(", "),
            partitions,
            rows,
            model.audits.len().to_string(),
            grain,
        ]);
    }
    listing.print(output)?;
    Ok(0)
}

async fn show(workspace: &Workspace, output: &Output, model: &Model) -> Result<u8> {
    let context = workspace.engine.session();
    workspace
        .tables
        .register(&context, std::slice::from_ref(&model.name), None)
        .await?;
    let frame = context.table(model.name.as_str()).await?;
    let mut columns = Listing::new(&["column", "type"]);
    for field in frame.schema().fields() {
        let kind = field.data_type().to_string();
        columns.row([
            field.name().clone(),
            if kind == "Utf8View" {
                "Utf8".to_string()
            } else {
                kind
            },
        ]);
    }
    let audits: Vec<String> = model
        .audits
        .iter()
        .map(|a| format!("{}({})", a.name, a.arguments))
        .collect();
    let readers = workspace.tables.graph.readers(&model.name);
    let table = workspace.tables.snapshots.get(&model.name);
    if output.format == Format::Json {
        output.json(&json!({
            "model": model.name, "kind": model.kind.name(), "grain": model.grain, "description": model.description,
            "file": model.file, "partition": model.partition, "reads": model.reads, "read_by": readers, "audits": audits,
            "version": table.map(|t| t.version()), "rows": table.map(|t| t.rows()), "columns": columns.json(),
        }));
        return Ok(0);
    }
    output.line(&model.name);
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            output.line(format!("  {name:<12}{value}"));
        }
    };
    line("about", &model.description);
    line("grain", &model.grain);
    line("kind", model.kind.name());
    line("partitions", &model.partition.join(", "));
    line("file", &model.file);
    line("reads", &model.reads.join(", "));
    line("read by", &readers.join(", "));
    match table {
        Some(table) => line(
            "now",
            &format!(
                "version {}, {} in {}",
                table.version(),
                counted(table.rows() as usize, "row", "rows"),
                counted(table.partitions().len(), "partition", "partitions")
            ),
        ),
        None if model.kind != ModelKind::View => line("now", "not built yet"),
        None => {}
    }
    for (index, audit) in audits.iter().enumerate() {
        line(if index == 0 { "audits" } else { "" }, audit);
    }
    output.line(columns.text());
    Ok(0)
}

/// Prints what each audit found; exit code 3 when one failed.
fn tested(output: &Output, tests: &ModelTests) -> Result<u8> {
    let mut listing = Listing::new(&["model", "audit", "result", "#offending rows"]);
    for audit in &tests.audits {
        let word = if audit.offending_rows > 0 {
            "failed"
        } else {
            "passed"
        };
        listing.row([
            audit.model.clone(),
            audit.call.clone(),
            word.to_string(),
            audit.offending_rows.to_string(),
        ]);
    }
    listing.print(output)?;
    let failed = tests.failed();
    let count = tests.audits.len();
    output.note(format!(
        "{} passed, {} failed",
        count - failed.len(),
        failed.len()
    ));
    if !tests.not_built.is_empty() {
        output.note(format!("not built yet: {}", tests.not_built.join(", ")));
    }
    match failed.first() {
        None => Ok(0),
        Some(first) => Err(Error::data(format!(
            "{} of {count} audits failed, the first: {first}",
            failed.len()
        ))
        .hint("`offgridflow models render NAME` prints a model's SQL; sql/audits holds the audits")),
    }
}

//! The audits of models, run over the tables as they stand.

use std::collections::BTreeSet;

use super::workspace::Workspace;
use crate::error::Result;
use crate::model::{Model, ModelKind};
use crate::transform::audits::run_audits;
use crate::warehouse::DataFile;

/// What the audits of models found.
#[derive(Debug, Clone, Default)]
pub struct ModelTests {
    /// One for each audit, in the order of the models.
    pub audits: Vec<TestedAudit>,
    /// Models that have no table yet, so that nothing of them was tested.
    pub not_built: Vec<String>,
}

/// What one audit of a model found.
#[derive(Debug, Clone)]
pub struct TestedAudit {
    /// The model.
    pub model: String,
    /// The audit as the model calls it: `name(arguments)`.
    pub call: String,
    /// The audit as messages name it, with its model.
    pub name: String,
    /// How many rows it does not let pass.
    pub offending_rows: usize,
}

impl ModelTests {
    /// The names of the audits that found an offending row.
    pub fn failed(&self) -> BTreeSet<&str> {
        let failed = self.audits.iter().filter(|audit| audit.offending_rows > 0);
        failed.map(|audit| audit.name.as_str()).collect()
    }
}

/// Runs the audits of one model, or of every model that has some; with `--tenant` over that tenant's rows alone.
///
/// # Errors
/// What the engine says when an audit cannot run.
pub async fn test_models(workspace: &Workspace, only: Option<&Model>) -> Result<ModelTests> {
    let models: Vec<&Model> = match only {
        Some(model) => vec![model],
        None => workspace
            .tables
            .graph
            .ordered()
            .filter(|model| !model.audits.is_empty())
            .collect(),
    };
    let tenant = workspace.config.selected_tenant.as_deref();
    let mut tests = ModelTests::default();
    for model in models {
        if model.kind != ModelKind::View && !workspace.tables.snapshots.contains_key(&model.name) {
            tests.not_built.push(model.name.clone());
            continue;
        }
        let context = workspace.engine.session();
        let filter = |_: &str, file: &DataFile| match (tenant, file.partition.get("tenant")) {
            (Some(tenant), Some(of_file)) => of_file.as_deref() == Some(tenant),
            _ => true,
        };
        workspace
            .tables
            .register(&context, std::slice::from_ref(&model.name), Some(&filter))
            .await?;
        let results = run_audits(&context, &workspace.tables, model, &model.name, Some(&filter), 1).await?;
        for (call, result) in model.audits.iter().zip(results) {
            tests.audits.push(TestedAudit {
                model: model.name.clone(),
                call: format!("{}({})", call.name, call.arguments),
                name: result.name,
                offending_rows: result.failures,
            });
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_with_offending_rows_failed() {
        let audit = |name: &str, offending_rows| TestedAudit {
            model: "normalize.usage".into(),
            call: format!("{name}()"),
            name: format!("audit {name}() of normalize.usage"),
            offending_rows,
        };
        let tests = ModelTests {
            audits: vec![audit("unique", 2), audit("not_null", 0), audit("known", 1)],
            ..ModelTests::default()
        };
        let failed = tests.failed();
        assert_eq!(
            failed.into_iter().collect::<Vec<_>>(),
            [
                "audit known() of normalize.usage",
                "audit unique() of normalize.usage"
            ]
        );
    }
}

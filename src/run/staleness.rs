//! Which partitions of a kept model are to be built, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::Workspace;
use crate::config::{Role, SourceKind};
use crate::error::Result;
use crate::land::transaction_version;
use crate::model::Model;
use crate::transform::build::app_id;
use crate::transform::partitions::{Expected, key_text};
use crate::transform::settings::{METHOD_VERSION, tenant_text};
use crate::transform::{ModelPlan, OutputKey, Tables};
use crate::warehouse::DataFile;

/// A kept model's partitions, sorted by what is to be done with them.
pub struct Staleness {
    /// To be built.
    pub stale: Vec<(OutputKey, Expected)>,
    /// Up to date.
    pub current: Vec<OutputKey>,
    /// Up to date as the table says; the ledger does not know it: partition key and fingerprint.
    pub unnoted: Vec<(String, String)>,
    /// In the table, but nothing calls for them any more.
    pub orphaned: Vec<OutputKey>,
}

/// Compares what a model's partitions should be with what is recorded, given the tables as they are now.
///
/// # Errors
/// External when ledger or table cannot be read.
pub async fn staleness(
    workspace: &Workspace,
    tables: &Tables,
    model: &Model,
    full_refresh: bool,
) -> Result<Staleness> {
    let reads = tables.graph.kept_inputs(&model.name);
    let settings = |tenant: &str| {
        let read = tables.settings.iter().filter(|(name, _)| reads.contains(*name));
        let mut text: String = read
            .map(|(name, rows)| format!("{name}\n{}\n", tenant_text(rows, tenant)))
            .collect();
        if model.sql.contains("/*{tag") {
            let tags = tables
                .placeholders
                .tags
                .iter()
                .filter(|t| t.tenants.iter().any(|x| x == tenant));
            text.extend(tags.map(|t| format!("{}={}\n", t.column, t.key)));
        }
        text
    };
    let roles: BTreeMap<(&str, &str), bool> = workspace
        .config
        .tenants
        .iter()
        .flat_map(|t| {
            t.sources
                .iter()
                .map(move |s| ((t.id.as_str(), s.id.as_str()), counts(s.role, s.kind)))
        })
        .collect();
    let counted = |file: &DataFile| {
        let value = |name: &str| {
            file.partition
                .get(name)
                .and_then(|v| v.as_deref())
                .unwrap_or_default()
        };
        roles
            .get(&(value("tenant"), value("source")))
            .copied()
            .unwrap_or(false)
    };
    let plan = ModelPlan::derive(tables, model, METHOD_VERSION, &settings, &counted);
    let chosen: BTreeSet<&str> = workspace
        .config
        .selected_tenants()
        .map(|t| t.id.as_str())
        .collect();
    let tenant_position = model.partition.iter().position(|c| c == "tenant");
    let is_chosen = |key: &OutputKey| tenant_position.is_none_or(|p| chosen.contains(key[p].as_str()));
    let recorded = match workspace.mirror.believes(&model.name) {
        true => workspace.ledger.fingerprints(&model.name).await?,
        false => Default::default(),
    };
    let table = tables.snapshots.get(&model.name);
    let (mut stale, mut current, mut unnoted) = (Vec::new(), Vec::new(), Vec::new());
    for (key, expected) in plan.expected.into_iter().filter(|(key, _)| is_chosen(key)) {
        let text = key_text(&model.partition, &key);
        let mut fresh = table.is_some()
            && recorded
                .get(&text)
                .is_some_and(|(fingerprint, _)| *fingerprint == expected.fingerprint);
        if !fresh && let Some(table) = table {
            // Behind a lost ledger or a killed run the table itself tells.
            fresh = table.transaction(&app_id(&model.name, &text)).await?
                == Some(transaction_version(&expected.fingerprint));
            if fresh && !full_refresh {
                unnoted.push((text, expected.fingerprint.clone()));
            }
        }
        match fresh && !full_refresh {
            true => current.push(key),
            false => stale.push((key, expected)),
        }
    }
    Ok(Staleness {
        stale,
        current,
        unnoted,
        orphaned: plan.orphaned.into_iter().filter(is_chosen).collect(),
    })
}

/// A bill that is only compared stays out of everything; carbon figures that are only compared stand in
/// `publish.reconciliation`.
fn counts(role: Role, kind: SourceKind) -> bool {
    role == Role::Counts || kind.is_carbon() || !kind.is_cloud()
}

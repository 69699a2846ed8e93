//! Views of few rows are computed before the query that reads them: side by side, and once for all models of a run that
//! see the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::session::Engine;
use super::tables::Tables;
use crate::error::{Error, Result};
use crate::model::ModelKind;
use crate::warehouse::{DataFile, Identity};

type Computed = Arc<OnceCell<Arc<MemTable>>>;

/// What has been computed of views, by name and by the files that they were computed from.
#[derive(Clone, Default)]
pub struct SmallViews {
    known: Arc<Mutex<BTreeMap<String, Computed>>>,
}

impl SmallViews {
    fn of(&self, key: String) -> Computed {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_default().clone()
    }
}

/// Chooses the files of a kept table that a batch reads, on any thread.
pub type SharedFilter = Arc<dyn Fn(&str, &DataFile) -> bool + Send + Sync>;

/// Registers the views of few rows that `names` read, through other views too.
///
/// # Errors
/// Usage: SQL that cannot be planned; what the engine says when it fails.
pub fn register<'a>(
    engine: &'a Engine,
    tables: &'a Arc<Tables>,
    context: &'a SessionContext,
    names: &'a [String],
    filter: &'a SharedFilter,
) -> BoxFuture<'a, Result<()>> {
    async move {
        let begun = |name: String| {
            let task = computed(engine.clone(), tables.clone(), name.clone(), filter.clone());
            (name, SpawnedTask::spawn(task))
        };
        let tasks: Vec<_> = below(tables, names).into_iter().map(begun).collect();
        for (name, task) in tasks {
            let ended = task.join().await;
            let rows = ended.map_err(|e| Error::internal("a view did not come to its end").because(e))??;
            tables.put(context, &name, rows)?;
        }
        Ok(())
    }
    .boxed()
}

/// The views of few rows below some tables, but not those below them in turn.
fn below(tables: &Tables, names: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&String> = names.iter().collect();
    while let Some(name) = waiting.pop() {
        let view = tables.graph.get(name).filter(|m| m.kind == ModelKind::View);
        match view {
            Some(view) if view.small => {
                found.insert(name.clone());
            }
            Some(view) if seen.insert(name) => waiting.extend(&view.reads),
            _ => {}
        }
    }
    found
}

async fn computed(
    engine: Engine,
    tables: Arc<Tables>,
    name: String,
    filter: SharedFilter,
) -> Result<Arc<dyn TableProvider>> {
    let known = tables.small_views.of(key(&tables, &name, &filter));
    let rows = known.get_or_try_init(|| async {
        let context = match name.starts_with("estimate.") {
            true => engine.session_in_written_order(),
            false => engine.pipeline_session(),
        };
        if let Some(view) = tables.graph.get(&name) {
            // In turn what this one reads.
            register(&engine, &tables, &context, &view.reads, &filter).await?;
        }
        tables.small_rows(&context, &name, Some(filter.as_ref())).await
    });
    let rows: Arc<MemTable> = rows.await?.clone();
    Ok(rows)
}

/// The view and the identities of all that it is made from.
fn key(tables: &Tables, name: &str, filter: &SharedFilter) -> String {
    let mut key = name.to_string();
    for input in tables.graph.kept_inputs(name) {
        if let Some(snapshot) = tables.snapshots.get(&input) {
            let files = snapshot.files().iter().filter(|file| filter(&input, file));
            let identity: Identity = files.map(DataFile::identity).sum();
            key.push_str(&format!("\n{input}:{identity}"));
        }
    }
    key
}

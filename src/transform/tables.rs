//! What a query sees: raw and kept tables of the warehouse, reference and settings tables, views.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::datasource::{MemTable, TableProvider, ViewTable};
use datafusion::prelude::SessionContext;

use crate::config::Kind as SourceKind;
use crate::error::{Error, Result};
use crate::factors::FactorSet;
use crate::land::Contract;
use crate::land::raw_columns::{DELIVERED_NAME, partition_columns, provenance_fields};
use crate::model::render::Placeholders;
use crate::model::{Graph, Kind};
use crate::warehouse::{DataFile, SnapshotTable, Table};

/// Chooses the files of a kept table that a batch reads.
pub type FileFilter<'a> = &'a (dyn Fn(&str, &DataFile) -> bool + Sync);

/// Everything that can be named in SQL.
pub struct Tables {
    /// The models.
    pub graph: Graph,
    /// The placeholders' values.
    pub placeholders: Placeholders,
    /// The factor set.
    pub factors: Arc<FactorSet>,
    /// `settings.<name>` → rows.
    pub settings: BTreeMap<String, RecordBatch>,
    /// `system.<name>` → rows.
    pub system: BTreeMap<String, RecordBatch>,
    /// Snapshots by name.
    pub snapshots: BTreeMap<String, Table>,
}

impl Tables {
    /// Takes a newer snapshot of a table.
    pub fn replace(&mut self, table: Table) {
        if table.name.starts_with("raw.") {
            self.placeholders
                .raw_columns
                .insert(table.name.clone(), raw_columns(&table));
        }
        self.snapshots.insert(table.name.clone(), table);
    }

    /// A model's SQL as the engine runs it.
    ///
    /// # Errors
    /// Usage: an unknown placeholder.
    pub fn rendered(&self, name: &str) -> Result<String> {
        match self.graph.get(name) {
            Some(model) => self
                .placeholders
                .render(&model.sql)
                .map_err(|e| e.at(format!("model {name}"))),
            None => Err(Error::usage(format!("there is no model `{name}`"))),
        }
    }

    /// The names of all tables and views that a query may read.
    pub fn names(&self) -> BTreeSet<String> {
        let raw = SourceKind::ALL
            .iter()
            .flat_map(|k| [format!("raw.{}", k.name()), format!("raw.{}_parquet", k.name())]);
        let models = self.graph.ordered().map(|m| m.name.clone());
        let reference = self.factors.tables().map(|t| format!("reference.{t}"));
        let others = self.settings.keys().chain(self.system.keys()).cloned();
        raw.chain(models)
            .chain(reference)
            .chain(others)
            .chain(self.snapshots.keys().cloned())
            .collect()
    }

    /// Registers the named tables and, for views, all they need.
    ///
    /// # Errors
    /// Usage: a table that does not exist, SQL that cannot be planned.
    pub async fn register(
        &self,
        context: &SessionContext,
        names: &[String],
        filter: Option<FileFilter<'_>>,
    ) -> Result<()> {
        for name in names {
            self.register_one(context, name, filter).await?;
        }
        Ok(())
    }

    async fn register_one(
        &self,
        context: &SessionContext,
        name: &str,
        filter: Option<FileFilter<'_>>,
    ) -> Result<()> {
        let reference = TableReference::parse_str(name);
        ensure_schema(context, reference.schema().unwrap_or("public"))?;
        if context.table_exist(reference.clone())? {
            return Ok(());
        }
        let provider = self.provider(context, name, filter).await?;
        context.register_table(reference, provider)?;
        Ok(())
    }

    async fn provider(
        &self,
        context: &SessionContext,
        name: &str,
        filter: Option<FileFilter<'_>>,
    ) -> Result<Arc<dyn TableProvider>> {
        let (schema, table) = name.split_once('.').unwrap_or(("", name));
        if let Some(batch) = self.settings.get(name).or_else(|| self.system.get(name)) {
            return Ok(Arc::new(MemTable::try_new(
                batch.schema(),
                vec![vec![batch.clone()]],
            )?));
        }
        if schema == "reference" {
            return self.factors.table(table);
        }
        let kept = self.graph.get(name).is_none_or(|m| m.kind != Kind::View);
        if kept && let Some(snapshot) = self.snapshots.get(name) {
            let expected = self.expected_fields(name);
            let files = snapshot
                .files()
                .iter()
                .filter(|f| filter.is_none_or(|keep| keep(name, f)))
                .cloned()
                .collect();
            return Ok(Arc::new(SnapshotTable::of_files(snapshot, &expected, files)));
        }
        if schema == "raw" {
            return Ok(Arc::new(SnapshotTable::absent(
                &self.expected_fields(name),
                &partition_columns(),
            )));
        }
        let Some(model) = self.graph.get(name) else {
            return Err(Error::usage(format!("there is no table `{name}`"))
                .hint("`offgridflow models list` names the tables"));
        };
        Box::pin(self.register(context, &model.reads, filter)).await?;
        let sql = self.rendered(name)?;
        let plan = context
            .state()
            .create_logical_plan(&sql)
            .await
            .map_err(|e| Error::from(e).at(format!("model {name}")))?;
        let plan_schema = plan.schema().as_arrow().clone();
        if model.kind == Kind::View && model.few_rows {
            let frame = context.execute_logical_plan(plan).await?;
            let batches = frame
                .collect()
                .await
                .map_err(|e| Error::from(e).at(format!("model {name}")))?;
            // What the engine returns may be a view of the text that its plan announced.
            let schema = batches
                .first()
                .map_or_else(|| Arc::new(plan_schema), |b| b.schema());
            return Ok(Arc::new(MemTable::try_new(schema, vec![batches])?));
        }
        if model.kind == Kind::View {
            return Ok(Arc::new(ViewTable::new(plan, Some(sql))));
        }
        // Kept, but nothing has been built yet: its columns and no row.
        let schema: SchemaRef = Arc::new(plan_schema);
        Ok(Arc::new(MemTable::try_new(
            schema.clone(),
            vec![vec![RecordBatch::new_empty(schema)]],
        )?))
    }

    /// Columns that a query may name although an older snapshot lacks them.
    pub fn expected_fields(&self, name: &str) -> Vec<Field> {
        let Some(raw) = name.strip_prefix("raw.") else {
            let tags = self
                .placeholders
                .tags
                .iter()
                .map(|t| Field::new(&t.column, DataType::Utf8, true));
            let keyed = ["rollup.usage_daily", "estimate.cloud_emissions"].contains(&name);
            return tags.filter(|_| keyed).collect();
        };
        let (kind, parquet) = match raw.strip_suffix("_parquet") {
            Some(kind) => (kind, true),
            None => (raw, false),
        };
        let mut fields = SourceKind::ALL
            .iter()
            .find(|k| k.name() == kind)
            .map(|k| Contract::of(*k).expected_fields(parquet))
            .unwrap_or_default();
        fields.extend(provenance_fields());
        fields
    }
}

fn ensure_schema(context: &SessionContext, schema: &str) -> Result<()> {
    let catalog = context
        .catalog("datafusion")
        .ok_or_else(|| Error::internal("the default catalog is missing"))?;
    if catalog.schema(schema).is_none() {
        catalog.register_schema(
            schema,
            Arc::new(MemorySchemaProvider::new()) as Arc<dyn SchemaProvider>,
        )?;
    }
    Ok(())
}

fn raw_columns(table: &Table) -> Vec<(String, String)> {
    let fields = table.schema().fields().iter();
    fields
        .map(|f| {
            (
                f.name().clone(),
                f.metadata().get(DELIVERED_NAME).unwrap_or(f.name()).clone(),
            )
        })
        .collect()
}

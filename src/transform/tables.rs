//! What a query sees: raw and kept tables of the warehouse, reference and settings tables, views.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::{DFSchema, DFSchemaRef, TableReference};
use datafusion::datasource::{MemTable, TableProvider, ViewTable};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;

use super::own_bytes::own_bytes;
use super::part::Part;
use super::partitions::tenant_of;
use super::raw_types::{is_beside_another, one_type_per_column};
use super::small_views::SmallViews;
use crate::config::SourceKind;
use crate::error::{Error, PlaceKey, Result};
use crate::factors::FactorSet;
use crate::land::Contract;
use crate::land::raw_columns::{DELIVERED_NAME, partition_columns, provenance_fields};
use crate::model::render::Placeholders;
use crate::model::{Graph, Model, ModelKind};
use crate::warehouse::{DataFile, SnapshotTable, Table};

/// Chooses the files of a kept table that a batch reads.
pub type FileFilter<'a> = &'a (dyn Fn(&str, &DataFile) -> bool + Sync);

/// Everything that can be named in SQL.
#[derive(Clone)]
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
    /// Tables whose log cannot be read, and why.
    pub damaged: BTreeMap<String, Error>,
    /// What has been computed of small views.
    pub small_views: SmallViews,
    /// The part of the rows that views with `split_by` give.
    pub part: Part,
}

impl Tables {
    /// The same with what the settings and the ledger say of one tenant. Rows of kept tables are chosen by their files.
    ///
    /// # Errors
    /// Internal: a table whose tenants are no text.
    pub fn of_tenant(&self, tenant: &str) -> Result<Tables> {
        let mut tables = self.clone();
        let of_memory = tables.settings.values_mut().chain(tables.system.values_mut());
        for rows in of_memory {
            if let Some(owners) = rows.column_by_name("tenant") {
                let is_own = eq(owners, &StringArray::new_scalar(tenant))?;
                *rows = filter_record_batch(rows, &is_own)?;
            }
            if let Some(keys) = rows.column_by_name("partition_key") {
                let is_own = |key: Option<&str>| key.map(|key| tenant_of(key) == Some(tenant));
                let is_own: BooleanArray = keys.as_string::<i32>().iter().map(is_own).collect();
                *rows = filter_record_batch(rows, &is_own)?;
            }
        }
        Ok(tables)
    }

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
                .map_err(|e| e.at_key(PlaceKey::Model, name)),
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
        let Some(place) = free_place(context, name)? else {
            return Ok(());
        };
        let provider = self.provider(context, name, filter).await?;
        context.register_table(place, provider)?;
        Ok(())
    }

    async fn provider(
        &self,
        context: &SessionContext,
        name: &str,
        filter: Option<FileFilter<'_>>,
    ) -> Result<Arc<dyn TableProvider>> {
        let (schema, table) = name.split_once('.').unwrap_or(("", name));
        // A batch reads nothing of it: the partitions that would are left out.
        if let Some(error) = self.damaged.get(name).filter(|_| filter.is_none()) {
            return Err(error.clone());
        }
        if let Some(batch) = self.settings.get(name).or_else(|| self.system.get(name)) {
            return Ok(Arc::new(MemTable::try_new(
                batch.schema(),
                vec![vec![batch.clone()]],
            )?));
        }
        if schema == "reference" {
            return self.factors.table(table);
        }
        let kept = self.graph.get(name).is_none_or(|m| m.kind != ModelKind::View);
        if kept && let Some(snapshot) = self.snapshots.get(name) {
            let expected = self.expected_fields(name);
            let files = snapshot
                .files()
                .iter()
                .filter(|f| filter.is_none_or(|keep| keep(name, f)))
                .cloned()
                .collect();
            let table = unless_empty(name, SnapshotTable::of_files(snapshot, &expected, files))?;
            return one_type_per_column(name, table);
        }
        if schema == "raw" {
            let table = SnapshotTable::absent(&self.expected_fields(name), &partition_columns());
            return unless_empty(name, table);
        }
        let Some(model) = self.graph.get(name) else {
            return Err(Error::usage(format!("there is no table `{name}`"))
                .hint("`offgridflow models list` names the tables"));
        };
        if model.kind == ModelKind::View && model.small {
            return Ok(self.small_rows(context, name, filter).await?);
        }
        let (sql, plan) = self.planned(context, model, filter).await?;
        if model.kind == ModelKind::View {
            return Ok(Arc::new(ViewTable::new(plan, Some(sql))));
        }
        // Kept, but nothing has been built yet.
        Ok(without_rows(plan.schema().clone()))
    }

    async fn planned(
        &self,
        context: &SessionContext,
        model: &Model,
        filter: Option<FileFilter<'_>>,
    ) -> Result<(String, LogicalPlan)> {
        Box::pin(self.register(context, &model.reads, filter)).await?;
        let sql = self.rendered(&model.name)?;
        let plan = context.state().create_logical_plan(&sql).await;
        let mut plan = plan.map_err(|e| Error::from(e).at_key(PlaceKey::Model, &model.name))?;
        if let (ModelKind::View, Some(column)) = (model.kind, &model.split_by) {
            plan = self
                .part
                .rows(plan, column)
                .map_err(|e| e.at_key(PlaceKey::Model, &model.name))?;
        }
        Ok((sql, plan))
    }

    /// The rows of a small view.
    ///
    /// # Errors
    /// Usage: SQL that cannot be planned; what the engine says when it fails.
    pub async fn small_rows(
        &self,
        context: &SessionContext,
        name: &str,
        filter: Option<FileFilter<'_>>,
    ) -> Result<Arc<MemTable>> {
        let begun = Instant::now();
        let model = self
            .graph
            .get(name)
            .ok_or_else(|| Error::internal(format!("there is no view `{name}`")))?;
        let (_, plan) = self.planned(context, model, filter).await?;
        let announced = plan.schema().as_arrow().clone();
        let rows = context.execute_logical_plan(plan).await?.collect().await;
        let rows = rows.map_err(|e| Error::from(e).at_key(PlaceKey::Model, name))?;
        let rows = rows.iter().map(own_bytes).collect::<Result<Vec<_>>>()?;
        // What the engine returns may be a view of the text that its plan announced.
        let schema = rows.first().map_or_else(|| Arc::new(announced), |b| b.schema());
        tracing::debug!(view = name, took = ?begun.elapsed(), "computed");
        Ok(Arc::new(MemTable::try_new(schema, vec![rows])?))
    }

    /// Registers a table that was made elsewhere, unless there is one of its name.
    ///
    /// # Errors
    /// Internal: a session without a catalog.
    pub fn put(&self, context: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        if let Some(place) = free_place(context, name)? {
            context.register_table(place, table)?;
        }
        Ok(())
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

/// Where a table of that name is to be registered, its schema made; `None` when there is one already.
fn free_place(context: &SessionContext, name: &str) -> Result<Option<TableReference>> {
    let place = TableReference::parse_str(name);
    ensure_schema(context, place.schema().unwrap_or("public"))?;
    Ok((!context.table_exist(place.clone())?).then_some(place))
}

/// The table; one without files as a plan that the optimizer knows to be empty, with all that is made of it.
fn unless_empty(name: &str, table: SnapshotTable) -> Result<Arc<dyn TableProvider>> {
    // With the figures of one provider alone its name would be a constant, and of a constant among the keys of two windows
    // the engine (55.2) forgets between them that rows are in its order.
    let kind = name.trim_start_matches("raw.").trim_end_matches("_parquet");
    let is_carbon = SourceKind::ALL.iter().any(|k| k.is_carbon() && k.name() == kind);
    match table.files().is_empty() && !is_carbon {
        true => Ok(without_rows(Arc::new(DFSchema::try_from(
            table.columns().clone(),
        )?))),
        false => Ok(Arc::new(table)),
    }
}

/// Columns and no row.
fn without_rows(schema: DFSchemaRef) -> Arc<dyn TableProvider> {
    let nothing = EmptyRelation {
        produce_one_row: false,
        schema,
    };
    Arc::new(ViewTable::new(LogicalPlan::EmptyRelation(nothing), None))
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
        .filter(|f| !is_beside_another(f.name(), table.schema()))
        .map(|f| {
            (
                f.name().clone(),
                f.metadata().get(DELIVERED_NAME).unwrap_or(f.name()).clone(),
            )
        })
        .collect()
}

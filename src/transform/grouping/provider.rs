//! The grouped table that stands in an aggregate's place until it is planned.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;

use super::branch::Branch;
use super::exec::GroupByCodesExec;
use super::rule::{Aggregated, RULE};
use super::scan::ScanPlan;
use super::sums::Fold;

/// One branch and what is computed of it.
#[derive(Debug)]
pub struct GroupedBranch {
    pub branch: Branch,
    pub groups: Vec<Expr>,
    pub aggregates: Vec<Aggregated>,
}

/// An aggregate over the rows of warehouse tables.
#[derive(Debug)]
pub struct GroupedTable {
    /// Groups, then aggregates, by the names of [`super::rule::output_name`].
    pub schema: SchemaRef,
    pub branches: Vec<GroupedBranch>,
    /// The aggregate as it was written, for the engine's own operators.
    pub written: LogicalPlan,
    /// Whether the engine's own operators, which spill, take over when the groups exceed the memory limit.
    pub fall_back_when_full: bool,
}

impl GroupedTable {
    /// The session without our rule: it plans the aggregate with the engine's own operators.
    fn plain_session(state: &dyn Session) -> Result<SessionState> {
        let Some(state) = state.as_any().downcast_ref::<SessionState>() else {
            return internal_err!("a session of an unknown kind");
        };
        let rules = state.optimizers().iter().filter(|rule| rule.name() != RULE);
        Ok(SessionStateBuilder::new_from_existing(state.clone())
            .with_optimizer_rules(rules.cloned().collect())
            .build())
    }

    /// What each aggregate does with its values.
    pub fn folds(&self) -> impl Iterator<Item = Fold> {
        self.branches
            .first()
            .into_iter()
            .flat_map(|branch| branch.aggregates.iter().map(|a| a.fold))
    }

    /// The aggregate as it was written, its columns (or those that `projection` chooses) named as the table's.
    ///
    /// # Errors
    /// A projection of columns that are not there.
    pub fn plain_plan(&self, projection: Option<&Vec<usize>>) -> Result<LogicalPlan> {
        let columns = self.written.schema().columns();
        let chosen: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..columns.len()).collect(),
        };
        let renamed = chosen
            .iter()
            .map(|n| Expr::Column(columns[*n].clone()).alias(self.schema.field(*n).name()));
        LogicalPlanBuilder::from(self.written.clone())
            .project(renamed)?
            .build()
    }
}

#[async_trait]
impl TableProvider for GroupedTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plain_session = Self::plain_session(state)?;
        let plain_plan = self.plain_plan(projection)?;
        let mut plans = Vec::new();
        for part in &self.branches {
            let mut possible = true;
            for lookup in &part.branch.lookups {
                possible &= lookup.load(state).await?;
            }
            let plan = match possible {
                true => ScanPlan::new(&part.branch, &part.groups, &part.aggregates, state)?,
                false => None,
            };
            let Some(plan) = plan else {
                return plain_session.create_physical_plan(&plain_plan).await;
            };
            plans.push(plan);
        }
        let plain = self.fall_back_when_full.then_some((plain_session, plain_plan));
        let exec = GroupByCodesExec::new(self.schema.clone(), plans, projection.cloned(), plain)?;
        Ok(Arc::new(exec))
    }
}

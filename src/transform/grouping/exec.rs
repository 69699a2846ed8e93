//! The operator: row groups are dealt to threads, their groups are put together, and the result is given in batches.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream, execute_stream,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::feed::FileRows;
use super::groups::Groups;
use super::scan::ScanPlan;
use super::state::State;
use crate::parquet::row_groups::RowGroups;
use crate::warehouse::{DataFile, PartitionValues, StoredFile};

/// Rows of a batch: large enough that what is done per batch is little, small enough that what is computed of them stays in
/// the processor's cache and the allocator gives the same memory again.
const BATCH_ROWS: usize = 4_096;

/// Bytes of a batch of groups that is given: keys may be long.
const BATCH_BYTES: usize = 16 << 20;

/// Distinct texts of one column are addressed by 31 bits, whatever the memory limit.
const MOST_BYTES: usize = i32::MAX as usize;

/// Groups the rows of some branches by codes.
pub struct GroupByCodesExec {
    schema: SchemaRef,
    projected: SchemaRef,
    projection: Option<Vec<usize>>,
    plans: Vec<Arc<ScanPlan>>,
    plain: Option<Arc<(SessionState, LogicalPlan)>>,
    properties: Arc<PlanProperties>,
}

/// With more files, the small ones are opened by the thread that reads them: a footer of very many columns takes megabytes.
const MOST_OPENED: usize = 64;
/// A larger file is shared out by its row groups.
const SMALL_FILE_BYTES: u64 = 8 << 20;

/// What a thread reads next.
enum Unit {
    RowGroup {
        file: Arc<RowGroups<StoredFile>>,
        partition: Arc<PartitionValues>,
        row_group: usize,
    },
    /// All of the plan's file at this place.
    File(usize),
}

type Units = Arc<Mutex<VecDeque<Unit>>>;

impl GroupByCodesExec {
    /// `schema` is that of all output columns, of which `projection` chooses; `plain` computes the same when the groups
    /// exceed the memory limit.
    ///
    /// # Errors
    /// A projection of columns that are not there.
    pub fn new(
        schema: SchemaRef,
        plans: Vec<ScanPlan>,
        projection: Option<Vec<usize>>,
        plain: Option<(SessionState, LogicalPlan)>,
    ) -> Result<GroupByCodesExec> {
        let projected = match &projection {
            Some(projection) => Arc::new(schema.project(projection)?),
            None => schema.clone(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(projected.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(GroupByCodesExec {
            schema,
            projected,
            projection,
            plans: plans.into_iter().map(Arc::new).collect(),
            plain: plain.map(Arc::new),
            properties: Arc::new(properties),
        })
    }
}

impl fmt::Debug for GroupByCodesExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Verbose, f)
    }
}

impl DisplayAs for GroupByCodesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupByCodesExec:")?;
        for plan in &self.plans {
            let rows: u64 = plan.files.iter().map(|file| file.rows).sum();
            write!(
                f,
                " [files={}, rows={rows}, columns={}, key_inputs={}, groups={}, sums={}, leaves={}]",
                plan.files.len(),
                plan.read.len(),
                plan.key.len(),
                plan.groups.len(),
                plan.sums.len(),
                plan.leaves.len(),
            )?;
        }
        Ok(())
    }
}

impl ExecutionPlan for GroupByCodesExec {
    fn name(&self) -> &str {
        "GroupByCodesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("grouping by codes has one partition");
        }
        let (plans, plain, projection) = (self.plans.clone(), self.plain.clone(), self.projection.clone());
        let schema = self.schema.clone();
        let batch_rows = context.session_config().batch_size();
        let output = async move {
            match compute(&schema, &plans, &context).await {
                Ok(groups) => {
                    let values = groups.values()?;
                    let batch_rows = batch_rows.min(BATCH_BYTES / widest(&values).max(1)).max(1);
                    let starts = (0..groups.len()).step_by(batch_rows);
                    let batches = starts.map(move |start| {
                        let rows = batch_rows.min(groups.len() - start);
                        let batch = groups.batch(&schema, &values, start, rows)?;
                        Ok(match &projection {
                            Some(projection) => batch.project(projection)?,
                            None => batch,
                        })
                    });
                    Ok::<_, DataFusionError>(stream::iter(batches).boxed())
                }
                Err(error) => match (&plain, is_exhausted(&error)) {
                    (Some(plain), true) => {
                        let plan = plain.0.create_physical_plan(&plain.1).await?;
                        Ok(execute_stream(plan, context)?.boxed())
                    }
                    _ => Err(error),
                },
            }
        };
        let batches = stream::once(output).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.projected.clone(),
            batches,
        )))
    }
}

/// The most bytes of texts that a group has.
fn widest(values: &[ArrayRef]) -> usize {
    let longest = |values: &ArrayRef| {
        let views = values.as_string_view_opt().map(|texts| texts.lengths().max());
        let texts = || {
            values
                .as_string_opt::<i32>()
                .map(|texts| texts.offsets().lengths().max())
        };
        match views {
            Some(longest) => longest.unwrap_or_default() as usize,
            None => texts().flatten().unwrap_or_default(),
        }
    };
    values.iter().map(longest).sum()
}

/// Whether a query failed because its memory limit was reached.
pub fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

async fn compute(schema: &SchemaRef, plans: &[Arc<ScanPlan>], context: &Arc<TaskContext>) -> Result<Groups> {
    let mut groups = Groups::new(schema, plans)?;
    for plan in plans {
        let units = units(plan, context).await?;
        let threads = {
            let units = units.lock().unwrap_or_else(PoisonError::into_inner);
            context
                .session_config()
                .target_partitions()
                .min(units.len())
                .max(1)
        };
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..threads {
            workers.spawn(work(
                plan.clone(),
                units.clone(),
                context.clone(),
                MOST_BYTES / threads,
            ));
        }
        let mut merged: Option<State> = None;
        while let Some(state) = workers.join_next().await {
            let merging = match state.map_err(|e| DataFusionError::External(Box::new(e))) {
                Ok(Ok(state)) => match &mut merged {
                    Some(merged) => merged.merge(plan, state),
                    None => {
                        merged = Some(state);
                        Ok(())
                    }
                },
                Ok(Err(error)) | Err(error) => Err(error),
            };
            if let Err(error) = merging {
                // What the others hold must be free before anyone tries another way.
                workers.shutdown().await;
                return Err(error);
            }
        }
        if let Some(state) = merged {
            groups.absorb(plan, state, context.session_config().target_partitions())?;
        }
    }
    Ok(groups)
}

async fn units(plan: &ScanPlan, context: &TaskContext) -> Result<Units> {
    let mut units = VecDeque::new();
    for (place, file) in plan.files.iter().enumerate() {
        if plan.files.len() > MOST_OPENED && file.size <= SMALL_FILE_BYTES {
            units.push_back(Unit::File(place));
            continue;
        }
        let (opened, row_groups) = open(plan, file, context).await?;
        let partition = Arc::new(file.partition.clone());
        units.extend(row_groups.into_iter().map(|row_group| Unit::RowGroup {
            file: opened.clone(),
            partition: partition.clone(),
            row_group,
        }));
    }
    Ok(Arc::new(Mutex::new(units)))
}

/// Opens a file: with it, its row groups that are to be read.
async fn open(
    plan: &ScanPlan,
    file: &DataFile,
    context: &TaskContext,
) -> Result<(Arc<RowGroups<StoredFile>>, Vec<usize>)> {
    let location = plan.table.location_of(file);
    let runtime = context.runtime_env();
    let stored = StoredFile::of_engine(&runtime, plan.table.store(), &location, file.size)?;
    let opened = RowGroups::open(stored, &location, &plan.coded).await?;
    let row_groups = opened.within(plan.table.piece(&location));
    Ok((Arc::new(opened), row_groups))
}

async fn work(
    plan: Arc<ScanPlan>,
    units: Units,
    context: Arc<TaskContext>,
    most_bytes: usize,
) -> Result<State> {
    let reservation = MemoryConsumer::new("GroupByCodes").register(context.memory_pool());
    let mut state = State::new(&plan)?;
    loop {
        let unit = units.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(unit) = unit else { break };
        let (file, partition, row_groups) = match unit {
            Unit::RowGroup {
                file,
                partition,
                row_group,
            } => (file, partition, vec![row_group]),
            Unit::File(place) => {
                let file = &plan.files[place];
                let (opened, row_groups) = open(&plan, file, &context).await?;
                (opened, Arc::new(file.partition.clone()), row_groups)
            }
        };
        for row_group in row_groups {
            let mut opened = file.coded(row_group, &plan.by_code).await?;
            let others = plan.read.iter().filter(|name| !opened.contains_key(*name));
            let others = others.cloned().collect();
            let mut batches = file.read(row_group, &others, BATCH_ROWS)?;
            while let Some(batch) = batches.next().await {
                let batch: RecordBatch = batch?;
                state.push(
                    &plan,
                    &FileRows {
                        batch: &batch,
                        partition: &partition,
                        table: plan.table.columns(),
                    },
                    &mut opened,
                )?;
                let bytes = state.size();
                if bytes > most_bytes {
                    let what = "the distinct keys are larger than grouping by codes can hold";
                    return Err(DataFusionError::ResourcesExhausted(what.to_string()));
                }
                reservation.try_resize(bytes)?;
            }
        }
    }
    Ok(state)
}

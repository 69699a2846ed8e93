//! Plans as bytes: Ballista's codec for everything it knows, and ours for the tables of this project. Functions travel by
//! name, as every process registers the same ones.

use std::sync::Arc;

use ballista_core::serde::BallistaLogicalExtensionCodec;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion_proto::logical_plan::{AsLogicalPlan, LogicalExtensionCodec};
use datafusion_proto::protobuf::LogicalPlanNode;

use super::memory_table;
use super::nested_plan::{NestedPlan, packed, unpacked};
use super::part_table::PartTable;
use crate::error::{Error, PlaceKey};
use crate::warehouse::SnapshotTable;

/// Files of the warehouse.
const SNAPSHOT: u8 = b'S';
/// Rows that travel inside the plan: factors, settings, the ledger.
const MEMORY: u8 = b'M';
/// An aggregate in parts.
const PARTS: u8 = b'A';

/// A deep part of a plan.
const PARCEL: u8 = b'P';

/// The codec of one process.
#[derive(Debug)]
pub struct ClusterCodec {
    ballista: BallistaLogicalExtensionCodec,
    warehouse: String,
}

impl ClusterCodec {
    /// A codec for the tables of this warehouse.
    pub fn new(warehouse: String) -> Self {
        ClusterCodec {
            ballista: BallistaLogicalExtensionCodec::default(),
            warehouse,
        }
    }

    /// A plan as bytes.
    ///
    /// # Errors
    /// What the engine says of a node that cannot be written.
    pub fn bytes(&self, plan: &LogicalPlan) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        LogicalPlanNode::try_from_logical_plan(&packed(plan.clone())?, self)?.try_encode(&mut bytes)?;
        Ok(bytes)
    }

    /// The plan that [`ClusterCodec::bytes`] wrote.
    ///
    /// # Errors
    /// What the engine says of bytes that are no plan.
    pub fn plan(&self, bytes: &[u8], ctx: &TaskContext) -> Result<LogicalPlan> {
        unpacked(LogicalPlanNode::try_decode(bytes)?.try_into_logical_plan(ctx, self)?)
    }
}

impl LogicalExtensionCodec for ClusterCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        match buf.split_first() {
            Some((&PARCEL, rest)) => {
                let plan = LogicalPlanNode::try_decode(rest)?.try_into_logical_plan(ctx, self)?;
                Ok(NestedPlan::node(plan))
            }
            _ => self.ballista.try_decode(buf, inputs, ctx),
        }
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        let Some(nested_plan) = NestedPlan::of(node) else {
            return self.ballista.try_encode(node, buf);
        };
        buf.push(PARCEL);
        LogicalPlanNode::try_from_logical_plan(&nested_plan.plan, self)?.try_encode(buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let place = |error: Error| DataFusionError::from(error.at_key(PlaceKey::Table, table));
        match buf.split_first() {
            Some((&SNAPSHOT, rest)) => Ok(Arc::new(
                SnapshotTable::from_bytes(rest, &self.warehouse).map_err(place)?,
            )),
            Some((&PARTS, rest)) => Ok(Arc::new(PartTable::new(self.plan(rest, ctx)?))),
            Some((&MEMORY, rest)) => Ok(Arc::new(memory_table::from_bytes(rest)?)),
            _ => self.ballista.try_decode_table_provider(buf, table, schema, ctx),
        }
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        provider: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        if let Some(snapshot) = provider.downcast_ref::<SnapshotTable>() {
            buf.push(SNAPSHOT);
            buf.extend(snapshot.to_bytes(&self.warehouse)?);
        } else if let Some(rows) = provider.downcast_ref::<MemTable>() {
            buf.push(MEMORY);
            buf.extend(memory_table::to_bytes(rows)?);
        } else if let Some(parts) = provider.downcast_ref::<PartTable>() {
            buf.push(PARTS);
            buf.extend(self.bytes(&parts.plan)?);
        } else {
            return self.ballista.try_encode_table_provider(table, provider, buf);
        }
        Ok(())
    }

    fn try_decode_file_format(&self, buf: &[u8], ctx: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.ballista.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.ballista.try_encode_file_format(buf, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::config::ConfigOptions;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
    use datafusion::optimizer::analyzer::AnalyzerRule;
    use datafusion::prelude::SessionContext;

    use super::super::nested_plan::Unpack;
    use crate::transform::functions;

    fn context() -> SessionContext {
        let context = SessionContext::new();
        functions::register(&context);
        context
    }

    fn send(plan: &LogicalPlan, from: &ClusterCodec, to: &ClusterCodec) -> Result<LogicalPlan> {
        let mut bytes = Vec::new();
        LogicalPlanNode::try_from_logical_plan(plan, from)?.try_encode(&mut bytes)?;
        LogicalPlanNode::try_decode(&bytes)?.try_into_logical_plan(&context().task_ctx(), to)
    }

    #[tokio::test]
    async fn rows_and_functions_of_this_project_arrive() {
        let context = context();
        let rows = RecordBatch::try_from_iter([
            (
                "name",
                Arc::new(StringArray::from(vec![Some(" a "), None, Some("NULL")])) as _,
            ),
            ("amount", Arc::new(Int64Array::from(vec![1, 2, 3])) as _),
        ])
        .unwrap();
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
        context.register_table("factors", Arc::new(table)).unwrap();
        let frame = context
            .sql("select clean_text(name) as name, money(amount) as amount from factors order by amount")
            .await
            .unwrap();
        let plan = frame.logical_plan().clone();
        let codec = ClusterCodec::new("s3://lake".into());
        let arrived = send(&plan, &codec, &codec).unwrap();
        let text = |batches: &[RecordBatch]| {
            datafusion::arrow::util::pretty::pretty_format_batches(batches)
                .unwrap()
                .to_string()
        };
        let wanted = text(&frame.collect().await.unwrap());
        let found = self::context().execute_logical_plan(arrived).await.unwrap();
        assert_eq!(text(&found.collect().await.unwrap()), wanted);
    }

    #[test]
    fn a_plan_deeper_than_a_message_may_be_arrives() {
        // As deep in calls as the threads of the program may go.
        let deep = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
            let mut plan = LogicalPlanBuilder::values(vec![vec![lit(1_i64)]]).unwrap();
            for n in 0..100 {
                plan = plan.filter(col("column1").gt(lit(n))).unwrap();
            }
            let plan = plan.build().unwrap();
            let codec = ClusterCodec::new("s3://lake".into());
            assert!(
                send(&plan, &codec, &codec).is_err(),
                "parcels are of no use any more: messages may be as deep"
            );
            let arrived = send(&packed(plan.clone()).unwrap(), &codec, &codec).unwrap();
            let arrived = Unpack.analyze(arrived, &ConfigOptions::default()).unwrap();
            assert_eq!(
                arrived.display_indent().to_string(),
                plan.display_indent().to_string()
            );
        });
        deep.unwrap().join().unwrap();
    }

    #[tokio::test]
    async fn files_of_another_warehouse_are_refused_by_name() {
        let context = context();
        let columns = [Field::new("cost", DataType::Utf8, true)];
        let schema = Schema::new(columns.to_vec());
        let table = SnapshotTable::staged("lake/raw/x".into(), &schema, &[], Vec::new());
        context.register_table("x", Arc::new(table)).unwrap();
        let plan = context
            .sql("select cost from x")
            .await
            .unwrap()
            .logical_plan()
            .clone();
        let (ours, theirs) = (
            ClusterCodec::new("s3://lake/a".into()),
            ClusterCodec::new("s3://lake/b".into()),
        );
        assert!(send(&plan, &ours, &ours).is_ok());
        let error = Error::from(send(&plan, &ours, &theirs).unwrap_err());
        assert!(error.to_string().contains("s3://lake/b"), "{error}");
    }
}

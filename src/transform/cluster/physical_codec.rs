//! Stages as bytes: Ballista's codec for everything it knows, and ours for the parts of an aggregate.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use super::codec::ClusterCodec;
use super::part_exec::PartExec;

/// A part of an aggregate. No message of Ballista's begins with this byte: the lower bits would be those of a fixed number.
const PART: u8 = b'A';

/// The codec of one process.
#[derive(Debug)]
pub struct StageCodec {
    ballista: BallistaPhysicalExtensionCodec,
    plans: Arc<ClusterCodec>,
}

impl StageCodec {
    /// A codec whose parts hold plans as `plans` writes them.
    pub fn new(plans: Arc<ClusterCodec>) -> Self {
        StageCodec {
            ballista: BallistaPhysicalExtensionCodec::default(),
            plans,
        }
    }
}

impl PhysicalExtensionCodec for StageCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (buf.split_first(), inputs) {
            (Some((&PART, plan)), [files]) => Ok(Arc::new(PartExec::new(
                self.plans.plan(plan, ctx)?,
                files.clone(),
            ))),
            (Some((&PART, _)), _) => internal_err!("a part of an aggregate has one input"),
            _ => self.ballista.try_decode(buf, inputs, ctx, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(part) = node.downcast_ref::<PartExec>() else {
            return self.ballista.try_encode(node, buf, converter);
        };
        buf.push(PART);
        buf.extend(self.plans.bytes(&part.plan)?);
        Ok(())
    }
}

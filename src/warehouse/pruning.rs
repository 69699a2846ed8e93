//! Passing over files by the bounds that the Delta log holds of them, without opening any.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, StringArray, UInt64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result as DataFusionResult, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use serde_json::Value;

use super::table::DataFile;

/// The files in which some row may fulfil the predicate.
///
/// # Errors
/// What the engine says of the predicate.
pub(super) fn may_hold(
    files: Vec<DataFile>,
    schema: &SchemaRef,
    predicate: Arc<dyn PhysicalExpr>,
) -> DataFusionResult<Vec<DataFile>> {
    // What cannot be decided by bounds passes over nothing.
    let builder = PruningPredicateBuilder::new().with_file_schema(schema.clone());
    let Some(predicate) = builder.build(predicate) else {
        return Ok(files);
    };
    let read = |file: &DataFile| {
        let stats = file.stats.as_deref();
        stats
            .and_then(|s| serde_json::from_str(s).ok())
            .unwrap_or_default()
    };
    let bounds = LogBounds {
        schema: schema.clone(),
        rows: files.iter().map(|file| Some(file.rows)).collect(),
        stats: files.iter().map(read).collect(),
    };
    let keep = predicate.prune(&bounds)?;
    let kept = files.into_iter().zip(keep).filter(|(_, keep)| *keep);
    Ok(kept.map(|(file, _)| file).collect())
}

struct LogBounds {
    schema: SchemaRef,
    rows: UInt64Array,
    stats: Vec<Value>,
}

impl LogBounds {
    /// One bound of a column in every file, null where it is unknown. Only text and dates: the log's bounds of other
    /// types are rounded.
    fn bounds(&self, which: &str, column: &Column) -> Option<ArrayRef> {
        let field = self.schema.field_with_name(&column.name).ok()?;
        if !matches!(field.data_type(), DataType::Utf8View | DataType::Date32) {
            return None;
        }
        let texts: StringArray = self
            .stats
            .iter()
            .map(|stats| stats[which][&column.name].as_str())
            .collect();
        cast(&texts, field.data_type()).ok()
    }
}

impl PruningStatistics for LogBounds {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds("minValues", column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds("maxValues", column)
    }

    fn num_containers(&self) -> usize {
        self.stats.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.stats.iter().map(|s| s["nullCount"][&column.name].as_u64());
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.rows.clone()))
    }

    #[allow(clippy::mutable_key_type)] // As the trait has it.
    fn contained(&self, _: &Column, _: &std::collections::HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

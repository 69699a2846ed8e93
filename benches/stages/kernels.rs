//! The SQL functions that every line of a bill passes, and the classing of usage types, on columns in memory.

use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use datafusion::arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringViewArray};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::collect;

use crate::bills::{TEAMS, USAGE_TYPES, write_csv};
use crate::project::{Project, group, sizes};

/// Rows of a batch, as the engine makes them.
const BATCH_ROWS: u64 = 8192;

type Column = fn(u64, u64) -> ArrayRef;

pub fn benches(criterion: &mut Criterion) {
    let text: [(&str, &str, Column); 6] = [
        ("money_of_text", "money(value)", |from, to| {
            texts(from, to, |row| format!("{}.{:010}", row % 97, row % 10_000_000))
        }),
        ("money_of_doubles", "money(value)", doubles),
        (
            "quantity",
            "canonical_quantity(value, 1.0, 'false', TIMESTAMP '2025-01-01T00:00:00Z')",
            |from, to| texts(from, to, |row| format!("{}e-06", row % 1_000_000)),
        ),
        (
            "timestamp",
            "usage_timestamp(value, CAST(NULL AS VARCHAR))",
            |from, to| {
                texts(from, to, |row| {
                    format!("2025-01-{:02}T{:02}:00:00.000Z", row % 28 + 1, row % 24)
                })
            },
        ),
        ("tags", "clean_tags(value)['team']", |from, to| {
            texts(from, to, |row| {
                let team = TEAMS[row as usize % TEAMS.len()];
                format!(
                    "{{\"user_team\":\"{team}\",\"user_cost_center\":\"cc-{}\",\"aws_created_by\":\"x\"}}",
                    row % 40
                )
            })
        }),
        ("clean_text", "clean_text(value)", |from, to| {
            texts(from, to, |row| {
                USAGE_TYPES[row as usize % USAGE_TYPES.len()].1.to_string()
            })
        }),
    ];
    for (name, expression, column) in text {
        kernel(criterion, name, expression, column);
    }
    usage_types(criterion);
}

fn texts(from: u64, to: u64, text: fn(u64) -> String) -> ArrayRef {
    Arc::new((from..to).map(|row| Some(text(row))).collect::<StringViewArray>())
}

fn doubles(from: u64, to: u64) -> ArrayRef {
    let values = (from..to).map(|row| Some((row % 1_000_000) as f64 / 10_000.0));
    Arc::new(values.collect::<Float64Array>())
}

/// Times one expression over a column.
fn kernel(criterion: &mut Criterion, name: &str, expression: &str, column: Column) {
    let mut group = group(criterion, name);
    for rows in sizes() {
        let project = Project::new(1, write_csv);
        let context = project.open().engine.session();
        let batches: Vec<RecordBatch> = (0..rows)
            .step_by(BATCH_ROWS as usize)
            .map(|from| column(from, (from + BATCH_ROWS).min(rows)))
            .map(|values| RecordBatch::try_from_iter([("value", values)]).unwrap())
            .collect();
        let bytes = batches
            .iter()
            .map(|b| b.column(0).get_array_memory_size() as u64)
            .sum();
        let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        context.register_table("bill", Arc::new(table)).unwrap();
        let query = format!("select count({expression}) from bill");
        group.throughput(Throughput::ElementsAndBytes {
            elements: rows,
            bytes,
        });
        group.bench_function(BenchmarkId::from_parameter(rows), |timed| {
            timed.iter_batched(
                || {
                    let planned = async { context.sql(&query).await.unwrap().create_physical_plan().await };
                    project.runtime.block_on(planned).unwrap()
                },
                |plan| {
                    project
                        .runtime
                        .block_on(collect(plan, context.task_ctx()))
                        .unwrap()
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Times which kind of usage each key of the rollup is.
fn usage_types(criterion: &mut Criterion) {
    let mut group = group(criterion, "usage_types");
    for rows in sizes() {
        let project = Project::new(rows, write_csv);
        for before in ["raw.*", "rollup.usage_daily"] {
            project.run(&mut project.open(), before);
        }
        let workspace = project.open();
        let context = workspace.engine.session();
        let names = ["estimate.usage_class".to_string()];
        project
            .runtime
            .block_on(workspace.tables.register(&context, &names, None))
            .unwrap();
        group.throughput(Throughput::ElementsAndBytes {
            elements: workspace.tables.snapshots["rollup.usage_daily"].rows(),
            bytes: project.table_bytes("rollup."),
        });
        group.bench_function(BenchmarkId::from_parameter(rows), |timed| {
            timed.iter_batched(
                || {
                    let query = "select * from estimate.usage_class";
                    let planned = async { context.sql(query).await.unwrap().create_physical_plan().await };
                    project.runtime.block_on(planned).unwrap()
                },
                |plan| {
                    project
                        .runtime
                        .block_on(collect(plan, context.task_ctx()))
                        .unwrap()
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

//! Compaction: the raw table in files of a thousand rows to one.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use offgridflow::warehouse::{Commit, Merge, Replaced, Stager, Table};

use crate::bills::write_csv;
use crate::project::{Project, group, sizes};

const RAW: &str = "raw.aws_cur2";
/// Rows of a small file.
const FILE_ROWS: usize = 1000;

pub fn benches(criterion: &mut Criterion) {
    let mut group = group(criterion, "compaction");
    for rows in sizes().into_iter().filter(|rows| *rows <= 1_000_000) {
        let project = Project::new(rows, write_csv);
        project.run(&mut project.open(), "raw.*");
        group.throughput(Throughput::ElementsAndBytes {
            elements: rows,
            bytes: project.table_bytes("raw."),
        });
        group.bench_function(BenchmarkId::from_parameter(rows), |timed| {
            timed.iter_batched(
                || scattered(&project),
                |(table, merges)| {
                    let warehouse = project.open().warehouse;
                    let merged = warehouse.merge(&table, &merges, "bench");
                    project.runtime.block_on(merged).unwrap()
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The raw table rewritten as small files, and what there is to merge.
fn scattered(project: &Project) -> (Table, Vec<Merge>) {
    let workspace = project.open();
    let table = &workspace.tables.snapshots[RAW];
    let context = workspace.engine.session();
    let scattered = async {
        workspace
            .tables
            .register(&context, &[RAW.to_string()], None)
            .await
            .unwrap();
        let batches = context.table(RAW).await.unwrap().collect().await.unwrap();
        let mut added = Vec::new();
        for batch in batches {
            let columns = table
                .schema()
                .fields()
                .iter()
                .map(|f| cast(batch.column_by_name(f.name()).unwrap(), f.data_type()).unwrap())
                .collect();
            let batch = RecordBatch::try_new(table.schema().clone(), columns).unwrap();
            for from in (0..batch.num_rows()).step_by(FILE_ROWS) {
                let part = batch.slice(from, FILE_ROWS.min(batch.num_rows() - from));
                let (schema, partitions) = (table.schema().clone(), table.partition_columns());
                let mut stager = Stager::new(table.location.clone(), "bench", schema, partitions).unwrap();
                stager.write(&part).await.unwrap();
                added.extend(stager.finish().await.unwrap());
            }
        }
        let commit = Commit {
            table: RAW.into(),
            schema: table.schema().clone(),
            partition_columns: table.partition_columns().to_vec(),
            replaced: Replaced::Partitions(table.partitions().into_iter().collect()),
            added,
            transactions: Vec::new(),
            facts: None,
            run_id: "bench".into(),
        };
        workspace.warehouse.commit(commit).await.unwrap()
    };
    let table = project.runtime.block_on(scattered);
    let merges = table.merges().into_values().flatten().collect();
    (table, merges)
}

//! Files of a table put together to files outside of it: column chunks are copied as they are, values of partitions get
//! columns of their own.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::arrow::async_reader::MetadataFetch;
use datafusion::parquet::data_type::{ByteArray, ByteArrayType};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::stage::{PLAIN_FILE_BYTES, StagedFile, Stager};
use super::staged_sink::{StagedSink, StagedSinks};
use super::store::Location;
use super::table::{PartitionValues, Table};
use crate::error::{Error, Result};
use crate::parquet::closed_chunk;
use crate::parquet::file_properties::file_properties;
use crate::parquet::window::Window;

/// Where a column of the new files comes from.
enum ChunkOrigin {
    /// The value of the partition.
    Partition(String),
    /// The column of the table's files.
    Chunk(usize),
}

/// The bytes of a file in the store.
struct Stored {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl Stored {
    async fn bytes(&self, range: Range<u64>) -> ParquetResult<Bytes> {
        let answer = self.store.get_range(&self.path, range).await;
        answer.map_err(|e| ParquetError::External(Box::new(e)))
    }
}

impl MetadataFetch for &Stored {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.bytes(range).boxed()
    }
}

/// A file of the table.
struct Piece {
    file: Stored,
    footer: Arc<ParquetMetaData>,
    partition: PartitionValues,
}

/// Writes the rows of a table, partition columns included, to files at `target`. `None` when a file does not have exactly
/// the table's columns: it has to be read and written row by row.
///
/// # Errors
/// External when the store refuses.
pub async fn splice(table: &Table, target: Location, run_id: &str) -> Result<Option<Vec<StagedFile>>> {
    let Some(columns) = parquet_columns(table.schema()) else {
        return Ok(None);
    };
    let file_schema = table.file_schema();
    let file_columns: Vec<&String> = file_schema.fields().iter().map(|f| f.name()).collect();
    let mut origins = Vec::new();
    for field in table.schema().fields() {
        origins.push(match file_columns.iter().position(|name| *name == field.name()) {
            Some(place) => ChunkOrigin::Chunk(place),
            None => ChunkOrigin::Partition(field.name().clone()),
        });
    }
    let mut pieces = Vec::new();
    for file in table.files() {
        let place = format!("{}/{}", table.location.prefix, file.path);
        let path = Path::parse(&place).map_err(|e| Error::internal("a path is not valid").because(e))?;
        let stored = Stored {
            store: table.location.store.clone(),
            path,
        };
        let footer = ParquetMetaDataReader::new()
            .load_and_finish(&stored, file.size)
            .await
            .map_err(|e| Error::from(e).at(place))?;
        if !fits(&origins, &columns, footer.file_metadata().schema_descr()) {
            return Ok(None);
        }
        pieces.push(Piece {
            file: stored,
            footer: Arc::new(footer),
            partition: file.partition.clone(),
        });
    }
    let sinks = Stager::plain(target, run_id, table.schema().clone())?.sinks(PartitionValues::new());
    let runtime = Handle::current();
    let written = tokio::task::spawn_blocking(move || write(&runtime, &sinks, &columns, &origins, pieces));
    let files = written
        .await
        .map_err(|e| Error::internal("a copy did not come to its end").because(e))?;
    files.map(Some)
}

/// The columns as our own writer makes them; `None` when one is nested.
fn parquet_columns(schema: &Schema) -> Option<SchemaDescPtr> {
    let columns = ArrowSchemaConverter::new().convert(schema).ok()?;
    (columns.num_columns() == schema.fields().len()).then(|| Arc::new(columns))
}

fn fits(origins: &[ChunkOrigin], columns: &SchemaDescriptor, file: &SchemaDescriptor) -> bool {
    let chunks = origins
        .iter()
        .filter(|o| matches!(o, ChunkOrigin::Chunk(_)))
        .count();
    chunks == file.num_columns()
        && origins.iter().enumerate().all(|(place, origin)| match origin {
            ChunkOrigin::Partition(_) => true,
            ChunkOrigin::Chunk(from) => columns.column(place) == file.column(*from),
        })
}

fn write(
    runtime: &Handle,
    sinks: &StagedSinks,
    columns: &SchemaDescPtr,
    origins: &[ChunkOrigin],
    pieces: Vec<Piece>,
) -> Result<Vec<StagedFile>> {
    // Copied chunks come without an index of their pages: either all columns of a file have one or none.
    let properties = Arc::new(file_properties().set_offset_index_disabled(true).build());
    let mut closed = Vec::new();
    let mut open: Option<(SerializedFileWriter<StagedSink>, u64)> = None;
    for piece in pieces {
        for row_group in piece.footer.row_groups() {
            let held = runtime.block_on(held(&piece.file, row_group))?;
            let (mut writer, rows) = match open.take() {
                Some(open) => open,
                None => {
                    let types = columns.root_schema_ptr();
                    (
                        SerializedFileWriter::new(sinks.open()?, types, properties.clone())?,
                        0,
                    )
                }
            };
            if let Err(error) = append(&mut writer, origins, &piece.partition, row_group, &held) {
                let failure = writer.inner_mut().failure();
                writer.inner_mut().abandon();
                return Err(failure.unwrap_or(error));
            }
            let rows = rows + row_group.num_rows() as u64;
            match writer.bytes_written() > PLAIN_FILE_BYTES {
                true => closed.push(close(writer, rows)?),
                false => open = Some((writer, rows)),
            }
        }
    }
    if let Some((writer, rows)) = open {
        closed.push(close(writer, rows)?);
    }
    Ok(closed)
}

fn append(
    writer: &mut SerializedFileWriter<StagedSink>,
    origins: &[ChunkOrigin],
    partition: &PartitionValues,
    row_group: &RowGroupMetaData,
    held: &Window,
) -> Result<()> {
    let rows = row_group.num_rows() as usize;
    let mut out = writer.next_row_group()?;
    for origin in origins {
        match origin {
            ChunkOrigin::Chunk(place) => {
                let chunk = row_group.column(*place);
                let close = closed_chunk(chunk.clone(), chunk.compressed_size() as u64, rows as u64);
                out.append_column(held, close)?;
            }
            ChunkOrigin::Partition(name) => {
                let value = partition.get(name).and_then(|value| value.as_deref());
                let values = vec![ByteArray::from(value.unwrap_or_default()); value.map_or(0, |_| rows)];
                let levels = vec![i16::from(value.is_some()); rows];
                let Some(mut column) = out.next_column()? else {
                    return Err(Error::internal("a row group has fewer columns than its table"));
                };
                let typed = column.typed::<ByteArrayType>();
                typed.write_batch(&values, Some(&levels), None)?;
                column.close()?;
            }
        }
    }
    out.close()?;
    Ok(())
}

fn close(mut writer: SerializedFileWriter<StagedSink>, rows: u64) -> Result<StagedFile> {
    let finished = writer.finish();
    let sink = writer.inner_mut();
    finished.map_err(|error| sink.failure().unwrap_or_else(|| error.into()))?;
    sink.close(rows)
}

/// The bytes of a row group.
async fn held(file: &Stored, row_group: &RowGroupMetaData) -> Result<Window> {
    let ranges = row_group.columns().iter().map(|chunk| chunk.byte_range());
    let (start, end) = ranges.fold((u64::MAX, 0), |(start, end), (from, length)| {
        (start.min(from), end.max(from + length))
    });
    let bytes = match start < end {
        true => file.bytes(start..end).await?,
        false => Bytes::new(),
    };
    Ok(Window { start, bytes })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
    use datafusion::arrow::compute::concat_batches;
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::warehouse::{Commit, Replaced, Warehouse};

    fn rows(tenants: [Option<&str>; 3], names: [Option<&str>; 3]) -> RecordBatch {
        let fields = vec![
            Field::new("tenant", DataType::Utf8, true),
            Field::new("number", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ];
        let columns = vec![
            Arc::new(StringArray::from(tenants.to_vec())) as _,
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as _,
            Arc::new(StringArray::from(names.to_vec())) as _,
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    async fn commit(warehouse: &Warehouse, rows: &RecordBatch, schema: &Schema) -> Table {
        let partition_columns = vec!["tenant".to_string()];
        let location = warehouse.table_location("publish.names");
        let mut stager = Stager::new(location, "run", rows.schema(), &partition_columns).unwrap();
        stager.write(rows).await.unwrap();
        let commit = Commit {
            table: "publish.names".into(),
            schema: Arc::new(schema.clone()),
            partition_columns,
            replaced: Replaced::Nothing,
            added: stager.finish().await.unwrap(),
            transactions: Vec::new(),
            facts: None,
            run_id: "run".into(),
        };
        warehouse.commit(commit).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_are_the_tables_and_a_file_that_lacks_a_column_is_not_copied() {
        let profile = crate::config::Profile {
            name: String::new(),
            values: Default::default(),
        };
        let location = Location::open("memory:///lake", std::path::Path::new("/"), &profile).unwrap();
        let warehouse = Warehouse::new(location);
        let given = rows([Some("acme"), Some("acme"), None], [Some("a"), None, Some("c")]);
        let table = commit(&warehouse, &given, &given.schema()).await;
        let target = warehouse.location.child("published/names");
        let files = splice(&table, target.clone(), "run").await.unwrap().unwrap();
        let [file] = files.as_slice() else {
            panic!("one file is enough")
        };
        assert_eq!(file.rows, 3);
        let bytes = Bytes::from(target.read(&file.path).await.unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap();
        let read: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
        let read = concat_batches(&read[0].schema(), &read).unwrap();
        let lines = |batch: &RecordBatch| {
            let text = pretty_format_batches(std::slice::from_ref(batch))
                .unwrap()
                .to_string();
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&read), lines(&given));

        let mut grown = given.schema().fields().to_vec();
        grown.push(Arc::new(Field::new("later", DataType::Utf8, true)));
        let table = commit(&warehouse, &given, &Schema::new(grown)).await;
        assert!(splice(&table, target, "run").await.unwrap().is_none());
    }
}

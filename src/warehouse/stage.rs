//! Staged writes: Parquet files that lie beside a table's files and belong to no snapshot until a commit names them.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, max, min, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Date32Type, Schema, SchemaRef};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;

use super::encoding::{EncodedFiles, Kind};
use super::identity::Identity;
use super::staged_sink::{StagedNames, StagedSinks};
use super::statistics::Bounds;
use super::store::Location;
use super::table::PartitionValues;
use crate::domain::period::Period;
use crate::error::{Error, Result};

/// Files are closed at this size, so that readers can share them out and compaction has little to do.
pub const TARGET_FILE_BYTES: usize = 192 << 20;
/// The same of files outside any table: one file can be replaced at once, several cannot. No store copies more than 5 GB
/// in one request.
pub const PLAIN_FILE_BYTES: usize = 4 << 30;
/// Rows of a row group: small enough to bound memory, large enough for dictionaries to pay.
pub const ROW_GROUP_ROWS: usize = 128 * 1024;
/// A row group is closed early when it holds this much, so that wide rows stay within the memory limit.
pub const ROW_GROUP_BYTES: usize = 24 << 20;

/// A finished file that no snapshot names yet.
#[derive(Debug, Clone)]
pub struct StagedFile {
    /// Path inside the table's folder.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Values of the partition columns.
    pub partition: PartitionValues,
    /// First and last charge date (days since 1970-01-01) where the rows have one.
    pub charge_dates: Option<(i32, i32)>,
    /// Bounds of its key columns.
    pub bounds: BTreeMap<String, Bounds>,
}

/// Writes record batches of a table's schema to staged files, one open file per partition and charge month,
/// each encoded on a task of its own.
///
/// Splitting by charge month lets every later stage pick the files of a month without reading others.
pub struct Stager {
    location: Location,
    names: StagedNames,
    schema: SchemaRef,
    file_schema: SchemaRef,
    file_columns: Vec<usize>,
    partition_columns: Vec<(String, usize)>,
    charge_date: Option<usize>,
    file_bytes: usize,
    open: BTreeMap<(PartitionValues, Option<Period>), EncodedFiles>,
    finished: Vec<StagedFile>,
    rows: u64,
    /// What merged files hold; the first one carries all of it.
    holds: Option<Identity>,
}

impl Stager {
    /// A writer into the table at `location`; `schema` includes the partition columns.
    ///
    /// # Errors
    /// Internal when a partition column is missing from the schema.
    pub fn new(
        location: Location,
        run_id: &str,
        schema: SchemaRef,
        partition_columns: &[String],
    ) -> Result<Self> {
        let mut partitions = Vec::new();
        for name in partition_columns {
            let index = schema
                .index_of(name)
                .map_err(|e| Error::internal("a partition column is missing").because(e))?;
            partitions.push((name.clone(), index));
        }
        let file_columns: Vec<usize> = (0..schema.fields().len())
            .filter(|i| !partitions.iter().any(|(_, p)| p == i))
            .collect();
        let file_schema = Arc::new(Schema::new(
            file_columns
                .iter()
                .map(|i| schema.field(*i).clone())
                .collect::<Vec<_>>(),
        ));
        let charge_date = schema
            .index_of("charge_date")
            .ok()
            .filter(|i| *schema.field(*i).data_type() == DataType::Date32);
        Ok(Stager {
            location,
            // Slices of one run are staged side by side: the run's id alone would not be unique.
            names: StagedNames {
                stem: format!("{run_id}-{}", ulid::Ulid::new()),
                next: Arc::default(),
            },
            schema,
            file_schema,
            file_columns,
            partition_columns: partitions,
            charge_date,
            file_bytes: TARGET_FILE_BYTES,
            open: BTreeMap::new(),
            finished: Vec::new(),
            rows: 0,
            holds: None,
        })
    }

    /// A writer of the rows of other files of the table, whose identities add up to `holds`.
    ///
    /// # Errors
    /// As [`Stager::new`].
    pub(super) fn merging(
        location: Location,
        run_id: &str,
        schema: SchemaRef,
        partition_columns: &[String],
        holds: Identity,
    ) -> Result<Self> {
        let mut stager = Self::new(location, run_id, schema, partition_columns)?;
        stager.holds = Some(holds);
        Ok(stager)
    }

    /// A writer of files outside any table: all columns in the files, no split by month.
    ///
    /// # Errors
    /// None today; the same shape as [`Stager::new`].
    pub fn plain(location: Location, run_id: &str, schema: SchemaRef) -> Result<Self> {
        let mut stager = Self::new(location, run_id, schema, &[])?;
        stager.charge_date = None;
        stager.file_bytes = PLAIN_FILE_BYTES;
        Ok(stager)
    }

    /// Opens files of one partition for those who write Parquet themselves; what they close is to be [adopted](Self::adopt).
    ///
    /// Must be called within the async runtime.
    pub fn sinks(&self, partition: PartitionValues) -> StagedSinks {
        StagedSinks::new(self.location.clone(), self.names.clone(), partition)
    }

    /// Takes over files that were written through [`Stager::sinks`].
    pub fn adopt(&mut self, files: Vec<StagedFile>) {
        self.rows += files.iter().map(|f| f.rows).sum::<u64>();
        self.finished.extend(files);
    }

    /// The schema that batches must have.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for (partition, month, rows) in self.split(batch)? {
            let part = match rows {
                Some(rows) => take_record_batch(batch, &rows)?,
                None => batch.clone(),
            };
            self.write_part(partition, month, &part).await?;
        }
        Ok(())
    }

    #[allow(clippy::type_complexity)] // The grouping's own key, used nowhere else.
    fn split(
        &self,
        batch: &RecordBatch,
    ) -> Result<Vec<(PartitionValues, Option<Period>, Option<UInt32Array>)>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let columns: Vec<(String, ArrayRef)> = self
            .partition_columns
            .iter()
            .map(|(name, index)| Ok((name.clone(), cast(batch.column(*index), &DataType::Utf8)?)))
            .collect::<Result<_>>()?;
        let dates = self
            .charge_date
            .map(|index| batch.column(index).as_primitive::<Date32Type>().clone());
        let month_of = |row: usize| {
            dates
                .as_ref()
                .filter(|d| d.is_valid(row))
                .and_then(|d| Period::of_epoch_day(d.value(row)))
        };
        // Batches mostly belong to one partition and month: that is seen without a look at each row's values together.
        let is_alike = |column: &ArrayRef| {
            let texts = column.as_string::<i32>();
            let first = texts.is_valid(0).then(|| texts.value(0));
            texts.iter().all(|text| text == first)
        };
        let one_month = dates.as_ref().is_none_or(|d| {
            d.null_count() == 0
                && min(d).and_then(Period::of_epoch_day) == max(d).and_then(Period::of_epoch_day)
        });
        if one_month && columns.iter().all(|(_, column)| is_alike(column)) {
            let value = |column: &ArrayRef| {
                let texts = column.as_string::<i32>();
                texts.is_valid(0).then(|| texts.value(0).to_string())
            };
            let partition = columns.iter().map(|(name, column)| (name.clone(), value(column)));
            return Ok(vec![(partition.collect(), month_of(0), None)]);
        }
        let mut groups: BTreeMap<(Vec<Option<&str>>, Option<Period>), Vec<u32>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let key = columns
                .iter()
                .map(|(_, column)| column.is_valid(row).then(|| column.as_string::<i32>().value(row)))
                .collect();
            groups.entry((key, month_of(row))).or_default().push(row as u32);
        }
        let whole = groups.len() == 1;
        Ok(groups
            .into_iter()
            .map(|((values, month), rows)| {
                let partition = columns
                    .iter()
                    .zip(values)
                    .map(|((name, _), value)| (name.clone(), value.map(str::to_string)))
                    .collect();
                (partition, month, (!whole).then(|| UInt32Array::from(rows)))
            })
            .collect())
    }

    async fn write_part(
        &mut self,
        partition: PartitionValues,
        month: Option<Period>,
        part: &RecordBatch,
    ) -> Result<()> {
        let columns = self
            .file_columns
            .iter()
            .map(|i| part.column(*i).clone())
            .collect::<Vec<_>>();
        let file_batch = RecordBatch::try_new(self.file_schema.clone(), columns)?;
        let rows = file_batch.num_rows() as u64;
        let key = (partition, month);
        if !self.open.contains_key(&key) {
            let files = self.begin(key.0.clone())?;
            self.open.insert(key.clone(), files);
        }
        if let Some(files) = self.open.get(&key)
            && !files.write(file_batch).await
            && let Some(files) = self.open.remove(&key)
        {
            self.finished.extend(files.finish().await?);
        }
        self.rows += rows;
        Ok(())
    }

    fn begin(&mut self, partition: PartitionValues) -> Result<EncodedFiles> {
        let charge_date = self.charge_date;
        EncodedFiles::begin(Kind {
            location: self.location.clone(),
            names: self.names.clone(),
            schema: self.file_schema.clone(),
            partition,
            charge_date: charge_date.and_then(|date| self.file_columns.iter().position(|c| *c == date)),
            file_bytes: self.file_bytes,
            holds: self.holds.as_mut().map(std::mem::take),
        })
    }

    /// Closes all files and hands them over for a commit.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub async fn finish(mut self) -> Result<Vec<StagedFile>> {
        let mut failure = None;
        for (_, files) in std::mem::take(&mut self.open) {
            match files.finish().await {
                Ok(files) => self.finished.extend(files),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            None => Ok(self.finished),
            Some(error) => {
                Self::discard(&self.location, &self.finished).await;
                Err(error)
            }
        }
    }

    /// Takes back what was staged after a failure; what cannot be deleted is left to `maintain --vacuum`.
    pub async fn discard(location: &Location, files: &[StagedFile]) {
        for file in files {
            let path = Path::from(format!("{}/{}", location.prefix, file.path));
            if let Err(error) = location.store.delete(&path).await {
                tracing::debug!(%error, file = file.path, "a staged file could not be deleted");
            }
        }
    }
}

/// How every file of the warehouse is written.
pub fn file_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
}

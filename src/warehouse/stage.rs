//! Staged writes: Parquet files that lie beside a table's files and belong to no snapshot until a commit names them.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, max, min, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Date32Type, Schema, SchemaRef};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;

use super::encoding::{EncodedFiles, FileSettings};
use super::identity::Identity;
use super::staged_sink::{StagedNames, StagedSinks};
use super::statistics::Bounds;
use super::store::Location;
use super::table::PartitionValues;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::parquet::row_group_rows::is_text;

/// Files are closed at this size, so that readers can share them out and compaction has little to do.
pub const TARGET_FILE_BYTES: usize = 192 << 20;
/// The same of files outside any table: one file can be replaced at once, several cannot. No store copies more than 5 GB
/// in one request.
pub const PLAIN_FILE_BYTES: usize = 4 << 30;

/// Columns of all files that are open at once: each takes some 16 KiB before it holds a row. A bill of 240 months with the
/// columns of FOCUS stays below it.
const MOST_OPEN_COLUMNS: usize = 12 * 1024;

/// Columns, other than texts, of all open files that are packed with Zstandard: each takes some 160 KiB of memory for it.
const MOST_ZSTD_COLUMNS: usize = 2 * 1024;

/// Memory for rows that open files hold together; beyond it they write them as row groups of fewer rows.
const OPEN_BYTES: usize = 128 << 20;

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

/// The files of a partition and charge month that are being written.
struct Open {
    files: EncodedFiles,
    /// The number of the part that came last.
    last_part: u64,
}

/// Writes record batches of a table's schema to staged files, one open file per partition and charge month,
/// each encoded on a task of its own.
///
/// Splitting by charge month lets every later stage pick the files of a month without reading others. Where a table has very
/// many columns, few files are open at once, and a partition may get several.
pub struct Stager {
    location: Location,
    names: StagedNames,
    schema: SchemaRef,
    file_schema: SchemaRef,
    file_columns: Vec<usize>,
    partition_columns: Vec<(String, usize)>,
    charge_date: Option<usize>,
    file_bytes: usize,
    open: BTreeMap<(PartitionValues, Option<Period>), Open>,
    /// Parts written so far.
    parts: u64,
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
            parts: 0,
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
        self.relieve().await;
        Ok(())
    }

    /// Has the files with most rows write them, when all together hold too many.
    async fn relieve(&mut self) {
        let memory: usize = self.open.values().map(|open| open.files.memory()).sum();
        if memory <= OPEN_BYTES {
            return;
        }
        let average = memory / self.open.len().max(1);
        for open in self
            .open
            .values()
            .filter(|open| 2 * open.files.memory() >= average)
        {
            open.files.flush().await;
        }
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
            self.make_room().await?;
            let files = self.begin(key.0.clone())?;
            self.open.insert(key.clone(), Open { files, last_part: 0 });
        }
        self.parts += 1;
        if let Some(open) = self.open.get_mut(&key) {
            open.last_part = self.parts;
            if !open.files.write(file_batch).await
                && let Some(open) = self.open.remove(&key)
            {
                self.finished.extend(open.files.finish().await?);
            }
        }
        self.rows += rows;
        Ok(())
    }

    /// Closes those that were written longest ago, until one more may be opened.
    async fn make_room(&mut self) -> Result<()> {
        let most = (MOST_OPEN_COLUMNS / self.file_schema.fields().len().max(1)).max(1);
        while self.open.len() >= most {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.last_part);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return Ok(());
            };
            if let Some(open) = self.open.remove(&key) {
                self.finished.extend(open.files.finish().await?);
            }
        }
        Ok(())
    }

    /// How the next file's columns are packed, beside those of the open ones.
    fn compression(&self) -> Compression {
        let fields = self.file_schema.fields().iter();
        let texts = fields.filter(|field| is_text(field)).count();
        let columns = self.file_schema.fields().len() - texts;
        match (self.open.len() + 1) * columns > MOST_ZSTD_COLUMNS {
            true => Compression::SNAPPY,
            false => Compression::ZSTD(ZstdLevel::default()),
        }
    }

    fn begin(&mut self, partition: PartitionValues) -> Result<EncodedFiles> {
        let charge_date = self.charge_date;
        EncodedFiles::begin(FileSettings {
            location: self.location.clone(),
            names: self.names.clone(),
            schema: self.file_schema.clone(),
            partition,
            charge_date: charge_date.and_then(|date| self.file_columns.iter().position(|c| *c == date)),
            file_bytes: self.file_bytes,
            compression: self.compression(),
            holds: self.holds.as_mut().map(std::mem::take),
        })
    }

    /// Closes all files and hands them over for a commit.
    ///
    /// # Errors
    /// External when the store refuses the bytes.
    pub async fn finish(mut self) -> Result<Vec<StagedFile>> {
        let mut failure = None;
        for (_, open) in std::mem::take(&mut self.open) {
            match open.files.finish().await {
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

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::datatypes::Field;
    use datafusion::parquet::file::metadata::ParquetMetaDataReader;

    use super::*;
    use crate::config::Profile;

    #[tokio::test(flavor = "multi_thread")]
    async fn files_that_are_open_hold_no_more_rows_together_than_their_bound() {
        let profile = Profile {
            name: "default".into(),
            values: Default::default(),
        };
        let location = Location::open("memory:///lake", std::path::Path::new("/"), &profile).unwrap();
        let fields = ["tenant", "text"].map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let mut stager =
            Stager::new(location.clone(), "run", schema.clone(), &["tenant".to_string()]).unwrap();
        // 50 files of 5 MiB each: none is large by itself, all are twice the bound.
        let text = "x".repeat(1 << 20);
        for _ in 0..5 {
            for tenant in 0..50 {
                let columns = [format!("t{tenant}"), text.clone()]
                    .map(|value| Arc::new(StringArray::from(vec![value])) as ArrayRef);
                let rows = RecordBatch::try_new(schema.clone(), columns.to_vec()).unwrap();
                stager.write(&rows).await.unwrap();
            }
        }
        let files = stager.finish().await.unwrap();
        assert_eq!(files.len(), 50);
        let mut row_groups = 0;
        for file in &files {
            assert_eq!(file.rows, 5);
            let path = Path::from(format!("{}/{}", location.prefix, file.path));
            let bytes = location.store.get(&path).await.unwrap().bytes().await.unwrap();
            row_groups += ParquetMetaDataReader::new()
                .parse_and_finish(&bytes)
                .unwrap()
                .num_row_groups();
        }
        assert!(row_groups > 50, "no file had to write its rows before its end");
    }
}

//! Compaction: small files of a partition and charge month become few, and nothing that reads them can tell.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::protocol::DeltaOperation;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::Warehouse;
use super::commit::add_action;
use super::reading::whole_rows;
use super::stage::{StagedFile, Stager, TARGET_FILE_BYTES};
use super::table::{DataFile, PartitionValues, Table};
use crate::domain::period::Period;
use crate::error::{Error, PlaceKey, Result};

/// Files below this are merged.
const SMALL_FILE_BYTES: u64 = 64 << 20;
/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;
/// How often a commit is tried again after commits of others to the same table.
const ATTEMPTS: usize = 10;

/// Small files of one partition and charge month, in the order of their rows, that are to be one file.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The files.
    pub files: Vec<DataFile>,
}

impl Table {
    /// What there is to merge, per partition: neighbours below 64 MiB, up to the size at which files are closed.
    pub fn merges(&self) -> BTreeMap<PartitionValues, Vec<Merge>> {
        let mut groups: BTreeMap<(&PartitionValues, Option<Period>), Vec<&DataFile>> = BTreeMap::new();
        for file in self.files() {
            groups
                .entry((&file.partition, file.month))
                .or_default()
                .push(file);
        }
        let mut merges: BTreeMap<PartitionValues, Vec<Merge>> = BTreeMap::new();
        for ((partition, _), mut files) in groups {
            // Names begin with the time of their writer and end with the file's number.
            files.sort_by(|a, b| a.path.cmp(&b.path));
            let found = neighbours(&files);
            if !found.is_empty() {
                merges.entry(partition.clone()).or_default().extend(found);
            }
        }
        merges
    }
}

fn neighbours(files: &[&DataFile]) -> Vec<Merge> {
    let mut found: Vec<Vec<DataFile>> = vec![Vec::new()];
    let mut bytes = 0;
    for file in files {
        let small = file.size < SMALL_FILE_BYTES;
        if !small || bytes + file.size > TARGET_FILE_BYTES as u64 {
            found.push(Vec::new());
            bytes = 0;
        }
        if let (true, Some(open)) = (small, found.last_mut()) {
            open.push((*file).clone());
            bytes += file.size;
        }
    }
    let several = found.into_iter().filter(|files| files.len() > 1);
    several.map(|files| Merge { files }).collect()
}

impl Warehouse {
    /// Writes the rows of each merge to new files and puts these in place of the old ones, in one commit. The old
    /// files stay for readers of older versions until a vacuum.
    ///
    /// # Errors
    /// External when the store refuses or another writer replaced the files meanwhile; the table is then as that
    /// writer left it.
    pub async fn merge(&self, table: &Table, merges: &[Merge], run_id: &str) -> Result<Table> {
        let mut staged = Vec::new();
        for merge in merges {
            match rewrite(table, merge, run_id).await {
                Ok(files) => staged.extend(files),
                Err(error) => {
                    Stager::discard(&table.location, &staged).await;
                    return Err(error.at_key(PlaceKey::Table, &table.name));
                }
            }
        }
        let gone = merges.iter().flat_map(|merge| &merge.files);
        let gone: BTreeSet<&Path> = gone.map(|file| &file.path).collect();
        let _in_line = self.commits.lock().await;
        self.replace_files(&table.name, &gone, &staged, run_id)
            .await
            .map_err(|error| error.at_key(PlaceKey::Table, &table.name))
    }

    /// Delta's own conflict check lets two compactions of the same files pass, so this one looks for itself: it
    /// commits right after a version that still holds all the files, or not at all.
    async fn replace_files(
        &self,
        name: &str,
        gone: &BTreeSet<&Path>,
        added: &[StagedFile],
        run_id: &str,
    ) -> Result<Table> {
        for _ in 0..ATTEMPTS {
            let table = self.open(name, None).await?;
            let table = table.ok_or_else(|| Error::external("the table is gone"))?;
            let there: BTreeSet<&Path> = table.files().iter().map(|file| &file.path).collect();
            if added
                .iter()
                .all(|file| there.contains(&Path::from(file.path.as_str())))
            {
                // The store took the commit before, but its answer was lost.
                return Ok(table);
            }
            if !gone.is_subset(&there) {
                Stager::discard(&table.location, added).await;
                return Err(Error::external("another writer replaced files while they were merged")
                    .hint("nothing is lost: that writer's rows stand; run `offgridflow maintain --compact` again")
                    .retryable());
            }
            let state = table.inner.snapshot()?;
            let mut actions: Vec<Action> = Vec::new();
            for (file, view) in table.files().iter().zip(state.log_data().iter()) {
                if gone.contains(&file.path) {
                    actions.push(Action::Remove(view.remove_action(false)));
                }
            }
            let now = chrono::Utc::now().timestamp_millis();
            actions.extend(added.iter().map(|file| Action::Add(add_action(file, now, false))));
            let operation = DeltaOperation::Optimize {
                predicate: None,
                target_size: TARGET_FILE_BYTES as i64,
            };
            let properties = CommitProperties::default()
                .with_max_retries(0)
                .with_metadata([("run_id".to_string(), run_id.into())]);
            let finalized = CommitBuilder::from(properties)
                .with_actions(actions)
                .build(Some(state), table.log_store.clone(), operation)
                .await;
            match finalized {
                Ok(finalized) => return table.at(finalized.snapshot()),
                Err(DeltaTableError::Transaction {
                    source: TransactionError::MaxCommitAttempts(_),
                }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::external("other writers commit to the table without a pause").retryable())
    }
}

/// Stages the rows of a merge's files, in their order. Memory: one small file and the writer's row group.
async fn rewrite(table: &Table, merge: &Merge, run_id: &str) -> Result<Vec<StagedFile>> {
    let holds = merge.files.iter().map(DataFile::identity).sum();
    let mut stager = Stager::merging(
        table.location.clone(),
        run_id,
        table.schema().clone(),
        table.partition_columns(),
        holds,
    )?;
    let mut copied = Ok(());
    for file in &merge.files {
        copied = copy(table, file, &mut stager).await;
        if copied.is_err() {
            break;
        }
    }
    let wanted: u64 = merge.files.iter().map(|file| file.rows).sum();
    let written = stager.rows();
    let staged = stager.finish().await?;
    if copied.is_ok() && (written != wanted || staged.is_empty()) {
        copied = Err(Error::external(format!(
            "files hold {written} rows, but the Delta log tells of {wanted}"
        ))
        .at(merge
            .files
            .first()
            .map(|f| f.path.to_string())
            .unwrap_or_default()));
    }
    match copied {
        Ok(()) => Ok(staged),
        Err(error) => {
            Stager::discard(&table.location, &staged).await;
            Err(error)
        }
    }
}

async fn copy(table: &Table, file: &DataFile, stager: &mut Stager) -> Result<()> {
    let place = |error: Error| error.at(file.path.to_string());
    let path = Path::from(format!("{}/{}", table.location.prefix, file.path));
    let object = table
        .location
        .store
        .get(&path)
        .await
        .map_err(|e| place(e.into()))?;
    let bytes = object.bytes().await.map_err(|e| place(e.into()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(|e| place(e.into()))?;
    for rows in reader {
        let rows = whole_rows(
            &rows.map_err(|e| place(e.into()))?,
            table.schema(),
            &file.partition,
        )?;
        stager.write(&rows).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, megabytes: u64) -> DataFile {
        DataFile {
            path: Path::from(name),
            size: megabytes << 20,
            rows: 1,
            partition: PartitionValues::new(),
            month: None,
            stats: None,
        }
    }

    fn merged(sizes: &[u64]) -> Vec<Vec<u64>> {
        let files: Vec<DataFile> = sizes.iter().map(|size| file("a", *size)).collect();
        let files: Vec<&DataFile> = files.iter().collect();
        let sizes = |merge: Merge| merge.files.iter().map(|f| f.size >> 20).collect();
        neighbours(&files).into_iter().map(sizes).collect()
    }

    #[test]
    fn neighbours_below_64_megabytes_are_merged_up_to_192() {
        assert_eq!(merged(&[1, 2, 3]), [[1, 2, 3]]);
        assert_eq!(merged(&[60, 60, 60, 60, 60]), [vec![60, 60, 60], vec![60, 60]]);
        assert_eq!(merged(&[1, 100, 2, 3]), [[2, 3]], "a large file parts them");
        assert!(merged(&[1]).is_empty() && merged(&[64, 64]).is_empty() && merged(&[]).is_empty());
    }
}

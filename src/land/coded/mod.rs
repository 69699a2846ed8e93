//! Large files of text on their way into Parquet: cells become codes as they are read, and codes become pages.
//!
//! Most columns of a bill repeat few texts. Looking each cell up once, where it is read, spares a copy of it, and hashing
//! and comparing it again when Parquet is written. One thread decompresses, one reads and checks rows, one makes pages.

mod row_group;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowSchemaConverter;

use row_group::RowGroup;

use super::checks::Checks;
use super::csv_rows::CsvFile;
use super::foreign_bytes::stopped;
use super::new_files::{NewFiles, Provenance};
use super::quarantine::Quarantine;
use super::raw_columns::provenance_fields;
use super::slice::SliceRequest;
use super::staging::blocking;
use crate::config::Limits;
use crate::domain::period::Period;
use crate::domain::timestamp::DateOrder;
use crate::error::{Error, Result};
use crate::extract::{Format, SourceFile};
use crate::parquet::Constant;
use crate::parquet::text_chunks::ChunkEncoder;
use crate::warehouse::{StagedFile, StagedSinks};

/// Smaller files are put together with their neighbours instead.
const LEAST_FILE_BYTES: u64 = 4 << 20;
/// Row groups under way: one is gathered, one is made into pages.
const GROUPS: usize = 2;

/// A delivered CSV file all of whose rows belong to one period.
pub(super) struct CodedFile {
    /// Where its bytes lie now.
    pub path: PathBuf,
    pub source: SourceFile,
    pub delivered: Vec<String>,
    /// The table's fields, by delivered column.
    pub fields: Vec<Field>,
    pub period: Period,
    pub provenance: Provenance,
    /// What the file may ask for.
    pub limits: Limits,
}

impl CodedFile {
    /// Whether a file is large enough, and has no columns but text of its own.
    pub fn is_fit(source: &SourceFile, fields: &[Field]) -> bool {
        source.format == Format::Csv
            && source.object.size >= LEAST_FILE_BYTES
            && fields.iter().all(|field| field.data_type() == &DataType::Utf8)
    }

    /// [`CodedFile::land`] on a blocking thread, and reports progress to the request.
    ///
    /// # Errors
    /// As there; data also when a column of the contract is missing.
    pub async fn land_beside(
        self,
        request: &SliceRequest<'_>,
        checks: Checks,
        sinks: &StagedSinks,
    ) -> Result<(Checks, Quarantine, Vec<StagedFile>)> {
        let (sender, mut rows) = tokio::sync::mpsc::unbounded_channel();
        let (bytes, sinks) = (self.source.object.size, sinks.clone());
        let uri = self.source.uri.clone();
        let landing = blocking(&uri, move || {
            self.land(checks, &sinks, |rows| {
                // Nobody listens any more when the run is being stopped.
                let _ = sender.send(rows);
            })
        });
        let told = async {
            while let Some(rows) = rows.recv().await {
                (request.progress)(rows, 0);
            }
        };
        let (landed, ()) = futures::join!(landing, told);
        (request.progress)(0, bytes);
        landed
    }

    /// Stages the accepted rows; the others come back in quarantine. `progress` receives the number of rows of each row group. To be
    /// called from a blocking thread.
    ///
    /// # Errors
    /// Data: a truncated or hostile file. External: the store refuses the bytes. Nothing is left staged then.
    pub fn land(
        &self,
        checks: Checks,
        sinks: &StagedSinks,
        progress: impl Fn(u64),
    ) -> Result<(Checks, Quarantine, Vec<StagedFile>)> {
        let csv = CsvFile {
            path: &self.path,
            source: &self.source,
            limits: self.limits,
        };
        let order = csv.date_order(&checks)?;
        let columns: SchemaRef = Arc::new(Schema::new(
            self.fields
                .iter()
                .cloned()
                .chain(provenance_fields())
                .collect::<Vec<_>>(),
        ));
        let types = ArrowSchemaConverter::new().convert(&columns)?;
        let constants = self.provenance.constants(order.map(DateOrder::as_str));
        let mut files = NewFiles::new(sinks, types.root_schema_ptr());
        let (full, filled) = sync_channel(1);
        let (spare, emptied) = channel();
        for _ in 0..GROUPS {
            let group = RowGroup::new(self.fields.len());
            spare
                .send(group)
                .map_err(|_| Error::internal("nobody gathers rows"))?;
        }
        let (written, read) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| self.gather(&csv, checks, order, full, emptied));
            // It takes both ends along: a reader that still has rows learns that nobody takes them.
            let written = write_groups(&mut files, &columns, &constants, filled, spare, progress);
            (written, reading.join())
        });
        let read = read.map_err(|panic| stopped(panic.as_ref()).at(self.source.uri.clone()));
        // Why the writer stopped is the truer reason.
        match written.and_then(|()| read?) {
            Ok((checks, quarantine)) => Ok((checks, quarantine, files.finish()?)),
            Err(error) => {
                files.discard();
                Err(error)
            }
        }
    }

    /// Reads and checks every row.
    fn gather(
        &self,
        csv: &CsvFile<'_>,
        mut checks: Checks,
        order: Option<DateOrder>,
        full: SyncSender<RowGroup>,
        emptied: Receiver<RowGroup>,
    ) -> Result<(Checks, Quarantine)> {
        let stopped = || Error::internal("the writer of a slice stopped early");
        let mut group = emptied.recv().map_err(|_| stopped())?;
        let quarantine = csv.accepted(
            &self.delivered,
            &mut checks,
            order,
            Some(self.period),
            |row, _, record| {
                if group.is_full() {
                    let mut next = emptied.recv().map_err(|_| stopped())?;
                    next.learn(&group);
                    full.send(std::mem::replace(&mut group, next))
                        .map_err(|_| stopped())?;
                }
                group.push(row, record);
                Ok(())
            },
        )?;
        if group.rows() > 0 {
            full.send(group).map_err(|_| stopped())?;
        }
        Ok((checks, quarantine))
    }
}

fn write_groups(
    files: &mut NewFiles<'_>,
    columns: &SchemaRef,
    constants: &[(&'static str, Constant)],
    filled: Receiver<RowGroup>,
    spare: Sender<RowGroup>,
    progress: impl Fn(u64),
) -> Result<()> {
    let mut encoder = ChunkEncoder::new()?;
    while let Ok(mut group) = filled.recv() {
        let rows = group.rows();
        files.row_group(rows as u64, |writer| {
            group.write(writer, columns, constants, &mut encoder)
        })?;
        progress(rows as u64);
        group.clear();
        // Nobody takes it when all rows are read.
        let _ = spare.send(group);
    }
    Ok(())
}

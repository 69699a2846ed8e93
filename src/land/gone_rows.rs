//! Landed rows whose files are gone and that nothing delivers again: they stay in their slice until somebody gives them up.
//!
//! A run of some days, or an extract, that a lifecycle rule took away keeps what it brought: its rows are copied into the new
//! version of the slice, in the one commit that replaces it, with the provenance that they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::bill::Bill;
use super::checks::Checks;
use super::column_types::TEXT_SUFFIX;
use super::contract::Contract;
use super::overlap::{Repeated, RowHashes};
use super::raw_columns::{partition_columns, provenance_fields};
use super::rows::{DeliveredRows, texts};
use super::slice_key::SliceKey;
use crate::domain::days::DaySpan;
use crate::domain::period::Period;
use crate::domain::timestamp::{DateOrder, parse_timestamp};
use crate::error::{Error, PlaceKey, Result};
use crate::extract::{Delivery, Format, PresentDays, SourceFile, Standing, is_of_other_format, place_of_run};
use crate::transform::functions::is_null_text;
use crate::warehouse::{DataFile, Stager, Table, Warehouse};

/// So many runs or spans of days are named one by one.
const NAMED: usize = 3;

/// What stayed in a slice though its files are gone.
#[derive(Debug, Clone, Default)]
pub struct KeptRows {
    /// Rows.
    pub rows: u64,
    /// Their days, as far as they tell.
    pub days: BTreeSet<NaiveDate>,
    /// The files that brought them.
    pub files: BTreeSet<String>,
    /// The bills that they belong to, with their periods.
    pub bills: BTreeSet<(Bill, Period)>,
}

impl KeptRows {
    /// What a person should know of them.
    pub(super) fn warning(&self, key: &SliceKey) -> Option<String> {
        if self.rows == 0 {
            return None;
        }
        let spans: Vec<String> = DaySpan::joined(self.days.iter().copied())
            .iter()
            .map(ToString::to_string)
            .collect();
        let days = match (spans.len(), self.days.first(), self.days.last()) {
            (0, ..) | (_, None, _) | (_, _, None) => String::new(),
            (1..=NAMED, ..) => format!(" of {}", spans.join(" and ")),
            (_, Some(first), Some(last)) => {
                format!(" of {} days from {first} to {last}", self.days.len())
            }
        };
        let places: BTreeSet<&str> = self.files.iter().map(|uri| place_of_run(uri)).collect();
        let mut named: Vec<&str> = places.iter().copied().take(NAMED).collect();
        let more = format!("{} more", places.len().saturating_sub(NAMED));
        if places.len() > NAMED {
            named.push(&more);
        }
        let (rows, stay, them) = match self.rows {
            1 => ("row", "stays as it was landed", "it"),
            _ => ("rows", "stay as they were landed", "them"),
        };
        Some(format!(
            "{key}: {} {rows}{days} {stay}, though what brought {them} is gone from the source: {}; \
             to give {them} up: `offgridflow maintain --forget {}`, then run again",
            self.rows,
            named.join(", "),
            key.argument()
        ))
    }
}

/// The landed rows of a slice in one table whose files its delivery no longer has.
pub(super) struct GoneRows {
    key: SliceKey,
    contract: Contract,
    table: Table,
    /// The files of the table that hold the slice.
    held: Vec<DataFile>,
    /// Those of them that hold some of the rows.
    files: Vec<DataFile>,
    delivered: BTreeSet<String>,
    present: Option<PresentDays>,
}

impl GoneRows {
    /// Finds the rows that stay, or, of extracts, that may stay; `None` when there are none.
    ///
    /// # Errors
    /// External: the table cannot be read; rows cannot be told from those that came instead.
    pub async fn find(
        warehouse: &Warehouse,
        key: &SliceKey,
        format: Format,
        delivery: &Delivery,
    ) -> Result<Option<Self>> {
        if !delivery.leaves_room(key.kind) {
            return Ok(None);
        }
        let Some(table) = warehouse.open(&key.table(format), None).await? else {
            return Ok(None);
        };
        let mut gone = GoneRows {
            key: key.clone(),
            contract: Contract::of(key.kind),
            held: Vec::new(),
            files: Vec::new(),
            delivered: delivery.files.iter().map(|file| file.uri.clone()).collect(),
            present: delivery.present_days.clone(),
            table,
        };
        let partition = key.partition();
        let mut held: Vec<DataFile> = gone.table.files().to_vec();
        held.retain(|file| partition.iter().all(|(c, v)| file.partition.get(c) == Some(v)));
        held.sort_by(|a, b| a.path.cmp(&b.path));
        let columns = gone.telling_columns();
        let mut brought_by = BTreeSet::new();
        for file in &held {
            let mut rows = gone.table.read(file, columns.clone()).await?;
            while let Some(batch) = rows.next().await {
                let batch = gone.of_files(batch?, true)?;
                if gone.stay(&batch)?.true_count() > 0 {
                    brought_by.extend(texts(&cell_column(&batch, "_source_uri")?)?);
                    if gone.files.last().is_none_or(|last| last.path != file.path) {
                        gone.files.push(file.clone());
                    }
                    // Of extracts all names count, else one row is enough to go on.
                    if gone.present.is_some() {
                        break;
                    }
                }
            }
        }
        gone.held = held;
        if gone.files.is_empty() {
            return Ok(None);
        }
        let other = brought_by.iter().find_map(|uri| {
            let is_other = |file: &&SourceFile| is_of_other_format(uri, file);
            Some((uri, delivery.files.iter().find(is_other)?))
        });
        match other {
            // Rows of two formats are never written alike.
            Some((uri, other)) if gone.present.is_none() => {
                Err(gone.unclear(uri, format!("{} is of another format", other.uri)))
            }
            _ => Ok(Some(gone)),
        }
    }

    /// The columns that some of the rows have.
    pub async fn fields(&self) -> Result<Vec<Field>> {
        let delivered = self.delivered_columns();
        let mut told = vec![false; delivered.len()];
        let mut batches = std::pin::pin!(self.batches(self.table.schema().clone()));
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            for (told, (index, _)) in told.iter_mut().zip(&delivered) {
                let column = batch.column(*index);
                *told |= column.null_count() < column.len();
            }
        }
        let fields = delivered.into_iter().zip(told).filter(|(_, told)| *told);
        Ok(fields.map(|((_, field), _)| field).collect())
    }

    /// Notes all landed rows as those of one more extract, the ones that may stay last and numbered as they lie: a row that
    /// present and gone extracts brought together stays as often as it was there.
    pub async fn add_to(&self, hashes: &mut RowHashes, file: usize) -> Result<()> {
        let schema = self.table.schema();
        let of_present = stream::iter(&self.held)
            .then(|file| self.table.read(file, schema.clone()))
            .try_flatten()
            .map(|batch| self.of_files(batch?, false));
        let behind: u64 = self.files.iter().map(|file| file.rows).sum();
        self.add(hashes, file, behind as i64, of_present).await?;
        self.add(hashes, file, 0, self.batches(schema.clone())).await
    }

    async fn add(
        &self,
        hashes: &mut RowHashes,
        file: usize,
        mut next: i64,
        batches: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<()> {
        let delivered = self.delivered_columns();
        let fields: Vec<Field> = delivered.iter().map(|(_, field)| field.clone()).collect();
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let rows = DeliveredRows {
                columns: delivered
                    .iter()
                    .map(|(index, _)| batch.column(*index).clone())
                    .collect(),
                row_numbers: numbered(&mut next, batch.num_rows()),
                periods: Vec::new(),
            };
            hashes.add(file, &fields, &rows)?;
        }
        Ok(())
    }

    /// Stages the rows that stay; `repeated` are those of them that present extracts hold too.
    ///
    /// # Errors
    /// External: the table cannot be read or written.
    pub async fn stage(
        &self,
        stager: &mut Stager,
        repeated: Option<(Arc<Repeated>, usize)>,
        kept: &mut KeptRows,
    ) -> Result<()> {
        let schema = stager.schema().clone();
        let headers: Vec<String> = self
            .table
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let mut bills = Checks::new(&self.contract, &headers, Some(""), None)?;
        let mut next = 0;
        let mut batches = std::pin::pin!(self.batches(self.table.schema().clone()));
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let numbers = numbered(&mut next, batch.num_rows());
            let stays = match &repeated {
                Some((repeated, file)) => BooleanArray::from(repeated.keep(*file, &numbers)),
                None => self.stay(&batch)?,
            };
            let batch = filter_record_batch(&batch, &stays)?;
            if batch.num_rows() == 0 {
                continue;
            }
            kept.rows += batch.num_rows() as u64;
            kept.days.extend(self.days(&batch)?.into_iter().flatten());
            let mut uris = texts(&cell_column(&batch, "_source_uri")?)?;
            uris.dedup();
            kept.files.extend(uris);
            self.note_bills(&mut bills, &batch)?;
            stager.write(&widened(&batch, &schema)?).await?;
        }
        kept.bills.extend(bills.bills());
        Ok(())
    }

    /// The rows of files that are gone, with these columns.
    fn batches(&self, columns: SchemaRef) -> impl Stream<Item = Result<RecordBatch>> + '_ {
        stream::iter(&self.files)
            .then(move |file| self.table.read(file, columns.clone()))
            .try_flatten()
            .map(|batch| self.of_files(batch?, true))
    }

    /// The rows of files that are gone, or of those that are there.
    fn of_files(&self, batch: RecordBatch, gone: bool) -> Result<RecordBatch> {
        let uris = texts(&cell_column(&batch, "_source_uri")?)?;
        let is_gone = |uri: &String| !uri.is_empty() && !self.delivered.contains(uri);
        let chosen: Vec<bool> = uris.iter().map(|uri| is_gone(uri) == gone).collect();
        Ok(filter_record_batch(&batch, &BooleanArray::from(chosen))?)
    }

    /// Which rows stay for their day; all of extracts, whose rows are compared with those of present ones.
    fn stay(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let Some(present) = &self.present else {
            return Ok(BooleanArray::from(vec![true; batch.num_rows()]));
        };
        let uris = texts(&cell_column(batch, "_source_uri")?)?;
        let days = self.days(batch)?;
        let mut stay = Vec::with_capacity(days.len());
        for (uri, day) in uris.iter().zip(days) {
            let Some(day) = day else {
                return Err(self.unclear(uri, "a landed row tells no day".to_string()));
            };
            stay.push(match present.standing(uri, day) {
                Standing::Stays => true,
                Standing::Replaced => false,
                Standing::Unclear => {
                    let reason = format!(
                        "it brought rows of {day}, which the folder of a run names that does not hold them"
                    );
                    return Err(self.unclear(uri, reason));
                }
            });
        }
        Ok(BooleanArray::from(stay))
    }

    /// The day of each row: of the first of the contract's dates that it has.
    fn days(&self, batch: &RecordBatch) -> Result<Vec<Option<NaiveDate>>> {
        let dates = self.date_columns().into_iter();
        let dates = dates
            .filter_map(|name| Some(texts(batch.column_by_name(&name)?)))
            .collect::<Result<Vec<_>>>()?;
        // Tables of older versions have no such column, and tell the order of no date.
        let orders = match batch.column_by_name("_date_order") {
            Some(column) => texts(column)?,
            None => vec![String::new(); batch.num_rows()],
        };
        let mut last: Option<(&str, &str, Option<NaiveDate>)> = None;
        let day = |row: usize| {
            let order = orders[row].as_str();
            let text = dates
                .iter()
                .map(|column| column[row].as_str())
                .find(|text| !is_null_text(text.as_bytes()))?;
            if let Some((known, known_order, day)) = last
                && (known, known_order) == (text, order)
            {
                return day;
            }
            let micros = parse_timestamp(text, DateOrder::parse(order));
            let day = micros
                .and_then(|micros| NaiveDate::from_epoch_days(micros.div_euclid(86_400_000_000) as i32));
            last = Some((text, order, day));
            day
        };
        Ok((0..batch.num_rows()).map(day).collect())
    }

    /// The names of the table's columns that tell the day of a row, the first that a row has.
    fn date_columns(&self) -> Vec<String> {
        let names: Vec<String> = self
            .table
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let Ok(headers) = self.contract.headers(&names, false) else {
            return Vec::new();
        };
        let places = self
            .contract
            .required_dates
            .iter()
            .filter_map(|name| headers.place(name));
        // What another file's type had no room for stands beside.
        places
            .flat_map(|place| [names[place].clone(), format!("{}{TEXT_SUFFIX}", names[place])])
            .collect()
    }

    fn telling_columns(&self) -> SchemaRef {
        let mut names = self.date_columns();
        names.extend(["_source_uri", "_date_order"].map(String::from));
        let fields = self
            .table
            .schema()
            .fields()
            .iter()
            .filter(|field| names.contains(field.name()));
        Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
    }

    /// The columns of the table that files delivered, by their places.
    fn delivered_columns(&self) -> Vec<(usize, Field)> {
        let ours: Vec<String> = provenance_fields()
            .iter()
            .map(|f| f.name().clone())
            .chain(partition_columns())
            .collect();
        let fields = self.table.schema().fields().iter().enumerate();
        fields
            .filter(|(_, field)| !ours.contains(field.name()))
            .map(|(index, field)| (index, field.as_ref().clone()))
            .collect()
    }

    fn note_bills(&self, bills: &mut Checks, batch: &RecordBatch) -> Result<()> {
        let columns = bills
            .bill_columns()
            .map(|index| {
                let mut cells = texts(batch.column(index))?;
                let beside = format!("{}{TEXT_SUFFIX}", batch.schema().field(index).name());
                if let Some(beside) = batch.column_by_name(&beside) {
                    let empty = cells
                        .iter_mut()
                        .zip(texts(beside)?)
                        .filter(|(cell, _)| cell.is_empty());
                    empty.for_each(|(cell, text)| *cell = text);
                }
                Ok((index, cells))
            })
            .collect::<Result<Vec<_>>>()?;
        for (row, period) in texts(&cell_column(batch, "period")?)?.iter().enumerate() {
            let Ok(period) = period.parse::<Period>() else {
                continue;
            };
            let cell = |index: usize| {
                let found = columns.iter().find(|(i, _)| *i == index);
                found.map_or("", |(_, texts)| texts[row].as_str())
            };
            bills.note_clean_row(cell, period);
        }
        Ok(())
    }

    fn unclear(&self, place: &str, reason: String) -> Error {
        Error::external("rows whose files are gone cannot be told from those that came instead")
            .at(place)
            .because(reason)
            .hint(format!(
                "what was landed stays, and nothing newer of this slice lands: put the files back, or give their rows up with `offgridflow maintain --forget {}` and run again",
                self.key.argument()
            ))
    }
}

fn numbered(next: &mut i64, rows: usize) -> Vec<i64> {
    let first = *next;
    *next += rows as i64;
    (first..*next).collect()
}

fn cell_column(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    let column = batch.column_by_name(name).cloned();
    column.ok_or_else(|| {
        Error::internal("a raw table lacks a column of landing").at_key(PlaceKey::Column, name)
    })
}

/// The rows in the columns of a table that may have got more of them.
fn widened(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    };
    Ok(RecordBatch::try_new(
        schema.clone(),
        schema.fields().iter().map(column).collect(),
    )?)
}

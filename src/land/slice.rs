//! One slice: the files of a delivery read, checked, staged and committed as one replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;

use super::bill::Bill;
use super::column_types::AgreedColumns;
use super::cost_basis::CostBasis;
use super::facts::{CommitFacts, SliceFacts};
use super::gone_rows::{GoneRows, KeptRows};
use super::quarantine::Quarantine;
use super::raw_columns::partition_columns;
use super::room::Room;
use super::slice_key::{SliceKey, transaction_version};
use super::staging::stage_files;
use super::unreadable_tags::UnreadableTags;
use crate::config::{Limits, Source};
use crate::domain::period::Period;
use crate::error::{Error, ErrorKind, PlaceKey, Result};
use crate::extract::{DeliveredManifest, Delivery, DeliveryOrigin, Format, SourceFile};
use crate::warehouse::store::Fetched;
use crate::warehouse::{Commit, Replaced, StagedFile, Stager, Table, Warehouse};

/// One of each table that a slice may have rows in.
const FORMATS: [Format; 2] = [Format::Csv, Format::Parquet];

/// What landing needs to know besides the files.
pub struct SliceRequest<'a> {
    /// The warehouse.
    pub warehouse: &'a Warehouse,
    /// This run.
    pub run_id: &'a str,
    /// Where remote files are spooled.
    pub spool: PathBuf,
    /// The columns of the raw tables, agreed on by all slices of the run.
    pub columns: &'a AgreedColumns,
    /// What the slices hold already that may keep rows of it.
    pub held_before: BTreeMap<SliceKey, HeldBefore>,
    /// Slices whose rows may be written at the same time.
    pub writers: &'a tokio::sync::Semaphore,
    /// What is held already is written again.
    pub land_again: bool,
    /// Rows that may stay in quarantine.
    pub max_rejected: u64,
    /// What one file may bring.
    pub limits: Limits,
    /// The memory that files share which are read at the same time.
    pub room: &'a Room,
    /// Units that activity data may use.
    pub units: Arc<BTreeSet<String>>,
    /// Told about rows and bytes as they pass.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What a slice held before a delivery came.
#[derive(Debug, Clone, Default)]
pub struct HeldBefore {
    /// What its amounts are, of kinds whose exports differ in it.
    pub cost_basis: Option<CostBasis>,
    /// URI and digest of each file that brought rows.
    pub files: Vec<(String, String)>,
}

/// What became of a slice.
#[derive(Debug, Clone, Default)]
pub struct Landed {
    /// Rows committed.
    pub rows: u64,
    /// The rejected rows.
    pub quarantine: Quarantine,
    /// The delivery that the slice holds now.
    pub delivery_id: String,
    /// An API gave the rows that are held already: nothing was committed.
    pub unchanged: bool,
    /// What is to be remembered of an API's answer.
    pub cursor: Option<String>,
    /// The bills that its rows belong to, with their periods.
    pub bills: BTreeSet<(Bill, Period)>,
    /// URI and digest of each file that brought rows.
    pub contents: Vec<(String, String)>,
    /// What its commits say of it beside the rows; `None` as long as there is none.
    pub facts: Option<SliceFacts>,
    /// What its amounts are, of kinds whose exports differ in it.
    pub cost_basis: Option<CostBasis>,
    /// Columns that the kind's exports usually have and some of the files have not.
    pub missing_columns: BTreeSet<&'static str>,
    /// Tags that cannot be read.
    pub unreadable_tags: UnreadableTags,
    /// Rows among them whose files are gone.
    pub kept: KeptRows,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The rows that were read of each file, landed, rejected or left out, by its path.
    pub read: BTreeMap<String, u64>,
}

/// Lands a delivery: reads every file, stages the accepted rows and replaces the slice in one commit per table. `noted` is
/// the delivery that the slice is known to hold: an API may give it once more.
///
/// # Errors
/// The delivery is as it was before: a file is missing, changed, truncated or hostile; more rows were rejected
/// than `max_rejected` allows (the quarantine is in the second part).
pub async fn land_slice(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    source: &Source,
    origin: &DeliveryOrigin,
    delivery: &Delivery,
    noted: Option<&str>,
) -> std::result::Result<Landed, (Error, Quarantine)> {
    let mut landed = Landed {
        warnings: delivery
            .warnings
            .iter()
            .map(|warning| format!("{}/{}: {warning}", key.tenant, key.source))
            .collect(),
        delivery_id: delivery.delivery_id.clone(),
        ..Landed::default()
    };
    let bare = |error: Error| (error, Quarantine::default());
    let mut answer = None;
    if let Some((rows, told)) = origin.ask(delivery, &request.spool).await.map_err(bare)? {
        landed.warnings.extend(told.warnings);
        landed.cursor = told.cursor;
        if delivery.asks.is_some() {
            landed.delivery_id = rows.hash;
            landed.unchanged = !request.land_again && noted == Some(landed.delivery_id.as_str());
            if landed.unchanged {
                return Ok(landed);
            }
        }
        answer = Some(Fetched::spooled(rows.path));
    }
    // Answers are read many at a time, but rows are written by few.
    let _turn = request.writers.acquire().await;
    let mut staged: Vec<(String, SchemaRef, Vec<StagedFile>)> = Vec::new();
    let mut gone = Vec::new();
    for format in FORMATS {
        gone.push(
            GoneRows::find(request.warehouse, key, format, delivery)
                .await
                .map_err(bare)?,
        );
    }
    let beside;
    let delivery = match gone.iter().any(Option::is_some) {
        true => {
            beside = delivery.clone().beside_kept_rows();
            &beside
        }
        false => delivery,
    };
    for (format, gone) in FORMATS.into_iter().zip(&gone) {
        let table = key.table(format);
        let same_table = |f: &&SourceFile| f.format.is_typed() == format.is_typed();
        let files: Vec<&SourceFile> = delivery.files.iter().filter(same_table).collect();
        if files.is_empty() {
            // Delivered in the other format before: its rows go with the same slice.
            let exists = request
                .warehouse
                .open(&table, None)
                .await
                .map_err(|e| (e, Quarantine::default()))?;
            let Some(exists) = exists else { continue };
            let partition = key.partition();
            let held = exists
                .files()
                .iter()
                .any(|f| partition.iter().all(|(c, v)| f.partition.get(c) == Some(v)));
            if held || (delivery.files.is_empty() && format == Format::Csv) {
                match stage_gone(request, &exists, gone.as_ref(), &mut landed).await {
                    Ok(files) => staged.push((table, exists.schema().clone(), files)),
                    Err(error) => {
                        discard(request, &staged).await;
                        return Err((error, landed.quarantine));
                    }
                }
            }
            continue;
        }
        match stage_files(
            request,
            key,
            source,
            origin,
            &table,
            &files,
            gone.as_ref(),
            answer.take(),
            &mut landed,
        )
        .await
        {
            Ok((schema, files)) => staged.push((table, schema, files)),
            Err(error) => {
                discard(request, &staged).await;
                return Err((error, landed.quarantine));
            }
        }
    }
    if landed.quarantine.count > request.max_rejected {
        discard(request, &staged).await;
        let count = landed.quarantine.count;
        let first = landed.quarantine.rows.first();
        let mut error = Error::data(format!(
            "{count} {} the contract",
            if count == 1 { "row breaks" } else { "rows break" }
        ))
        .of_kind(ErrorKind::RejectedRows);
        if let Some(first) = first {
            error = error.at(format!("first in {} row {}", first.source_uri, first.row_number));
            if !first.column.is_empty() {
                error = error.at_key(PlaceKey::Column, &first.column);
            }
            error = error.because(&first.reason);
        }
        let hint =
            "`offgridflow quarantine list` shows them; [landing] max_rejected lets a slice land without them";
        return Err((error.hint(hint), landed.quarantine));
    }
    for manifest in &delivery.manifests {
        let unchanged = origin.verify_unchanged(&manifest.object).await;
        if let Err(error) = unchanged.and_then(|()| check_row_count(manifest, &landed)) {
            discard(request, &staged).await;
            let place = format!("manifest {}", manifest.object.key);
            return Err((error.at(place), landed.quarantine));
        }
    }
    landed.cost_basis = landed.cost_basis.map(|seen| CostBasis::of(delivery, seen));
    if landed.kept.rows > 0
        && let Err(error) = one_basis(request, key, delivery, &mut landed)
    {
        discard(request, &staged).await;
        return Err((error, landed.quarantine));
    }
    landed.bills.extend(landed.kept.bills.iter().cloned());
    landed.warnings.extend(landed.kept.warning(key));
    let tables = staged.iter().map(|(table, ..)| table.clone()).collect();
    let facts = SliceFacts::new(request, key, delivery, &landed, tables);
    let told = CommitFacts::Landed(facts.clone())
        .to_json()
        .map_err(|error| (error, landed.quarantine.clone()))?;
    landed.facts = Some(facts);
    for (table, schema, files) in staged {
        let commit = Commit {
            transactions: vec![(key.app_id(&table), transaction_version(&landed.delivery_id))],
            table,
            schema,
            partition_columns: partition_columns(),
            replaced: Replaced::Partitions(vec![key.partition()]),
            added: files,
            facts: Some(told.clone()),
            run_id: request.run_id.to_string(),
        };
        request
            .warehouse
            .commit(commit)
            .await
            .map_err(|e| (e, landed.quarantine.clone()))?;
    }
    Ok(landed)
}

/// Fails when what stays of a slice holds other costs than what came; without a manifest's word it may look like less.
fn one_basis(
    request: &SliceRequest<'_>,
    key: &SliceKey,
    delivery: &Delivery,
    landed: &mut Landed,
) -> Result<()> {
    let Some(held) = request.held_before.get(key).and_then(|held| held.cost_basis) else {
        return Ok(());
    };
    match landed.cost_basis {
        Some(came) if came != held && delivery.export_type.is_some() => {
            Err(Error::data("runs of one export hold different costs")
                .because(format!(
                    "{} rows of runs that are gone hold {} cost, the present ones {} cost",
                    landed.kept.rows,
                    held.name(),
                    came.name()
                ))
                .hint(format!(
                    "put the runs of each type of export below a folder of its own, or give up what is gone with `offgridflow maintain --forget {}` and run again",
                    key.argument()
                )))
        }
        came => {
            landed.cost_basis = came.max(Some(held));
            Ok(())
        }
    }
}

/// Stages the rows that stay in a table of which nothing is delivered any more.
async fn stage_gone(
    request: &SliceRequest<'_>,
    table: &Table,
    gone: Option<&GoneRows>,
    landed: &mut Landed,
) -> Result<Vec<StagedFile>> {
    let Some(gone) = gone else { return Ok(Vec::new()) };
    let mut stager = Stager::new(
        table.location.clone(),
        request.run_id,
        table.schema().clone(),
        &partition_columns(),
    )?;
    let outcome = gone.stage(&mut stager, None, &mut landed.kept).await;
    landed.rows += stager.rows();
    let files = stager.finish().await?;
    if outcome.is_err() {
        Stager::discard(&table.location, &files).await;
    }
    outcome.map(|()| files)
}

/// Fails when the files hold other rows than their manifest tells of.
fn check_row_count(manifest: &DeliveredManifest, landed: &Landed) -> Result<()> {
    let held: u64 = manifest
        .files
        .iter()
        .filter_map(|path| landed.read.get(path))
        .sum();
    match manifest.manifest_row_count {
        Some(told) if told != held => Err(Error::data(format!(
            "a manifest tells of {told} rows, but its files hold {held}"
        ))
        .hint("nothing of this delivery was landed: let the provider finish or repeat it, then run again")),
        _ => Ok(()),
    }
}

async fn discard(request: &SliceRequest<'_>, staged: &[(String, SchemaRef, Vec<StagedFile>)]) {
    for (table, _, files) in staged {
        Stager::discard(&request.warehouse.table_location(table), files).await;
    }
}

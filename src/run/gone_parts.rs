//! Files that are gone from a folder whose other files are as they were landed: nobody delivered it anew.

use std::collections::BTreeSet;

use super::arrivals::{PlannedSlice, ledger_key};
use super::query::{rows, texts};
use super::workspace::Workspace;
use crate::error::{Error, PlaceKey, Result};
use crate::extract::{DeliveryOrigin, Format};

/// Names of gone files that a message lists.
const NAMED: usize = 3;

/// Why a slice cannot be landed again: some of the files that it holds are gone, others lie there unchanged, and no manifest
/// says that these are all. A lifecycle rule takes files away like that; a delivery that replaces another writes its files anew.
///
/// # Errors
/// External when the ledger or the tables cannot be read.
pub async fn refusal(workspace: &Workspace, slice: &PlannedSlice) -> Result<Option<Error>> {
    let delivery = &slice.delivery;
    let Some(period) = slice.key.period.filter(|_| {
        matches!(slice.origin, DeliveryOrigin::Store(_))
            && delivery.manifests.is_empty()
            && !delivery.files.is_empty()
            && !delivery.leaves_room(slice.key.kind)
    }) else {
        return Ok(None);
    };
    let present: BTreeSet<&str> = delivery.files.iter().map(|file| file.uri.as_str()).collect();
    let noted = workspace.ledger.contents_of(&ledger_key(&slice.key)).await?;
    if noted.iter().all(|(uri, _)| present.contains(uri.as_str())) {
        return Ok(None);
    }
    let landed = landed_files(workspace, slice).await?;
    let is_unchanged = |(uri, etag, _): &&(String, String, u64)| {
        let mut files = delivery.files.iter();
        files.any(|file| file.uri == *uri && file.object.etag.as_deref() == Some(etag))
    };
    if !landed.iter().any(|file| is_unchanged(&file)) {
        return Ok(None);
    }
    let gone: Vec<_> = landed
        .iter()
        .filter(|(uri, ..)| !present.contains(uri.as_str()))
        .collect();
    let count: u64 = gone.iter().map(|(.., rows)| rows).sum();
    let mut names: Vec<String> = gone.iter().take(NAMED).map(|(uri, ..)| uri.clone()).collect();
    if gone.len() > NAMED {
        names.push(format!("{} more", gone.len() - NAMED));
    }
    let key = &slice.key;
    Ok((!gone.is_empty()).then(|| {
        Error::external("files of a folder without a manifest are gone, and others of it are as they were landed")
            .at_key(PlaceKey::Slice, key)
            .because(format!(
                "{} with {count} landed {}",
                names.join(", "),
                if count == 1 { "row" } else { "rows" }
            ))
            .hint(format!(
                "the slice stays as it was landed until they are back; if their rows are to go: `offgridflow maintain --forget {}/{}/{}/{period}`, then run again",
                key.tenant, key.source, key.export
            ))
    }))
}

/// URI, etag and rows of each file that the slice holds.
async fn landed_files(workspace: &Workspace, slice: &PlannedSlice) -> Result<Vec<(String, String, u64)>> {
    let context = workspace.engine.session();
    let mut files = Vec::new();
    for format in [Format::Csv, Format::Parquet] {
        let table = slice.key.table(format);
        if !workspace.tables.snapshots.contains_key(&table) {
            continue;
        }
        let conditions: Vec<String> = slice
            .key
            .partition()
            .iter()
            .map(|(column, value)| match value {
                Some(value) => format!("{column} = '{}'", value.replace('\'', "''")),
                None => format!("{column} IS NULL"),
            })
            .collect();
        let sql = format!(
            "SELECT _source_uri, _etag, COUNT(*) FROM {table} WHERE {} GROUP BY _source_uri, _etag ORDER BY _source_uri",
            conditions.join(" AND ")
        );
        for row in texts(&rows(workspace, &context, &sql).await?) {
            if let [uri, etag, count] = row.as_slice() {
                files.push((uri.clone(), etag.clone(), count.parse().unwrap_or_default()));
            }
        }
    }
    Ok(files)
}

//! Bounds of columns in the Delta log, so that readers pass over files without opening them: dates and keys only.
//!
//! Decimals would be written as doubles and timestamps cut to milliseconds, which bounds neither.

use std::collections::BTreeMap;

use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::statistics::Statistics;

use super::stage::StagedFile;

/// Text columns that queries filter by.
const KEYS: [&str; 6] = [
    "service_name",
    "region_id",
    "provider_name",
    "billing_account_id",
    "sub_account_id",
    "month",
];

/// What a file's footer says of a text column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No value is below the first or above the second; none where every value is null.
    pub range: Option<(String, String)>,
    /// Nulls.
    pub nulls: u64,
}

/// The bounds of the key columns of a file that has just been written; a column without whole statistics has none.
pub(super) fn of_footer(footer: &ParquetMetaData) -> BTreeMap<String, Bounds> {
    let columns = footer.file_metadata().schema_descr().columns();
    let keys = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.path().parts().len() == 1 && KEYS.contains(&column.name()));
    keys.filter_map(|(index, column)| {
        let mut whole = Bounds::default();
        for group in footer.row_groups() {
            let Some(Statistics::ByteArray(part)) = group.column(index).statistics() else {
                return None;
            };
            let nulls = part.null_count_opt()?;
            whole.nulls += nulls;
            let text = |bytes: Option<&[u8]>| Some(std::str::from_utf8(bytes?).ok()?.to_string());
            match (text(part.min_bytes_opt()), text(part.max_bytes_opt())) {
                (Some(low), Some(high)) => {
                    whole.range = Some(match whole.range.take() {
                        Some((lowest, highest)) => (lowest.min(low), highest.max(high)),
                        None => (low, high),
                    });
                }
                _ if nulls == group.num_rows() as u64 => {}
                _ => return None,
            }
        }
        Some((column.name().to_string(), whole))
    })
    .collect()
}

/// A file's statistics as they stand in the log.
pub(super) fn in_log(file: &StagedFile) -> String {
    let mut statistics = serde_json::json!({ "numRecords": file.rows });
    let mut bound = |column: &str, range: Option<(String, String)>, nulls: u64| {
        if let Some((low, high)) = range {
            statistics["minValues"][column] = low.into();
            statistics["maxValues"][column] = high.into();
        }
        statistics["nullCount"][column] = nulls.into();
    };
    for (column, bounds) in &file.bounds {
        bound(column, bounds.range.clone(), bounds.nulls);
    }
    if let Some((first, last)) = file.charge_dates {
        let text = |day| {
            chrono::NaiveDate::from_epoch_days(day)
                .map(|date| date.to_string())
                .unwrap_or_default()
        };
        // A file of one charge month has no row without a date.
        bound("charge_date", Some((text(first), text(last))), 0);
    }
    statistics.to_string()
}

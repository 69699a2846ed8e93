//! Column names of raw tables: as delivered, in a spelling that Delta and every reader accept.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::column_types::TEXT_SUFFIX;
use super::contract::Contract;
use crate::error::{Error, Result};

/// Key of the field metadata that keeps a header whose spelling had to change.
pub const DELIVERED_NAME: &str = "delivered_name";

/// The name of each delivered column in the raw table.
///
/// A column of the contract takes the spelling of the models, whatever its case and punctuation; one that the table knows
/// in another case takes that spelling. A name that landing itself uses gets `__delivered` after it, and a column without
/// a name its number. Characters that Delta refuses become `_`; two headers that differ only by case or by such characters
/// stay apart by a number after the second.
///
/// # Errors
/// Data: two headers with exactly the same text, or two spellings of a column that is checked.
pub fn raw_names(
    headers: &[String],
    contract: &Contract,
    table: Option<&Schema>,
    parquet: bool,
) -> Result<Vec<String>> {
    let mut exact: HashMap<&str, usize> = HashMap::new();
    for (index, header) in headers
        .iter()
        .enumerate()
        .filter(|(_, header)| !header.trim().is_empty())
    {
        if let Some(first) = exact.insert(header, index) {
            return Err(Error::data("two columns have the same name")
                .at(format!("columns {} and {}", first + 1, index + 1))
                .because(format!("`{header}`"))
                .hint(
                    "export the file with distinct column names: which of the two is meant cannot be guessed",
                ));
        }
    }
    let columns = contract.headers(headers, parquet)?;
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = vec![String::new(); headers.len()];
    // Columns of the contract first: no other spelling takes their place.
    let of_contract = |index: &usize| columns.known(*index).is_none();
    let mut order: Vec<usize> = (0..headers.len()).collect();
    order.sort_by_key(of_contract);
    for index in order {
        let safe: String = match headers[index].trim() {
            "" => format!("column_{}", index + 1),
            text => text
                .chars()
                .map(|c| if " ,;{}()\n\t\r=".contains(c) { '_' } else { c })
                .collect(),
        };
        let in_table = |name: &str| {
            let mut known = table.iter().flat_map(|t| t.fields().iter()).map(|f| f.name());
            let known = known.find(|known| known.eq_ignore_ascii_case(name));
            known.cloned().unwrap_or_else(|| name.to_string())
        };
        let base = match columns.known(index) {
            Some(known) => known.to_string(),
            None if is_reserved(&safe) => in_table(&format!("{safe}__delivered")),
            None => in_table(&safe),
        };
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.to_ascii_lowercase()) {
            name = in_table(&format!("{base}__{number}"));
            number += 1;
        }
        names[index] = name;
    }
    Ok(names)
}

/// A field of a raw table; the delivered header stays in its metadata when it differs.
pub fn raw_field(name: &str, delivered: &str, data_type: DataType) -> Field {
    let field = Field::new(name, data_type, true);
    if name == delivered {
        return field;
    }
    field.with_metadata([(DELIVERED_NAME.to_string(), delivered.to_string())].into())
}

/// The columns landing adds to every row.
pub fn provenance_fields() -> Vec<Field> {
    let landed_at = DataType::Timestamp(
        datafusion::arrow::datatypes::TimeUnit::Microsecond,
        Some("UTC".into()),
    );
    vec![
        Field::new("_source_uri", DataType::Utf8, true),
        Field::new("_etag", DataType::Utf8, true),
        Field::new("_run_id", DataType::Utf8, true),
        Field::new("_row_number", DataType::Int64, true),
        Field::new("_landed_at", landed_at, true),
        Field::new("_date_order", DataType::Utf8, true),
    ]
}

/// The partition columns of every raw table.
pub fn partition_columns() -> Vec<String> {
    ["tenant", "source", "export", "period"]
        .map(String::from)
        .to_vec()
}

/// Whether landing adds a column of this name, in any case: what a delivery says there is never taken for it.
pub fn is_reserved(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(TEXT_SUFFIX)
        || provenance_fields()
            .iter()
            .any(|field| field.name().eq_ignore_ascii_case(name))
        || partition_columns().iter().any(|n| n.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;

    #[test]
    fn spellings() {
        let contract = Contract::of(SourceKind::Focus);
        let headers = ["billedcost", "resourceTags/user:Cost Center", "Region", "region"].map(String::from);
        let names = raw_names(&headers, &contract, None, false).unwrap();
        assert_eq!(
            names,
            [
                "BilledCost",
                "resourceTags/user:Cost_Center",
                "Region",
                "region__2"
            ]
        );
        let ours = ["tenant", "Period", "", "_row_number", "BILLED COST", " "].map(String::from);
        assert_eq!(
            raw_names(&ours, &contract, None, false).unwrap(),
            [
                "tenant__delivered",
                "Period__delivered",
                "column_3",
                "_row_number__delivered",
                "BilledCost",
                "column_6"
            ]
        );
        let beside = ["BilledCost__text", "TENANT"].map(String::from);
        let table = Schema::new(vec![Field::new("tenant__delivered", DataType::Utf8, true)]);
        assert_eq!(
            raw_names(&beside, &contract, Some(&table), true).unwrap(),
            ["BilledCost__text__delivered", "tenant__delivered"]
        );
        let twice = ["a", "b", "a"].map(String::from);
        assert!(
            raw_names(&twice, &contract, None, false)
                .unwrap_err()
                .to_string()
                .contains("columns 1 and 3")
        );
    }
}

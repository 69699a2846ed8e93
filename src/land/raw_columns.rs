//! Column names of raw tables: as delivered, in a spelling that Delta and every reader accept.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::contract::Contract;
use crate::error::{Error, Result};

/// Key of the field metadata that keeps a header whose spelling had to change.
pub const DELIVERED_NAME: &str = "delivered_name";

/// The name of each delivered column in the raw table.
///
/// A column the models or the table know in another case takes that spelling; characters that Delta
/// refuses become `_`; two headers that differ only by case or by such characters stay apart by a
/// number behind the second.
///
/// # Errors
/// Data: two headers with exactly the same text.
pub fn raw_names(
    headers: &[String],
    contract: &Contract,
    table: Option<&Schema>,
    parquet: bool,
) -> Result<Vec<String>> {
    let mut exact: HashMap<&str, usize> = HashMap::new();
    for (index, header) in headers.iter().enumerate() {
        if let Some(first) = exact.insert(header, index) {
            return Err(Error::data("two columns have the same name")
                .at(format!("columns {} and {}", first + 1, index + 1))
                .because(format!("`{header}`"))
                .hint(
                    "export the file with distinct column names: which of the two is meant cannot be guessed",
                ));
        }
    }
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(headers.len());
    for (index, header) in headers.iter().enumerate() {
        let safe: String = match header.trim() {
            "" => format!("column_{}", index + 1),
            text => text
                .chars()
                .map(|c| if " ,;{}()\n\t\r=".contains(c) { '_' } else { c })
                .collect(),
        };
        let in_table = table.and_then(|t| {
            t.fields()
                .iter()
                .map(|f| f.name())
                .find(|n| n.eq_ignore_ascii_case(&safe))
        });
        let base = match contract.known_spelling(header.trim(), parquet) {
            Some(known) => known.to_string(),
            None => in_table.cloned().unwrap_or(safe),
        };
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.to_ascii_lowercase()) {
            name = format!("{base}__{number}");
            number += 1;
        }
        names.push(name);
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

/// Whether a delivered column of this name takes the place of a column that landing adds.
pub fn is_reserved(name: &str) -> bool {
    provenance_fields().iter().any(|field| field.name() == name)
        || partition_columns().iter().any(|n| n == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;

    #[test]
    fn spellings() {
        let contract = Contract::of(Kind::Focus);
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
        let twice = ["a", "b", "a"].map(String::from);
        assert!(
            raw_names(&twice, &contract, None, false)
                .unwrap_err()
                .to_string()
                .contains("columns 1 and 3")
        );
    }
}

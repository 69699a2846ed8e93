//! A BigQuery table: its name, and what BigQuery tells of it without reading it.

use serde::Deserialize;

/// `project.dataset.table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The project that holds it.
    pub project: String,
    /// The dataset.
    pub dataset: String,
    /// The table itself.
    pub table: String,
}

impl TableName {
    /// Reads the three parts; `None` when one is missing or could not stand in a query.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |part: &&str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ':'))
        };
        let parts: Vec<&str> = text.split('.').filter(is_name).collect();
        match parts[..] {
            [project, dataset, table] if text.split('.').count() == 3 => Some(TableName {
                project: project.to_string(),
                dataset: dataset.to_string(),
                table: table.to_string(),
            }),
            _ => None,
        }
    }

    /// As a query names it.
    pub fn quoted(&self) -> String {
        format!("`{self}`")
    }

    /// As messages and provenance columns name it.
    pub fn uri(&self) -> String {
        format!("bigquery://{self}")
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

/// The answer of tables.get, as far as it is needed: the call is free.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TableInfo {
    #[serde(rename = "type")]
    kind: String,
    schema: Schema,
    num_rows: String,
    last_modified_time: String,
    streaming_buffer: StreamingBuffer,
    time_partitioning: Option<TimePartitioning>,
    /// Where its queries run.
    pub location: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Schema {
    fields: Vec<Column>,
}

/// Types are not read: new ones appear.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Column {
    name: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StreamingBuffer {
    estimated_rows: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TimePartitioning {
    field: Option<String>,
    expiration_ms: Option<String>,
}

impl TableInfo {
    /// What changes when its rows do; `None` for a view, which does not show it.
    pub fn state(&self) -> Option<String> {
        (self.kind == "TABLE" && !self.last_modified_time.is_empty()).then(|| {
            let buffered = &self.streaming_buffer.estimated_rows;
            format!("{} {} {buffered}", self.last_modified_time, self.num_rows)
                .trim_end()
                .to_string()
        })
    }

    /// Its rows, where it is a table.
    pub fn rows(&self) -> Option<u64> {
        self.num_rows.parse().ok()
    }

    /// Whether queries can say which days of arrival they need: `_PARTITIONTIME`.
    pub fn is_partitioned_by_arrival(&self) -> bool {
        self.time_partitioning
            .as_ref()
            .is_some_and(|partitioning| partitioning.field.is_none())
    }

    /// Whether its rows go away by themselves after a time.
    pub fn forgets(&self) -> bool {
        self.time_partitioning
            .as_ref()
            .is_some_and(|partitioning| partitioning.expiration_ms.is_some())
    }

    /// Its columns, quoted, for a select list.
    pub fn columns(&self) -> String {
        let names: Vec<String> = self
            .schema
            .fields
            .iter()
            .map(|f| format!("`{}`", f.name))
            .collect();
        names.join(", ")
    }

    /// Whether it has a column.
    pub fn has(&self, column: &str) -> bool {
        self.schema.fields.iter().any(|f| f.name == column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_parts() {
        let table = TableName::parse("acme-billing.exports.gcp_billing_export_v1_0A1B2C").unwrap();
        assert_eq!(
            table.quoted(),
            "`acme-billing.exports.gcp_billing_export_v1_0A1B2C`"
        );
        for text in ["", "a.b", "a.b.c.d", "a..c", "a.b.c`; drop", "a.b.c d"] {
            assert_eq!(TableName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_view_does_not_show_whether_its_rows_changed() {
        let info: TableInfo = serde_json::from_str(
            r#"{"type": "TABLE", "numRows": "7", "lastModifiedTime": "1795479450580", "location": "EU",
                "timePartitioning": {"type": "DAY"}, "schema": {"fields": [{"name": "cost", "type": "NEWTYPE"}]}}"#,
        )
        .unwrap();
        assert_eq!(info.state().as_deref(), Some("1795479450580 7"));
        assert!(info.is_partitioned_by_arrival() && !info.forgets() && info.has("cost"));
        let view: TableInfo = serde_json::from_str(r#"{"type": "VIEW", "lastModifiedTime": "1"}"#).unwrap();
        assert_eq!((view.state(), view.rows()), (None, None));
    }
}

//! A snapshot table as bytes: its files and columns, so that another process scans exactly the same. No row travels, and
//! no credential: each process opens the store by its own configuration.

use datafusion::arrow::datatypes::Field;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::SnapshotTable;
use crate::error::{Error, Result};
use crate::warehouse::{DataFile, Location, PartitionValues};

/// What travels beside the columns.
#[derive(Serialize, Deserialize)]
struct Header {
    warehouse: String,
    prefix: String,
    partition_columns: Vec<String>,
    files: Vec<WireFile>,
}

#[derive(Serialize, Deserialize)]
struct WireFile {
    path: String,
    size: u64,
    rows: u64,
    partition: PartitionValues,
}

/// The warehouse's name between processes: its URL, without what a profile adds.
pub fn warehouse_name(location: &Location) -> String {
    location.uri(&location.prefix)
}

/// The URL under which a process of a cluster registers the store of a warehouse. It differs from one warehouse to the
/// next, so that an executor of another warehouse finds no store rather than files of the same name.
pub fn store_url(warehouse: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest: String = Sha256::digest(warehouse.as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("warehouse://{digest}")
}

impl SnapshotTable {
    /// The table's files and columns, for a process that reads the same warehouse.
    ///
    /// # Errors
    /// Internal when the columns cannot be written.
    pub fn to_bytes(&self, warehouse: &str) -> Result<Vec<u8>> {
        let header = Header {
            warehouse: warehouse.to_string(),
            prefix: self.prefix.clone(),
            partition_columns: self.partition_columns.clone(),
            files: self
                .files
                .iter()
                .map(|file| WireFile {
                    path: file.path.to_string(),
                    size: file.size,
                    rows: file.rows,
                    partition: file.partition.clone(),
                })
                .collect(),
        };
        let header = serde_json::to_vec(&header).map_err(|e| broken().because(e))?;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        StreamWriter::try_new(&mut bytes, &self.file_schema)?.finish()?;
        Ok(bytes)
    }

    /// The table that [`SnapshotTable::to_bytes`] described.
    ///
    /// # Errors
    /// Usage when it belongs to another warehouse than `warehouse`; internal when the bytes are no such table.
    pub fn from_bytes(bytes: &[u8], warehouse: &str) -> Result<SnapshotTable> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let (header, columns) = rest.split_at_checked(length).ok_or_else(broken)?;
        let header: Header = serde_json::from_slice(header).map_err(|e| broken().because(e))?;
        if header.warehouse != warehouse {
            return Err(Error::usage(format!(
                "the run reads the warehouse {}, but this cluster is configured for {warehouse}",
                header.warehouse
            ))
            .hint("start scheduler and executors with the offgridflow.toml of the run"));
        }
        let columns = StreamReader::try_new(columns, None)?.schema();
        let columns: Vec<Field> = columns.fields().iter().map(|f| f.as_ref().clone()).collect();
        let files = header
            .files
            .into_iter()
            .map(|file| {
                Ok(DataFile {
                    path: Path::parse(&file.path).map_err(|e| broken().because(e))?,
                    size: file.size,
                    rows: file.rows,
                    partition: file.partition,
                    month: None,
                    stats: None,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut table = Self::build(header.prefix, columns, header.partition_columns, &[], files);
        table.store = store_url(warehouse);
        Ok(table)
    }
}

fn broken() -> Error {
    Error::internal("a table sent to the cluster cannot be read")
        .hint("driver, scheduler and executors must be of one version")
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Schema};

    fn table() -> SnapshotTable {
        let file = |name: &str, period: Option<&str>| DataFile {
            path: Path::parse(format!("period={}/{name}", period.unwrap_or("null"))).unwrap(),
            size: 10,
            rows: 3,
            partition: [("period".to_string(), period.map(str::to_string))].into(),
            month: None,
            stats: None,
        };
        let columns = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("cost", DataType::Decimal128(38, 24), true),
        ]);
        SnapshotTable::staged(
            "lake/raw/x".to_string(),
            &columns,
            &["period".to_string()],
            vec![file("a.parquet", Some("2026-01")), file("b.parquet", None)],
        )
    }

    #[test]
    fn a_table_arrives_as_it_was() {
        let sent = table();
        let arrived =
            SnapshotTable::from_bytes(&sent.to_bytes("s3://lake/a").unwrap(), "s3://lake/a").unwrap();
        assert_eq!(arrived.schema, sent.schema);
        assert_eq!(arrived.file_schema, sent.file_schema);
        assert_eq!(arrived.prefix, sent.prefix);
        let files = |table: &SnapshotTable| format!("{:?}", table.files);
        assert_eq!(files(&arrived), files(&sent));
    }

    #[test]
    fn a_table_of_another_warehouse_and_half_a_table_are_refused() {
        let bytes = table().to_bytes("s3://lake/a").unwrap();
        let error = SnapshotTable::from_bytes(&bytes, "s3://lake/b").unwrap_err();
        assert!(error.to_string().contains("s3://lake/a"), "{error}");
        for length in [0, 7, 8, 40, bytes.len() / 2] {
            assert!(SnapshotTable::from_bytes(&bytes[..length], "s3://lake/a").is_err());
        }
    }

    #[test]
    fn each_warehouse_has_a_store_of_its_own() {
        assert_ne!(store_url("s3://lake/a"), store_url("s3://lake/b"));
        assert!(url::Url::parse(&store_url("s3://lake/a")).unwrap().has_host());
    }
}

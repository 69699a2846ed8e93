//! Rows in memory as Arrow IPC bytes: factors, settings and the ledger's tables travel inside the plan.

use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::{Result, exec_err};
use datafusion::datasource::{MemTable, TableProvider};

/// The rows of a table.
///
/// # Errors
/// Execution when somebody writes the table at this moment; nobody does.
pub fn to_bytes(table: &MemTable) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &table.schema())?;
    for partition in &table.batches {
        let Ok(batches) = partition.try_read() else {
            return exec_err!("a table in memory is being written");
        };
        for batch in batches.iter() {
            writer.write(batch)?;
        }
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// The table that [`to_bytes`] described, in one partition.
///
/// # Errors
/// Arrow when the bytes are no such table.
pub fn from_bytes(bytes: &[u8]) -> Result<MemTable> {
    let reader = StreamReader::try_new(bytes, None)?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    MemTable::try_new(schema, vec![batches])
}

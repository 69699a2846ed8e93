//! Rows that are kept hold no bytes but their own.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take;

use crate::error::Result;

/// The same rows with no other rows' bytes after them: batches that an aggregate gave out are windows into all of its
/// groups, and a join that keeps them would count these once for each window.
///
/// # Errors
/// Internal: what arrow says.
pub(super) fn own_bytes(rows: &RecordBatch) -> Result<RecordBatch> {
    let all = UInt32Array::from_iter_values(0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX));
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.num_columns());
    for column in rows.columns() {
        let own = take(column.as_ref(), &all, None)?;
        let compact = own.as_string_view_opt().map(|views| views.gc());
        columns.push(compact.map_or(own, |views| Arc::new(views)));
    }
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{StringArray, StringViewArray};

    use super::*;

    #[test]
    fn rows_of_a_window_leave_the_others_behind() {
        let texts = || (0..1000).map(|row| format!("a text that is longer than a view holds: {row}"));
        let columns: [(&str, ArrayRef); 2] = [
            ("text", Arc::new(StringArray::from_iter_values(texts()))),
            ("view", Arc::new(StringViewArray::from_iter_values(texts()))),
        ];
        let whole = RecordBatch::try_from_iter(columns).unwrap();
        let window = whole.slice(10, 10);
        let own = own_bytes(&window).unwrap();
        assert_eq!(own, window);
        let bytes = (own.get_array_memory_size(), whole.get_array_memory_size());
        assert!(bytes.0 * 20 < bytes.1, "{bytes:?}");
    }
}

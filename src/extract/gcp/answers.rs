//! Queries and their results, page by page.

use gcp_bigquery_client::model::data_format_options::DataFormatOptions;
use gcp_bigquery_client::model::query_request::QueryRequest;
use gcp_bigquery_client::model::query_response::QueryResponse;
use gcp_bigquery_client::model::table_row::TableRow;

use super::bigquery::BigQuery;
use super::refusal::{self, Reason};
use crate::error::{Error, Result};

/// Rows of a page: at two kilobytes a row, four pages side by side stay far below a hundred megabytes.
const PAGE_ROWS: i32 = 2_000;
/// How long one call waits for a query to end.
const WAIT_MILLISECONDS: i32 = 10_000;

impl BigQuery {
    /// Runs a query and hands its rows on one by one; every cell is text or null. Returns how many there were.
    ///
    /// # Errors
    /// External: it cannot be run, or its result is not whole. What `each` returns.
    pub async fn query(
        &self,
        sql: &str,
        location: Option<&str>,
        mut each: impl FnMut(Vec<Option<String>>) -> Result<()>,
    ) -> Result<u64> {
        let mut request = QueryRequest::new(sql);
        request.location = location.map(str::to_string);
        request.max_results = Some(PAGE_ROWS);
        request.timeout_ms = Some(WAIT_MILLISECONDS);
        request.format_options = Some(DataFormatOptions {
            use_int64_timestamp: Some(true),
        });
        // A repeated request finds the job that the first one made.
        request.request_id = Some(format!("{:032x}", fastrand::u128(..)));
        let url = self.url(&self.project, "queries");
        let mut page: QueryResponse = self.call(|http| http.post(&url).json(&request)).await?;
        let job = page.job_reference.clone().unwrap_or_default();
        let location = job.location.as_deref().or(location);
        let (mut count, mut last_token) = (0, None);
        loop {
            if let Some(failed) = failure(&page) {
                return Err(refusal::of_job(&failed, &self.project));
            }
            let whole = page.job_complete.unwrap_or(false);
            if whole {
                for row in page.rows.take().unwrap_or_default() {
                    count += 1;
                    each(cells(row))?;
                }
                let Some(token) = page.page_token.take().filter(|token| !token.is_empty()) else {
                    break;
                };
                if last_token.as_ref() == Some(&token) {
                    return Err(Error::external("BigQuery's pages repeat themselves")
                        .because("a page names itself as the next"));
                }
                last_token = Some(token);
            }
            let id = job.job_id.as_deref().ok_or_else(|| {
                Error::external("BigQuery does not name the job of a query that has further pages")
            })?;
            let url = self.url(&self.project, &format!("queries/{id}"));
            let mut parameters = vec![
                ("maxResults", PAGE_ROWS.to_string()),
                ("timeoutMs", WAIT_MILLISECONDS.to_string()),
                ("formatOptions.useInt64Timestamp", "true".to_string()),
            ];
            parameters.extend(location.map(|location| ("location", location.to_string())));
            parameters.extend(last_token.clone().map(|token| ("pageToken", token)));
            page = self.call(|http| http.get(&url).query(&parameters)).await?;
        }
        match page.total_rows.as_deref().map(str::parse::<u64>) {
            Some(Ok(total)) if total != count => Err(Error::external("a result of BigQuery is not whole")
                .because(format!("it has {total} rows, and {count} came"))
                .hint("run again")),
            _ => Ok(count),
        }
    }
}

/// Why a job ended without a result; warnings come beside one.
fn failure(page: &QueryResponse) -> Option<Reason> {
    let error = page.errors.as_ref()?.first()?;
    let has_result = page
        .schema
        .as_ref()
        .and_then(|schema| schema.fields.as_ref())
        .is_some_and(|fields| !fields.is_empty());
    (!has_result).then(|| Reason {
        reason: error.reason.clone().unwrap_or_default(),
        message: error.message.clone().unwrap_or_default(),
    })
}

fn cells(row: TableRow) -> Vec<Option<String>> {
    let cells = row.columns.unwrap_or_default().into_iter();
    cells
        .map(|cell| match cell.value? {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
        .collect()
}

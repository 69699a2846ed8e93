//! What BigQuery's refusals mean and what to do about them.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::error::Error;

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Refusal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
    errors: Vec<Reason>,
}

/// One reason of a refusal, also of a job that failed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// The code, `rateLimitExceeded`.
    pub reason: String,
    /// In words.
    pub message: String,
}

/// The error of an answer that is no success.
pub fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8], project: &str) -> Error {
    let refusal = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
    let reason = refusal
        .errors
        .first()
        .map(|r| r.reason.clone())
        .unwrap_or_default();
    let message = match refusal.message.as_str() {
        "" => format!("it answers {status}"),
        message => message.to_string(),
    };
    let error = match status.as_u16() {
        401 => Error::external("BigQuery does not accept the login").hint(
            "check that the service account and its key exist and are enabled, and that this machine's clock is right",
        ),
        429 | 500..=599 => busy(),
        _ => of_reason(&reason, project),
    };
    match seconds_asked(headers) {
        Some(pause) if error.retry() != crate::error::Retry::Never => error.retryable_after(pause),
        _ => error,
    }
    .because(message)
}

/// The error of a job that ended without a result.
pub fn of_job(reason: &Reason, project: &str) -> Error {
    of_reason(&reason.reason, project).because(&reason.message)
}

fn busy() -> Error {
    Error::external("BigQuery is busy").retryable()
}

fn of_reason(reason: &str, project: &str) -> Error {
    match reason {
        "rateLimitExceeded" | "quotaExceeded" | "jobRateLimitExceeded" | "backendError" | "internalError"
        | "jobBackendError" | "jobInternalError" => busy(),
        "accessDenied" | "forbidden" => Error::external("BigQuery does not allow it").hint(format!(
            "grant the service account BigQuery Data Viewer (roles/bigquery.dataViewer) on the dataset and BigQuery \
             Job User (roles/bigquery.jobUser) on the project {project}"
        )),
        "notFound" => Error::external("BigQuery has no such table").hint(
            "check `table` (project.dataset.table); a new export's table appears some hours after it was switched on",
        ),
        "invalidQuery" | "invalid" => Error::external("BigQuery cannot run the query")
            .hint("check that `table` is the export itself, with its columns as Google names them"),
        "resourcesExceeded" => Error::external("a query is too large for BigQuery")
            .hint("set `since` to a later month, or export into a partitioned table"),
        "billingNotEnabled" => Error::external("the project has no billing account")
            .hint(format!("let another project run the queries: project = \"…\" instead of {project}")),
        _ => Error::external("BigQuery refuses the call")
            .hint("the reason is Google's own; what it names can be looked up in BigQuery's error messages"),
    }
}

/// `Retry-After` in seconds; the dates that it may be instead are not seen here.
fn seconds_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;

    fn refused(status: u16, headers: &HeaderMap, reason: &str) -> Error {
        let body = format!(
            r#"{{"error": {{"code": {status}, "message": "m", "errors": [{{"reason": "{reason}"}}]}}}}"#
        );
        of_answer(
            StatusCode::from_u16(status).unwrap(),
            headers,
            body.as_bytes(),
            "acme",
        )
    }

    #[test]
    fn rate_limits_are_waited_for_and_denials_are_not() {
        let none = HeaderMap::new();
        for reason in ["rateLimitExceeded", "quotaExceeded"] {
            assert_eq!(refused(403, &none, reason).retry(), Retry::Backoff);
        }
        assert_eq!(refused(503, &none, "backendError").retry(), Retry::Backoff);
        let mut asked = HeaderMap::new();
        asked.insert("retry-after", "8".parse().unwrap());
        assert_eq!(
            refused(429, &asked, "rateLimitExceeded").retry(),
            Retry::After(Duration::from_secs(8))
        );
        asked.insert("retry-after", "18446744073709551615".parse().unwrap());
        assert_eq!(
            refused(429, &asked, "rateLimitExceeded").retry(),
            Retry::After(crate::error::LONGEST_PAUSE)
        );
        let denied = refused(403, &asked, "accessDenied");
        assert_eq!(denied.retry(), Retry::Never);
        assert!(denied.hint_text().unwrap().contains("roles/bigquery.jobUser"));
        for (status, reason) in [(404, "notFound"), (400, "invalidQuery"), (401, "authError")] {
            let error = refused(status, &none, reason);
            assert_eq!(error.retry(), Retry::Never, "{error}");
            assert!(error.hint_text().is_some());
        }
        // A proxy's page instead of an answer.
        let page = of_answer(StatusCode::BAD_GATEWAY, &none, b"<html>", "acme");
        assert_eq!(page.retry(), Retry::Backoff);
        assert!(page.to_string().contains("502"), "{page}");
    }
}

//! Calls to BigQuery's REST API: authorised, repeated while that helps, refusals explained.
//!
//! The client crate gives the shapes of requests and answers and the login. The calls themselves are made here, because its
//! own lose the time that BigQuery asks to wait, take a proxy's page for a damaged answer, cannot ask for exact timestamps
//! after the first page, and fail on a table with a column of a type that is newer than they are.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::refusal;
use super::table::{TableInfo, TableName};
use crate::config::Profile;
use crate::error::{Error, PlaceKey, Result};
use crate::login::gcp::Login;
use crate::retry::{RetryPolicy, retrying};

/// Google's own endpoint.
const ENDPOINT: &str = "https://bigquery.googleapis.com";
/// What the API's paths begin with.
const VERSION: &str = "/bigquery/v2";
/// Results that are read side by side; each holds a page in memory.
const PARALLEL_RESULTS: usize = 4;
/// The longest that one call may take; queries are waited for in calls of ten seconds.
const CALL_DEADLINE: Duration = Duration::from_secs(120);

/// The API, as one login and one project use it.
#[derive(Debug)]
pub struct BigQuery {
    http: reqwest::Client,
    base: String,
    login: Login,
    /// The project that runs the queries and pays for them.
    pub project: String,
    policy: RetryPolicy,
    /// Turns to read a result.
    pub turns: Semaphore,
}

impl BigQuery {
    /// Makes the client; nothing is called yet.
    ///
    /// # Errors
    /// Usage: the profile's key or endpoint is wrong.
    pub async fn open(project: String, profile: &Profile) -> Result<Self> {
        let values = profile.expose()?;
        let login = Login::of(&values).await?;
        let endpoint = values.get("endpoint").map_or(ENDPOINT, String::as_str);
        let root = endpoint.trim_end_matches('/').trim_end_matches(VERSION);
        let allowed = values.get("allow_http").is_some_and(|value| value == "true");
        if !root.starts_with("https://") && !matches!(login, Login::None) && !allowed {
            return Err(Error::usage("the BigQuery endpoint is not https")
                .at_key(PlaceKey::Profile, &profile.name)
                .because("a login's token would go over the network in the clear")
                .hint("write https://…, or allow_http = true where the network is your own"));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(CALL_DEADLINE)
            .build()
            .map_err(|e| Error::internal("no HTTP client can be made").because(e))?;
        Ok(BigQuery {
            http,
            base: format!("{root}{VERSION}"),
            login,
            project,
            policy: RetryPolicy::from_environment(),
            turns: Semaphore::new(PARALLEL_RESULTS),
        })
    }

    /// A URL of the API below a project.
    pub fn url(&self, project: &str, path: &str) -> String {
        format!("{}/projects/{project}/{path}", self.base)
    }

    /// What BigQuery tells of a table; free of charge.
    ///
    /// # Errors
    /// External: there is none, or it may not be seen.
    pub async fn table(&self, name: &TableName) -> Result<TableInfo> {
        let url = self.url(
            &name.project,
            &format!("datasets/{}/tables/{}", name.dataset, name.table),
        );
        self.call(|http| http.get(&url))
            .await
            .map_err(|e| e.at(name.uri()))
    }

    /// Makes one call until it succeeds or cannot.
    ///
    /// # Errors
    /// External: what remains after the retries.
    pub async fn call<T: DeserializeOwned>(
        &self,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<T> {
        retrying(&self.policy, || async {
            let (status, headers, body) = self.send(&request, false).await?;
            // A token may end between two calls: one with a new one decides.
            let (status, headers, body) = match status {
                StatusCode::UNAUTHORIZED => self.send(&request, true).await?,
                _ => (status, headers, body),
            };
            if !status.is_success() {
                return Err(refusal::of_answer(status, &headers, &body, &self.project));
            }
            serde_json::from_slice(&body).map_err(|e| {
                Error::external("an answer of BigQuery cannot be read")
                    .because(e)
                    .retryable()
            })
        })
        .await
    }

    async fn send(
        &self,
        request: &impl Fn(&reqwest::Client) -> RequestBuilder,
        renewed: bool,
    ) -> Result<(StatusCode, reqwest::header::HeaderMap, Vec<u8>)> {
        let unreachable = |e: reqwest::Error| {
            Error::external("BigQuery cannot be reached")
                .at(self.base.clone())
                .because(innermost(&e.without_url()))
                .hint("check the network, a proxy (HTTPS_PROXY) and the profile's `endpoint`")
                .retryable()
        };
        let mut call = request(&self.http);
        if let Some(token) = self.login.token(renewed).await? {
            call = call.bearer_auth(token);
        }
        let answer = call.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(unreachable)?;
        Ok((status, headers, body.to_vec()))
    }
}

/// The cause at the bottom, which says more than those above it.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

//! The identity that a machine or pod of Google Cloud runs as: workload identity and attached service accounts.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::login::SCOPE;
use crate::config::hold_environment;
use crate::error::{Error, Result};
use crate::retry::{RetryPolicy, retrying};

/// Where the server is unless the environment says otherwise, as Google's own libraries have it.
const HOST: &str = "metadata.google.internal";
const HOST_VARIABLE: &str = "GCE_METADATA_HOST";
/// A token that ends within this time is not used any more.
const MARGIN: Duration = Duration::from_secs(120);

/// The metadata server, and the token it gave last.
pub struct Metadata {
    http: reqwest::Client,
    url: String,
    held: Mutex<Option<(String, Instant)>>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

impl Metadata {
    /// The server of this machine; it is asked when a token is needed.
    ///
    /// # Errors
    /// Usage: the variable of the server's host holds none. Internal: no HTTP client can be made.
    pub fn from_environment() -> Result<Self> {
        hold_environment(|name| name == HOST_VARIABLE)?;
        let host = std::env::var(HOST_VARIABLE).unwrap_or_else(|_| HOST.to_string());
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| Error::internal("no HTTP client can be made").because(e))?;
        Ok(Metadata {
            http,
            url: format!(
                "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?scopes={SCOPE}"
            ),
            held: Mutex::new(None),
        })
    }

    /// The held token while it is good, else a new one.
    ///
    /// # Errors
    /// External: there is no such server, or no account.
    pub async fn token(&self, renewed: bool) -> Result<String> {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.as_ref().filter(|_| !renewed)
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let policy = RetryPolicy {
            tries: 3,
            ..RetryPolicy::from_environment()
        };
        let token = retrying(&policy, || self.ask()).await?;
        let good_for = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        *held = Some((token.access_token.clone(), Instant::now() + good_for));
        Ok(token.access_token)
    }

    async fn ask(&self) -> Result<Token> {
        let failed = || {
            Error::external("this machine has no Google identity")
                .at("the metadata server")
                .hint("name service_account_path in the source's profile, or run where workload identity is set up")
        };
        let answer = self
            .http
            .get(&self.url)
            .header("Metadata-Flavor", "Google")
            .send()
            .await
            .map_err(|e| failed().because(e.without_url()).retryable())?;
        let status = answer.status();
        if !status.is_success() {
            let error = failed().because(format!("it answers {status}"));
            return Err(if status.is_server_error() {
                error.retryable()
            } else {
                error
            });
        }
        answer
            .json()
            .await
            .map_err(|e| failed().because(e.without_url()).retryable())
    }
}

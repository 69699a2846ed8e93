//! A profile's way to AWS's APIs: login, endpoint, and calls that are repeated while that helps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_costexplorer::config::http::HttpResponse;
use aws_sdk_costexplorer::config::timeout::TimeoutConfig;
use aws_sdk_costexplorer::config::{Credentials, Region};
use aws_sdk_costexplorer::error::{ProvideErrorMetadata, SdkError};

use super::limiter::Limiter;
use crate::config::Profile;
use crate::error::{Error, Result};
use crate::login::aws::{Login, explain};
use crate::retry::{RetryPolicy, retrying};

/// A call that takes longer is broken; pages are answered within seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Keys of a profile that speak of how a machine or a bucket is reached: for an API they would be ignored in silence.
const NOT_FOR_APIS: [&str; 11] = [
    "container_credentials_relative_uri",
    "container_credentials_full_uri",
    "container_authorization_token_file",
    "metadata_endpoint",
    "skip_signature",
    "token",
    "proxy_url",
    "timeout",
    "connect_timeout",
    "allow_invalid_certificates",
    "unsigned_payload",
];

/// Who asks, and where.
#[derive(Debug)]
pub(super) struct Session {
    login: Login,
    endpoint: Option<String>,
    region: String,
    policy: RetryPolicy,
}

impl Session {
    /// The session of a profile; nothing is asked yet.
    ///
    /// # Errors
    /// Usage: a key that APIs do not know, an endpoint without encryption, half a login.
    pub(super) fn new(profile: &Profile) -> Result<Session> {
        let values = profile.expose()?;
        let place = format!("profile `{}`", profile.name);
        if let Some(key) = NOT_FOR_APIS.iter().find(|key| values.contains_key(**key)) {
            return Err(Error::usage(format!("`{key}` is not for AWS's APIs"))
                .at(place)
                .hint("give the source a profile of its own with access_key_id, secret_access_key and, where needed, role_arn"));
        }
        let endpoint = values.get("endpoint").cloned();
        let plain = [endpoint.as_ref(), values.get("endpoint_url_sts")];
        let plain = plain.into_iter().flatten().any(|url| url.starts_with("http://"));
        if plain && !values.contains_key("allow_http") {
            return Err(Error::usage("an endpoint is not encrypted")
                .at(place)
                .hint("use https://, or set allow_http = true in the profile for a server you trust"));
        }
        // Both services have one endpoint for all regions, and another one in China.
        let china = values
            .get("region")
            .is_some_and(|region| region.starts_with("cn-"));
        Ok(Session {
            login: Login::new(&profile.name, &values)?,
            endpoint,
            region: if china { "cn-northwest-1" } else { "us-east-1" }.to_string(),
            policy: RetryPolicy::from_environment(),
        })
    }

    /// The endpoint that the profile names instead of AWS's own.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The region whose endpoint answers.
    pub(super) fn region(&self) -> Region {
        Region::new(self.region.clone())
    }

    /// How long a client may wait.
    pub(super) fn timeouts() -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .build()
    }

    /// The account that asks.
    ///
    /// # Errors
    /// External: there are no credentials, or they are refused.
    pub(super) async fn account(&self) -> Result<String> {
        self.login.account().await
    }

    /// Makes a call with the login's credentials; `action` is its name in a policy.
    ///
    /// # Errors
    /// External: what remains after the tries.
    pub(super) async fn call<T, E, F>(&self, action: &str, make: impl Fn(Credentials) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let limiter = Limiter::of(&self.account().await?);
        let renewed = AtomicBool::new(false);
        retrying(&self.policy, || async {
            let credentials = self.login.credentials().await?;
            limiter.turn().await;
            let failure = match make(credentials).await {
                Ok(answer) => return Ok(answer),
                Err(error) => explain(action, &error),
            };
            if failure.expired && self.login.renews() && !renewed.swap(true, Ordering::Relaxed) {
                self.login.forget().await;
                return Err(failure.error.retryable());
            }
            Err(failure.error)
        })
        .await
    }
}

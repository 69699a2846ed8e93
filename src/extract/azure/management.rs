//! Authorised calls of Azure Resource Manager: in turn, with a fresh token, repeated while that helps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use url::Url;

use super::limiter::{Limiter, PAUSES_ONLY, Window};
use crate::config::Profile;
use crate::error::{Error, Result};
use crate::login::azure::Login;
use crate::login::azure::http::{self, Reply};
use crate::login::azure::throttle::asked_pause;
use crate::retry::{RetryPolicy, retrying};

const PUBLIC_ENDPOINT: &str = "https://management.azure.com";
/// Waiting for one's turn is part of a call: the quota of an hour may have to pass.
const DEADLINE: Duration = Duration::from_secs(90 * 60);

/// The API, as one login sees it.
#[derive(Debug)]
pub struct Management {
    client: Client,
    endpoint: Url,
    login: Login,
    /// Holds the calls that count against a quota.
    counted: Arc<Limiter>,
    /// Holds the others.
    uncounted: Arc<Limiter>,
    policy: RetryPolicy,
    /// The role that a refused login lacks.
    role: &'static str,
}

/// A call to be made, perhaps several times.
pub struct Call<'a> {
    /// Where to.
    pub url: &'a Url,
    /// What is posted; nothing is fetched with GET.
    pub body: Option<&'a [u8]>,
    /// Whether it takes a unit of the quota.
    pub is_counted: bool,
    /// What it is about, such as `subscription 0000…`, for messages.
    pub about: &'a str,
}

/// What came of one attempt.
enum CallOutcome {
    Body(Option<Vec<u8>>),
    TokenRefused(Error),
}

impl Management {
    /// The API that a profile leads to; nothing is called yet.
    ///
    /// # Errors
    /// Usage: the profile's keys are incomplete or cannot be read.
    pub fn open(profile: &Profile, quota: &[Window], role: &'static str) -> Result<Management> {
        let keys = profile.expose()?;
        let endpoint = endpoint(&keys)?;
        let client = http::client(&keys)?;
        let login = Login::open(&keys, client.clone(), token_scope(&endpoint))?;
        let tenant = keys
            .get("tenant_id")
            .map(|id| id.to_lowercase())
            .unwrap_or_default();
        let tenant = format!("{endpoint} {tenant}");
        Ok(Management {
            client,
            endpoint,
            login,
            counted: Limiter::of(&tenant, quota),
            uncounted: Limiter::of(&tenant, PAUSES_ONLY),
            policy: RetryPolicy {
                deadline: DEADLINE,
                ..RetryPolicy::from_environment()
            },
            role,
        })
    }

    /// The address of a path and query of the API.
    ///
    /// # Errors
    /// Usage: the path, which comes from the configuration, makes no address.
    pub fn url(&self, path_and_query: &str) -> Result<Url> {
        let base = self.endpoint.as_str().trim_end_matches('/');
        let path = path_and_query.trim_start_matches('/');
        Url::parse(&format!("{base}/{path}"))
            .map_err(|e| Error::usage(format!("`{path}` makes no address of Azure's API")).because(e))
    }

    /// The address of a next page, which must be of the same server: it gets our token.
    ///
    /// # Errors
    /// External: it is of another server, or no address.
    pub fn next_page(&self, link: &str) -> Result<Url> {
        let next = Url::parse(link)
            .map_err(|e| Error::external("the link to the next page is no address").because(e))?;
        if next.origin() != self.endpoint.origin() {
            return Err(
                Error::external("the link to the next page leads to another server")
                    .at(next.origin().ascii_serialization())
                    .hint("nothing was sent there; set `endpoint` of the profile to the server that answers"),
            );
        }
        Ok(next)
    }

    /// Where the API is, for messages and provenance.
    pub fn place(&self) -> String {
        self.endpoint.host_str().unwrap_or_default().to_string()
    }

    /// Who we are, for `doctor`.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Makes a call until it succeeds or cannot; `None` when Azure says that there is no content.
    ///
    /// # Errors
    /// External: refused (the hint names the role), unreachable, or still failing when the policy allows no more attempts.
    pub async fn call(&self, call: &Call<'_>) -> Result<Option<Vec<u8>>> {
        retrying(&self.policy, || self.attempt(call)).await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Option<Vec<u8>>> {
        let token = self.login.token().await?;
        match self.once(call, &token).await? {
            CallOutcome::Body(body) => Ok(body),
            CallOutcome::TokenRefused(_) => {
                let token = self.login.renewed(&token).await?;
                match self.once(call, &token).await? {
                    CallOutcome::Body(body) => Ok(body),
                    CallOutcome::TokenRefused(error) => Err(error),
                }
            }
        }
    }

    async fn once(&self, call: &Call<'_>, token: &str) -> Result<CallOutcome> {
        let limiter = if call.is_counted {
            &self.counted
        } else {
            &self.uncounted
        };
        limiter.turn().await;
        let request = match call.body {
            Some(body) => self
                .client
                .post(call.url.clone())
                .header("content-type", "application/json")
                .body(body.to_vec()),
            None => self.client.get(call.url.clone()),
        };
        // Without a ClientType all tools of a tenant share one quota.
        let request = request
            .bearer_auth(token)
            .header("clienttype", "offgridflow")
            .header("accept", "application/json");
        let reply = http::send(request).await.map_err(|e| e.at(call.about))?;
        match reply.status {
            204 => Ok(CallOutcome::Body(None)),
            _ if reply.is_success() => whole(reply.body)
                .map(CallOutcome::Body)
                .map_err(|e| e.at(call.about)),
            401 if is_about_the_token(&reply) => Ok(CallOutcome::TokenRefused(self.refused(call, &reply))),
            _ if reply.is_passing() => Err(self.passing(call, &reply, limiter)),
            _ => Err(self.refused(call, &reply)),
        }
    }

    /// A failure that passes; a pause that was asked for holds back every caller.
    fn passing(&self, call: &Call<'_>, reply: &Reply, limiter: &Limiter) -> Error {
        let what = match reply.status {
            429 => "Azure asks for fewer calls",
            _ => "Azure failed",
        };
        let error = Error::external(what).at(call.about).because(format!(
            "HTTP {}, {}",
            reply.status,
            reply.reason()
        ));
        match asked_pause(&reply.headers) {
            Some(pause) => {
                limiter.pause(pause);
                error.retryable_after(pause)
            }
            None => error.retryable(),
        }
    }

    fn refused(&self, call: &Call<'_>, reply: &Reply) -> Error {
        let reason = reply.reason();
        let error = Error::external("Azure refused the call").at(call.about);
        let (role, login) = (self.role, self.login.name());
        let hint = match (reply.status, reason.code.as_str()) {
            (401, code) if !code.contains("RBAC") => {
                format!(
                    "the token of the login by {login} is refused: check tenant_id of the profile and this machine's clock"
                )
            }
            (401 | 403, _) => format!("grant the login the role `{role}` on {}", call.about),
            (404, _) => format!(
                "check that {} exists, and that the login has the role `{role}` on it",
                call.about
            ),
            (422, _) => {
                "this offer has no cost data in the API; leave it out with `subscriptions`".to_string()
            }
            _ => "check `scope`, `subscriptions` and `cost_type` of the source against what Azure says"
                .to_string(),
        };
        error
            .because(format!("HTTP {}, {reason}", reply.status))
            .hint(hint)
    }
}

/// A body that is JSON to its end: a server that names too short a length cuts it off without an error.
fn whole(body: Vec<u8>) -> Result<Option<Vec<u8>>> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Ok(Some(body)),
        Err(error) => Err(Error::external("the answer is cut off or damaged")
            .because(error)
            .retryable()),
    }
}

/// A token may expire or be revoked between two calls; a missing role is no matter of the token.
fn is_about_the_token(reply: &Reply) -> bool {
    let code = reply.reason().code;
    code.contains("AuthenticationToken") || code == "AuthenticationFailed" || code.is_empty()
}

fn endpoint(keys: &BTreeMap<String, String>) -> Result<Url> {
    let text = keys.get("endpoint").map_or(PUBLIC_ENDPOINT, String::as_str);
    let url = Url::parse(text)
        .map_err(|e| Error::usage(format!("the profile's endpoint `{text}` is no URL")).because(e))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if http::is_true(keys, "allow_http") => Ok(url),
        _ => Err(
            Error::usage(format!("the profile's endpoint `{text}` is not https"))
                .hint("allow_http = true sends tokens unencrypted; only for servers on this machine"),
        ),
    }
}

/// What tokens are asked for: the national clouds have management endpoints of their own.
fn token_scope(endpoint: &Url) -> String {
    let is_azure = endpoint
        .host_str()
        .is_some_and(|host| host.starts_with("management."));
    match is_azure {
        true => format!("{}/.default", endpoint.origin().ascii_serialization()),
        false => format!("{PUBLIC_ENDPOINT}/.default"),
    }
}

//! One HTTP client for logins and APIs: time limits, whole bodies of a bounded size, and what a failed call means.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Proxy, RequestBuilder};
use serde::Deserialize;

use crate::error::{Error, Result};

/// A page of 5,000 rows has a few MiB.
const MAX_BODY_BYTES: usize = 64 << 20;
const CONNECT_SECONDS: u64 = 20;
/// Azure answers large queries after a minute and more.
const SILENCE_SECONDS: u64 = 120;

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; empty with status 204.
    pub body: Vec<u8>,
}

/// The error of Azure Resource Manager.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Reason,
}

/// Why a call was refused.
#[derive(Debug, Default, Deserialize)]
pub struct Reason {
    /// Such as `AuthorizationFailed`.
    #[serde(default)]
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

/// A client with the profile's `connect_timeout`, `timeout` (of silence, in seconds), `proxy_url` and
/// `allow_invalid_certificates`.
///
/// # Errors
/// Usage: a key cannot be read. External: no certificates are found.
pub fn client(keys: &BTreeMap<String, String>) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("offgridflow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(seconds(keys, "connect_timeout", CONNECT_SECONDS)?)
        .read_timeout(seconds(keys, "timeout", SILENCE_SECONDS)?)
        .danger_accept_invalid_certs(is_true(keys, "allow_invalid_certificates"));
    if let Some(proxy) = keys.get("proxy_url") {
        let proxy = Proxy::all(proxy).map_err(|_| Error::usage("the profile's proxy_url is no URL"))?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|e| Error::external("the HTTP client cannot be made").because(told(&e)))
}

/// Whether a key of a profile is switched on.
pub fn is_true(keys: &BTreeMap<String, String>, key: &str) -> bool {
    keys.get(key)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn seconds(keys: &BTreeMap<String, String>, key: &str, default: u64) -> Result<Duration> {
    let Some(text) = keys.get(key) else {
        return Ok(Duration::from_secs(default));
    };
    let number = text
        .trim()
        .trim_end_matches("seconds")
        .trim_end_matches('s')
        .trim();
    number.parse().map(Duration::from_secs).map_err(|_| {
        Error::usage(format!("the profile's {key} `{text}` is no number of seconds"))
            .hint(format!("for example {key} = \"30 seconds\""))
    })
}

/// Sends a request and reads its whole answer.
///
/// # Errors
/// External and worth another attempt: the connection failed, broke or fell silent; final: the body is too large.
pub async fn send(request: RequestBuilder) -> Result<Reply> {
    let broken = |e: reqwest::Error| {
        Error::external("the call got no whole answer")
            .because(told(&e))
            .retryable()
    };
    let mut response = request.send().await.map_err(broken)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Error::external("an answer has more than 64 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// An error with what lies under it: the client's own text stops at the first layer.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let layer = inner.to_string();
        if !text.contains(&layer) {
            text.push_str(": ");
            text.push_str(&layer);
        }
        cause = inner.source();
    }
    text
}

impl Reply {
    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// What the body says of a failure; the beginning of the body where it is none of Azure's own.
    pub fn reason(&self) -> Reason {
        match serde_json::from_slice::<Envelope>(&self.body) {
            Ok(envelope) if !envelope.error.code.is_empty() => envelope.error,
            _ => Reason {
                code: String::new(),
                message: String::from_utf8_lossy(&self.body).chars().take(300).collect(),
            },
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code.as_str(), self.message.trim()) {
            ("", "") => f.write_str("no reason given"),
            ("", message) => f.write_str(message),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

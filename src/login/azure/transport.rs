//! The HTTP calls of a login: `azure_identity` makes the requests, our one client sends them, and we say what a refusal means.

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request};
use serde::Deserialize;
use url::Url;

use super::http::{self, Reply};
use super::throttle::asked_pause;
use crate::error::Error;

/// Sends the requests of a login.
#[derive(Debug)]
pub struct LoginTransport {
    /// Our client.
    pub client: reqwest::Client,
    /// Where the tokens of managed identities are asked for, if not at the machine's own address.
    pub identity_endpoint: Option<Url>,
}

/// What Entra says of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl LoginTransport {
    async fn call(&self, request: &Request) -> Result<Reply, Error> {
        let mut url = request.url().clone();
        if let Some(endpoint) = &self.identity_endpoint
            && request.method() == Method::Get
        {
            let query = url.query().map(str::to_string);
            url = endpoint.clone();
            url.set_query(query.as_deref());
        }
        let mut call = match request.method() {
            Method::Get => self.client.get(url),
            _ => self.client.post(url),
        };
        for (name, value) in request.headers().iter() {
            call = call.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            call = call.body(bytes.clone());
        }
        let reply = http::send(call).await?;
        match reply.is_success() {
            true => Ok(reply),
            false => Err(refused(&reply)),
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for LoginTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        // `Credential` is the kind that no layer above repeats: repeating is done in one place.
        let reply = self
            .call(request)
            .await
            .map_err(|e| azure_core::Error::new(ErrorKind::Credential, e))?;
        Ok(AsyncRawResponse::from_bytes(
            reply.status.into(),
            Headers::new(),
            reply.body,
        ))
    }
}

fn refused(reply: &Reply) -> Error {
    let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    let reason = match (refusal.error_description.as_str(), refusal.error.as_str()) {
        ("", "") => format!("HTTP {}", reply.status),
        ("", error) => error.to_string(),
        // Behind the sentence come ids and a time, which only Microsoft's support can use.
        (text, _) => text.split(" Trace ID:").next().unwrap_or(text).trim().to_string(),
    };
    let error = Error::external("Azure refused the login").because(&reason);
    match asked_pause(&reply.headers) {
        Some(pause) if reply.is_passing() => error.retryable_after(pause),
        None if reply.is_passing() => error.retryable(),
        _ => error.hint(advice(&reason)),
    }
}

/// What to do about a refusal of Entra.
fn advice(reason: &str) -> &'static str {
    let code = |code: &str| reason.contains(&format!("AADSTS{code}"));
    if code("7000215") {
        "client_secret must be the secret's value, not its id; make a new one under Certificates & secrets of the app"
    } else if code("7000222") {
        "the secret has expired: make a new one under Certificates & secrets of the app"
    } else if code("700027") || code("700024") {
        "the certificate is not registered with the app, has expired, or this machine's clock is wrong"
    } else if code("700016") {
        "client_id names no app of this tenant: compare both with the app's overview page"
    } else if code("90002") || code("900023") {
        "tenant_id names no tenant: it is the directory id of the app's overview page"
    } else if code("70021") || code("700213") {
        "the app has no federated credential for this workload: its issuer and subject must be those of the token"
    } else {
        "check tenant_id, client_id and the secret or certificate of the profile"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            headers: Default::default(),
            body: body.into(),
        }
    }

    #[test]
    fn an_expired_secret_is_final_and_says_what_to_do() {
        let error = refused(&reply(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys for app 'x' are expired. Trace ID: 8b1e"}"#,
        ));
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.hint_text().unwrap().contains("has expired"));
        assert_eq!(
            error.to_string(),
            "Azure refused the login: AADSTS7000222: The provided client secret keys for app 'x' are expired."
        );
    }

    #[test]
    fn a_busy_login_server_is_asked_again() {
        assert_eq!(refused(&reply(503, "<html>")).retry(), Retry::Backoff);
        assert_eq!(refused(&reply(400, "{}")).retry(), Retry::Never);
    }
}

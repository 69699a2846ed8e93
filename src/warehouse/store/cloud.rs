//! The stores of the three clouds, from a profile or, without credentials in one, from the environment.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use crate::error::{Error, Result};

/// Who we are to a store: the values of a profile, and its name for messages.
pub(super) struct Credentials<'a> {
    pub profile: &'a str,
    pub values: &'a BTreeMap<String, String>,
}

const S3_KEYS: &str = "endpoint, allow_http, region, access_key_id, secret_access_key, session_token, role_arn, \
                       web_identity_token_file, virtual_hosted_style_request, skip_signature";
const AZURE_KEYS: &str = "account_name, account_key, sas_token, tenant_id, client_id, client_secret, \
                          federated_token_file, use_azure_cli, endpoint, allow_http, use_emulator";
const GCS_KEYS: &str = "service_account_path, service_account_key, application_credentials, endpoint, allow_http, \
                        disable_oauth";

/// The time of one whole request: a large object over a slow line needs minutes, a dead line is found by
/// [`super::fetch`] much earlier.
const REQUEST_TIMEOUT: &str = "300 seconds";

/// A bucket of S3 or of a server that speaks its protocol.
pub(super) fn s3(url: &Url, credentials: &Credentials<'_>) -> Result<Arc<dyn ObjectStore>> {
    check_endpoint(credentials)?;
    check_role(credentials)?;
    let base = if brings_credentials(credentials) {
        AmazonS3Builder::new()
    } else {
        AmazonS3Builder::from_env()
    };
    let mut builder = base.with_url(url.as_str()).with_retry(retries()).with_config(
        AmazonS3ConfigKey::Client(ClientConfigKey::Timeout),
        REQUEST_TIMEOUT,
    );
    if credentials.values.contains_key("endpoint") {
        // Servers at an address of their own rarely have a name per bucket.
        builder = builder.with_virtual_hosted_style_request(false);
    }
    for (name, value) in credentials.values {
        let key = known_key::<AmazonS3ConfigKey>(credentials, name, name, S3_KEYS)?;
        if matches!(key, AmazonS3ConfigKey::Bucket) {
            return Err(unknown_key(credentials, name, S3_KEYS));
        }
        builder = builder.with_config(key, value);
    }
    Ok(Arc::new(
        builder.build().map_err(|e| unusable(url, credentials, e))?,
    ))
}

/// A container of Azure Blob Storage.
pub(super) fn azure(url: &Url, credentials: &Credentials<'_>) -> Result<Arc<dyn ObjectStore>> {
    check_endpoint(credentials)?;
    let base = if brings_credentials(credentials) {
        MicrosoftAzureBuilder::new()
    } else {
        MicrosoftAzureBuilder::from_env()
    };
    let mut builder = base
        .with_url(url.as_str())
        .with_retry(retries())
        .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    for (name, value) in credentials.values {
        let key = known_key::<AzureConfigKey>(credentials, name, name, AZURE_KEYS)?;
        if matches!(key, AzureConfigKey::ContainerName) {
            return Err(unknown_key(credentials, name, AZURE_KEYS));
        }
        builder = builder.with_config(key, value);
    }
    Ok(Arc::new(
        builder.build().map_err(|e| unusable(url, credentials, e))?,
    ))
}

/// A bucket of Google Cloud Storage.
pub(super) fn gcs(url: &Url, credentials: &Credentials<'_>) -> Result<Arc<dyn ObjectStore>> {
    check_endpoint(credentials)?;
    let base = if brings_credentials(credentials) {
        GoogleCloudStorageBuilder::new()
    } else {
        GoogleCloudStorageBuilder::from_env()
    };
    let mut builder = base
        .with_url(url.as_str())
        .with_retry(retries())
        .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    for (name, value) in credentials.values {
        let alias = match name.as_str() {
            "endpoint" => "base_url",
            "disable_oauth" => "skip_signature",
            other => other,
        };
        let key = known_key::<GoogleConfigKey>(credentials, name, alias, GCS_KEYS)?;
        if matches!(key, GoogleConfigKey::Bucket) {
            return Err(unknown_key(credentials, name, GCS_KEYS));
        }
        builder = builder.with_config(key, value);
    }
    Ok(Arc::new(
        builder.build().map_err(|e| unusable(url, credentials, e))?,
    ))
}

/// Requests are repeated with growing pauses, but a command does not hang for minutes on a dead server.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(60),
    }
}

/// Whether the profile says who we are; if so, nothing of the environment mixes in.
fn brings_credentials(credentials: &Credentials<'_>) -> bool {
    const MARKS: [&str; 7] = [
        "key",
        "secret",
        "token",
        "client_id",
        "credentials",
        "service_account",
        "skip_signature",
    ];
    credentials
        .values
        .keys()
        .any(|name| name == "disable_oauth" || MARKS.iter().any(|mark| name.contains(mark)))
}

fn known_key<K: FromStr>(credentials: &Credentials<'_>, name: &str, alias: &str, known: &str) -> Result<K> {
    alias.parse().map_err(|_| unknown_key(credentials, name, known))
}

fn unknown_key(credentials: &Credentials<'_>, name: &str, known: &str) -> Error {
    Error::usage(format!(
        "the profile `{}` has an unknown key `{name}`",
        credentials.profile
    ))
    .hint(format!("keys for this kind of store: {known}"))
}

fn check_endpoint(credentials: &Credentials<'_>) -> Result<()> {
    let value = |name: &str| credentials.values.get(name);
    let is_plain = value("endpoint").is_some_and(|endpoint| endpoint.starts_with("http://"));
    if is_plain && value("allow_http").is_none() {
        return Err(Error::usage(format!(
            "the endpoint of the profile `{}` is not encrypted",
            credentials.profile
        ))
        .hint("use https://, or set allow_http = true in the profile for a server you trust"));
    }
    Ok(())
}

/// A role is assumed with a web identity token; a role on top of keys would silently be ignored.
fn check_role(credentials: &Credentials<'_>) -> Result<()> {
    let has = |name: &str| credentials.values.contains_key(name);
    let has_token =
        has("web_identity_token_file") || std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    if has("role_arn") && (has("access_key_id") || !has_token) {
        return Err(Error::usage(format!(
            "the profile `{}` has a role_arn that cannot be assumed",
            credentials.profile
        ))
        .hint("a role is assumed with web_identity_token_file; with keys, give those of the role itself"));
    }
    Ok(())
}

fn unusable(url: &Url, credentials: &Credentials<'_>, error: object_store::Error) -> Error {
    let profile_text = match credentials.profile {
        "" => "with the credentials of the environment".to_string(),
        name => format!("with the profile `{name}`"),
    };
    Error::usage(format!("{url} cannot be opened {profile_text}"))
        .because(error)
        .hint("give the source a `profile`, and that profile the keys of the store")
}

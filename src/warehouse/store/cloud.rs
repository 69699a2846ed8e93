//! The stores of the three clouds, from a profile or, without credentials in one, from the environment.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

#[cfg(feature = "aws-api")]
use super::assume_role::{AssumedRole, LOGIN_KEYS};
use super::shared_access;
use crate::config::hold_environment;
use crate::error::{Error, Result};
#[cfg(feature = "aws-api")]
use crate::login::aws::Login;

/// Keys that tell a login which this build cannot make.
#[cfg(not(feature = "aws-api"))]
const LOGIN_KEYS: [&str; 0] = [];

/// Who we are to a store: the values of a profile, and its name for messages.
pub(super) struct Credentials<'a> {
    pub profile: &'a str,
    pub values: &'a BTreeMap<String, String>,
}

const S3_KEYS: &str = "endpoint, allow_http, region, access_key_id, secret_access_key, session_token, role_arn, \
                       external_id, role_session_name, endpoint_url_sts, web_identity_token_file, request_payer, \
                       virtual_hosted_style_request, skip_signature";
const AZURE_KEYS: &str = "account_name, account_key, sas_token, tenant_id, client_id, client_secret, \
                          federated_token_file, use_azure_cli, endpoint, allow_http, use_emulator";
const GCS_KEYS: &str = "service_account_path, service_account_key, application_credentials, endpoint, allow_http, \
                        disable_oauth";

/// What the login of a machine of Azure reads beside `AZURE_…`.
const OF_AZURE_MACHINES: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];
/// What the login of a machine of Google reads beside `GOOGLE_…`.
const OF_GOOGLE_MACHINES: [&str; 4] = [
    "SERVICE_ACCOUNT",
    "GCE_METADATA_HOST",
    "GCE_METADATA_ROOT",
    "GCE_METADATA_IP",
];

/// The time of one whole request: a large object over a slow line needs minutes, a dead line is found by
/// [`super::fetch`] much earlier.
const REQUEST_TIMEOUT: &str = "300 seconds";

/// A bucket of S3 or of a server that speaks its protocol.
pub(super) fn s3(url: &Url, credentials: &Credentials<'_>) -> Result<Arc<dyn ObjectStore>> {
    check_endpoint(credentials)?;
    let role = role(credentials)?;
    let base = if brings_credentials(credentials) || role.is_some() {
        AmazonS3Builder::new()
    } else {
        hold_environment(|name| is_of_store::<AmazonS3ConfigKey>("AWS_", name))?;
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
    let assumes = role.is_some();
    if let Some(role) = role {
        builder = builder.with_credentials(role);
    }
    for (name, value) in credentials.values {
        if assumes && LOGIN_KEYS.contains(&name.as_str()) {
            continue;
        }
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
        hold_environment(|name| {
            is_of_store::<AzureConfigKey>("AZURE_", name) || OF_AZURE_MACHINES.contains(&name)
        })?;
        MicrosoftAzureBuilder::from_env()
    };
    let mut builder = base
        .with_url(url.as_str())
        .with_retry(retries())
        .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    for (name, value) in credentials.values {
        if matches!(name.as_str(), "sas_token" | "sas_key") {
            shared_access::check(credentials.profile, value, chrono::Utc::now())?;
        }
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
        hold_environment(|name| {
            is_of_store::<GoogleConfigKey>("GOOGLE_", name) || OF_GOOGLE_MACHINES.contains(&name)
        })?;
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

/// Whether a builder takes a key from the variable of this name.
fn is_of_store<K: FromStr>(prefix: &str, name: &str) -> bool {
    name.starts_with(prefix) && name.to_ascii_lowercase().parse::<K>().is_ok()
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
    let is_plain = |name: &str| value(name).is_some_and(|endpoint| endpoint.starts_with("http://"));
    if ["endpoint", "endpoint_url_sts"].into_iter().any(is_plain) && value("allow_http").is_none() {
        return Err(Error::usage(format!(
            "the endpoint of the profile `{}` is not encrypted",
            credentials.profile
        ))
        .hint("use https://, or set allow_http = true in the profile for a server you trust"));
    }
    Ok(())
}

/// The roles that the profile is to assume before it may read; none when it names none.
#[cfg(feature = "aws-api")]
fn role(credentials: &Credentials<'_>) -> Result<Option<AwsCredentialProvider>> {
    if !credentials.values.contains_key("role_arn") {
        return Ok(None);
    }
    let login = Login::new(credentials.profile, credentials.values)?;
    Ok(Some(AssumedRole::new(login)))
}

/// Without the part that assumes roles, the object store itself can exchange a web identity token for one; a role on
/// top of keys would silently be ignored.
#[cfg(not(feature = "aws-api"))]
fn role(credentials: &Credentials<'_>) -> Result<Option<AwsCredentialProvider>> {
    let value = |name: &str| credentials.values.get(name);
    let has_token = value("web_identity_token_file").is_some()
        || std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    let Some(role) = value("role_arn") else {
        return Ok(None);
    };
    if value("access_key_id").is_none() && has_token && !role.contains(",arn:") {
        return Ok(None);
    }
    Err(Error::usage(format!(
        "this build cannot assume the role of the profile `{}`",
        credentials.profile
    ))
    .hint("build it with `cargo build --release --features aws-api`, released binaries hold it; or give the keys of the role itself"))
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

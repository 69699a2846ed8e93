//! Logins to Google: a service account's key, the machine's own identity, or none for an emulator.

use std::collections::BTreeMap;

use gcp_bigquery_client::yup_oauth2;
use yup_oauth2::authenticator::DefaultAuthenticator;
use yup_oauth2::error::AuthErrorCode;
use yup_oauth2::{ServiceAccountAuthenticator, ServiceAccountKey};

use super::metadata::Metadata;
use crate::error::{Error, Result};

/// Reading is all that is asked for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/bigquery.readonly";

/// Who we are.
pub enum Login {
    /// Nobody: an emulator does not ask.
    None,
    /// A service account, by its key.
    Key {
        /// The account's address.
        email: String,
        /// Keeps a token until a minute before it ends.
        authenticator: Box<DefaultAuthenticator>,
    },
    /// What the machine or pod runs as.
    Machine(Metadata),
}

impl Login {
    /// The login that a profile names; the machine's own when it names none.
    ///
    /// # Errors
    /// Usage: the key cannot be read or is none.
    pub async fn of(profile: &BTreeMap<String, String>) -> Result<Login> {
        if profile.get("disable_oauth").is_some_and(|value| value == "true") {
            return Ok(Login::None);
        }
        let path = profile
            .get("service_account_path")
            .or_else(|| profile.get("application_credentials"));
        let text = match (profile.get("service_account_key"), path) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| {
                Error::usage("the service account's key file cannot be read")
                    .at(path.clone())
                    .because(e)
                    .hint("check service_account_path and the file's permissions")
            })?,
            (None, None) => return Ok(Login::Machine(Metadata::from_environment()?)),
        };
        let no_key = || {
            Error::usage("the profile's service account key is none")
                .hint("make a key of type JSON for the service account, or run with workload identity")
        };
        // What the parser says would repeat parts of the key.
        let key: ServiceAccountKey = serde_json::from_str(&text).map_err(|_| no_key())?;
        let email = key.client_email.clone();
        let authenticator = ServiceAccountAuthenticator::builder(key)
            .build()
            .await
            .map_err(|_| no_key().because("its private key cannot be used"))?;
        Ok(Login::Key {
            email,
            authenticator: Box::new(authenticator),
        })
    }

    /// A token for the next call; `renewed` when the last one was refused.
    ///
    /// # Errors
    /// External: Google does not give one.
    pub async fn token(&self, renewed: bool) -> Result<Option<String>> {
        match self {
            Login::None => Ok(None),
            Login::Machine(metadata) => metadata.token(renewed).await.map(Some),
            Login::Key { email, authenticator } => {
                let scopes = [SCOPE];
                let token = match renewed {
                    true => authenticator.force_refreshed_token(&scopes).await,
                    false => authenticator.token(&scopes).await,
                };
                let token = token.map_err(|e| refused(email, e))?;
                match token.token() {
                    Some(text) => Ok(Some(text.to_string())),
                    None => {
                        Err(Error::external("Google's answer to a login holds no token").at(email.clone()))
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Login::None => "Login::None",
            Login::Key { email, .. } => return write!(f, "Login::Key({email})"),
            Login::Machine(_) => "Login::Machine",
        })
    }
}

fn refused(email: &str, error: yup_oauth2::Error) -> Error {
    let base = Error::external("Google does not log the service account in").at(email.to_string());
    match error {
        yup_oauth2::Error::AuthError(refusal) => {
            let is_final = !matches!(refusal.error, AuthErrorCode::Other(_));
            let base = base.because(&refusal);
            match is_final {
                true => base.hint(
                    "check that the account and its key exist and are enabled, and that this machine's clock is right",
                ),
                false => base.retryable(),
            }
        }
        other => base.because(other).retryable(),
    }
}

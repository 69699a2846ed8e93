//! The login of a profile: keys, a web identity or the environment's own, then each role assumed from the one before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Config, Credentials, IdentityCache, ProvideCredentials, Region};
use aws_sdk_sts::types::Credentials as Assumed;
use tokio::sync::{Mutex, OnceCell};

use super::failure::explain;
use crate::config::hold_environment;
use crate::error::{Error, Result, causes};

/// What is held is renewed when it ends sooner than this: a page of a slow listing must not outlive it.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// Attempts of a call to the token service.
const STS_ATTEMPTS: u32 = 4;
const STS_TIMEOUT: Duration = Duration::from_secs(20);
/// Variables that AWS's own library looks for credentials in.
const READ_BY_AWS: [&str; 13] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];
const SESSION_NAME: &str = "offgridflow";

/// Credentials of a profile, renewed before they expire.
pub struct Login {
    profile: String,
    base: Base,
    roles: Vec<String>,
    external_id: Option<String>,
    session_name: String,
    sts: Client,
    held: Mutex<Option<Credentials>>,
    account: OnceCell<String>,
}

/// What the first role is assumed with, or what is used as it is.
enum Base {
    /// Keys of the profile.
    Keys(Credentials),
    /// The token that a platform such as Kubernetes writes for this process; it is exchanged for the first role.
    WebIdentity(PathBuf),
    /// What the environment, the shared files, or the machine's own role give.
    Environment,
}

impl Login {
    /// The login of a profile's values; nothing is asked yet.
    ///
    /// # Errors
    /// Usage: half a key, a token without a role, something that is no role, or a variable that holds no credential.
    pub fn new(profile: &str, values: &BTreeMap<String, String>) -> Result<Login> {
        let value = |name: &str| values.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let wrong = |what: &str, hint: &str| {
            Error::usage(what)
                .at(format!("profile `{profile}`"))
                .hint(hint.to_string())
        };
        let base = match (
            value("access_key_id"),
            value("secret_access_key"),
            value("web_identity_token_file"),
        ) {
            (Some(id), Some(secret), _) => {
                let token = value("session_token").map(String::from);
                Base::Keys(Credentials::new(id, secret, token, None, "profile"))
            }
            (Some(_), None, _) => {
                return Err(wrong(
                    "an access_key_id has no secret_access_key",
                    "write secret_access_key = \"env:NAME\" or \"file:PATH\"",
                ));
            }
            (None, Some(_), _) => {
                return Err(wrong(
                    "a secret_access_key has no access_key_id",
                    "write access_key_id = \"AKIA…\"",
                ));
            }
            (None, None, Some(file)) => Base::WebIdentity(file.into()),
            (None, None, None) => {
                hold_environment(|name| READ_BY_AWS.contains(&name))?;
                Base::Environment
            }
        };
        let roles = value("role_arn").map(roles).unwrap_or_default();
        if let Some(role) = roles.iter().find(|role| !role.contains(":role/")) {
            return Err(wrong(
                &format!("`{role}` is no role"),
                "write role_arn = \"arn:aws:iam::123456789012:role/NAME\"; several in a row are parted by commas",
            ));
        }
        if matches!(base, Base::WebIdentity(_)) && roles.is_empty() {
            return Err(wrong(
                "a web_identity_token_file has no role to be exchanged for",
                "write role_arn = \"arn:aws:iam::123456789012:role/NAME\"",
            ));
        }
        let mut sts = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(
                value("region")
                    .filter(|r| *r != "auto")
                    .unwrap_or("us-east-1")
                    .to_string(),
            ))
            .retry_config(RetryConfig::standard().with_max_attempts(STS_ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(STS_TIMEOUT)
                    .build(),
            )
            .identity_cache(IdentityCache::no_cache());
        if let Some(endpoint) = value("endpoint_url_sts") {
            sts = sts.endpoint_url(endpoint);
        }
        Ok(Login {
            profile: profile.to_string(),
            base,
            roles,
            external_id: value("external_id").map(String::from),
            session_name: value("role_session_name").unwrap_or(SESSION_NAME).to_string(),
            sts: Client::from_conf(sts.build()),
            held: Mutex::default(),
            account: OnceCell::new(),
        })
    }

    /// Credentials that are good for some minutes at least.
    ///
    /// # Errors
    /// External: a role may not be assumed, or there are no credentials at all.
    pub async fn credentials(&self) -> Result<Credentials> {
        let mut held = self.held.lock().await;
        let good_for = |credentials: &Credentials, time: Duration| {
            credentials
                .expiry()
                .is_none_or(|expiry| expiry > SystemTime::now() + time)
        };
        if let Some(credentials) = held.as_ref().filter(|c| good_for(c, RENEW_BEFORE)) {
            return Ok(credentials.clone());
        }
        match self.fresh().await {
            Ok(credentials) => {
                *held = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => match held.as_ref().filter(|c| good_for(c, Duration::ZERO)) {
                Some(credentials) => {
                    tracing::warn!(%error, profile = self.profile, "credentials cannot be renewed yet");
                    Ok(credentials.clone())
                }
                None => Err(error),
            },
        }
    }

    /// Whether new credentials can be had when a service calls the held ones expired.
    pub fn renews(&self) -> bool {
        !self.roles.is_empty() || matches!(self.base, Base::Environment)
    }

    /// Drops what is held, so that the next call asks anew.
    pub async fn forget(&self) {
        *self.held.lock().await = None;
    }

    /// The account that the credentials belong to.
    ///
    /// # Errors
    /// External: the credentials are refused, or there are none.
    pub async fn account(&self) -> Result<String> {
        let ask = || async {
            let credentials = self.credentials().await?;
            let call = self.sts.get_caller_identity().customize();
            let answer = call
                .config_override(Config::builder().credentials_provider(credentials))
                .send()
                .await
                .map_err(|e| explain("sts:GetCallerIdentity", &e).error.at(self.place()))?;
            answer
                .account()
                .map(String::from)
                .ok_or_else(|| Error::external("AWS names no account of these credentials").at(self.place()))
        };
        self.account.get_or_try_init(ask).await.cloned()
    }

    fn place(&self) -> String {
        match self.profile.as_str() {
            "" => "the credentials of the environment".to_string(),
            name => format!("profile `{name}`"),
        }
    }

    async fn fresh(&self) -> Result<Credentials> {
        let mut roles = self.roles.iter();
        let mut credentials = match (&self.base, self.roles.first()) {
            (Base::Keys(keys), _) => keys.clone(),
            (Base::WebIdentity(file), Some(role)) => {
                roles.next();
                self.exchange(file, role).await?
            }
            _ => self.environment().await?,
        };
        for role in roles {
            credentials = self.assume(credentials, role).await?;
        }
        Ok(credentials)
    }

    async fn environment(&self) -> Result<Credentials> {
        let provider = aws_config::default_provider::credentials::default_provider().await;
        provider.provide_credentials().await.map_err(|error| {
            Error::external("no AWS credentials are to be found")
                .at(self.place())
                .because(causes(&error))
                .hint("give the profile access_key_id and secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        })
    }

    async fn exchange(&self, file: &std::path::Path, role: &str) -> Result<Credentials> {
        let token = tokio::fs::read_to_string(file).await.map_err(|error| {
            Error::external("the web identity token cannot be read")
                .at(self.place())
                .at(file.display().to_string())
                .because(error)
                .hint("the platform writes this file: check web_identity_token_file and the service account")
        })?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(role)
            .role_session_name(&self.session_name)
            .web_identity_token(token.trim())
            .send()
            .await
            .map_err(|e| {
                self.refused(
                    "sts:AssumeRoleWithWebIdentity",
                    role,
                    explain("sts:AssumeRoleWithWebIdentity", &e).error,
                )
            })?;
        self.taken(role, answer.credentials())
    }

    async fn assume(&self, credentials: Credentials, role: &str) -> Result<Credentials> {
        let call = self
            .sts
            .assume_role()
            .role_arn(role)
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.clone())
            .customize()
            .config_override(Config::builder().credentials_provider(credentials));
        let answer = call
            .send()
            .await
            .map_err(|e| self.refused("sts:AssumeRole", role, explain("sts:AssumeRole", &e).error))?;
        self.taken(role, answer.credentials())
    }

    fn refused(&self, action: &str, role: &str, error: Error) -> Error {
        // A refusal without a code is one too: not every server of the protocol gives it where it is looked for.
        let text = error.to_string();
        let denied = text.contains("AccessDenied") || text.contains("no code: no message (HTTP 403)");
        let error = error.at(format!("role {role}")).at(self.place());
        if !denied {
            return error;
        }
        error.hint(format!(
            "allow {action} on this role to who assumes it, name that one in the role's trust policy, and check external_id"
        ))
    }

    fn taken(&self, role: &str, assumed: Option<&Assumed>) -> Result<Credentials> {
        let assumed = assumed.ok_or_else(|| {
            Error::external("AWS gave no credentials for a role")
                .at(format!("role {role}"))
                .at(self.place())
        })?;
        Ok(Credentials::new(
            assumed.access_key_id(),
            assumed.secret_access_key(),
            Some(assumed.session_token().to_string()),
            SystemTime::try_from(*assumed.expiration()).ok(),
            "assumed role",
        ))
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("profile", &self.profile)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// The roles of a chain: parted by commas, which a role's own name may hold too.
fn roles(text: &str) -> Vec<String> {
    let mut roles: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim) {
        match roles.last_mut() {
            Some(last) if !part.starts_with("arn:") => {
                last.push(',');
                last.push_str(part);
            }
            _ => roles.push(part.to_string()),
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(values: &[(&str, &str)]) -> Result<Login> {
        let values = values
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Login::new("acme", &values)
    }

    #[test]
    fn a_chain_is_parted_at_its_roles() {
        assert_eq!(
            roles("arn:aws:iam::1:role/a, arn:aws:iam::2:role/b,c"),
            ["arn:aws:iam::1:role/a", "arn:aws:iam::2:role/b,c"]
        );
    }

    #[test]
    fn half_a_login_is_refused() {
        for (values, phrase) in [
            (vec![("access_key_id", "AKIA")], "no secret_access_key"),
            (vec![("secret_access_key", "s")], "no access_key_id"),
            (vec![("web_identity_token_file", "t")], "no role"),
            (vec![("role_arn", "arn:aws:iam::1:user/x")], "is no role"),
        ] {
            let error = login(&values).unwrap_err();
            assert!(error.to_string().contains(phrase), "{error}");
            assert!(error.hint_text().is_some());
        }
    }

    #[tokio::test]
    async fn keys_are_used_as_they_are_and_never_shown() {
        let login = login(&[("access_key_id", "AKIA"), ("secret_access_key", "hunter2")]).unwrap();
        assert_eq!(login.credentials().await.unwrap().secret_access_key(), "hunter2");
        assert!(!login.renews());
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}

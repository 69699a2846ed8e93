//! Who we are for Azure: one of its ways to log in, and the token that it gives until shortly before it expires.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;
use url::Url;

use super::certificate::Certificate;
use super::http;
use super::transport::LoginTransport;
use crate::config::hold_environment;
use crate::error::{Error, Result};

const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";
const AUTHORITY_VARIABLE: &str = "AZURE_AUTHORITY_HOST";
/// Variables that Azure's own library reads for workload and managed identities.
const OF_IDENTITIES: [&str; 8] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];
/// A token is renewed this long before it expires.
const EARLY_SECONDS: i64 = 300;

/// How to log in, as the profile says.
enum LoginMethod {
    Token(String),
    Secret {
        tenant_id: String,
        client_id: String,
        secret: String,
    },
    Certificate {
        tenant_id: String,
        client_id: String,
        path: PathBuf,
    },
    Federated {
        tenant_id: Option<String>,
        client_id: Option<String>,
        token_file: Option<PathBuf>,
    },
    Cli {
        tenant_id: Option<String>,
    },
    ManagedIdentity(Option<UserAssignedId>),
}

/// A login and its current token.
pub struct Login {
    method: LoginMethod,
    scope: String,
    authority: String,
    client: reqwest::Client,
    identity_endpoint: Option<Url>,
    current: Mutex<Option<Token>>,
}

struct Token {
    text: Arc<str>,
    /// Seconds since 1970.
    expires: i64,
}

impl Login {
    /// The login that the keys of a profile describe; nothing is asked yet. `scope` names the API that tokens are for.
    ///
    /// # Errors
    /// Usage: a key is missing or cannot be read, or a variable holds what is none.
    pub fn open(keys: &BTreeMap<String, String>, client: reqwest::Client, scope: String) -> Result<Login> {
        let method = method(keys)?;
        let authority = keys.get("authority_host").cloned();
        let is_of_identity = matches!(
            method,
            LoginMethod::Federated { .. } | LoginMethod::ManagedIdentity(_)
        );
        hold_environment(|name| {
            authority.is_none() && name == AUTHORITY_VARIABLE
                || is_of_identity && OF_IDENTITIES.contains(&name)
        })?;
        let authority = authority
            .or_else(|| std::env::var(AUTHORITY_VARIABLE).ok())
            .unwrap_or_else(|| PUBLIC_AUTHORITY.to_string());
        let identity_endpoint = keys
            .get("msi_endpoint")
            .map(|text| Url::parse(text))
            .transpose()
            .map_err(|_| Error::usage("the profile's msi_endpoint is no URL"))?;
        Ok(Login {
            method,
            scope,
            authority: authority.trim_end_matches('/').to_string(),
            client,
            identity_endpoint,
            current: Mutex::default(),
        })
    }

    /// Which method it is, for `doctor`.
    pub fn name(&self) -> &'static str {
        match self.method {
            LoginMethod::Token(_) => "a given token",
            LoginMethod::Secret { .. } => "client secret",
            LoginMethod::Certificate { .. } => "client certificate",
            LoginMethod::Federated { .. } => "workload identity",
            LoginMethod::Cli { .. } => "Azure CLI",
            LoginMethod::ManagedIdentity(_) => "managed identity",
        }
    }

    /// A token that is good for some minutes at least.
    ///
    /// # Errors
    /// External: the login is refused or cannot be reached. Usage: its certificate or token file cannot be read.
    pub async fn token(&self) -> Result<Arc<str>> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(token) if token.expires - EARLY_SECONDS > chrono::Utc::now().timestamp() => {
                Ok(token.text.clone())
            }
            _ => self.ask(&mut current).await,
        }
    }

    /// A new token in place of one that was refused; of many callers with the same one only the first asks.
    ///
    /// # Errors
    /// As [`Login::token`].
    pub async fn renewed(&self, refused: &str) -> Result<Arc<str>> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(token) if *token.text != *refused => Ok(token.text.clone()),
            _ => self.ask(&mut current).await,
        }
    }

    async fn ask(&self, current: &mut Option<Token>) -> Result<Arc<str>> {
        if let LoginMethod::Token(token) = &self.method {
            return Ok(token.as_str().into());
        }
        let found = self
            .credential()?
            .get_token(&[&self.scope], None)
            .await
            .map_err(|e| self.explained(&e))?;
        let text: Arc<str> = found.token.secret().into();
        *current = Some(Token {
            text: text.clone(),
            expires: found.expires_on.unix_timestamp(),
        });
        Ok(text)
    }

    /// A credential made anew for every token: those of the library keep a token even when it was refused.
    fn credential(&self) -> Result<Arc<dyn TokenCredential>> {
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match &self.method {
            LoginMethod::Token(_) => return Err(Error::internal("a given token was asked for")),
            LoginMethod::Secret {
                tenant_id,
                client_id,
                secret,
            } => {
                let options = ClientSecretCredentialOptions {
                    client_options: self.options(),
                };
                ClientSecretCredential::new(
                    tenant_id,
                    client_id.clone(),
                    Secret::new(secret.clone()),
                    Some(options),
                )
                .map(|made| made as Arc<dyn TokenCredential>)
            }
            LoginMethod::Certificate {
                tenant_id,
                client_id,
                path,
            } => {
                let audience = format!("{}/{tenant_id}/oauth2/v2.0/token", self.authority);
                let certificate = Certificate::read(path, client_id, audience)?;
                let options = ClientAssertionCredentialOptions {
                    client_options: self.options(),
                };
                ClientAssertionCredential::new(
                    tenant_id.clone(),
                    client_id.clone(),
                    certificate,
                    Some(options),
                )
                .map(|made| made as Arc<dyn TokenCredential>)
            }
            LoginMethod::Federated {
                tenant_id,
                client_id,
                token_file,
            } => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions {
                        client_options: self.options(),
                    },
                    client_id: client_id.clone(),
                    tenant_id: tenant_id.clone(),
                    token_file_path: token_file.clone(),
                };
                WorkloadIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            LoginMethod::Cli { tenant_id } => {
                let options = AzureCliCredentialOptions {
                    tenant_id: tenant_id.clone(),
                    ..Default::default()
                };
                AzureCliCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            LoginMethod::ManagedIdentity(identity) => {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: identity.clone(),
                    client_options: self.options(),
                };
                ManagedIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
        };
        made.map_err(|e| {
            Error::usage("the login of the profile is incomplete")
                .because(e)
                .hint("check tenant_id, client_id, federated_token_file and authority_host (https) of the profile")
        })
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&self.authority);
        let transport = LoginTransport {
            client: self.client.clone(),
            identity_endpoint: self.identity_endpoint.clone(),
        };
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(transport))),
            cloud: Some(Arc::new(cloud.into())),
            ..ClientOptions::default()
        }
    }

    /// Our own error from below the library's, else the library's as it is.
    fn explained(&self, error: &azure_core::Error) -> Error {
        let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(found) = layer {
            if let Some(own) = found.downcast_ref::<Error>() {
                return self.with_advice(own.clone());
            }
            layer = found.source();
        }
        let first_line = error.to_string().lines().next().unwrap_or_default().to_string();
        self.with_advice(Error::external("the login failed").because(first_line))
    }

    fn with_advice(&self, error: Error) -> Error {
        let error = error.at(format!("login by {}", self.name()));
        match (&self.method, error.hint_text()) {
            (LoginMethod::ManagedIdentity(_), _) => error.hint(
                "outside Azure there is no managed identity: give the profile tenant_id, client_id and client_secret",
            ),
            (LoginMethod::Cli { .. }, None) => error.hint("log in with `az login`"),
            _ => error,
        }
    }
}

fn method(keys: &BTreeMap<String, String>) -> Result<LoginMethod> {
    let key = |name: &str| keys.get(name).cloned();
    let required = |name: &str, because: &str| {
        key(name).ok_or_else(|| {
            Error::usage(format!("the profile has {because} but no {name}"))
                .hint(format!("add {name} from the app's overview page in Entra"))
        })
    };
    if let Some(token) = key("bearer_token") {
        return Ok(LoginMethod::Token(token));
    }
    if let Some(path) = key("client_certificate_path") {
        return Ok(LoginMethod::Certificate {
            tenant_id: required("tenant_id", "a client_certificate_path")?,
            client_id: required("client_id", "a client_certificate_path")?,
            path: path.into(),
        });
    }
    if let Some(secret) = key("client_secret") {
        return Ok(LoginMethod::Secret {
            tenant_id: required("tenant_id", "a client_secret")?,
            client_id: required("client_id", "a client_secret")?,
            secret,
        });
    }
    if http::is_true(keys, "use_azure_cli") {
        return Ok(LoginMethod::Cli {
            tenant_id: key("tenant_id"),
        });
    }
    // On Kubernetes the webhook of workload identity sets the variables, and no profile is needed.
    if keys.contains_key("federated_token_file") || std::env::var_os("AZURE_FEDERATED_TOKEN_FILE").is_some() {
        return Ok(LoginMethod::Federated {
            tenant_id: key("tenant_id"),
            client_id: key("client_id"),
            token_file: key("federated_token_file").map(PathBuf::from),
        });
    }
    Ok(LoginMethod::ManagedIdentity(match key("msi_resource_id") {
        Some(id) => Some(UserAssignedId::ResourceId(id)),
        None => key("client_id").map(UserAssignedId::ClientId),
    }))
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({} at {})", self.name(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    }

    fn named(pairs: &[(&str, &str)]) -> &'static str {
        let login = Login {
            method: method(&keys(pairs)).unwrap(),
            scope: String::new(),
            authority: PUBLIC_AUTHORITY.into(),
            client: reqwest::Client::new(),
            identity_endpoint: None,
            current: Mutex::default(),
        };
        assert!(!format!("{login:?}").contains("hunter2"));
        login.name()
    }

    #[test]
    fn the_keys_of_a_profile_choose_the_way() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let app = [("tenant_id", "t"), ("client_id", "c")];
        let with = |key, value| [app[0], app[1], (key, value)];
        assert_eq!(named(&with("client_secret", "hunter2")), "client secret");
        assert_eq!(
            named(&with("client_certificate_path", "/a.pem")),
            "client certificate"
        );
        assert_eq!(
            named(&with("federated_token_file", "/token")),
            "workload identity"
        );
        assert_eq!(named(&[("use_azure_cli", "true")]), "Azure CLI");
        assert_eq!(named(&[]), "managed identity");
        assert_eq!(named(&[("bearer_token", "hunter2")]), "a given token");
    }

    #[test]
    fn a_secret_without_its_app_is_refused() {
        let Err(error) = method(&keys(&[("client_secret", "hunter2"), ("tenant_id", "t")])) else {
            panic!("an incomplete login was taken");
        };
        assert_eq!(
            error.to_string(),
            "the profile has a client_secret but no client_id"
        );
    }
}

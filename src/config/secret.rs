//! Credentials: named in the configuration, read when first used, never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::redaction::{UrlSecret, remember, secret_in_url};
use crate::error::{Error, Result};

/// `[profile.<name>]`: credentials and endpoints of one account.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The name that sources and the warehouse give.
    pub name: String,
    /// Its keys, each a [`Secret`].
    pub values: BTreeMap<String, Secret>,
}

/// Whether the value of a key, or of a variable of that name, may be JSON.
pub(super) fn may_have_lines(key: &str) -> bool {
    ["service_account_key", "application_credentials"]
        .iter()
        .any(|json| key.ends_with(json))
}

/// Whether a value has a character that no header and no URL has.
pub(super) fn stands_in_no_header(value: &str) -> bool {
    value.chars().any(char::is_control)
}

impl Profile {
    /// Every value, read now.
    ///
    /// # Errors
    /// Usage when one is missing or holds a character that no such value has.
    pub fn expose(&self) -> Result<BTreeMap<String, String>> {
        self.values
            .iter()
            .map(|(key, secret)| {
                let value = secret.expose()?;
                // A key's id is no secret, but what was referred to is not printed either.
                if looks_secret(key) || key == "access_key_id" {
                    remember(&value);
                }
                if key.contains("endpoint") && secret_in_url(&value) == Some(UrlSecret::Login) {
                    return Err(Error::usage(format!("the value of `{key}` holds a login"))
                        .at(secret.place.clone())
                        .hint("keep the address alone there, and its login in keys of their own"));
                }
                // It becomes a header or part of a URL, where a line break is none of its characters.
                if stands_in_no_header(&value) && !may_have_lines(key) {
                    return Err(Error::usage(format!(
                        "the value of `{key}` holds a line break or another control character"
                    ))
                    .at(secret.place.clone())
                    .hint("keep the value alone in its file or variable, in one line"));
                }
                Ok((key.clone(), value))
            })
            .collect()
    }
}

/// One value of a profile and where the configuration names it.
#[derive(Clone)]
pub struct Secret {
    reference: Reference,
    place: String,
}

#[derive(Clone)]
enum Reference {
    Environment(String),
    File(PathBuf),
    Plain(String),
}

impl Secret {
    /// Reads `env:NAME`, `file:PATH` or a plain value; a relative path starts at `base`.
    pub(super) fn new(text: &str, base: &std::path::Path, place: String) -> Self {
        let reference = if let Some(name) = text.strip_prefix("env:") {
            Reference::Environment(name.to_string())
        } else if let Some(path) = text.strip_prefix("file:") {
            Reference::File(base.join(path))
        } else {
            Reference::Plain(text.to_string())
        };
        Secret { reference, place }
    }

    /// The value itself; a file's without the line end after it.
    ///
    /// # Errors
    /// Usage when the variable is not set or the file cannot be read.
    pub fn expose(&self) -> Result<String> {
        self.read()
            .map_err(|(what, hint)| Error::usage(what).at(self.place.clone()).hint(hint))
    }

    /// Whether the value is there: what is wrong, and what to do.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        self.read().map(|_| ())
    }

    fn read(&self) -> Result<String, (String, String)> {
        match &self.reference {
            Reference::Plain(value) => Ok(value.clone()),
            Reference::Environment(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(value),
                Ok(_) => Err((
                    format!("the environment variable {name} is empty"),
                    format!("export {name}=…"),
                )),
                Err(_) => Err((
                    format!("the environment variable {name} is not set"),
                    format!("export {name}=…"),
                )),
            },
            Reference::File(path) => match std::fs::read_to_string(path) {
                Ok(value) => Ok(value.trim_end_matches(['\r', '\n']).to_string()),
                Err(error) => Err((
                    format!("the secret's file {} cannot be read ({error})", path.display()),
                    "check the path and its permissions".to_string(),
                )),
            },
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reference {
            Reference::Environment(name) => write!(f, "Secret(env:{name})"),
            Reference::File(path) => write!(f, "Secret(file:{})", path.display()),
            Reference::Plain(_) => f.write_str("Secret(…)"),
        }
    }
}

/// Whether a key of a profile names something that must not stand in a file.
///
/// Identifiers, paths and switches whose names contain such a word are none (`access_key_id`,
/// `federated_token_file`, `sse_bucket_key_enabled`).
pub fn looks_secret(key: &str) -> bool {
    let named = ["key", "secret", "token", "password", "credential"]
        .iter()
        .any(|word| key.contains(word));
    let harmless = ["_id", "_file", "_path", "_uri", "_url", "_enabled"]
        .iter()
        .any(|ending| key.ends_with(ending));
    named && !harmless && key != "application_credentials"
}

#[cfg(test)]
mod tests {
    use super::super::redaction::redact;
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let base = std::path::Path::new("/project");
        let plain = Secret::new("hunter2", base, String::new());
        assert_eq!(format!("{plain:?}"), "Secret(…)");
        assert_eq!(plain.expose().unwrap(), "hunter2");
    }

    #[test]
    fn a_value_of_two_lines_is_refused_by_its_key_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let profile = |key: &str, text: &str| {
            std::fs::write(folder.path().join("value"), text).unwrap();
            let secret = Secret::new("file:value", folder.path(), "offgridflow.toml line 3".into());
            Profile {
                name: "aws".into(),
                values: BTreeMap::from([(key.to_string(), secret)]),
            }
        };
        for key in ["access_key_id", "session_token"] {
            let error = profile(key, "AKIA1234\r\nX").expose().unwrap_err().to_string();
            assert!(
                error.contains(key) && error.contains("line 3") && !error.contains("AKIA"),
                "{error}"
            );
        }
        assert!(profile("access_key_id", "AKIA1234\n").expose().is_ok());
        let repeated = "the store does not know the key AKIA1234";
        assert_eq!(redact(repeated), "the store does not know the key ***");
        let login = profile("endpoint", "http://me:hunter2@127.0.0.1:9000")
            .expose()
            .unwrap_err();
        assert!(
            login.to_string().contains("holds a login") && !login.to_string().contains("hunter2"),
            "{login}"
        );
        assert!(profile("endpoint", "http://127.0.0.1:9000").expose().is_ok());
        assert!(profile("service_account_key", "{\n}").expose().is_ok());
    }

    #[test]
    fn a_missing_secret_names_its_place() {
        let base = std::path::Path::new("/project");
        let error = Secret::new(
            "env:OFFGRIDFLOW_NOT_SET_ANYWHERE",
            base,
            "offgridflow.toml line 3".into(),
        )
        .expose()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable OFFGRIDFLOW_NOT_SET_ANYWHERE is not set, offgridflow.toml line 3"
        );
        assert_eq!(error.hint_text(), Some("export OFFGRIDFLOW_NOT_SET_ANYWHERE=…"));
    }

    #[test]
    fn identifiers_and_paths_are_not_secrets() {
        for key in [
            "secret_access_key",
            "account_key",
            "sas_token",
            "password",
            "service_account_key",
            "session_token",
        ] {
            assert!(looks_secret(key), "{key}");
        }
        for key in [
            "access_key_id",
            "region",
            "endpoint",
            "web_identity_token_file",
            "service_account_path",
            "client_id",
        ] {
            assert!(!looks_secret(key), "{key}");
        }
    }
}

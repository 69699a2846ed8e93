//! Login with a certificate: a short-lived statement signed with its key, instead of a secret.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::error::{Error, Result};

/// How long a statement is good; Entra takes at most ten minutes.
const GOOD_SECONDS: i64 = 600;
/// Our clock may be ahead of Entra's by this.
const SKEW_SECONDS: i64 = 60;

/// A certificate with its key, and who it stands for.
pub struct Certificate {
    path: PathBuf,
    /// SHA-256 of the certificate: Entra finds the registered one by it.
    thumbprint: String,
    key: RsaKeyPair,
    client_id: String,
    /// The token endpoint that the statement is made for.
    audience: String,
}

impl Certificate {
    /// Reads a PEM file with the certificate and its RSA key.
    ///
    /// # Errors
    /// Usage: the file cannot be read, or one of both is not in it.
    pub fn read(path: &Path, client_id: &str, audience: String) -> Result<Certificate> {
        let refused = |what: &str| {
            Error::usage(what).at(path.display().to_string()).hint(
                "client_certificate_path names a PEM file with the certificate and its RSA key, not encrypted",
            )
        };
        let pem =
            std::fs::read(path).map_err(|e| refused("the client certificate cannot be read").because(e))?;
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|_| refused("the file holds no certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| refused("the file holds no private key that can be read"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(refused("the private key is no RSA key")),
        };
        Ok(Certificate {
            path: path.to_path_buf(),
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
            key: key.map_err(|_| refused("the private key is no RSA key of 2048 bits or more"))?,
            client_id: client_id.to_string(),
            audience,
        })
    }

    /// The signed statement (a JWT with PS256) as of a time in seconds since 1970.
    ///
    /// # Errors
    /// Internal: the key cannot sign.
    pub fn statement(&self, now: i64) -> Result<String> {
        let header = serde_json::json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = serde_json::json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": Ulid::new().to_string(),
            "nbf": now - SKEW_SECONDS,
            "exp": now - SKEW_SECONDS + GOOD_SECONDS,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PSS_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| {
                Error::internal("the client certificate's key cannot sign")
                    .at(self.path.display().to_string())
            })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.path.display())
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.statement(chrono::Utc::now().timestamp())
            .map_err(|e| azure_core::Error::new(azure_core::error::ErrorKind::Credential, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    fn pem() -> String {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["offgridflow".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_statement_is_signed_and_names_its_certificate() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem()).unwrap();
        let certificate = Certificate::read(file.path(), "app", "https://login/token".into()).unwrap();
        let statement = certificate.statement(1_000_000).unwrap();
        let parts: Vec<&str> = statement.split('.').collect();
        let decoded = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(decoded(parts[0])["alg"], "PS256");
        assert_eq!(decoded(parts[0])["x5t#S256"], certificate.thumbprint.as_str());
        let claims = decoded(parts[1]);
        assert_eq!(
            (claims["iss"].as_str(), claims["aud"].as_str()),
            (Some("app"), Some("https://login/token"))
        );
        assert_eq!(
            (claims["nbf"].as_i64(), claims["exp"].as_i64()),
            (Some(999_940), Some(1_000_540))
        );
        let public = UnparsedPublicKey::new(
            &RSA_PSS_2048_8192_SHA256,
            certificate.key.public_key().as_ref().to_vec(),
        );
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        public
            .verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature)
            .unwrap();
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_file_without_a_key_is_refused_with_a_hint() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let only_certificate = pem().split("-----BEGIN PRIVATE").next().unwrap().to_string();
        std::fs::write(file.path(), only_certificate).unwrap();
        let error = Certificate::read(file.path(), "app", String::new()).unwrap_err();
        assert!(
            error.to_string().starts_with("the file holds no private key"),
            "{error}"
        );
        assert!(error.hint_text().unwrap().contains("PEM"));
    }
}

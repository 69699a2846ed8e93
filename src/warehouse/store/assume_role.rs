//! Roles for buckets: a login of AWS as the object store asks for it, before each request.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use crate::error::Result;
use crate::login::aws::Login;

/// Keys of a profile that tell the login and not the bucket.
pub(super) const LOGIN_KEYS: [&str; 8] = [
    "access_key_id",
    "secret_access_key",
    "session_token",
    "role_arn",
    "external_id",
    "role_session_name",
    "web_identity_token_file",
    "endpoint_url_sts",
];

/// The last role of a profile's chain.
#[derive(Debug)]
pub(super) struct AssumedRole {
    login: Login,
}

impl AssumedRole {
    /// The roles of a profile; none is assumed yet.
    pub(super) fn new(login: Login) -> Arc<Self> {
        Arc::new(AssumedRole { login })
    }

    async fn credential(&self) -> Result<AwsCredential> {
        let credentials = self.login.credentials().await?;
        Ok(AwsCredential {
            key_id: credentials.access_key_id().to_string(),
            secret_key: credentials.secret_access_key().to_string(),
            token: credentials.session_token().map(String::from),
        })
    }
}

#[async_trait]
impl CredentialProvider for AssumedRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credential = self
            .credential()
            .await
            .map_err(|error| object_store::Error::Generic {
                store: "S3",
                source: Box::new(error),
            })?;
        Ok(Arc::new(credential))
    }
}

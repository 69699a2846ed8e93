//! The keys of `[profile.<name>]`: those that the object stores of the three clouds understand.

/// Keys of every store.
const COMMON: [&str; 8] = [
    "endpoint",
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "timeout",
    "proxy_url",
    "skip_signature",
    "token",
];

/// Keys of S3 and servers with its protocol.
const AWS: [&str; 18] = [
    "access_key_id",
    "secret_access_key",
    "session_token",
    "region",
    "role_arn",
    "external_id",
    "role_session_name",
    "web_identity_token_file",
    "container_credentials_relative_uri",
    "container_credentials_full_uri",
    "container_authorization_token_file",
    "metadata_endpoint",
    "endpoint_url_sts",
    "virtual_hosted_style_request",
    "unsigned_payload",
    "checksum_algorithm",
    "request_payer",
    "sse_kms_key_id",
];

/// Keys of Azure.
const AZURE: [&str; 16] = [
    "account_name",
    "account_key",
    "access_key",
    "sas_token",
    "sas_key",
    "bearer_token",
    "tenant_id",
    "client_id",
    "client_secret",
    "client_certificate_path",
    "authority_host",
    "federated_token_file",
    "msi_endpoint",
    "msi_resource_id",
    "use_azure_cli",
    "use_emulator",
];

/// Keys of Google Cloud.
const GCP: [&str; 5] = [
    "service_account_path",
    "service_account_key",
    "application_credentials",
    "base_url",
    "disable_oauth",
];

/// All of them.
pub fn all() -> Vec<&'static str> {
    [
        COMMON.as_slice(),
        AWS.as_slice(),
        AZURE.as_slice(),
        GCP.as_slice(),
    ]
    .concat()
}

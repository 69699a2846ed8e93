//! What the codes of refusals mean, of S3 and the other services of AWS and of Azure's and Google's storage, and what to
//! do about them.

/// What to do about a refusal; `action` is what must be granted: an action of a policy (`s3:GetObject`), or a role.
pub fn hint(action: &str, code: &str, message: &str) -> Option<String> {
    let encrypted = message.contains("kms") || message.contains("KMS");
    let hint = match code {
        _ if encrypted && (code.starts_with("AccessDenied") || code.starts_with("KMS.")) => {
            "the objects are encrypted with a key of KMS: grant kms:Decrypt on that key to the profile's login, in its policy and in the key's".into()
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AllAccessDisabled" => {
            format!("grant {action} to the profile's login; a bucket or organization policy may deny it too")
        }
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            "this access_key_id does not exist or was deactivated: give the profile a current key, and session_token too if it is a temporary one".into()
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" if message.contains("xpired") || message.contains("not yet current") => {
            CLOCK.into()
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" => {
            "the secret_access_key does not belong to this access_key_id: check both in the profile".into()
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "the profile's session_token has expired: get new temporary keys, or let the profile assume a role (role_arn), which renews itself".into()
        }
        "InvalidToken" => "the profile's session_token does not belong to its keys: give all three of one login".into(),
        "RequestTimeTooSkewed" | "RequestExpired" => CLOCK.into(),
        "NoSuchBucket" => "the bucket does not exist: check the source's url and the profile's `endpoint`".into(),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "the bucket lies in another region: set `region` in the profile to it".into()
        }
        "AuthenticationFailed" if message.contains("time frame") || message.contains("xpired") => {
            "the profile's sas_token or bearer_token has expired: get a new one, or let the profile log in by client_id, client_secret and tenant_id, which renews itself".into()
        }
        "AuthenticationFailed" | "AuthorizationFailure" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation" => {
            "the storage account does not take this login: check account_name and account_key, sas_token or bearer_token of the profile, whether it has expired, and the account's network rules".into()
        }
        "AuthorizationPermissionMismatch" | "AuthorizationResourceTypeMismatch" | "AuthorizationServiceMismatch"
        | "InsufficientAccountPermissions" => {
            format!("grant {action} on the container to the profile's login; a sas_token needs the permissions read and list (sp=rl)")
        }
        "KeyBasedAuthenticationNotPermitted" => {
            format!("the storage account takes no account_key: give the profile client_id, client_secret and tenant_id of a login with {action}")
        }
        "ContainerNotFound" => "the container does not exist: check the source's url and the profile's account_name".into(),
        "OptInRequired" | "SubscriptionRequiredException" => "the account has not signed up for this service".into(),
        _ => return None,
    };
    Some(hint)
}

const CLOCK: &str =
    "the clock of this machine is off by more than 5 minutes: set it (timedatectl set-ntp true)";

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn each_code_has_its_own_advice() {
        for (code, message, advice) in [
            (
                "AccessDenied",
                "not authorized to perform: kms:Decrypt on resource",
                "kms:Decrypt",
            ),
            ("AccessDenied", "Access Denied", "grant s3:GetObject"),
            ("InvalidAccessKeyId", "", "access_key_id"),
            ("SignatureDoesNotMatch", "", "secret_access_key"),
            ("SignatureDoesNotMatch", "Signature expired: 2026", "clock"),
            ("ExpiredToken", "", "role_arn"),
            ("RequestTimeTooSkewed", "", "clock"),
            ("NoSuchBucket", "", "url"),
            ("PermanentRedirect", "", "region"),
        ] {
            let text = hint("s3:GetObject", code, message).unwrap();
            assert!(text.contains(advice), "{code}: {text}");
        }
        assert_eq!(hint("s3:GetObject", "SlowDown", ""), None);
    }
}

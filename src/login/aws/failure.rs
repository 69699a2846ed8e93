//! What a failed call of an AWS service means: whose move it is, whether another try helps, what to do next.

use std::time::Duration;

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, causes};
use crate::login::refusal;

/// Refusals that another try mends: the service says to slow down, or is out of order itself.
const PASSING: [&str; 12] = [
    "LimitExceededException",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "InternalFailure",
    "InternalServerException",
    "RequestTimeout",
];

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    /// In words, marked as worth another try or not.
    pub error: Error,
    /// The credentials have expired: new ones may help.
    pub expired: bool,
}

/// Puts the failure of a call into words; `action` is its name in a policy, such as `ce:GetCostAndUsage`.
pub fn explain<E>(action: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(_) => answered(action, error),
        SdkError::ConstructionFailure(_) => Failure {
            error: Error::internal(format!("a call of {action} could not be made")).because(causes(error)),
            expired: false,
        },
        // The connection: refused, reset, silent, or an answer that is cut off.
        _ => Failure {
            error: Error::external(format!("AWS did not answer {action}"))
                .because(causes(error))
                .retryable()
                .hint("check the network and the profile's `endpoint` (`offgridflow doctor` tests them), then run again"),
            expired: false,
        },
    }
}

fn answered<E>(action: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let response = error.raw_response();
    let status = response.map_or(0, |r| r.status().as_u16());
    // Gateways and servers of others write their refusals in a form that the service's own protocol does not know.
    let body = response
        .and_then(|r| r.body().bytes())
        .map(String::from_utf8_lossy);
    let written = |name: &str| {
        let (_, rest) = body.as_deref()?.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let code = error.code().or_else(|| written("Code")).unwrap_or("no code");
    let message = error
        .message()
        .or_else(|| written("Message"))
        .unwrap_or("no message");
    let cause = format!("{code}: {message} (HTTP {status})");
    let expired = matches!(code, "ExpiredToken" | "ExpiredTokenException");
    if PASSING.contains(&code) || status == 429 || status >= 500 {
        let failed = Error::external(format!("AWS put off {action}"))
            .because(cause)
            .hint("run again later; what was landed stays");
        let pause = response
            .and_then(|r| r.headers().get("retry-after"))
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        let error = match pause {
            Some(pause) => failed.retryable_after(pause),
            None => failed.retryable(),
        };
        return Failure { error, expired };
    }
    let failed = Error::external(format!("AWS refused {action}")).because(cause);
    Failure {
        error: failed.hint(hint(action, code, message)),
        expired,
    }
}

fn hint(action: &str, code: &str, message: &str) -> String {
    match code {
        "DataUnavailableException" => {
            "Cost Explorer has no data yet: enable it in the management account, it is ready a day later"
                .into()
        }
        "BillExpirationException" => {
            "the month is older than what Cost Explorer keeps: set `since` of the source to a later month"
                .into()
        }
        "ValidationException" if message.contains("months") || message.contains("istorical") => {
            "the service keeps no such old data: set `since` of the source to a later month".into()
        }
        "InvalidNextTokenException" | "RequestChangedException" => {
            "the listing changed under its pages: run again, the month is then read whole".into()
        }
        _ => refusal::hint(action, code, message)
            .unwrap_or_else(|| "check the profile (`offgridflow doctor` tests it)".to_string()),
    }
}

//! Shared access signatures of Azure: what their text says of themselves.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use url::form_urlencoded;

use crate::error::{Error, Result};

/// Refuses a signature whose time is over; Azure would only say that it cannot authenticate the request.
///
/// # Errors
/// External: it has expired.
pub(super) fn check(profile: &str, signature: &str, now: DateTime<Utc>) -> Result<()> {
    let signature = signature.trim().trim_start_matches('?');
    let expiry = form_urlencoded::parse(signature.as_bytes())
        .find(|(name, _)| name == "se")
        .and_then(|(_, text)| time(&text));
    match expiry {
        Some(expiry) if expiry <= now => Err(Error::external(format!(
            "the sas_token of the profile `{profile}` expired at {}",
            expiry.format("%Y-%m-%d %H:%M UTC")
        ))
        .hint("make a new one for the container with the permissions read and list (sp=rl), or let the profile log in by client_id, client_secret and tenant_id, which renews itself")),
        _ => Ok(()),
    }
}

/// The three ways in which Azure writes a time.
fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Ok(minute) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%MZ") {
        return Some(minute.and_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_signature_is_good_until_its_time_is_over() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        for (signature, good) in [
            ("?sv=2022-11-02&se=2026-11-24T12%3A00%3A01Z&sig=x", true),
            ("sv=2022-11-02&se=2026-11-24T12:00:00Z&sig=x", false),
            ("se=2026-11-24T11:59Z&sig=x", false),
            ("se=2026-11-24&sig=x", false),
            ("se=2026-11-25&sig=x", true),
            ("si=stored-policy&sig=x", true),
        ] {
            let outcome = check("acme", signature, now);
            assert_eq!(outcome.is_ok(), good, "{signature}");
            let text = outcome.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!text.contains("sig="), "{text}");
        }
    }
}

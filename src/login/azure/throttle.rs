//! How long Azure asks to wait: the longest of everything its answer says.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::error::LONGEST_PAUSE;

/// The longest pause that any header of an answer asks for; `None` when none does.
///
/// Cost Management counts by query units, entity, tenant and client, and names a pause for each that is used up.
pub fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    headers
        .iter()
        .filter(|(name, _)| names_a_pause(name.as_str()))
        .filter_map(|(_, value)| pause(value.to_str().ok()?))
        .max()
        .map(|pause| pause.min(LONGEST_PAUSE))
}

fn names_a_pause(header: &str) -> bool {
    let counted = header
        .strip_prefix("x-ms-ratelimit-microsoft.")
        .is_some_and(|rest| rest.starts_with("costmanagement-") || rest.starts_with("consumption-"));
    header == "retry-after" || counted && header.ends_with("retry-after")
}

/// Seconds, or a date as HTTP writes it.
fn pause(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (until.to_utc() - chrono::Utc::now()).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_longest_pause_counts() {
        let asked = asked_pause(&headers(&[
            ("x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after", "37"),
            ("x-ms-ratelimit-microsoft.costmanagement-client-retry-after", "45"),
            ("x-ms-ratelimit-microsoft.consumption-retry-after", "44"),
            ("x-ms-ratelimit-microsoft.costmanagement-qpu-consumed", "99"),
            ("retry-after", "30"),
        ]));
        assert_eq!(asked, Some(Duration::from_secs(45)));
        assert_eq!(
            asked_pause(&headers(&[("retry-after", "18446744073709551615")])),
            Some(LONGEST_PAUSE)
        );
        assert_eq!(
            asked_pause(&headers(&[("retry-after", "7")])),
            Some(Duration::from_secs(7))
        );
        assert_eq!(asked_pause(&headers(&[("x-ms-request-id", "7")])), None);
        assert_eq!(
            asked_pause(&headers(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")])),
            None
        );
    }
}

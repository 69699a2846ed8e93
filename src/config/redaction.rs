//! Secrets in texts: logins and signatures of URLs are found, so that a configuration that holds one is refused, and masked
//! wherever a text is printed, logged or kept, as are the secrets that this process has read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use url::form_urlencoded;

use super::location::SCHEMES;
use super::secret::looks_secret;

/// What stands for a secret.
const MASK: &str = "***";
/// Schemes of local files: an `@` in them is part of a path.
const LOCAL: [&str; 3] = ["file", "sqlite", "memory"];
/// Schemes whose user part may be a container: `abfss://container@account.dfs.core.windows.net`.
const CONTAINER_BEFORE_HOST: [&str; 5] = ["abfs", "abfss", "az", "azure", "adl"];
/// Schemes whose authority is the name of a bucket: a `:` in it begins no port.
const WITHOUT_PORT: [&str; 3] = ["s3", "s3a", "gs"];

/// A shorter secret could be a word of any message.
const SHORTEST: usize = 8;

/// The secrets that this process has read: what refuses one may repeat it.
static READ: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Masks a secret from now on.
pub fn remember(secret: &str) {
    let mut read = READ.write().unwrap_or_else(PoisonError::into_inner);
    let bare = secret.trim().trim_matches('"');
    let long = [secret, bare].into_iter().filter(|text| text.len() >= SHORTEST);
    read.extend(long.map(str::to_string));
}

/// Masks the secrets of the clouds' own variables from now on.
pub fn remember_environment() {
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        let of_cloud = ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|cloud| name.starts_with(cloud));
        if of_cloud && (looks_secret(&name.to_ascii_lowercase()) || name == "AWS_ACCESS_KEY_ID") {
            remember(value);
        }
    }
}

/// A secret that a URL holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlSecret {
    /// `user:password@`, `key:secret@`, or a token alone before the host.
    Login,
    /// A parameter such as `sig=` or `X-Amz-Signature=`.
    Signature,
}

/// The secret in a URL, if it holds one.
pub fn secret_in_url(url: &str) -> Option<UrlSecret> {
    if let Some((scheme, rest)) = url.split_once("://")
        && login_end(scheme, rest).is_some()
    {
        return Some(UrlSecret::Login);
    }
    // A scheme without its slashes, a file on a host with a login: what was meant is a store's URL.
    let is_mistyped = |scheme: &str| {
        let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':'));
        rest.is_some_and(|rest| !rest.starts_with("//") && rest.contains('@'))
    };
    let is_login_of_file = url.strip_prefix("file://").is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once('@')
            .is_some_and(|(login, _)| login.contains(':'))
    });
    if is_login_of_file || SCHEMES.into_iter().any(is_mistyped) {
        return Some(UrlSecret::Login);
    }
    let mut masked = false;
    let is_end = |c: char| matches!(c, '&' | '#');
    mask_parameters(url, is_end, &mut masked);
    masked.then_some(UrlSecret::Signature)
}

/// Masks in a text the logins and signatures of all URLs, and the secrets that were read.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut masked = false;
    let is_end = |c: char| matches!(c, '&' | '#' | '\'' | ')') || ends_url(c);
    let mut result = mask_parameters(text, is_end, &mut masked);
    let mut from = 0;
    while let Some(found) = result[from..].find("://") {
        let start = from + found + "://".len();
        let scheme = result[..from + found]
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .next()
            .unwrap_or_default();
        let end = result[start..]
            .find(ends_url)
            .map_or(result.len(), |end| start + end);
        from = start;
        if let Some(at) = login_end(scheme, &result[start..end]) {
            result.replace_range(start..start + at, MASK);
            masked = true;
            from += MASK.len();
        }
    }
    // The longest first: one may be part of another.
    let read = READ.read().unwrap_or_else(PoisonError::into_inner);
    let mut held: Vec<&String> = read
        .iter()
        .filter(|secret| result.contains(secret.as_str()))
        .collect();
    held.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in held {
        result = result.replace(secret.as_str(), MASK);
        masked = true;
    }
    match masked {
        true => Cow::Owned(result),
        false => Cow::Borrowed(text),
    }
}

/// Whether a URL in a text ends here.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '`' | '<' | '>' | '\\')
}

/// Where the login before a URL's host ends; `None` when there is none that is secret.
///
/// A password that is not escaped may hold `/`, `?`, `#` and `@` itself: it then reaches up to the last `@`.
fn login_end(scheme: &str, rest: &str) -> Option<usize> {
    let scheme = scheme.to_ascii_lowercase();
    let scheme = scheme.as_str();
    if LOCAL.contains(&scheme) {
        return None;
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if let Some((user, _)) = authority.rsplit_once('@') {
        return match user {
            _ if user.contains(':') => rest.rfind('@'),
            "" | MASK => None,
            _ if CONTAINER_BEFORE_HOST.contains(&scheme) => None,
            _ => Some(user.len()),
        };
    }
    // `s3://KEY:SEC/RET@bucket`: what looks like a port is none.
    let (_, port) = authority
        .rsplit_once(':')
        .filter(|_| !authority.starts_with('['))?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match is_port && !WITHOUT_PORT.contains(&scheme) {
        true => None,
        false => rest.rfind('@'),
    }
}

/// Masks the values of secret parameters: `?name=value&name=value`.
fn mask_parameters(text: &str, is_end: impl Fn(char) -> bool, masked: &mut bool) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['?', '&', '#', ';']) {
        let (before, parameter) = rest.split_at(start + 1);
        result.push_str(before);
        rest = parameter;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%');
        let name_end = parameter.find(|c| !is_name(c)).unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(name_end);
        let Some(value) = value.strip_prefix('=').filter(|_| is_secret_parameter(name)) else {
            continue;
        };
        let value_end = value.find(&is_end).unwrap_or(value.len());
        if value_end > 0 && &value[..value_end] != MASK {
            *masked = true;
        }
        result.push_str(name);
        result.push('=');
        result.push_str(if value_end > 0 { MASK } else { "" });
        rest = &value[value_end..];
    }
    result.push_str(rest);
    result
}

fn is_secret_parameter(name: &str) -> bool {
    let decoded = form_urlencoded::parse(name.as_bytes()).next();
    let name = decoded.map_or(String::new(), |(name, _)| name.to_ascii_lowercase());
    let words = ["signature", "passwd", "pwd"];
    name == "sig" || words.iter().any(|word| name.contains(word)) || looks_secret(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_signatures_are_found() {
        for (url, secret) in [
            ("s3://AKIA:pl/an+ted@bucket/exports", UrlSecret::Login),
            ("s3://AKIA:123/planted@bucket/exports", UrlSecret::Login),
            ("S3://planted@bucket", UrlSecret::Login),
            ("http://me:planted@host:9000", UrlSecret::Login),
            ("http://me:pl@nted?#/x@host:9000", UrlSecret::Login),
            ("postgres://me:planted@host/ledger", UrlSecret::Login),
            (
                "abfss://box:planted@account.dfs.core.windows.net/x",
                UrlSecret::Login,
            ),
            ("az://box/bills?sv=2022&sig=planted", UrlSecret::Signature),
            ("az://box/bills?sv=2022&%73ig=planted", UrlSecret::Signature),
            ("az://box/bills#SIG=planted", UrlSecret::Signature),
            (
                "https://b.s3.amazonaws.com/x?X-Amz-Signature=planted",
                UrlSecret::Signature,
            ),
            (
                "https://b.s3.amazonaws.com/x?X-Amz-Security-Token=planted",
                UrlSecret::Signature,
            ),
            ("sqlite://ledger.db?password=planted", UrlSecret::Signature),
        ] {
            assert_eq!(secret_in_url(url), Some(secret), "{url}");
            assert!(!redact(url).contains("planted"), "{}", redact(url));
            let sentence = format!("reading {url} failed: see `{url}`, \"{url}\" and ({url})");
            let masked = redact(&sentence);
            assert!(!masked.contains("nted"), "{masked}");
            assert_eq!(redact(&masked), masked);
        }
    }

    /// They are refused where they stand, without being printed; as parts of other texts they are paths.
    #[test]
    fn logins_of_mistyped_urls_are_found() {
        for url in [
            "s3:AKIA:planted@bucket/x",
            "s3:/AKIA:planted@bucket/x",
            "file://AKIA:planted@host/x",
        ] {
            assert_eq!(secret_in_url(url), Some(UrlSecret::Login), "{url}");
        }
    }

    #[test]
    fn other_urls_stay_as_they_are() {
        for url in [
            "s3://bucket/exports@2026/x:y",
            "abfss://box@account.dfs.core.windows.net/bills",
            "file:///a:b@c/d",
            "sqlite://./data/me:you@ledger.db?mode=rwc",
            "http://[::1]:9000/a@b",
            "http://localhost:9000/a@b",
            "bills/a@b:c",
            "https://host/x?sv=2022&se=2026-01-01",
            "https://host/x?partition_id=4",
        ] {
            assert_eq!(secret_in_url(url), None, "{url}");
            assert_eq!(redact(url), url);
        }
    }

    #[test]
    fn what_was_read_is_masked() {
        remember("\"planted of this test\"");
        remember("planted of this test and longer");
        remember("string");
        assert_eq!(
            redact("a key: string \"planted of this test\""),
            "a key: string ***"
        );
        assert_eq!(redact("(planted of this test and longer)"), "(***)");
        assert_eq!(redact("(planted of this test)"), "(***)");
    }

    #[test]
    fn the_text_around_a_secret_stays() {
        assert_eq!(
            redact("error at http://me:x@host:1/a?sig=y&se=1 (after 2 tries)"),
            "error at http://***@host:1/a?sig=***&se=1 (after 2 tries)"
        );
        assert_eq!(
            redact("reply for url (https://host/a?sv=1&sig=abc%3D) was 403"),
            "reply for url (https://host/a?sv=1&sig=***) was 403"
        );
    }
}

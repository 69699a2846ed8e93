//! Variables of the environment that logins read by themselves, checked before they do.

use super::secret::{may_have_lines, stands_in_no_header};
use crate::error::{Error, Result};

/// Refuses a variable that a login is about to read and whose value could stand in no header: the libraries of the clouds
/// end the process at such a value. `is_read` tells their names.
///
/// # Errors
/// Usage, naming the variable and never its value.
pub fn hold_environment(is_read: impl Fn(&str) -> bool) -> Result<()> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.into_string().ok()?))
    });
    hold(named, is_read)
}

fn hold(variables: impl Iterator<Item = (String, String)>, is_read: impl Fn(&str) -> bool) -> Result<()> {
    let broken = variables
        .filter(|(name, value)| is_read(name) && stands_in_no_header(value))
        .map(|(name, _)| name)
        .filter(|name| !may_have_lines(&name.to_ascii_lowercase()));
    match broken.min() {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!(
            "the environment variable {name} holds a line break or another control character"
        ))
        .hint(format!(
            "export the value alone, in one line, such as `export {name}=\"$(tr -d '\\r\\n' < FILE)\"`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &str, value: &str) -> Result<()> {
        let variables = [(name.to_string(), value.to_string())];
        hold(variables.into_iter(), |name| name != "AWS_NOTE")
    }

    #[test]
    fn a_value_that_no_header_takes_is_refused_by_its_variable() {
        for value in [
            "hunter2\nx",
            "hunter2\n",
            "hunter2\r\nx: y",
            "hunter2\0",
            "hunter2\u{7f}",
        ] {
            let error = held("AWS_SESSION_TOKEN", value).unwrap_err();
            assert_eq!(error.blame(), crate::error::Blame::Usage);
            assert_eq!(
                error.to_string(),
                "the environment variable AWS_SESSION_TOKEN holds a line break or another control character"
            );
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn json_has_lines_and_what_nobody_reads_has_what_it_likes() {
        held("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}").unwrap();
        held("AWS_NOTE", "a\nb").unwrap();
        held("AWS_SESSION_TOKEN", "one/line+of=base64").unwrap();
    }
}

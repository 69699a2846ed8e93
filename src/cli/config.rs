//! `config`

use super::arguments::{ConfigVerb, Format};
use super::output::Output;
use crate::config::Config;
use crate::error::{Error, Result};

/// Prints the configuration in force.
///
/// # Errors
/// Internal when it does not read back.
pub fn config(config: &Config, output: &Output, verb: &ConfigVerb) -> Result<u8> {
    let ConfigVerb::Show = verb;
    let text = config.show();
    if output.format == Format::Json {
        let value: serde_json::Value = toml::from_str(&text)
            .map_err(|e| Error::internal("the configuration does not read back").because(e))?;
        output.json(&value);
    } else {
        output.line(text.trim_end());
    }
    Ok(0)
}

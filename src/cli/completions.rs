//! `completions`

use clap::CommandFactory;

use super::arguments::Arguments;
use super::output::Output;
use crate::error::Result;

/// Prints a completion script.
///
/// # Errors
/// None.
pub fn completions(output: &Output, shell: clap_complete::Shell) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "offgridflow", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(0)
}

//! Verbs and flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::run::Request;

/// Batch carbon accounting: cloud bills and activity data in, audited emissions out.
#[derive(Debug, Parser)]
#[command(name = "offgridflow", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// The configuration file [default: ./offgridflow.toml, else the bundled sample company]
    #[arg(long, global = true, value_name = "FILE", env = "OFFGRIDFLOW_CONFIG")]
    pub config: Option<PathBuf>,
    /// Only this tenant
    #[arg(long, global = true, value_name = "ID")]
    pub tenant: Option<String>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// Print results and errors only
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print what happens inside
    #[arg(long, global = true)]
    pub verbose: bool,
    /// No progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Read the tables as a run or an instant left them
    #[arg(long, global = true, value_name = "RUN|TIME")]
    pub as_of: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    Text,
    /// JSON
    Json,
    /// CSV
    Csv,
    /// Parquet, to standard output
    Parquet,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Land what is new, rebuild what is stale, publish
    Run(RunOptions),
    /// What `run` would do, and why; writes nothing
    Plan(RunOptions),
    /// One SQL query, or a prompt; read-only
    Sql {
        /// The query; without it a prompt opens
        query: Option<String>,
    },
}

/// What to run.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The pipeline
    #[arg(default_value = "daily")]
    pub pipeline: String,
    /// Only these tables: `publish.*`, `+table` (and what it needs), `table+` (and what needs it)
    #[arg(long, value_name = "PATTERN")]
    pub select: Vec<String>,
    /// First billing period, such as 2026-01
    #[arg(long, value_name = "PERIOD")]
    pub from: Option<String>,
    /// First billing period no longer looked at
    #[arg(long, value_name = "PERIOD")]
    pub to: Option<String>,
    /// Land and build everything again
    #[arg(long)]
    pub full_refresh: bool,
}

impl RunOptions {
    /// The request of a run.
    ///
    /// # Errors
    /// Usage: a period that is no month, a pipeline there is not.
    pub fn request(&self) -> Result<Request> {
        if self.pipeline != "daily" {
            return Err(Error::usage(format!("there is no pipeline `{}`", self.pipeline)).hint("the pipeline is `daily`"));
        }
        Ok(Request {
            pipeline: self.pipeline.clone(),
            select: self.select.clone(),
            from: period("--from", self.from.as_deref())?,
            to: period("--to", self.to.as_deref())?,
            full_refresh: self.full_refresh,
            only_slices: None,
        })
    }
}

/// A period flag.
///
/// # Errors
/// Usage: not a month.
pub fn period(flag: &str, text: Option<&str>) -> Result<Option<Period>> {
    text.map(|t| t.parse().map_err(|e| Error::usage(format!("{flag} is not understood")).because(e).hint("write 2026-01")))
        .transpose()
}

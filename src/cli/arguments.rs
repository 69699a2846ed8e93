//! Verbs and flags.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::run::pipelines::pipeline;
use crate::run::{Request, Upkeep, upkeep};

/// Batch carbon accounting: cloud bills and activity data in, audited emissions out.
#[derive(Debug, Parser)]
#[command(
    name = "offgridflow",
    version,
    about,
    max_term_width = 100,
    disable_help_subcommand = true
)]
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

impl Verb {
    /// Whether the verb does no more than show what the tables hold, so that it can show older ones.
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Verb::Sql { .. }
                | Verb::Models(_)
                | Verb::Explain { .. }
                | Verb::Diff { .. }
                | Verb::Factors(_)
                | Verb::Quarantine(QuarantineVerb::List { .. } | QuarantineVerb::Show { .. })
        )
    }
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
    /// A new project: configuration, pipelines, a copy of the sample company, forms for activity data
    Init {
        /// The folder; it is made
        #[arg(default_value = ".", value_name = "DIR")]
        folder: PathBuf,
    },
    /// Tries everything the configuration names: stores, sources, ledger, factor set
    Doctor,
    /// Exactly the failed slices of a run, then what is stale
    Retry {
        /// A run's id, its beginning, or `last`
        run: String,
    },
    /// Lands a range of periods again and rebuilds what that touches
    Backfill(BackfillOptions),
    /// The SQL models
    #[command(subcommand)]
    Models(ModelsVerb),
    /// From a figure to its rows, factors, source files and row numbers
    Explain {
        /// A table of publish or estimate
        table: String,
        /// Which rows, as SQL: "service_name = 'Amazon Simple Storage Service' and month = '2025-03'"
        filter: String,
        /// Rows shown of each kind
        #[arg(long, default_value_t = 10, value_name = "N")]
        limit: u32,
    },
    /// What changed in emissions and why, between two runs or two months
    Diff {
        /// A run (id, beginning, `last`) or a month
        before: String,
        /// The other one
        after: String,
        /// Rows shown of each kind
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Rejected rows with file, row, column and reason
    #[command(subcommand)]
    Quarantine(QuarantineVerb),
    /// The factor set
    #[command(subcommand)]
    Factors(FactorsVerb),
    /// The state of the tables; merges small files, deletes what no kept version names
    Maintain(MaintainOptions),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// The metadata database
    #[command(subcommand)]
    Db(DbVerb),
    /// A scheduler or an executor of a cluster, until it is stopped
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// A completion script, to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What to land again.
#[derive(Debug, Args)]
pub struct BackfillOptions {
    /// First billing period, such as 2024-01
    #[arg(long, value_name = "PERIOD")]
    pub from: String,
    /// First billing period no longer landed
    #[arg(long, value_name = "PERIOD")]
    pub to: String,
    /// Only these tables, as of `run`
    #[arg(long, value_name = "PATTERN")]
    pub select: Vec<String>,
}

/// `models`
#[derive(Debug, Subcommand)]
pub enum ModelsVerb {
    /// Every model with its kind, partitions and rows
    List,
    /// One model: grain, columns, audits, what it reads and what reads it
    Show {
        /// The model, such as publish.inventory
        name: String,
    },
    /// Which table comes from which
    Lineage {
        /// Only what leads to and from this table
        name: Option<String>,
        /// How it is drawn
        #[arg(long, value_enum, default_value = "text")]
        format: LineageFormat,
    },
    /// The SQL as the engine runs it
    Render {
        /// The model
        name: String,
    },
    /// Runs the audits over the tables as they stand
    Test {
        /// Only this model
        name: Option<String>,
    },
}

/// How lineage is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineageFormat {
    /// For people
    Text,
    /// Nodes and edges
    Json,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

/// `quarantine`
#[derive(Debug, Subcommand)]
pub enum QuarantineVerb {
    /// The rejected rows
    List {
        /// Only of this source
        #[arg(long, value_name = "ID")]
        source: Option<String>,
        /// Only of this period
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Rows shown
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// One rejected row as it was delivered
    Show {
        /// Its id, or the id's beginning
        id: String,
    },
    /// Lands the slices with rejected rows again
    Retry,
}

/// `factors`
#[derive(Debug, Subcommand)]
pub enum FactorsVerb {
    /// The tables of the set, or the rows of one
    List {
        /// A table
        table: Option<String>,
    },
    /// The rows of a table, with source and licence
    Show {
        /// The table, or one factor's id
        table: String,
        /// Only rows in which this text occurs
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Usage and activity without a factor, and what it would take
    Gaps {
        /// Rows shown
        #[arg(long, default_value_t = 30, value_name = "N")]
        limit: u32,
    },
    /// What two sets differ in
    Diff {
        /// A version of the warehouse's archive, or `current`
        before: String,
        /// The other one
        after: String,
    },
}

/// `maintain`
#[derive(Debug, Args)]
pub struct MaintainOptions {
    /// Merge small files of a partition; nothing that reads them becomes stale
    #[arg(long)]
    pub compact: bool,
    /// Delete files that no kept version names
    #[arg(long)]
    pub vacuum: bool,
    /// Remove the rows of an export, or of one of its periods, from all raw tables: it was renamed, moved, or is gone for
    /// good. What was built from them follows with the next run
    #[arg(long, value_name = "TENANT/SOURCE/EXPORT[/PERIOD]", conflicts_with_all = ["compact", "vacuum"])]
    pub forget: Vec<String>,
    /// Say that the rows of an export that is no longer delivered count beside those of one that came later
    #[arg(long, value_name = "TENANT/SOURCE/EXPORT", conflicts_with_all = ["compact", "vacuum", "forget", "dry_run"])]
    pub keep: Vec<String>,
    /// With --compact, --vacuum or --forget: only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Versions that runs of so many days left stay readable
    #[arg(long, default_value_t = upkeep::KEEP_DAYS, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub keep_days: u32,
}

impl MaintainOptions {
    /// Whether tables or ledger are changed, and not only looked at.
    pub fn writes(&self) -> bool {
        let acts = self.compact || self.vacuum || !self.forget.is_empty();
        !self.keep.is_empty() || (acts && !self.dry_run)
    }
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// What is in force, each value with its origin, without secrets
    Show,
}

/// `db`
#[derive(Debug, Subcommand)]
pub enum DbVerb {
    /// Brings the schema up to date
    Migrate,
    /// Takes the newest step back
    Rollback,
    /// The steps and when they were applied
    Status,
}

/// `cluster`
#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Plans queries and hands out their tasks
    Scheduler(SchedulerFlags),
    /// Computes tasks
    Executor(ExecutorFlags),
}

/// `cluster scheduler`
#[derive(Debug, Args)]
pub struct SchedulerFlags {
    /// The address to listen on; it requires no login, so keep it to this machine or a closed network
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    pub bind: IpAddr,
    /// The port to listen on
    #[arg(long, default_value_t = 50050)]
    pub port: u16,
    /// The host under which executors reach it [default: the address]
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Seconds of silence after which an executor counts as dead
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub executor_timeout: u64,
}

/// `cluster executor`
#[derive(Debug, Args)]
pub struct ExecutorFlags {
    /// Where the scheduler is
    #[arg(long, default_value = "127.0.0.1:50050", value_name = "HOST:PORT")]
    pub scheduler: String,
    /// The address to listen on; it requires no login, so keep it to this machine or a closed network
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    pub bind: IpAddr,
    /// The port on which it hands out results
    #[arg(long, default_value_t = 50051)]
    pub port: u16,
    /// The port on which it takes tasks
    #[arg(long, default_value_t = 50052, value_name = "PORT")]
    pub grpc_port: u16,
    /// The host under which scheduler, driver and other executors reach it [default: the one it comes from]
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// What its tasks may hold in memory together, such as 4GiB; beyond it they spill [default: [engine] memory_limit]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Tasks at a time [default: [engine] threads, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub concurrent_tasks: Option<u64>,
    /// Where shuffled and spilled rows lie [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub work_folder: Option<PathBuf>,
    /// Seconds between two signs of life
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub heartbeat: u64,
}

/// What to run.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The pipeline: `daily`, `maintenance`, or a file of the project's pipelines/
    #[arg(default_value = "daily")]
    pub pipeline: String,
    /// Only these tables: `publish.*`, `+table` (and what it needs), `table+` (and what needs it)
    #[arg(long, value_name = "PATTERN")]
    pub select: Vec<String>,
    /// First billing period landed, such as 2026-01. Files whose name and folder tell no period are landed whole, whatever
    /// periods their rows have
    #[arg(long, value_name = "PERIOD")]
    pub from: Option<String>,
    /// First billing period no longer landed
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
    pub fn request(&self, config: &Config) -> Result<Request> {
        let pipeline = pipeline(config, &self.pipeline)?;
        let upkeep_only = pipeline.select.is_empty();
        let (from, to) = (
            period("--from", self.from.as_deref())?,
            period("--to", self.to.as_deref())?,
        );
        hold_range(from, to)?;
        Ok(Request {
            pipeline: self.pipeline.clone(),
            select: match self.select.is_empty() {
                true => pipeline.select,
                false => self.select.clone(),
            },
            upkeep_only,
            upkeep: pipeline.maintain.map(|maintain| Upkeep {
                compact: maintain.compact,
                vacuum: maintain.vacuum,
                keep_days: upkeep::KEEP_DAYS,
            }),
            from,
            to,
            full_refresh: self.full_refresh,
            land_again: false,
            only_slices: None,
        })
    }
}

/// Refuses a range of periods that holds none.
///
/// # Errors
/// Usage: it ends where it begins, or before.
pub fn hold_range(from: Option<Period>, to: Option<Period>) -> Result<()> {
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Error::usage(format!(
            "the range from {from} to {to} is empty"
        ))
        .hint("--to is the first period that is no longer landed: one month is --from 2024-01 --to 2024-02")),
        _ => Ok(()),
    }
}

/// A period flag that may be left out.
///
/// # Errors
/// Usage: not a month.
pub fn period(flag: &str, text: Option<&str>) -> Result<Option<Period>> {
    text.map(|text| month(flag, text)).transpose()
}

/// A period flag.
///
/// # Errors
/// Usage: not a month.
pub fn month(flag: &str, text: &str) -> Result<Period> {
    text.parse().map_err(|e| {
        Error::usage(format!("{flag} is not understood"))
            .because(e)
            .hint("write 2026-01")
    })
}

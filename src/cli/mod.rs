//! The command line: one file per verb.

mod arguments;
#[cfg(feature = "cluster")]
mod cluster;
mod completions;
mod config;
mod db;
mod diff;
mod doctor;
mod explain;
mod factors;
mod forget;
mod init;
mod lineage;
mod listing;
mod maintain;
mod models;
pub mod output;
mod plan;
mod progress;
mod quarantine;
mod retry;
mod run;
mod sql;
mod summary;
mod visible;

use std::ffi::OsString;

use clap::Parser;

use crate::config::{Config, Flags};
use crate::error::{Error, Result};
use crate::run::{Workspace, mirror};
pub use arguments::{Arguments, Verb};
use output::Output;

/// Plans of many views inside each other are planned and sent by recursion. Only what is used of it is memory.
const STACK_BYTES: usize = 32 << 20;

/// Runs a command line and gives the process's exit code.
///
/// It takes a list and no iterator of any type: what is generic is compiled again where it is called, and this is the
/// whole program.
pub fn main(arguments: Vec<OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    // Two TLS libraries are in the tree: rustls cannot choose between their providers by itself.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    telemetry(&arguments);
    say_little_of_panics();
    let output = Output::new(&arguments);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&Error::from(error)),
    };
    match runtime.block_on(dispatch(&arguments, &output)) {
        Ok(code) => code,
        Err(error) => output.fail(&error),
    }
}

/// A library that stops at the bytes of a delivered file is named as that file's failure, by the thread that waits for it:
/// what else it says, and where in which code, belongs into the log. The main thread reads no such bytes.
fn say_little_of_panics() {
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match std::thread::current().name() {
        Some("main") => said(panic),
        _ => tracing::error!("{panic}"),
    }));
}

fn telemetry(arguments: &Arguments) {
    let level = if arguments.verbose {
        "offgridflow=debug"
    } else {
        "off"
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("OFFGRIDFLOW_LOG").unwrap_or_else(|_| level.into());
    // Google's login library logs its requests and answers with the tokens in them.
    let filter = match "yup_oauth2=off".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::takes_colours())
        .with_writer(|| output::LogLines)
        .try_init();
}

/// Loads the configuration of this command.
///
/// # Errors
/// Usage, naming file, line and key.
pub fn load_config(arguments: &Arguments) -> Result<Config> {
    Config::load(&Flags {
        config: arguments.config.clone(),
        tenant: arguments.tenant.clone(),
        ..Flags::default()
    })
}

async fn dispatch(arguments: &Arguments, output: &Output) -> Result<u8> {
    if let Some(as_of) = arguments
        .as_of
        .as_deref()
        .filter(|_| !arguments.verb.only_reads())
    {
        return Err(Error::usage(format!("--as-of {as_of} is only for verbs that read"))
            .hint("what is built and planned is always the newest: `sql`, `explain`, `diff`, `models` and `factors` read older tables"));
    }
    match &arguments.verb {
        Verb::Run(options) => {
            let mut workspace = Workspace::connect(load_config(arguments)?).await?;
            let request = options.request(&workspace.config)?;
            run::run(&mut workspace, output, "run", &request).await
        }
        Verb::Plan(options) => {
            let mut workspace = open_to_read(arguments).await?;
            workspace.mirror = mirror::read(&workspace).await?;
            let request = options.request(&workspace.config)?;
            plan::plan(&workspace, output, &request).await
        }
        Verb::Sql { query } => sql::sql(&open_to_read(arguments).await?, output, query.as_deref()).await,
        Verb::Init { folder } => init::init(output, folder),
        Verb::Doctor => doctor::doctor(&load_config(arguments)?, output).await,
        Verb::Retry { run } => retry::retry(&mut open(arguments).await?, output, run).await,
        Verb::Backfill(options) => retry::backfill(&mut open(arguments).await?, output, options).await,
        Verb::Models(verb) => models::models(&open_to_read(arguments).await?, output, verb).await,
        Verb::Explain { table, filter, limit } => {
            explain::explain(&open_to_read(arguments).await?, output, table, filter, *limit).await
        }
        Verb::Diff { before, after, limit } => {
            diff::diff(&open_to_read(arguments).await?, output, before, after, *limit).await
        }
        Verb::Quarantine(verb) => {
            let mut workspace = match arguments.verb.only_reads() {
                true => open_to_read(arguments).await?,
                false => open(arguments).await?,
            };
            quarantine::quarantine(&mut workspace, output, verb).await
        }
        Verb::Factors(verb) => factors::factors(&open_to_read(arguments).await?, output, verb).await,
        Verb::Maintain(options) => {
            let mut workspace = match options.writes() {
                true => open(arguments).await?,
                false => open_to_read(arguments).await?,
            };
            match (options.forget.as_slice(), options.keep.as_slice()) {
                ([], []) => maintain::maintain(&mut workspace, output, options).await,
                ([], kept) => forget::keep(&workspace, output, kept).await,
                (gone, _) => forget::forget(&mut workspace, output, gone, options.dry_run).await,
            }
        }
        Verb::Config(verb) => config::config(&load_config(arguments)?, output, verb),
        Verb::Db(verb) => db::db(&load_config(arguments)?, output, verb).await,
        #[cfg(feature = "cluster")]
        Verb::Cluster(verb) => cluster::cluster(&load_config(arguments)?, output, verb).await,
        #[cfg(not(feature = "cluster"))]
        Verb::Cluster(_) => Err(crate::transform::cluster_not_built()),
        Verb::Completions { shell } => completions::completions(output, *shell),
    }
}

async fn open(arguments: &Arguments) -> Result<Workspace> {
    at_its_time(arguments, Workspace::open(load_config(arguments)?).await?).await
}

async fn open_to_read(arguments: &Arguments) -> Result<Workspace> {
    at_its_time(arguments, Workspace::open_to_read(load_config(arguments)?).await?).await
}

async fn at_its_time(arguments: &Arguments, mut workspace: Workspace) -> Result<Workspace> {
    if let Some(as_of) = &arguments.as_of {
        workspace.travel_to(as_of).await?;
    }
    Ok(workspace)
}

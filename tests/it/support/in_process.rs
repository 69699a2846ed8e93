//! A project opened in the test's own process: its runs can be watched, and its warehouse may lie in memory.

use offgridflow::config::{Config, Flags};
use offgridflow::run::{self, Observer, Request, RunReport, Workspace, query};
use tokio::runtime::Runtime;

use super::Project;

/// The project's workspace with the runtime that it lives on.
pub struct InProcess {
    pub workspace: Workspace,
    pub runtime: Runtime,
}

impl InProcess {
    /// Opens a project; the warehouse is its folder `data`.
    pub fn open(project: &Project) -> InProcess {
        Self::with_warehouse(project, &format!("file://{}", project.path("data").display()))
    }

    /// Opens a project with its warehouse at this URL.
    pub fn with_warehouse(project: &Project, url: &str) -> InProcess {
        // As the program does at its start: two TLS libraries are in the tree.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let flags = Flags {
            config: Some(project.config().to_path_buf()),
            overrides: vec![("warehouse.url".into(), url.into())],
            ..Flags::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let config = Config::load(&flags).unwrap();
        let workspace = runtime.block_on(Workspace::open(config)).unwrap();
        InProcess { workspace, runtime }
    }

    /// A run of what `--select` chooses, watched.
    pub fn run(&mut self, select: &[&str], observer: &dyn Observer) -> RunReport {
        let request = Request {
            pipeline: "daily".into(),
            select: select.iter().map(|s| (*s).to_string()).collect(),
            ..Request::default()
        };
        self.runtime
            .block_on(run::run(&mut self.workspace, "run", &request, observer))
            .unwrap()
    }

    /// The rows of a query, every value as text, null as the empty text.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let context = self.workspace.engine.session();
        let found = query::rows(&self.workspace, &context, sql);
        query::texts(&self.runtime.block_on(found).unwrap())
    }
}

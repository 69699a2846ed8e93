//! A project opened in the test's own process: its runs can be watched, and its warehouse may lie in memory.

use offgridflow::config::{Config, Flags};
use offgridflow::run::{self, Observer, Request, RunReport, Workspace, mirror, plan, query};
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
        Self::with(project, vec![("warehouse.url".into(), url.into())])
    }

    /// Opens a project whose warehouse lies where its configuration says.
    pub fn configured(project: &Project) -> InProcess {
        Self::with(project, Vec::new())
    }

    fn with(project: &Project, overrides: Vec<(String, String)>) -> InProcess {
        // As the program does at its start: two TLS libraries are in the tree.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let flags = Flags {
            config: Some(project.config().to_path_buf()),
            overrides,
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
        self.runtime
            .block_on(run::run(&mut self.workspace, "run", &request(select), observer))
            .unwrap()
    }

    /// How many steps `plan` shows of what `--select` chooses.
    pub fn steps(&mut self, select: &[&str]) -> usize {
        self.runtime.block_on(async {
            self.workspace.mirror = mirror::read(&self.workspace).await.unwrap();
            let plan = plan::plan(&self.workspace, &request(select)).await.unwrap();
            plan.steps.len()
        })
    }

    /// Ends as a process does: only then may the ledger's file be put elsewhere.
    pub fn close(self) {
        self.runtime.block_on(self.workspace.ledger.close());
    }

    /// The rows of a query, every value as text, null as the empty text.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let context = self.workspace.engine.session();
        let found = query::rows(&self.workspace, &context, sql);
        query::texts(&self.runtime.block_on(found).unwrap())
    }
}

fn request(select: &[&str]) -> Request {
    Request {
        pipeline: "daily".into(),
        select: select.iter().map(|s| (*s).to_string()).collect(),
        ..Request::default()
    }
}

//! Everything a verb works with: configuration, warehouse, engine, ledger, tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, Source, Tenant};
use crate::domain::timestamp::parse_timestamp;
use crate::error::{Error, Result};
use crate::factors::{FactorSet, archive};
use crate::ledger::{Ledger, NewRun, Run, RunStatus};
use crate::model::render::Placeholders;
use crate::model::{Graph, ModelKind, select};
use crate::transform::settings::{METHOD_VERSION, settings_tables, tag_columns};
use crate::transform::{Engine, Part, Tables};
use crate::warehouse::{Location, Warehouse};

use super::mirror::Mirror;
use super::report::RunReport;
use super::system::system_tables;
use super::tenant_report::OneTenant;

fn open_location(config: &Config, url: &str, profile: Option<&str>) -> Result<Location> {
    Location::open(url, &config.base, &config.profile(profile))
}

/// The state of one process.
pub struct Workspace {
    /// The configuration.
    pub config: Config,
    /// The tables' place.
    pub warehouse: Warehouse,
    /// The query engine.
    pub engine: Engine,
    /// The metadata database.
    pub ledger: Ledger,
    /// What SQL can name.
    pub tables: Tables,
    /// What of the ledger is not to be believed, because the tables say otherwise.
    pub mirror: Mirror,
    /// The local folder of the run lock and spooled downloads.
    pub data_folder: PathBuf,
    /// Tables beside ours in the warehouse, as a warning: they are not read.
    pub strays: Vec<String>,
}

impl Workspace {
    /// Opens everything a configuration names; reads the tables' logs, no data file.
    ///
    /// # Errors
    /// Usage for what the configuration gets wrong, external for what cannot be reached.
    pub async fn open(config: Config) -> Result<Workspace> {
        let mut workspace = Workspace::connect(config).await?;
        workspace.read_tables().await?;
        Ok(workspace)
    }

    /// The same without the tables: what writes reads them when it has the lock.
    ///
    /// # Errors
    /// Usage for what the configuration gets wrong, external for what cannot be reached.
    pub async fn connect(config: Config) -> Result<Workspace> {
        let warehouse = Warehouse::new(open_location(
            &config,
            &config.warehouse.url,
            config.warehouse.profile.as_deref(),
        )?);
        let data_folder = config.local_folder();
        std::fs::create_dir_all(&data_folder)
            .map_err(|e| Error::from(e).at(data_folder.display().to_string()))?;
        let ledger = Ledger::open_current(&config.database.url, &config.base).await?;
        Workspace::with(config, warehouse, ledger, data_folder).await
    }

    /// The same for what only reads: neither the warehouse nor the ledger needs to be writable.
    ///
    /// # Errors
    /// As [`Workspace::open`].
    pub async fn open_to_read(config: Config) -> Result<Workspace> {
        let profile = config.warehouse.profile.as_deref();
        let warehouse = Warehouse::new(open_location(&config, &config.warehouse.url, profile)?);
        let ledger = Ledger::open_to_read(&config.database.url, &config.base).await?;
        let data_folder = config.local_folder();
        let mut workspace = Workspace::with(config, warehouse, ledger, data_folder).await?;
        workspace.read_tables().await?;
        Ok(workspace)
    }

    async fn with(
        config: Config,
        warehouse: Warehouse,
        ledger: Ledger,
        data_folder: PathBuf,
    ) -> Result<Workspace> {
        let factors = match &config.factors.version {
            Some(version) => archive::load(&warehouse, version).await?,
            None => FactorSet::load(config.factors.overlay.as_deref())?,
        };
        let engine = Engine::new(&config.engine, &warehouse)?;
        let placeholders = Placeholders {
            tags: tag_columns(&config),
            ..Placeholders::default()
        };
        let only = OneTenant::of(&config, &ledger).await?;
        let project = config.file.as_ref().map(|_| config.base.clone());
        let graph = Graph::load(project.as_deref(), &placeholders)?;
        let tables = Tables {
            graph,
            placeholders,
            settings: settings_tables(&config, factors.version())?,
            factors: Arc::new(factors),
            system: system_tables(&ledger, only.as_ref()).await?,
            snapshots: Default::default(),
            damaged: Default::default(),
            small_views: Default::default(),
            part: Part::WHOLE,
        };
        Ok(Workspace {
            config,
            warehouse,
            engine,
            ledger,
            tables,
            mirror: Mirror::default(),
            data_folder,
            strays: Vec::new(),
        })
    }

    /// Reads the newest snapshot of every table.
    ///
    /// # Errors
    /// External when a log cannot be read.
    pub async fn read_tables(&mut self) -> Result<()> {
        let opened = self.warehouse.open_all().await?;
        self.tables.snapshots.clear();
        self.tables.damaged.clear();
        self.strays.clear();
        let known = self.tables.names();
        for (name, table) in opened {
            match table {
                _ if name.starts_with("raw.") && !known.contains(&name) => self.strays.push(format!(
                    "the warehouse holds a table {name} that no kind of source lands in: it is not read"
                )),
                Ok(table) => self.tables.replace(table),
                Err(error) => _ = self.tables.damaged.insert(name, error),
            }
        }
        Ok(())
    }

    /// Removes what killed runs left of their downloads; the caller holds the run lock.
    ///
    /// # Errors
    /// External when a file cannot be removed.
    pub(super) fn clear_spool(&self) -> Result<()> {
        let spool = self.spool();
        match std::fs::remove_dir_all(&spool) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::from(error).at(spool.display().to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The local folder of downloads.
    pub(super) fn spool(&self) -> PathBuf {
        self.data_folder.join("spool")
    }

    /// The sources of the chosen tenants.
    pub fn sources(&self) -> Vec<(Tenant, Source)> {
        let tenants = self.config.selected_tenants();
        tenants
            .flat_map(|t| t.sources.iter().map(|s| (t.clone(), s.clone())))
            .collect()
    }

    /// Whether any table of a schema (`raw.`) holds a row of the chosen tenants.
    pub fn holds(&self, schema: &str) -> bool {
        let chosen: BTreeSet<&str> = self.config.selected_tenants().map(|t| t.id.as_str()).collect();
        let tables = self.tables.snapshots.iter();
        let tables = tables.filter(|(name, _)| name.starts_with(schema));
        let mut files = tables.flat_map(|(_, table)| table.files());
        files.any(|file| {
            let tenant = file.partition.get("tenant").and_then(|t| t.as_deref());
            file.rows > 0 && tenant.is_some_and(|tenant| chosen.contains(tenant))
        })
    }

    /// The tables that `--select` chooses: raw tables and kept models.
    ///
    /// # Errors
    /// Usage when an expression matches nothing.
    pub fn select(&self, expressions: &[String]) -> Result<BTreeSet<String>> {
        let raw = self.tables.names().into_iter().filter(|n| n.starts_with("raw."));
        let kept = self
            .tables
            .graph
            .ordered()
            .filter(|m| m.kind != ModelKind::View)
            .map(|m| m.name.clone());
        select::select(&self.tables.graph, &raw.chain(kept).collect(), expressions)
    }

    /// Shows the tables as a run or an instant (`2026-01-31`, `2026-01-31T06:00:00Z`) left them.
    ///
    /// # Errors
    /// Usage: there is no such run, or the text is no instant.
    pub async fn travel_to(&mut self, as_of: &str) -> Result<()> {
        let run = match self.ledger.find_run(as_of).await? {
            Some(run) => run,
            None => {
                let micros = parse_timestamp(as_of, None).ok_or_else(|| {
                    Error::usage(format!("--as-of `{as_of}` is neither a run nor an instant")).hint(
                        "`offgridflow sql \"select run_id, finished_at from system.runs\"` lists the runs; an instant is written 2026-01-31, 2026-01-31T06:00:00Z or 2026-01-31T06:00:00+02:00",
                    )
                })?;
                let before = |finished: &Option<String>| {
                    finished
                        .as_deref()
                        .and_then(|t| parse_timestamp(t, None))
                        .is_some_and(|t| t <= micros)
                };
                self.ledger
                    .runs(u32::MAX)
                    .await?
                    .into_iter()
                    .find(|r| r.has_ended() && before(&r.finished_at))
                    .ok_or_else(|| Error::usage(format!("no run had finished at {as_of}")))?
            }
        };
        let versions = self.versions_left_by(&run).await?;
        self.tables.snapshots.clear();
        self.tables.damaged.clear();
        for (name, version) in versions {
            if let Some(table) = self.warehouse.open(&name, Some(version as u64)).await? {
                self.tables.replace(table);
            }
        }
        Ok(())
    }

    /// The table versions that a run left.
    ///
    /// # Errors
    /// Usage: the run did not come to its end, so nobody noted what it left.
    pub async fn versions_left_by(&self, run: &Run) -> Result<BTreeMap<String, i64>> {
        if !run.has_ended() {
            return Err(Error::usage(format!(
                "run {} is {}: what it left was never noted",
                run.run_id,
                run.status.name()
            ))
            .hint("name the run before or after it"));
        }
        self.ledger.table_versions(&run.run_id).await
    }

    pub(super) async fn begin(&self, run_id: &str, verb: &str, pipeline: &str) -> Result<()> {
        let run = NewRun {
            run_id,
            verb,
            pipeline: Some(pipeline),
            method_version: Some(METHOD_VERSION),
            factor_set_version: Some(self.tables.factors.version()),
        };
        self.ledger.begin_run(run).await
    }

    pub(super) async fn finish(&self, run_id: &str, report: &RunReport) -> Result<()> {
        let versions: Vec<(String, i64)> = self
            .tables
            .snapshots
            .iter()
            .map(|(name, table)| (name.clone(), table.version() as i64))
            .collect();
        self.ledger.record_table_versions(run_id, &versions).await?;
        let status = if report.exit_code() == 0 {
            RunStatus::Done
        } else {
            RunStatus::Failed
        };
        self.ledger
            .finish_run(
                run_id,
                status,
                report.exit_code(),
                Some(&report.to_json().to_string()),
            )
            .await
    }
}

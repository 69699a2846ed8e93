//! What `doctor` checks: everything that a configuration names is tried.

use ulid::Ulid;

use super::doctor_findings::{Finding, Findings, Seen};
use super::doctor_sources::source_findings;
use super::doctor_tables::table_findings;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::factors::{FactorSet, archive};
use crate::ledger::Ledger;
use crate::transform::Engine;
use crate::warehouse::{Location, Warehouse};

/// Tries everything the configuration names; what fails is among the findings.
pub async fn check_everything(config: &Config) -> Findings {
    let mut all = Vec::new();
    let mut note = |what: &str, outcome: Result<Seen>| all.push(Finding::of(what, outcome));
    let file = config.file.clone();
    note("configuration", Ok(Seen::Configuration { file }));
    let warehouse = warehouse(config).await;
    let tables = match &warehouse {
        Ok(Seen::Warehouse { tables, .. }) => Some(*tables),
        _ => None,
    };
    note("warehouse", warehouse);
    note("ledger", ledger(config).await);
    note("factor set", factor_set(config).await);
    if config.engine.url != "local" {
        note("engine", engine(config).await);
    }
    for tenant in config.selected_tenants() {
        if tenant.sources.is_empty() {
            note(
                &format!("tenant {}", tenant.id),
                Err(Error::usage("the tenant has no source").hint("add a [[tenant.source]]")),
            );
        }
    }
    if tables.is_some_and(|tables| tables > 0) {
        all.extend(table_findings(config).await);
    }
    for tenant in config.selected_tenants() {
        for source in &tenant.sources {
            let what = format!("source {}/{}", tenant.id, source.id);
            all.extend(source_findings(config, &what, source).await);
        }
    }
    Findings {
        all,
        is_empty_warehouse: tables == Some(0),
    }
}

pub(super) fn open_warehouse(config: &Config) -> Result<Warehouse> {
    let profile = config.profile(config.warehouse.profile.as_deref());
    let location = Location::open(&config.warehouse.url, &config.base, &profile)?;
    Ok(Warehouse::new(location))
}

/// Opens the store, writes a small object, reads it back and deletes it.
async fn warehouse(config: &Config) -> Result<Seen> {
    let warehouse = open_warehouse(config)?;
    let location = &warehouse.location;
    let object = format!(".doctor-{}", Ulid::new());
    let bytes = b"offgridflow doctor".to_vec();
    location.write(&object, bytes.clone()).await?;
    let read = location.read(&object).await;
    location.delete(&object).await?;
    if read? != bytes {
        return Err(
            Error::external("the store gave back other bytes than were written").at(location.url.to_string()),
        );
    }
    Ok(Seen::Warehouse {
        url: location.url.to_string(),
        tables: warehouse.table_names().await?.len(),
    })
}

/// Asks the cluster for a first answer.
async fn engine(config: &Config) -> Result<Seen> {
    let warehouse = open_warehouse(config)?;
    Engine::new(&config.engine, &warehouse)?.reach().await?;
    let url = config.engine.url.clone();
    Ok(Seen::Engine { url })
}

async fn ledger(config: &Config) -> Result<Seen> {
    let ledger = Ledger::open_current(&config.database.url, &config.base).await?;
    let seen = Seen::Ledger {
        migrations: ledger.status().await?.len(),
        path: ledger.path().map(|path| path.to_path_buf()),
        last: ledger.runs(1).await?.pop().map(Box::new),
    };
    ledger.close().await;
    Ok(seen)
}

async fn factor_set(config: &Config) -> Result<Seen> {
    let set = match &config.factors.version {
        Some(version) => archive::load(&open_warehouse(config)?, version).await?,
        None => FactorSet::load(config.factors.overlay.as_deref())?,
    };
    Ok(Seen::FactorSet {
        version: set.version().to_string(),
        is_pinned: config.factors.version.is_some(),
        tables: set.tables().count(),
    })
}

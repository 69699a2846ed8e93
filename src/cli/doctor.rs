//! `doctor`

use ulid::Ulid;

use super::arguments::Format;
use super::doctor_tables::table_findings;
use super::listing::Listing;
use super::output::Output;
use super::retry::counted;
use crate::config::{Config, Source};
use crate::error::{Error, Result};
use crate::extract::{Origin, discover};
use crate::factors::{FactorSet, archive};
use crate::land::empty_file;
use crate::ledger::Ledger;
use crate::transform::Engine;
use crate::warehouse::{Location, Warehouse};

/// What one look found.
pub(super) struct Finding {
    what: String,
    /// Ok with what was seen, or why not.
    outcome: std::result::Result<String, Error>,
    warnings: Vec<String>,
}

impl Finding {
    /// A finding without warnings.
    pub(super) fn of(what: &str, outcome: Result<String>) -> Finding {
        Finding {
            what: what.to_string(),
            outcome,
            warnings: Vec::new(),
        }
    }

    /// The same with something to be known.
    pub(super) fn warned(mut self, warning: String) -> Finding {
        self.warnings.push(warning);
        self
    }
}

/// Tries everything the configuration names; the exit code is the lowest of the findings'.
///
/// # Errors
/// External when the result cannot be printed.
pub async fn doctor(config: &Config, output: &Output) -> Result<u8> {
    let mut findings = Vec::new();
    let mut note = |what: &str, outcome: Result<String>| findings.push(Finding::of(what, outcome));
    let file = config
        .file
        .as_ref()
        .map_or("none: built-in defaults".to_string(), |f| f.display().to_string());
    note("configuration", Ok(file));
    let warehouse = warehouse(config).await;
    let is_empty = matches!(warehouse, Ok((_, 0)));
    let has_tables = matches!(warehouse, Ok((_, 1..)));
    note("warehouse", warehouse.map(|(seen, _)| seen));
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
    if has_tables {
        findings.extend(table_findings(config).await);
    }
    for tenant in config.selected_tenants() {
        for source in &tenant.sources {
            findings.extend(
                source_findings(config, &format!("source {}/{}", tenant.id, source.id), source).await,
            );
        }
    }
    print(output, &findings, is_empty)?;
    let failures = findings.iter().filter_map(|f| f.outcome.as_ref().err());
    Ok(failures.map(|e| e.blame().exit_code()).min().unwrap_or(0))
}

fn print(output: &Output, findings: &[Finding], is_empty: bool) -> Result<()> {
    let mut listing = Listing::new(&["what", "state", "finding", "hint"]);
    for finding in findings {
        let (state, text, hint) = match &finding.outcome {
            Ok(seen) if finding.warnings.is_empty() => ("ok", seen.clone(), String::new()),
            Ok(seen) => (
                "warning",
                format!("{seen}; {}", finding.warnings.join("; ")),
                String::new(),
            ),
            Err(error) => (
                "failed",
                error.to_string(),
                error.hint_text().unwrap_or_default().to_string(),
            ),
        };
        listing.row([finding.what.as_str(), state, &text, &hint]);
    }
    if output.format != Format::Text {
        return listing.print(output);
    }
    let width = findings
        .iter()
        .map(|f| f.what.chars().count())
        .max()
        .unwrap_or_default();
    for row in listing.rows() {
        output.line(format!("{:<7}  {:<width$}  {}", row[1], row[0], row[2]));
        if !row[3].is_empty() {
            output.line(format!("         {:<width$}  hint: {}", "", row[3]));
        }
    }
    let failed = findings.iter().filter(|f| f.outcome.is_err()).count();
    output.line("");
    output.line(match failed {
        0 if is_empty => format!(
            "{} looked at, all of them answer. Nothing has landed yet, so no data could be checked.",
            counted(findings.len(), "thing", "things")
        ),
        0 => format!(
            "{} looked at, all well.",
            counted(findings.len(), "thing", "things")
        ),
        _ => format!("{failed} of {} failed.", findings.len()),
    });
    Ok(())
}

/// Opens the store, writes a small object, reads it back and deletes it; the number of tables with what was seen.
async fn warehouse(config: &Config) -> Result<(String, usize)> {
    let profile = config.profile(config.warehouse.profile.as_deref());
    let location = Location::open(&config.warehouse.url, &config.base, &profile)?;
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
    let url = location.url.to_string();
    let tables = Warehouse::new(location).table_names().await?.len();
    let seen = format!(
        "{url}: readable and writable, {}",
        counted(tables, "table", "tables")
    );
    Ok((seen, tables))
}

/// Asks the cluster for a first answer.
async fn engine(config: &Config) -> Result<String> {
    let profile = config.profile(config.warehouse.profile.as_deref());
    let warehouse = Warehouse::new(Location::open(&config.warehouse.url, &config.base, &profile)?);
    Engine::new(&config.engine, &warehouse)?.reach().await?;
    Ok(format!("{}: an executor answers", config.engine.url))
}

async fn ledger(config: &Config) -> Result<String> {
    let ledger = Ledger::open_current(&config.database.url, &config.base).await?;
    let steps = ledger.status().await?.len();
    let place = ledger
        .path()
        .map_or("in memory".to_string(), |p| p.display().to_string());
    let last = match ledger.runs(1).await?.first() {
        Some(run) => format!(
            "last run {} {}",
            run.started_at
                .get(..16)
                .unwrap_or(&run.started_at)
                .replace('T', " "),
            run.status.name()
        ),
        None => "no run yet".to_string(),
    };
    ledger.close().await;
    Ok(format!(
        "{place}: {} applied, {last}",
        counted(steps, "migration", "migrations")
    ))
}

async fn factor_set(config: &Config) -> Result<String> {
    let set = match &config.factors.version {
        Some(version) => {
            let profile = config.profile(config.warehouse.profile.as_deref());
            archive::load(
                &Warehouse::new(Location::open(&config.warehouse.url, &config.base, &profile)?),
                version,
            )
            .await?
        }
        None => FactorSet::load(config.factors.overlay.as_deref())?,
    };
    let pinned = if config.factors.version.is_some() {
        ", pinned"
    } else {
        ""
    };
    Ok(format!(
        "{}{pinned}, {}",
        set.version(),
        counted(set.tables().count(), "table", "tables")
    ))
}

/// One line for what a source holds, one for each delivery that cannot be landed.
async fn source_findings(config: &Config, what: &str, source: &Source) -> Vec<Finding> {
    let finding = |outcome| Finding::of(what, outcome);
    let found = match Origin::open(config, source).await {
        Ok(Origin::Store(location)) => discover(&location, source.kind).await,
        Ok(Origin::Api(connector)) => {
            let seen = connector.check().await;
            return vec![finding(
                seen.map(|seen| format!("{}: {seen}", source.kind.name()))
                    .map_err(|e| e.at(connector.uri())),
            )];
        }
        Err(error) => Err(error),
    };
    let mut found = match found {
        Ok(found) => found,
        Err(error) if error.to_string().contains(&source.url) => return vec![finding(Err(error))],
        Err(error) => return vec![finding(Err(error.at(source.url.clone())))],
    };
    let files: Vec<_> = found.deliveries.iter().flat_map(|d| &d.files).collect();
    let bytes: u64 = files.iter().map(|f| f.object.size).sum();
    let newest = files.iter().max_by_key(|f| f.object.modified);
    let newest = newest.map_or(String::new(), |f| {
        format!(
            ", newest {} of {}",
            f.object.key,
            f.object.modified.format("%Y-%m-%d %H:%M UTC")
        )
    });
    let periods: Vec<String> = found
        .deliveries
        .iter()
        .filter_map(|d| d.period)
        .map(|p| p.to_string())
        .collect();
    let range = match (periods.iter().min(), periods.iter().max()) {
        (Some(first), Some(last)) if first != last => format!(" ({first} … {last})"),
        (Some(only), _) => format!(" ({only})"),
        _ => String::new(),
    };
    let seen = format!(
        "{}: {}{range}, {}, {}{newest}",
        source.kind.name(),
        counted(found.deliveries.len(), "delivery", "deliveries"),
        counted(files.len(), "file", "files"),
        super::listing::bytes(bytes)
    );
    let empty = files.iter().filter(|file| file.object.size == 0);
    let empty: Vec<Error> = empty.map(|file| empty_file(&file.uri)).collect();
    if files.is_empty() && found.warnings.is_empty() && found.failures.is_empty() {
        found.warnings.push("nothing is delivered yet".to_string());
    }
    let mut findings = vec![Finding {
        what: what.to_string(),
        outcome: Ok(seen),
        warnings: found.warnings,
    }];
    let failures = found.failures.into_iter().chain(empty);
    findings.extend(failures.map(|error| finding(Err(error))));
    findings
}

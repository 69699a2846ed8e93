//! What `doctor` looks at in the warehouse: whether the files are there that the tables' logs and manifests name.

use super::doctor::open_warehouse;
use super::doctor_findings::{Finding, Seen};
use super::unbuilt::some_of;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::warehouse::{DataFile, Table, Warehouse};

/// One finding for the tables that are whole and for each one that is not; the same for what is published. Under `--tenant`
/// the files of that tenant alone.
pub(super) async fn table_findings(config: &Config) -> Vec<Finding> {
    match look(config).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::of("tables", Err(error))],
    }
}

async fn look(config: &Config) -> Result<Vec<Finding>> {
    let warehouse = open_warehouse(config)?;
    let is_looked_at = |file: &DataFile| {
        let owner = file.partition.get("tenant").and_then(|tenant| tenant.as_deref());
        config
            .selected_tenant
            .as_deref()
            .is_none_or(|chosen| owner == Some(chosen))
    };
    let mut damaged = Vec::new();
    let mut published = Vec::new();
    let (mut whole, mut files) = (0, 0);
    for (name, table) in warehouse.open_all().await? {
        let found = match &table {
            Ok(table) => whole_table(table, &is_looked_at).await,
            Err(error) => Err(error.clone()),
        };
        match found {
            Ok(named) => (whole, files) = (whole + 1, files + named),
            Err(error) => damaged.push(Finding::of(&format!("table {name}"), Err(error))),
        }
        if let (Some(short), Ok(table)) = (name.strip_prefix("publish."), &table) {
            published.extend(published_table(&warehouse, short, table).await?);
        }
    }
    let mut findings = Vec::new();
    if whole > 0 {
        findings.push(Finding::of("tables", Ok(Seen::Tables { tables: whole, files })));
    }
    findings.extend(damaged);
    findings.extend(published);
    Ok(findings)
}

/// The number of data files that were looked for.
async fn whole_table(table: &Table, is_looked_at: &dyn Fn(&DataFile) -> bool) -> Result<usize> {
    let named = table.files().iter().filter(|file| is_looked_at(file)).count();
    let amiss = table.files_amiss(is_looked_at).await?;
    if amiss.is_empty() {
        return Ok(named);
    }
    let name = &table.name;
    let anew = match name.split_once('.') {
        Some(("raw", _)) => format!(
            "`offgridflow run --full-refresh --select {name}` lands its deliveries anew, as far as their sources still have them"
        ),
        Some(("audit", _)) => {
            "move the table's folder away: the next failure of the audit makes it anew".to_string()
        }
        _ => format!("`offgridflow run --full-refresh --select {name}` builds it anew"),
    };
    let error = Error::external(format!(
        "{} of {named} {} that its log names {} not there as it says: {}",
        amiss.len(),
        if named == 1 { "data file" } else { "data files" },
        if amiss.len() == 1 { "is" } else { "are" },
        some_of(&amiss)
    ));
    Err(error
        .at(table.location.uri(&table.location.prefix))
        .hint(format!("put the files back from a backup; or {anew}")))
}

/// Whether the plain files of a table are those that were published; nothing to say where they are, or of older rows.
async fn published_table(warehouse: &Warehouse, short: &str, table: &Table) -> Result<Option<Finding>> {
    let found = warehouse.published_files(short).await?;
    if found.is_whole() {
        return Ok(None);
    }
    let place = warehouse.published_place(short);
    let what = format!("published {short}");
    if !found.amiss.is_empty() {
        let error = Error::external(format!(
            "{} of the files that latest.json names {} not there as it says: {}",
            found.amiss.len(),
            if found.amiss.len() == 1 { "is" } else { "are" },
            some_of(&found.amiss)
        ));
        let error = error
            .at(place.clone())
            .hint("`offgridflow run` publishes the table again");
        return Ok(Some(Finding::of(&what, Err(error))));
    }
    let is_newest = found.contents == Some(table.identity().to_string());
    let when = if is_newest { "run" } else { "publish" };
    let warning = format!(
        "{} was put there by no run, and whoever reads the folder counts it too: the next {when} removes it",
        some_of(&found.foreign)
    );
    Ok(Some(
        Finding::of(&what, Ok(Seen::Published { place })).warned(warning),
    ))
}

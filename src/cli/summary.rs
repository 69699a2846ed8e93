//! The summary of a run: what landed, what was rebuilt and why, emissions, coverage, where the tables are.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::output::{Output, new_table};
use crate::error::Result;
use crate::run::sql::read_only;
use crate::run::{RunReport, Workspace};

/// Prints a report for a person.
///
/// # Errors
/// What reading the published tables gives.
pub async fn print(
    workspace: &Workspace,
    output: &Output,
    report: &RunReport,
    upkeep_only: bool,
) -> Result<()> {
    if output.quiet {
        return Ok(());
    }
    output.line(format!("Run {} · {:.1} s", report.run_id, report.seconds));
    output.line("");
    if !report.maintenance.is_empty() {
        output.line("Maintained");
        super::maintain::list(output, &report.maintenance, true)?;
        output.line("");
    }
    if upkeep_only {
        return Ok(());
    }
    landed(output, report);
    rebuilt(output, report);
    emissions(workspace, output).await?;
    coverage(workspace, output, report).await?;
    output.line(format!(
        "Tables     {}  (Delta: <schema>/<table>; plain Parquet: published/<table>/current)",
        workspace.warehouse.location.url
    ));
    let example = "select service_name, sum(total_location_gco2e) / 1000 as kgco2e from publish.emissions_by_service_region_month group by 1 order by 2 desc";
    output.line(format!("Try        offgridflow sql \"{example}\""));
    Ok(())
}

fn landed(output: &Output, report: &RunReport) {
    let mut table =
        new_table(["source", "new", "replaced", "current", "rows landed", "rejected"].into_iter());
    for source in &report.sources {
        let numbers = [
            source.slices_new,
            source.slices_replaced,
            source.slices_current,
            source.rows,
            source.rejected,
        ];
        let cells = std::iter::once(Cell::new(&source.id)).chain(numbers.iter().map(|n| right(&grouped(*n))));
        table.add_row(cells);
    }
    output.line("Landed");
    output.line(table.to_string());
    output.line("");
}

fn rebuilt(output: &Output, report: &RunReport) {
    let built: Vec<_> = report.models.iter().filter(|m| m.partitions_built > 0).collect();
    let current: u64 = report.models.iter().map(|m| m.partitions_current).sum();
    // Where only landing was asked for there is nothing to say.
    if report.models.is_empty() {
        if !report.failures.is_empty() {
            output.line("Rebuilt    nothing");
            output.line("");
        }
        return;
    }
    if built.is_empty() {
        output.line(match (report.failures.is_empty(), current) {
            (true, 0) => "Rebuilt    nothing: no landed row calls for it".to_string(),
            (true, _) => format!("Rebuilt    nothing: all {current} partitions are up to date"),
            (false, _) => format!("Rebuilt    nothing; up to date are {current} partitions"),
        });
    } else {
        let mut table = new_table(["table", "partitions", "current", "rows", "which"].into_iter());
        for model in built {
            // Partitions are in the order of their names, in which the export stands before the period.
            let values = || model.built.iter().map(|key| last_value(key));
            let which = match (values().min(), values().max()) {
                (Some(first), Some(last)) if first != last => format!("{first} … {last}"),
                (Some(only), _) => only.to_string(),
                _ => String::new(),
            };
            table.add_row(vec![
                Cell::new(&model.name),
                right(&grouped(model.partitions_built)),
                right(&grouped(model.partitions_current)),
                right(&grouped(model.rows)),
                Cell::new(which),
            ]);
        }
        output.line("Rebuilt");
        output.line(table.to_string());
    }
    let failed = report.audits.iter().filter(|a| !a.passed).count();
    output.line(format!(
        "Audits     {} passed, {failed} failed",
        report.audits.len() - failed
    ));
    output.line("");
}

/// `2026-01` of `tenant=acme/source=aws/export=cur2/period=2026-01`.
fn last_value(key: &str) -> &str {
    key.rsplit('=').next().unwrap_or(key)
}

/// Emissions per provider over everything published, each with its largest services.
async fn emissions(workspace: &Workspace, output: &Output) -> Result<()> {
    if !workspace
        .tables
        .snapshots
        .contains_key("publish.emissions_by_service_region_month")
    {
        return Ok(());
    }
    let tenants = tenant_list(workspace);
    let sql = format!(
        "WITH services AS (
            SELECT tenant, provider_name, service_name, SUM(facility_kwh) AS kwh, SUM(location_gco2e) AS location,
                SUM(market_gco2e) AS market, SUM(embodied_gco2e) AS embodied, SUM(total_location_gco2e) AS total
            FROM publish.emissions_by_service_region_month WHERE tenant IN ({tenants})
            GROUP BY tenant, provider_name, service_name
        ), ranked AS (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY tenant, provider_name ORDER BY total DESC NULLS LAST, service_name) AS rank FROM services
        )
        SELECT tenant, provider_name, '' AS service, SUM(kwh) AS kwh, SUM(location) AS location, SUM(market) AS market,
            SUM(embodied) AS embodied, SUM(total) AS total, 0 AS rank
        FROM services GROUP BY tenant, provider_name
        UNION ALL
        SELECT tenant, provider_name, service_name, kwh, location, market, embodied, total, rank FROM ranked WHERE rank <= 3 AND total > 0
        ORDER BY tenant, provider_name, rank"
    );
    let batches = read_only(workspace, &sql).await?.batches;
    let mut table = new_table(
        [
            "provider",
            "service",
            "kWh",
            "location kg",
            "market kg",
            "embodied kg",
            "total kg CO2e",
        ]
        .into_iter(),
    );
    for row in rows(&batches)? {
        let name = if row[2].is_empty() {
            format!("{} ({})", row[1], row[0])
        } else {
            String::new()
        };
        let service = if row[2].is_empty() {
            "all services".to_string()
        } else {
            row[2].clone()
        };
        let kilograms = |text: &str| right(&rounded(text, 1000.0));
        table.add_row(vec![
            Cell::new(name),
            Cell::new(service),
            right(&rounded(&row[3], 1.0)),
            kilograms(&row[4]),
            kilograms(&row[5]),
            kilograms(&row[6]),
            kilograms(&row[7]),
        ]);
    }
    output.line("Emissions by provider, all months published");
    output.line(table.to_string());
    output.line("");
    Ok(())
}

async fn coverage(workspace: &Workspace, output: &Output, report: &RunReport) -> Result<()> {
    let without = report.coverage.activity_rows_without_factor;
    if without > 0 {
        let (rows, have) = match without {
            1 => ("row", "has"),
            _ => ("rows", "have"),
        };
        output.line(format!(
            "Activity   {} activity {rows} {have} no factor: null emissions, see `offgridflow factors gaps`",
            grouped(without)
        ));
        output.line("");
    }
    if report.coverage.currencies.is_empty() {
        return Ok(());
    }
    let percent = |share: Option<f64>| share.map_or("unknown".to_string(), |s| format!("{:.1} %", s * 100.0));
    let mut text = String::from("Coverage   ");
    for currency in &report.coverage.currencies {
        let _ = write!(
            text,
            "{} of {} cost · ",
            percent(currency.cost_share),
            currency.currency
        );
    }
    let _ = write!(text, "{} of usage lines", percent(report.coverage.row_share));
    output.line(text);
    let sql = format!(
        "SELECT provider_name, service_name, billing_currency, uncovered_reason,
            SUM(effective_cost) - SUM(COALESCE(covered_cost, 0)) AS uncovered
        FROM publish.coverage WHERE tenant IN ({})
        GROUP BY provider_name, service_name, billing_currency, uncovered_reason
        HAVING SUM(effective_cost) - SUM(COALESCE(covered_cost, 0)) > 0 ORDER BY uncovered DESC, service_name LIMIT 5",
        tenant_list(workspace)
    );
    let batches = read_only(workspace, &sql).await?.batches;
    for row in rows(&batches)? {
        let cost = rounded(&row[4], 1.0);
        output.line(format!(
            "           without a factor: {} {} ({} {cost}): {}",
            row[0], row[1], row[2], row[3]
        ));
    }
    output.line("");
    Ok(())
}

fn tenant_list(workspace: &Workspace) -> String {
    workspace
        .config
        .selected_tenants()
        .map(|t| format!("'{}'", t.id))
        .collect::<Vec<_>>()
        .join(", ")
}

fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("");
    let mut rows = Vec::new();
    for batch in batches {
        let formatters: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
            .collect::<std::result::Result<_, _>>()?;
        rows.extend((0..batch.num_rows()).map(|row| {
            formatters
                .iter()
                .map(|f| f.value(row).to_string())
                .collect::<Vec<_>>()
        }));
    }
    Ok(rows)
}

fn right(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A decimal text divided and rounded for people; unknown stays a dash.
fn rounded(text: &str, divisor: f64) -> String {
    let Ok(value) = text.parse::<f64>() else {
        return "–".to_string();
    };
    let value = value / divisor;
    let digits = if value.abs() >= 100.0 { 0 } else { 2 };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let grouped = grouped(whole.trim_start_matches('-').parse().unwrap_or_default());
    if fraction.is_empty() {
        format!("{sign}{grouped}")
    } else {
        format!("{sign}{grouped}.{fraction}")
    }
}

/// `12345` as `12,345`.
fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

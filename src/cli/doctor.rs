//! `doctor`

use super::arguments::Format;
use super::listing::{Listing, bytes};
use super::output::Output;
use super::retry::counted;
use crate::config::Config;
use crate::error::Result;
use crate::ledger::Run;
use crate::run::doctor::check_everything;
use crate::run::doctor_findings::{Findings, Seen};
use crate::run::doctor_sources::SeenDeliveries;

/// Tries everything the configuration names; the exit code is the lowest of the findings'.
///
/// # Errors
/// External when the result cannot be printed.
pub async fn doctor(config: &Config, output: &Output) -> Result<u8> {
    let findings = check_everything(config).await;
    print(output, &findings)?;
    let failures = findings.all.iter().filter_map(|f| f.outcome.as_ref().err());
    Ok(failures.map(|e| e.blame().exit_code()).min().unwrap_or(0))
}

fn print(output: &Output, findings: &Findings) -> Result<()> {
    let (findings, is_empty) = (&findings.all, findings.is_empty_warehouse);
    let mut listing = Listing::new(&["what", "state", "finding", "hint"]);
    for finding in findings {
        let (state, text, hint) = match &finding.outcome {
            Ok(seen) if finding.warnings.is_empty() => ("ok", words(seen), String::new()),
            Ok(seen) => (
                "warning",
                format!("{}; {}", words(seen), finding.warnings.join("; ")),
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

/// What a check saw, in words.
fn words(seen: &Seen) -> String {
    match seen {
        Seen::Configuration { file } => file
            .as_ref()
            .map_or("none: built-in defaults".to_string(), |f| f.display().to_string()),
        Seen::Warehouse { url, tables } => format!(
            "{url}: readable and writable, {}",
            counted(*tables, "table", "tables")
        ),
        Seen::Ledger {
            path,
            migrations,
            last,
        } => format!(
            "{}: {} applied, {}",
            path.as_ref()
                .map_or("in memory".to_string(), |p| p.display().to_string()),
            counted(*migrations, "migration", "migrations"),
            last.as_deref().map_or("no run yet".to_string(), last_run)
        ),
        Seen::FactorSet {
            version,
            is_pinned,
            tables,
        } => format!(
            "{version}{}, {}",
            if *is_pinned { ", pinned" } else { "" },
            counted(*tables, "table", "tables")
        ),
        Seen::Engine { url } => format!("{url}: an executor answers"),
        Seen::Tables { tables, files } => format!(
            "{}: {}, all there as their logs say",
            counted(*tables, "table", "tables"),
            counted(*files, "data file", "data files")
        ),
        Seen::Published { place } => place.clone(),
        Seen::Deliveries(seen) => deliveries(seen),
        Seen::Api { kind, answer } => format!("{}: {answer}", kind.name()),
    }
}

fn last_run(run: &Run) -> String {
    let started = run.started_at.get(..16).unwrap_or(&run.started_at);
    format!("last run {} {}", started.replace('T', " "), run.status.name())
}

fn deliveries(seen: &SeenDeliveries) -> String {
    let range = match seen.periods {
        Some((first, last)) if first != last => format!(" ({first} … {last})"),
        Some((only, _)) => format!(" ({only})"),
        None => String::new(),
    };
    let newest = seen.newest.as_ref().map_or(String::new(), |(key, modified)| {
        format!(", newest {key} of {}", modified.format("%Y-%m-%d %H:%M UTC"))
    });
    format!(
        "{}: {}{range}, {}, {}{newest}",
        seen.kind.name(),
        counted(seen.deliveries, "delivery", "deliveries"),
        counted(seen.files, "file", "files"),
        bytes(seen.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;
    use crate::domain::period::Period;

    #[test]
    fn what_a_source_delivers_is_said_with_its_range() {
        let january = Period::new(2025, 1).unwrap();
        let march = Period::new(2025, 3).unwrap();
        let mut seen = SeenDeliveries {
            kind: SourceKind::ALL[0],
            deliveries: 2,
            periods: Some((january, march)),
            files: 1,
            bytes: 0,
            newest: None,
        };
        let kind = seen.kind.name();
        assert_eq!(
            deliveries(&seen),
            format!("{kind}: 2 deliveries (2025-01 … 2025-03), 1 file, 0 B")
        );
        seen.periods = Some((march, march));
        assert!(deliveries(&seen).contains("2 deliveries (2025-03), 1 file"));
    }
}

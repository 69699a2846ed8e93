//! `db`

use super::arguments::DbVerb;
use super::listing::Listing;
use super::output::Output;
use crate::config::Config;
use crate::error::Result;
use crate::ledger::{Ledger, RunLock};

/// Changes or shows the schema of the metadata database.
///
/// # Errors
/// External when the database cannot be opened or changed, or a run is at work.
pub async fn db(config: &Config, output: &Output, verb: &DbVerb) -> Result<u8> {
    let (url, base) = (&config.database.url, &config.base);
    let there = match verb {
        // Looking needs no write access.
        DbVerb::Status => Ledger::open_read_only(url, base).await?,
        _ => None,
    };
    let ledger = match there {
        Some(ledger) => ledger,
        None => Ledger::open(url, base).await?,
    };
    let place = ledger
        .path()
        .map_or("in memory".to_string(), |p| p.display().to_string());
    match verb {
        DbVerb::Migrate => {
            let steps = ledger.migrate().await?;
            output.line(match steps {
                0 => format!("The schema is up to date ({place})."),
                1 => format!("1 step applied ({place})."),
                _ => format!("{steps} steps applied ({place})."),
            });
        }
        DbVerb::Rollback => {
            let _lock = RunLock::acquire(&config.local_folder(), "db rollback")?;
            match ledger.rollback().await? {
                Some(step) => {
                    output.line(format!(
                        "Step {} ({}) taken back, with its tables ({place}).",
                        step.version, step.description
                    ));
                    output.note(
                        "The next command that opens the warehouse applies it again, with empty tables.",
                    );
                }
                None => output.line(format!("There is no step to take back ({place}).")),
            }
        }
        DbVerb::Status => {
            let mut listing = Listing::new(&["#step", "about", "applied"]);
            for step in ledger.status().await? {
                let applied = step
                    .applied_at
                    .map_or("pending".to_string(), |at| format!("{at} UTC"));
                listing.row([step.version.to_string(), step.description, applied]);
            }
            listing.print(output)?;
            output.note(place);
        }
    }
    ledger.close().await;
    Ok(0)
}

//! `maintain`

use ulid::Ulid;

use super::arguments::{Format, MaintainOptions};
use super::listing::{Listing, bytes};
use super::output::Output;
use super::progress::Progress;
use super::retry::counted;
use crate::error::Result;
use crate::ledger::RunLock;
use crate::run::upkeep::{self, TableUpkeep};
use crate::run::{Request, Upkeep, Workspace};

/// Shows the tables' state, with `--compact` merges small files, with `--vacuum` deletes what no kept version names.
///
/// # Errors
/// External when the store refuses or a run is at work; what fails with one table leaves the others looked after.
pub async fn maintain(workspace: &mut Workspace, output: &Output, options: &MaintainOptions) -> Result<u8> {
    let acts = options.writes();
    let request = Request::default();
    let upkeep = Upkeep {
        // Without a choice, what each of them would do is shown.
        compact: options.compact || !options.vacuum,
        vacuum: options.vacuum || !options.compact,
        keep_days: options.keep_days,
    };
    let (tables, failed) = match acts {
        true => {
            let _lock = RunLock::acquire(&workspace.data_folder, "maintain")?;
            let run_id = Ulid::new().to_string();
            upkeep::maintain(workspace, &request, &upkeep, &run_id, &Progress::new(output)).await?
        }
        false => (upkeep::plan(workspace, &request, &upkeep).await?, Vec::new()),
    };
    list(output, &tables, acts)?;
    note(output, &tables, &upkeep, acts);
    for error in &failed {
        output.fail(error);
    }
    let codes = failed.iter().map(|error| error.blame().exit_code());
    Ok(codes.min().unwrap_or(0))
}

/// The tables with what was done, or could be.
///
/// # Errors
/// Internal when values cannot be formatted.
pub fn list(output: &Output, tables: &[TableUpkeep], acted: bool) -> Result<()> {
    let mut listing = Listing::new(&[
        "table",
        "#version",
        "#files",
        "#partitions",
        "#rows",
        "#size",
        "#kept versions",
        if acted { "#merged" } else { "#could merge" },
        if acted { "#deleted" } else { "#can be deleted" },
    ]);
    for table in tables {
        listing.row([
            table.table.clone(),
            table.version.to_string(),
            table.files.to_string(),
            table.partitions.to_string(),
            table.rows.to_string(),
            match output.format {
                Format::Text => bytes(table.bytes),
                _ => table.bytes.to_string(),
            },
            table.versions_kept.to_string(),
            table.files_merged.to_string(),
            table.files_deleted.to_string(),
        ]);
    }
    listing.print(output)
}

fn note(output: &Output, tables: &[TableUpkeep], upkeep: &Upkeep, acted: bool) {
    let sum = |count: fn(&TableUpkeep) -> u64| tables.iter().map(count).sum::<u64>() as usize;
    let merged = counted(sum(|t| t.files_merged), "file", "files");
    let deleted = counted(sum(|t| t.files_deleted), "file", "files");
    let days = upkeep.keep_days;
    let (merges, deletes) = (sum(|t| t.files_merged) > 0, sum(|t| t.files_deleted) > 0);
    if acted {
        if upkeep.compact {
            output.note(format!(
                "{merged} merged into larger ones; the old ones stay for readers until --vacuum."
            ));
        }
        if upkeep.vacuum {
            output.note(format!(
                "{deleted} deleted. What runs of the last {days} days left stays readable with --as-of."
            ));
        }
        return;
    }
    if merges {
        output.note(format!(
            "{merged} could be merged into larger ones with --compact."
        ));
    }
    if deletes {
        output.note(format!(
            "{deleted} can be deleted with --vacuum: no version that a run of the last {days} days left names them."
        ));
    }
    if !merges && !deletes {
        output.note(format!("Nothing to do: no small files to merge, and every file belongs to a version that a run of the last {days} days left, or is young."));
    }
}

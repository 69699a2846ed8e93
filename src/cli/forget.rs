//! `maintain --forget` and `maintain --keep`

use ulid::Ulid;

use super::arguments::Format;
use super::listing::{Listing, bytes};
use super::output::Output;
use super::retry::counted;
use crate::error::{Error, Result};
use crate::ledger::RunLock;
use crate::run::Workspace;
use crate::run::forget::{self, Removed};

/// Removes the rows of exports from the raw tables; with `dry_run` only says which.
///
/// # Errors
/// Usage for a name that is not known, external when the store refuses or a run is at work.
pub async fn forget(
    workspace: &mut Workspace,
    output: &Output,
    names: &[String],
    dry_run: bool,
) -> Result<u8> {
    let slices = forget::find(workspace, names).await?;
    let still_delivered = forget::still_delivered(workspace, &slices).await?;
    let removed = match dry_run {
        true => forget::removed(workspace, &slices),
        false => {
            let run_id = Ulid::new().to_string();
            let _lock = RunLock::acquire(&workspace.data_folder, &run_id)?;
            forget::forget(workspace, &run_id, &slices).await?
        }
    };
    list(output, &removed)?;
    let rows = counted(
        removed.iter().map(|r| r.rows).sum::<u64>() as usize,
        "row",
        "rows",
    );
    match dry_run {
        true => output.note(format!("{rows} would be removed. Nothing is written.")),
        false => output.note(format!(
            "{rows} removed. The next `offgridflow run` takes them out of what was built from them."
        )),
    }
    for name in still_delivered {
        output.note(format!(
            "{name} was still delivered when its source was last listed: if it stays there, the next run lands it again."
        ));
    }
    Ok(0)
}

/// Notes that the rows of exports that are gone count.
///
/// # Errors
/// Usage for a name that is not known, or of an export that is still delivered.
pub async fn keep(workspace: &Workspace, output: &Output, names: &[String]) -> Result<u8> {
    for slice in forget::find(workspace, names).await? {
        let name = format!("{}/{}/{}", slice.tenant, slice.source, slice.export);
        let known = workspace
            .ledger
            .keep_export(&slice.tenant, &slice.source, &slice.export)
            .await?;
        if !known {
            return Err(Error::usage(format!("{name} is not known to be gone"))
                .hint("its rows count anyway; what is gone is seen by the next `offgridflow run`"));
        }
        output.note(format!(
            "The rows of {name} count, although it is no longer delivered."
        ));
    }
    Ok(0)
}

fn list(output: &Output, removed: &[Removed]) -> Result<()> {
    let mut listing = Listing::new(&["table", "source", "export", "period", "#rows", "#size"]);
    for part in removed {
        listing.row([
            part.table.clone(),
            part.source.clone(),
            part.export.clone(),
            part.period.clone(),
            part.rows.to_string(),
            match output.format {
                Format::Text => bytes(part.bytes),
                _ => part.bytes.to_string(),
            },
        ]);
    }
    listing.print(output)
}

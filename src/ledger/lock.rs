//! One run at a time on a warehouse.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The lock's file in the warehouse's local folder.
const FILE_NAME: &str = "run.lock";

/// Held while a run writes; the operating system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock or fails at once.
    ///
    /// # Errors
    /// External when another run holds it, naming that run, or when the folder cannot be written.
    pub fn acquire(folder: &Path, run_id: &str) -> Result<RunLock> {
        let path = folder.join(FILE_NAME);
        let cannot = |error: std::io::Error| {
            let hint = match error.kind() {
                std::io::ErrorKind::StorageFull => "free space where the warehouse lies, then run again",
                _ => "give the user of this process write access, or set [warehouse] url elsewhere",
            };
            Error::external("the run's lock cannot be written")
                .at(path.display().to_string())
                .because(error)
                .hint(hint)
        };
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // What cannot be read is not named; that the lock is held is known anyway.
                let _ = file.read_to_string(&mut holder);
                return Err(held(&path, &holder));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        file.set_len(0).map_err(cannot)?;
        let holder = format!(
            "run {run_id}\npid {}\nsince {}\n",
            std::process::id(),
            super::now()
        );
        file.write_all(holder.as_bytes()).map_err(cannot)?;
        Ok(RunLock { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock itself ends with the file; an empty one says that nobody holds it.
        let _ = self.file.set_len(0);
    }
}

fn held(path: &Path, holder: &str) -> Error {
    let named: Vec<&str> = holder.lines().collect();
    let error = Error::external("another run holds the warehouse").of_kind(ErrorKind::WarehouseInUse);
    let error = if named.is_empty() {
        error
    } else {
        error.at(named.join(", "))
    };
    let pid = holder.lines().find_map(|line| line.strip_prefix("pid "));
    error.at(path.display().to_string()).hint(match pid {
        Some(pid) => format!("wait until it is done, or end process {pid}; its lock ends with it"),
        None => "wait until it is done; its lock ends with its process".to_string(),
    })
}

//! What a delivered file holds, told by its bytes: the same whatever it is called and wherever it lies.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const BUFFER_BYTES: usize = 1 << 20;

/// SHA-256 of a file's bytes, in hex. To be called from a blocking thread.
///
/// # Errors
/// External when it cannot be read.
pub(super) fn digest(path: &Path) -> Result<String> {
    let place = |error| Error::from(error).at(path.display().to_string());
    let mut file = std::fs::File::open(path).map_err(place)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer).map_err(place)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

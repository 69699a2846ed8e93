//! Local paths as configurations write them.

use std::path::{Component, Path, PathBuf};

/// Takes `.` and `..` out of a path by its text alone.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// The path of a file URL: as it is written when that exists, else with `%20` and its like read.
pub(super) fn as_it_exists(path: &str, base: &Path) -> PathBuf {
    let decoded = percent_decoded(path);
    let exists = |path: &str| without_dots(&base.join(path)).exists();
    let takes_decoded = decoded != path && !exists(path) && exists(&decoded);
    if takes_decoded {
        decoded.into()
    } else {
        path.into()
    }
}

/// Reads `%20` and its like; a `%` that begins no such pair stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(pair) if first == b'%' => {
                bytes.push(u8::from_str_radix(pair, 16).unwrap_or(first));
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

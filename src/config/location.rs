//! URLs of the configuration that name local files.

use std::path::{Component, Path, PathBuf};

/// The URL schemes of sources and of the warehouse; a plain path is a file.
pub const SCHEMES: [&str; 10] = [
    "file", "s3", "az", "gs", "abfs", "abfss", "s3a", "azure", "adl", "memory",
];

/// The scheme of a URL; `None` for a plain path.
pub fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'+')
        .then_some(scheme)
}

/// The local path that a `file://` URL or a plain path names; a relative one starts at `base`.
pub fn local_path(url: &str, base: &Path) -> Option<PathBuf> {
    match scheme(url) {
        None => Some(clean(&base.join(url))),
        Some("file") => Some(clean(&base.join(&url["file://".len()..]))),
        Some(_) => None,
    }
}

/// The file that a `sqlite://` URL names; `None` for another database or one in memory.
pub fn sqlite_path(url: &str, base: &Path) -> Option<PathBuf> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or(path);
    (path != ":memory:" && !path.is_empty()).then(|| clean(&base.join(path)))
}

/// A URL with a relative file path made absolute; other URLs as they are.
pub fn absolute_url(url: &str, base: &Path) -> String {
    match local_path(url, base) {
        Some(path) => format!("file://{}", absolute(&path).display()),
        None => url.to_string(),
    }
}

/// The same for a database URL.
pub fn absolute_database_url(url: &str, base: &Path) -> String {
    match sqlite_path(url, base) {
        Some(path) => {
            let options = url
                .split_once('?')
                .map_or(String::new(), |(_, options)| format!("?{options}"));
            format!("sqlite://{}{options}", absolute(&path).display())
        }
        None => url.to_string(),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).map_or_else(|_| path.to_path_buf(), |path| clean(&path))
}

/// Takes `.` and, where a folder comes before it, `..` out of a path; symbolic links are not followed.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) =>
            {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    if cleaned.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        cleaned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_files_start_at_the_base() {
        let base = Path::new("/project");
        for (url, path) in [
            ("file://./warehouse/data", Some("/project/warehouse/data")),
            ("file:///srv/data/", Some("/srv/data")),
            ("exports/../bills", Some("/project/bills")),
            ("/srv/bills/one.csv", Some("/srv/bills/one.csv")),
            ("s3://bucket/prefix", None),
        ] {
            assert_eq!(local_path(url, base), path.map(PathBuf::from), "{url}");
        }
        assert_eq!(absolute_url("file://./data", base), "file:///project/data");
        assert_eq!(absolute_url("gs://bucket/data", base), "gs://bucket/data");
    }

    #[test]
    fn a_database_in_memory_has_no_file() {
        let base = Path::new("/project");
        assert_eq!(
            sqlite_path("sqlite://./data/ledger.db?mode=rwc", base),
            Some(PathBuf::from("/project/data/ledger.db"))
        );
        assert_eq!(sqlite_path("sqlite::memory:", base), None);
        assert_eq!(sqlite_path("postgres://host/ledger", base), None);
        assert_eq!(
            absolute_database_url("sqlite://./a.db?mode=ro", base),
            "sqlite:///project/a.db?mode=ro"
        );
    }
}

//! What a file holds, told by its name.

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated text.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// What is wrapped around a file of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing, or the file's own (Parquet).
    None,
    /// One or more gzip members.
    Gzip,
    /// A ZIP archive with one CSV file.
    Zip,
}

/// Format and compression by the name's ending; `None` when it is no data file.
pub fn of_name(key: &str) -> Option<(Format, Compression)> {
    let name = file_name(key).to_ascii_lowercase();
    match name.rsplit_once('.')?.1 {
        "parquet" => Some((Format::Parquet, Compression::None)),
        "csv" => Some((Format::Csv, Compression::None)),
        "gz" | "gzip" if !names_another_kind(&name) => Some((Format::Csv, Compression::Gzip)),
        "zip" => Some((Format::Csv, Compression::Zip)),
        _ => None,
    }
}

/// `report.json.gz` and `report.tar.gz` hold no CSV; `part_0.gz` does.
fn names_another_kind(name: &str) -> bool {
    [".json.gz", ".tar.gz", ".xml.gz", ".log.gz", ".parquet.gz"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Whether tools wrote the file for themselves: dot files, unfinished and log folders of table formats.
pub fn is_hidden(key: &str) -> bool {
    key.split('/')
        .any(|part| part.starts_with('.') || matches!(part, "_delta_log" | "_temporary" | "_SUCCESS"))
}

/// Whether a file without data is usual beside data files and needs no word.
pub fn is_companion(key: &str) -> bool {
    const ENDINGS: [&str; 9] = ["json", "md", "txt", "sql", "yml", "yaml", "crc", "sha256", "toml"];
    let name = file_name(key).to_ascii_lowercase();
    name.starts_with('_')
        || name
            .rsplit_once('.')
            .is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// Whether the name is that of a manifest.
pub fn is_manifest(key: &str) -> bool {
    let name = file_name(key).to_ascii_lowercase();
    name == "manifest.json" || name.ends_with("-manifest.json")
}

/// The part behind the last slash.
pub fn file_name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// The part before the last slash.
pub fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_compression() {
        let csv = |compression| Some((Format::Csv, compression));
        for (name, expected) in [
            ("a/cur-1.csv", csv(Compression::None)),
            ("a/CUR-1.CSV.GZ", csv(Compression::Gzip)),
            ("part_0_0001.gz", csv(Compression::Gzip)),
            ("cur.csv.zip", csv(Compression::Zip)),
            ("cur.zip", csv(Compression::Zip)),
            ("x.snappy.parquet", Some((Format::Parquet, Compression::None))),
            ("x.Parquet", Some((Format::Parquet, Compression::None))),
            ("x.json", None),
            ("x.json.gz", None),
            ("csv", None),
            ("README.md", None),
        ] {
            assert_eq!(of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn hidden_and_companion_files() {
        for key in [
            ".DS_Store",
            "a/.tmp/b.csv",
            "a/_SUCCESS",
            "t/_delta_log/00.json",
            "t/_temporary/0/p.parquet",
        ] {
            assert!(is_hidden(key), "{key}");
        }
        assert!(!is_hidden("a/b.csv"));
        assert!(is_companion("a/notes.md") && is_companion("_committed_1") && !is_companion("bill.xlsx"));
        assert!(
            is_manifest("a/cur-Manifest.json") && is_manifest("a/manifest.json") && !is_manifest("a/b.json")
        );
    }
}

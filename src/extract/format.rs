//! What a file holds, told by its name.

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated text.
    Csv,
    /// One JSON object a line.
    Json,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Whether columns have types of their own; those of the others are text.
    pub fn is_typed(self) -> bool {
        self == Format::Parquet
    }
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

/// The same for extracts of Google's billing table, where JSON is data: one object a line.
pub fn of_extract_name(key: &str) -> Option<(Format, Compression)> {
    let name = file_name(key).to_ascii_lowercase();
    let lines = |name: &str| {
        [".json", ".jsonl", ".ndjson"]
            .iter()
            .any(|ending| name.ends_with(ending))
    };
    match name.strip_suffix(".gz") {
        _ if is_manifest(key) => None,
        Some(inner) if lines(inner) => Some((Format::Json, Compression::Gzip)),
        None if lines(&name) => Some((Format::Json, Compression::None)),
        _ => of_name(key),
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
    fn extracts_may_be_lines_of_json() {
        let json = |compression| Some((Format::Json, compression));
        for (name, expected) in [
            ("a/x.json", json(Compression::None)),
            ("x.JSONL", json(Compression::None)),
            ("x.ndjson.gz", json(Compression::Gzip)),
            ("part-000.json.gz", json(Compression::Gzip)),
            ("x.csv.gz", Some((Format::Csv, Compression::Gzip))),
            ("x.parquet", Some((Format::Parquet, Compression::None))),
            ("manifest.json", None),
            ("gcp-manifest.json", None),
            ("x.txt", None),
        ] {
            assert_eq!(of_extract_name(name), expected, "{name}");
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

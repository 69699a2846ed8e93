//! What a file holds, known by its name.

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
    /// One or more frames of Zstandard.
    Zstd,
    /// A ZIP archive with one CSV file.
    Zip,
}

/// Format and compression by the name's ending; `None` when it is no data file.
pub fn of_name(key: &str) -> Option<(Format, Compression)> {
    let name = file_name(key).to_ascii_lowercase();
    let (inner, compression) = unpacked(&name);
    match inner.rsplit_once('.').map(|(_, ending)| ending) {
        Some("parquet") if compression == Compression::None => Some((Format::Parquet, compression)),
        Some("zip") if compression == Compression::None => Some((Format::Csv, Compression::Zip)),
        Some("csv") => Some((Format::Csv, compression)),
        Some("jsonl" | "ndjson") => Some((Format::Json, compression)),
        // Azure's `part_0_0001.gz` says no more than that; `report.json.gz` and `report.tar.gz` hold no CSV.
        Some("json" | "tar" | "xml" | "log" | "parquet") => None,
        _ if compression == Compression::Gzip => Some((Format::Csv, compression)),
        _ => None,
    }
}

/// The same for extracts of Google's billing table, where `.json` is data too: one object a line.
pub fn of_extract_name(key: &str) -> Option<(Format, Compression)> {
    let name = file_name(key).to_ascii_lowercase();
    let (inner, compression) = unpacked(&name);
    match inner.ends_with(".json") && !is_manifest(key) {
        true => Some((Format::Json, compression)),
        false => of_name(key),
    }
}

/// A lower-case name without the ending of what is wrapped around the file.
fn unpacked(name: &str) -> (&str, Compression) {
    let endings = [
        (".gz", Compression::Gzip),
        (".gzip", Compression::Gzip),
        (".zst", Compression::Zstd),
        (".zstd", Compression::Zstd),
    ];
    endings
        .iter()
        .find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, *compression)))
        .unwrap_or((name, Compression::None))
}

/// Whether tools wrote the file for themselves: dot files, unfinished and log folders of table formats.
fn is_hidden(key: &str) -> bool {
    key.split('/')
        .any(|part| part.starts_with('.') || matches!(part, "_delta_log" | "_temporary" | "_SUCCESS"))
}

/// Whether no file of this name is looked at, unless a manifest names it.
pub fn is_passed_over(key: &str) -> bool {
    is_hidden(key) || is_side_file(key)
}

/// Whether only a dot at the start of its name, or of a folder's, keeps a file from being read: by its name alone nobody can
/// tell a bill from what a tool has not finished. What macOS writes beside every copied file (`._bill.csv`) is none.
pub fn is_behind_a_dot(key: &str) -> bool {
    let of_tools = |part: &str| part.starts_with("._") || matches!(part, "_delta_log" | "_temporary");
    is_hidden(key) && !is_side_file(key) && !key.split('/').any(of_tools)
}

/// Whether a query engine or a copying tool wrote the file beside the data: it holds no rows and needs no word, whatever
/// its format. Athena and Glue put a status table, a stack, a script and a test object beside a legacy CUR.
fn is_side_file(key: &str) -> bool {
    const FOLDER: &str = "cost_and_usage_data_status";
    const NAMES: [&str; 5] = [
        "_metadata",
        "_common_metadata",
        "crawler-cfn.yml",
        "create-table.sql",
        "aws-programmatic-access-test-object",
    ];
    const STARTS: [&str; 2] = ["_committed_", "_started_"];
    const ENDINGS: [&str; 6] = ["-create-table.sql", ".crc", ".md5", ".sha1", ".sha256", ".sha512"];
    let name = file_name(key).to_ascii_lowercase();
    NAMES.contains(&name.as_str())
        || STARTS.iter().any(|start| name.starts_with(start))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || folder(key)
            .split('/')
            .any(|part| part.eq_ignore_ascii_case(FOLDER))
}

/// Whether a file without data is usual beside data files and needs no word.
pub fn is_companion(key: &str) -> bool {
    const ENDINGS: [&str; 7] = ["json", "md", "txt", "sql", "yml", "yaml", "toml"];
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

/// The part after the last slash.
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
            ("x.csv.zst", csv(Compression::Zstd)),
            ("x.jsonl", Some((Format::Json, Compression::None))),
            ("x.ndjson.gz", Some((Format::Json, Compression::Gzip))),
            ("x.JSONL.zst", Some((Format::Json, Compression::Zstd))),
            ("x.zst", None),
            ("x.tar.gz", None),
            ("x.parquet.gz", None),
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
            ("part-000.json.zst", json(Compression::Zstd)),
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
        for key in [
            "a/b.csv",
            "bill.csv.csv",
            "export...csv.csv",
            "a../b.csv",
            "_bill.csv",
        ] {
            assert!(!is_hidden(key), "{key}");
        }
        for key in [".bill.csv", "...bill.csv", "a/.tmp/b.csv"] {
            assert!(is_behind_a_dot(key), "{key}");
        }
        for key in [
            "a/._b.csv",
            "bill.csv.csv",
            "t/_temporary/0/.p.parquet",
            ".p.csv.md5",
        ] {
            assert!(!is_behind_a_dot(key), "{key}");
        }
        for key in [
            "r/r/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
            "r/20260901-20261001/r-create-table.sql",
            "r/crawler-cfn.yml",
            "aws-programmatic-access-test-object",
            "d/_metadata",
            "d/_committed_4711",
            "d/part-0.csv.gz.md5",
            "d/.part-0.parquet.crc",
        ] {
            assert!(is_side_file(key), "{key}");
        }
        assert!(!is_side_file("a/cur-1.csv.gz") && !is_side_file("cost_and_usage_data_status.csv"));
        assert!(is_companion("a/notes.md") && is_companion("_committed_1") && !is_companion("bill.xlsx"));
        assert!(
            is_manifest("a/cur-Manifest.json") && is_manifest("a/manifest.json") && !is_manifest("a/b.json")
        );
    }
}

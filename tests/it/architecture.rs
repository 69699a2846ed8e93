//! The shape of the source: which way modules depend, who may name the storage crates, how large files are, and that
//! every kind of source has its places.

use std::path::{Path, PathBuf};

use offgridflow::config::SourceKind;

use crate::support::root;

/// Modules that know nothing of those after them; within a group they may know each other.
const ORDER: [&[&str]; 7] = [
    &["domain", "embedded", "kill_point"],
    &["config", "error", "retry"],
    &["login", "parquet"],
    &["model", "warehouse", "ledger"],
    &["extract", "land", "transform", "factors"],
    &["run"],
    &["cli"],
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every source file: its path below `src/` and its lines that are no comments.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (
            name,
            text.lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    };
    rust_files(&src).into_iter().map(read).collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|group| group.contains(&module))
}

fn module(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn modules_depend_on_those_before_them_only() {
    let path = regex::Regex::new(r"crate::([a-z_]+)").unwrap();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(own) = rank(module(&file)) else {
            assert!(
                ["lib", "main"].contains(&module(&file)),
                "src/{file} is in no group of the order"
            );
            continue;
        };
        for found in path.captures_iter(&text) {
            if rank(&found[1]).is_some_and(|other| other > own) {
                wrong.push(format!("src/{file} names crate::{}", &found[1]));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_warehouse_names_the_storage_crates_and_only_the_ledger_its_database() {
    // error turns the errors of these crates into ours, which only the module that owns the type may do.
    let allowed = |file: &str, module: &str| file.starts_with("error/") || file.starts_with(module);
    for (file, text) in sources() {
        for (name, owner) in [
            ("object_store::", "warehouse"),
            ("deltalake_core::", "warehouse"),
            ("sqlx::", "ledger"),
        ] {
            assert!(
                !text.contains(name) || allowed(&file, owner),
                "src/{file} names {name}"
            );
        }
    }
}

#[test]
fn the_domain_reads_no_columns_and_waits_for_nothing() {
    for (file, text) in sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("domain"))
    {
        for name in ["datafusion", "arrow", "tokio", "async fn", "std::fs", "std::io"] {
            assert!(!text.contains(name), "src/{file} names {name}");
        }
    }
}

#[test]
fn files_hold_one_concept_each() {
    let mut lengths: Vec<(usize, String)> = rust_files(&root().join("src"))
        .into_iter()
        .map(|path| {
            (
                std::fs::read_to_string(&path).unwrap().lines().count(),
                path.display().to_string(),
            )
        })
        .collect();
    lengths.sort();
    let largest = lengths.last().unwrap();
    assert!(largest.0 <= 800, "{} has {} lines", largest.1, largest.0);
    assert!(
        lengths[lengths.len() * 9 / 10].0 <= 400,
        "90 % of the files are under 400 lines"
    );
    assert!(
        lengths[lengths.len() / 2].0 < 150,
        "half of the files are under 150 lines"
    );
}

#[test]
fn the_page_of_the_parquet_room_names_its_files_and_tests_that_are_there() {
    let page = std::fs::read_to_string(root().join("docs/parquet.md")).unwrap();
    let room = root().join("src/parquet");
    for path in rust_files(&room) {
        let within = path.strip_prefix(&room).unwrap().to_string_lossy().into_owned();
        let name = match path.file_name().unwrap().to_str().unwrap() {
            "mod.rs" => within.as_str(),
            name => name,
        };
        assert!(
            ["mod.rs", "tests.rs"].contains(&name) || page.contains(&format!("`{name}`")),
            "docs/parquet.md does not name {within}"
        );
    }
    let code: String = ["src", "tests/it"]
        .into_iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let tests = regex::Regex::new("`([a-z]+(?:_[a-z]+){2,})`").unwrap();
    let mut named = 0;
    for test in tests.captures_iter(&page) {
        assert!(
            code.contains(&format!("fn {}(", &test[1])),
            "docs/parquet.md names {}, which is nowhere",
            &test[1]
        );
        named += 1;
    }
    assert!(named > 10, "docs/parquet.md names {named} tests");
}

#[test]
fn every_kind_of_source_has_its_four_places() {
    for kind in SourceKind::ALL {
        let model = match kind {
            SourceKind::Instruments => "instrument",
            kind => kind.name(),
        };
        let mut places = vec![
            format!("sql/normalize/{model}.sql"),
            format!("tests/fixtures/{kind}"),
        ];
        // What only an API gives has no files to lay beside the models: its tests ask servers.
        if kind.reads_files() {
            places.push(format!("tests/slt/{kind}.slt"));
        }
        for place in places {
            assert!(root().join(&place).exists(), "{kind} has no {place}");
        }
    }
}

#[test]
fn what_is_committed_names_no_machine() {
    for (file, text) in sources() {
        for name in ["/home/", env!("CARGO_MANIFEST_DIR")] {
            assert!(!text.contains(name), "src/{file} names {name}");
        }
    }
}

//! The documents: every link leads somewhere, and the page of the warehouse is the one that the models make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::support::project::listing;
use crate::support::{prepared, root};

fn documents() -> Vec<PathBuf> {
    let top = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "warehouse/reference/README.md",
    ];
    let pages = listing(&root().join("docs")).into_iter().map(|(path, ..)| path);
    top.iter()
        .map(|name| root().join(name))
        .chain(pages.filter(|path| path.extension().is_some_and(|e| e == "md")))
        .collect()
}

/// The names under which a page's headings can be linked to.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let anchor = |heading: &str| -> String {
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let kept = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(kept)
            .collect::<String>();
        kept.replace(' ', "-")
    };
    text.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| anchor(heading.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut broken = Vec::new();
    for page in documents() {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            if !file.exists() || !heading.is_empty() && !anchors(&file).contains(heading) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_page_of_the_warehouse_is_what_the_models_make() {
    let mut command = Command::new(prepared("OFFGRIDFLOW_TEST_PYTHON"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OFFGRIDFLOW_")) {
        command.env_remove(name);
    }
    let output = command
        .arg(root().join("scripts/warehouse-docs"))
        .args([env!("CARGO_BIN_EXE_offgridflow"), "--check"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

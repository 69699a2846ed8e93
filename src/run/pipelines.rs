//! The pipelines there are: built in, or in the project's `pipelines/` folder, whose files come first.

use std::collections::BTreeMap;

use crate::config::{Config, Pipeline, suggestion};
use crate::embedded::PIPELINES;
use crate::error::{Error, Result};

/// Where they lie, here and in a project.
const FOLDER: &str = "pipelines";

/// The pipeline of this name.
///
/// # Errors
/// Usage: there is none, or its file cannot be read, naming file, line and key.
pub fn pipeline(config: &Config, name: &str) -> Result<Pipeline> {
    let mut texts: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (path, text) in PIPELINES {
        texts.insert(stem(path), (path.to_string(), text.to_string()));
    }
    let folder = config.base.join(FOLDER);
    if config.file.is_some() && folder.is_dir() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "toml") {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(&path).map_err(|e| Error::from(e).at(shown.clone()))?;
                texts.insert(stem(&shown), (shown, text));
            }
        }
    }
    let names: Vec<&str> = texts.keys().map(String::as_str).collect();
    match texts.get(name) {
        Some((file, text)) => Pipeline::parse(name, file, text),
        None => Err(
            Error::usage(format!("there is no pipeline `{name}`")).hint(suggestion(
                name,
                &names,
                "pipelines",
            )),
        ),
    }
}

/// `daily` of `pipelines/daily.toml`.
fn stem(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.trim_end_matches(".toml").to_string()
}

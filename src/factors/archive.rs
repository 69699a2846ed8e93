//! Used factor sets are kept in the warehouse, so that `[factors] version` can name one years later.

use std::collections::BTreeMap;

use super::FactorSet;
use crate::error::{Error, Result};
use crate::warehouse::Warehouse;

const FOLDER: &str = "factor_sets";

/// Keeps a set under its version; nothing happens when it is there.
///
/// # Errors
/// External when the warehouse cannot be written.
pub async fn keep(warehouse: &Warehouse, set: &FactorSet) -> Result<()> {
    let path = format!("{FOLDER}/{}.json", set.version());
    if warehouse.location.exists(&path).await? {
        return Ok(());
    }
    let (base, overlay) = set.texts();
    let text = serde_json::json!({ "version": set.version(), "base": base, "overlay": overlay });
    warehouse
        .location
        .write(&path, text.to_string().into_bytes())
        .await
}

/// A set by its version.
///
/// # Errors
/// Usage when the warehouse has none of that version, external when what it has is not what a run kept.
pub async fn load(warehouse: &Warehouse, version: &str) -> Result<FactorSet> {
    let path = format!("{FOLDER}/{version}.json");
    if !warehouse.location.exists(&path).await? {
        return Err(unknown(warehouse, version).await?);
    }
    let damaged = || {
        Error::external(format!("the kept factor set `{version}` is not as a run left it"))
            .at(path.clone())
            .hint("restore that file, or take another [factors] version")
    };
    let bytes = warehouse.location.read(&path).await?;
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| damaged().because(e))?;
    let mut part = |key: &str| {
        value
            .get_mut(key)
            .map(serde_json::Value::take)
            .unwrap_or_default()
    };
    let base: BTreeMap<String, String> =
        serde_json::from_value(part("base")).map_err(|e| damaged().because(e))?;
    let overlay: BTreeMap<String, (String, String)> =
        serde_json::from_value(part("overlay")).map_err(|e| damaged().because(e))?;
    let set = FactorSet::of(base, overlay);
    // The version is the hash of the tables: figures of another set must not go by this one's name.
    match set.version() == version {
        true => Ok(set),
        false => Err(damaged().because(format!("its tables make `{}`", set.version()))),
    }
}

/// No set has that version: the message names those that are there, as no verb runs with a wrong one.
async fn unknown(warehouse: &Warehouse, version: &str) -> Result<Error> {
    let paths = warehouse.location.child(FOLDER).paths().await?;
    let mut kept: Vec<&str> = paths.iter().filter_map(|p| p.strip_suffix(".json")).collect();
    kept.sort_unstable();
    let kept = match kept.as_slice() {
        [] => "this warehouse keeps none yet".to_string(),
        _ => format!("this warehouse keeps {}", kept.join(", ")),
    };
    Ok(
        Error::usage(format!("the factor set `{version}` is not in this warehouse"))
            .at("[factors] version")
            .hint(format!("{kept}; an empty version is the current set")),
    )
}

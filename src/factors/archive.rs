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
/// Usage when the warehouse has none of that version.
pub async fn load(warehouse: &Warehouse, version: &str) -> Result<FactorSet> {
    let path = format!("{FOLDER}/{version}.json");
    let unknown = || {
        Error::usage(format!("the factor set `{version}` is not in this warehouse"))
            .at("[factors] version")
            .hint("runs keep the sets they used: `offgridflow sql \"select distinct factor_set_version from system.runs\"`")
    };
    if !warehouse.location.exists(&path).await? {
        return Err(unknown());
    }
    let bytes = warehouse.location.read(&path).await?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| unknown().because(e))?;
    let parse = |key: &str| value.get(key).cloned().unwrap_or_default();
    let base: BTreeMap<String, String> =
        serde_json::from_value(parse("base")).map_err(|e| unknown().because(e))?;
    let overlay: BTreeMap<String, (String, String)> =
        serde_json::from_value(parse("overlay")).map_err(|e| unknown().because(e))?;
    Ok(FactorSet::of(base, overlay))
}

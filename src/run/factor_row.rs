//! Factors by the ids that estimates name.

use super::workspace::Workspace;
use crate::error::Result;

/// A factor with its row of the reference tables.
pub struct Factor {
    /// Its id, as the estimate names it.
    pub id: String,
    /// The table; empty when the id stands for none.
    pub table: String,
    /// What it says: `column value`, several.
    pub values: String,
    /// ok, undated, assumed, fallback.
    pub quality: String,
    /// The publication.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

/// The ids in a cell: several are separated by `|`, and `x and 2 more` names the first.
pub fn split_ids(cell: &str) -> Vec<String> {
    if cell.starts_with("claim:") {
        return vec![cell.to_string()];
    }
    let ids = cell
        .split('|')
        .map(|id| id.split(" and ").next().unwrap_or(id).trim().to_string());
    ids.filter(|id| !id.is_empty()).collect()
}

/// Looks an id up in the factor set.
///
/// # Errors
/// Usage: a table of the set is no CSV.
pub fn factor(workspace: &Workspace, id: &str) -> Result<Factor> {
    let set = &workspace.tables.factors;
    let names: Vec<String> = set.tables().map(str::to_string).collect();
    for name in names {
        let table = set.rows(&name)?;
        let Some(column) = table.header.iter().position(|c| c == "factor_id") else {
            continue;
        };
        let Some(row) = table.rows.iter().find(|r| r[column] == id) else {
            continue;
        };
        let cell = |name: &str| {
            table
                .header
                .iter()
                .position(|c| c == name)
                .map(|i| row[i].clone())
                .unwrap_or_default()
        };
        let numbers = table
            .header
            .iter()
            .zip(row)
            .filter(|(name, cell)| cell.parse::<f64>().is_ok() && !name.ends_with("_code"));
        let values: Vec<String> = numbers.map(|(name, cell)| format!("{name} {cell}")).collect();
        return Ok(Factor {
            id: id.to_string(),
            table: format!("reference.{name}"),
            values: values.join(", "),
            quality: cell("quality"),
            source: cell("source"),
            licence: cell("licence"),
        });
    }
    let source = match id.split_once(':') {
        Some(("claim", evidence)) => format!("[[method.supplier_factor]] of the configuration: {evidence}"),
        Some(("instrument", row)) => format!("a contract or certificate of the instruments file: {row}"),
        _ => "not a row of the current factor set: a figure of the delivered file, or of an older set"
            .to_string(),
    };
    let empty = String::new;
    Ok(Factor {
        id: id.to_string(),
        table: empty(),
        values: empty(),
        quality: empty(),
        source,
        licence: empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::split_ids;

    #[test]
    fn cells_name_several_factors() {
        assert_eq!(split_ids("a/1|b/2"), ["a/1", "b/2"]);
        assert_eq!(split_ids("emb/x and 3 more"), ["emb/x"]);
        assert_eq!(split_ids("claim:statement|2026"), ["claim:statement|2026"]);
    }
}

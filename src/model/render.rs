//! Placeholders in model SQL, written as comments so that any editor opens the file.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::front_matter::AuditCall;

/// A tag kept in the rollup: its key in the bill and its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagColumn {
    /// The tenants that keep it.
    pub tenants: Vec<String>,
    /// The key as it stands in the bill.
    pub key: String,
    /// `tag_<key>`.
    pub column: String,
}

/// What the placeholders stand for.
#[derive(Debug, Clone, Default)]
pub struct Placeholders {
    /// The tag columns of all tenants, in the order of their names.
    pub tags: Vec<TagColumn>,
    /// Columns of raw tables that models gather by prefix: table → (column, delivered name).
    pub raw_columns: BTreeMap<String, Vec<(String, String)>>,
}

impl Placeholders {
    /// Replaces every `/*{name}*/` and `/*{name:alias}*/`.
    ///
    /// # Errors
    /// Usage when a placeholder is unknown.
    pub fn render(&self, sql: &str) -> Result<String> {
        let mut output = String::with_capacity(sql.len());
        let mut rest = sql;
        while let Some(start) = rest.find("/*{") {
            let (before, tail) = rest.split_at(start);
            let Some(end) = tail.find("}*/") else {
                let begin: String = tail.chars().take(40).collect();
                return Err(Error::usage("a placeholder has no end").because(begin));
            };
            output.push_str(before);
            output.push_str(&self.value(&tail[3..end])?);
            rest = &tail[end + 3..];
        }
        output.push_str(rest);
        Ok(output)
    }

    fn value(&self, placeholder: &str) -> Result<String> {
        let (name, alias) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        let prefix = if alias.is_empty() {
            String::new()
        } else {
            format!("{alias}.")
        };
        Ok(match name {
            "tag_columns" => self
                .tags
                .iter()
                .map(|t| format!(", {prefix}{}", t.column))
                .collect(),
            "tag_cases" if self.tags.is_empty() => "WHEN '' THEN NULL".to_string(),
            "tag_cases" => self
                .tags
                .iter()
                .map(|t| format!("WHEN '{}' THEN {prefix}{} ", t.column, t.column))
                .collect(),
            "tag_values" => self.tags.iter().map(|t| tag_value(t, &prefix)).collect(),
            "map_columns" => self.map_columns(alias),
            _ => {
                return Err(Error::usage(format!(
                    "the placeholder `{placeholder}` is unknown"
                )));
            }
        })
    }
}

impl Placeholders {
    /// `table|prefix|prefix`: `'key', column` for every column of the table that starts with a prefix.
    fn map_columns(&self, argument: &str) -> String {
        let mut parts = argument.split('|');
        let table = parts.next().unwrap_or_default();
        let prefixes: Vec<&str> = parts.collect();
        let columns = self.raw_columns.get(table).map(Vec::as_slice).unwrap_or_default();
        let pairs: Vec<String> = columns
            .iter()
            .filter_map(|(column, delivered)| {
                let key = prefixes
                    .iter()
                    .find_map(|prefix| delivered.strip_prefix(prefix))?;
                Some(format!(
                    "'{}', \"{}\"",
                    key.replace('\'', "''"),
                    column.replace('"', "\"\"")
                ))
            })
            .collect();
        if pairs.is_empty() {
            "'', NULL".to_string()
        } else {
            pairs.join(", ")
        }
    }
}

/// A tenant keeps only the tags it named: other tenants' columns stay null for it.
fn tag_value(tag: &TagColumn, prefix: &str) -> String {
    let tenants: Vec<String> = tag.tenants.iter().map(|t| format!("'{t}'")).collect();
    let key = tag.key.replace('\'', "''");
    format!(
        ", CASE WHEN {prefix}tenant IN ({}) THEN exact_tag_value({prefix}tags, '{key}') END AS {}",
        tenants.join(", "),
        tag.column
    )
}

/// An audit's SQL for one model's staged rows.
pub fn audit_sql(template: &str, table: &str, call: &AuditCall) -> String {
    let arguments: Vec<&str> = call.arguments.split(',').map(str::trim).collect();
    let mut sql = template
        .replace("{{table}}", table)
        .replace("{{args}}", &call.arguments);
    for (index, argument) in arguments.iter().enumerate() {
        sql = sql.replace(&format!("{{{{arg{}}}}}", index + 1), argument);
        let (column_table, column) = argument.rsplit_once('.').unwrap_or(("", argument));
        sql = sql
            .replace(&format!("{{{{arg{}_table}}}}", index + 1), column_table)
            .replace(&format!("{{{{arg{}_column}}}}", index + 1), column);
    }
    sql.trim().trim_end_matches(';').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_columns() {
        let tag = TagColumn {
            tenants: vec!["acme".into()],
            key: "team".into(),
            column: "tag_team".into(),
        };
        let placeholders = Placeholders {
            tags: vec![tag],
            ..Placeholders::default()
        };
        assert_eq!(
            placeholders.render("SELECT a/*{tag_columns:e}*/ FROM t").unwrap(),
            "SELECT a, e.tag_team FROM t"
        );
        assert!(
            placeholders
                .render("/*{tag_values}*/")
                .unwrap()
                .contains("tag_value(tags, 'team') END AS tag_team")
        );
        assert!(placeholders.render("/*{colour}*/").is_err());
        let endless = format!("SELECT 1 /*{{{}", "é".repeat(40));
        assert!(placeholders.render(&endless).is_err());
    }
}

//! `--select`: table patterns, `+table`, `table+`, `kind:`; several are a union.

use std::collections::BTreeSet;

use super::front_matter::Kind;
use super::graph::Graph;
use crate::error::{Error, Result};

/// The names chosen out of `tables` (raw tables and models) by the expressions; none chooses all.
///
/// # Errors
/// Usage when an expression matches nothing.
pub fn select(graph: &Graph, tables: &BTreeSet<String>, expressions: &[String]) -> Result<BTreeSet<String>> {
    if expressions.is_empty() {
        return Ok(tables.clone());
    }
    let mut chosen = BTreeSet::new();
    for expression in expressions {
        let part = one(graph, tables, expression);
        if part.is_empty() {
            return Err(Error::usage(format!("--select `{expression}` matches no table"))
                .hint("`offgridflow models list` shows the names; patterns look like `publish.*`, `+publish.inventory`, `rollup.usage_daily+`"));
        }
        chosen.extend(part);
    }
    Ok(chosen)
}

fn one(graph: &Graph, tables: &BTreeSet<String>, expression: &str) -> BTreeSet<String> {
    if let Some(kind) = expression.strip_prefix("kind:") {
        let wanted = match kind {
            "view" => Kind::View,
            "full" => Kind::Full,
            _ => Kind::Incremental,
        };
        return graph
            .ordered()
            .filter(|m| m.kind == wanted)
            .map(|m| m.name.clone())
            .collect();
    }
    let with_parents = expression.starts_with('+');
    let with_children = expression.ends_with('+');
    let pattern = expression.trim_matches('+');
    let mut found: BTreeSet<String> = tables
        .iter()
        .filter(|name| matches(pattern, name))
        .cloned()
        .collect();
    let mut stack: Vec<String> = found.iter().cloned().collect();
    if with_parents {
        while let Some(name) = stack.pop() {
            for parent in graph.get(&name).map(|m| m.reads.clone()).unwrap_or_default() {
                if tables.contains(&parent) && found.insert(parent.clone()) {
                    stack.push(parent);
                }
            }
        }
    }
    let mut stack: Vec<String> = found.iter().cloned().collect();
    if with_children {
        while let Some(name) = stack.pop() {
            for child in graph.readers(&name) {
                if found.insert(child.to_string()) {
                    stack.push(child.to_string());
                }
            }
        }
    }
    found
}

/// `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut last = first;
    for part in parts {
        match rest.find(part) {
            Some(position) => rest = &rest[position + part.len()..],
            None => return false,
        }
        last = part;
    }
    rest.is_empty() || (pattern.contains('*') && last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("raw.*", "raw.focus"));
        assert!(matches(
            "publish.emissions_by_*_month",
            "publish.emissions_by_tag_month"
        ));
        assert!(matches("rollup.usage_daily", "rollup.usage_daily"));
        assert!(!matches("rollup.usage", "rollup.usage_daily"));
    }
}

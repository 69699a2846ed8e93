//! `--select`: table patterns, `+table` with what it needs, `table+` with what needs it, `kind:`; several are a union.

use std::collections::BTreeSet;

use super::front_matter::ModelKind;
use super::graph::Graph;
use crate::error::{Error, Result};

/// The names chosen out of `tables` (raw tables and kept models) by the expressions; none chooses all. What a table needs, and
/// what needs it, is found through the views between them.
///
/// # Errors
/// Usage when an expression chooses nothing.
pub fn select(graph: &Graph, tables: &BTreeSet<String>, expressions: &[String]) -> Result<BTreeSet<String>> {
    if expressions.is_empty() {
        return Ok(tables.clone());
    }
    let mut chosen = BTreeSet::new();
    for expression in expressions {
        chosen.extend(one(graph, tables, expression)?);
    }
    Ok(chosen)
}

fn one(graph: &Graph, tables: &BTreeSet<String>, expression: &str) -> Result<BTreeSet<String>> {
    let pattern = expression.trim_matches('+');
    let models = graph.ordered().map(|model| &model.name);
    let named: BTreeSet<String> = tables
        .iter()
        .chain(models)
        .filter(|name| is_named(graph, pattern, name))
        .cloned()
        .collect();
    if named.is_empty() {
        let kinds = ModelKind::ALL
            .map(|kind| format!("`kind:{}`", kind.name()))
            .join(", ");
        return Err(Error::usage(format!("--select `{expression}` matches no table"))
            .hint(format!("`offgridflow models list` shows the names; patterns look like `publish.*`, `+publish.inventory`, `rollup.usage_daily+`; kinds are {kinds}")));
    }
    let mut found = named.clone();
    if expression.starts_with('+') {
        let parents = |name: &str| graph.get(name).map_or_else(Vec::new, |model| model.reads.clone());
        found.extend(reached(&named, parents));
    }
    if expression.ends_with('+') {
        let children = |name: &str| graph.readers(name).into_iter().map(str::to_string).collect();
        found.extend(reached(&named, children));
    }
    found.retain(|name| tables.contains(name));
    if found.is_empty() {
        return Err(Error::usage(format!(
            "--select `{expression}` chooses views alone, and of a view nothing is kept"
        ))
        .hint(format!(
            "`+{pattern}` lands what they read, `{pattern}+` builds what reads them"
        )));
    }
    Ok(found)
}

/// Everything that is reached from `begin` step by step.
fn reached(begin: &BTreeSet<String>, step: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut stack: Vec<String> = begin.iter().cloned().collect();
    while let Some(name) = stack.pop() {
        for next in step(&name) {
            if found.insert(next.clone()) {
                stack.push(next);
            }
        }
    }
    found
}

fn is_named(graph: &Graph, pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("kind:") {
        Some(kind) => graph.get(name).is_some_and(|model| model.kind.name() == kind),
        None => matches(pattern, name),
    }
}

/// `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
    let between = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = between else { return false };
    middle.split('*').all(|part| match rest.find(part) {
        Some(position) => {
            rest = &rest[position + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::render::Placeholders;

    /// What an expression chooses of the shipped models and their raw tables, none of which exists yet.
    fn chosen(expression: &str) -> Result<BTreeSet<String>> {
        let graph = Graph::load(None, &Placeholders::default()).unwrap();
        let kept = graph.ordered().filter(|model| model.kind != ModelKind::View);
        let read = graph.ordered().flat_map(|model| &model.reads);
        let raw = read.filter(|name| name.starts_with("raw."));
        let tables = kept.map(|model| &model.name).chain(raw).cloned().collect();
        select(&graph, &tables, &[expression.to_string()])
    }

    fn names(expression: &str) -> Vec<String> {
        chosen(expression).unwrap().into_iter().collect()
    }

    #[test]
    fn what_a_table_needs_is_found_through_views() {
        let rollup = names("+rollup.usage_daily");
        let (kept, raw): (Vec<String>, Vec<String>) =
            rollup.into_iter().partition(|name| !name.starts_with("raw."));
        assert_eq!(kept, ["rollup.usage_daily"]);
        for bill in [
            "raw.aws_cur2",
            "raw.aws_cur2_parquet",
            "raw.azure_cost",
            "raw.focus",
        ] {
            assert!(raw.iter().any(|name| name == bill), "{bill}: {raw:?}");
        }
        assert!(!raw.iter().any(|name| name == "raw.activity"), "{raw:?}");
        assert_eq!(names("+normalize.usage"), raw, "of a view what it needs");

        // Two kept tables lie one after the other.
        let emissions = names("+estimate.cloud_emissions");
        for name in ["estimate.cloud_emissions", "rollup.usage_daily", "raw.focus"] {
            assert!(
                emissions.iter().any(|found| found == name),
                "{name}: {emissions:?}"
            );
        }
        assert!(!emissions.iter().any(|name| name.starts_with("publish.")));
    }

    #[test]
    fn what_needs_a_table_is_found_through_views() {
        let behind = names("raw.focus+");
        for name in ["raw.focus", "rollup.usage_daily", "publish.coverage"] {
            assert!(behind.iter().any(|found| found == name), "{name}: {behind:?}");
        }
        assert!(
            !behind.iter().any(|name| name.starts_with("normalize.")),
            "{behind:?}"
        );
        assert!(!behind.iter().any(|name| name == "raw.aws_cur2"), "{behind:?}");
    }

    #[test]
    fn both_ways_from_one_table_and_not_from_what_is_found() {
        let (before, behind) = (names("+rollup.usage_daily"), names("rollup.usage_daily+"));
        let both: BTreeSet<String> = before.into_iter().chain(behind).collect();
        assert_eq!(chosen("+rollup.usage_daily+").unwrap(), both);
        let tables = names("+estimate.activity_emissions+");
        assert!(
            tables.iter().any(|name| name == "publish.inventory"),
            "{tables:?}"
        );
        assert!(
            !tables.iter().any(|name| name == "rollup.usage_daily"),
            "{tables:?}"
        );
    }

    #[test]
    fn kinds_and_what_chooses_nothing() {
        assert!(names("kind:full").iter().any(|name| name == "publish.inventory"));
        assert!(
            names("kind:incremental")
                .iter()
                .any(|name| name == "rollup.usage_daily")
        );
        let refused = |expression: &str| chosen(expression).unwrap_err().to_string();
        assert!(refused("kind:fast").contains("matches no table"));
        assert!(refused("rollup.usage").contains("matches no table"));
        assert!(refused("+").contains("matches no table"));
        assert!(refused("normalize.*").contains("views alone"));
    }

    #[test]
    fn patterns() {
        assert!(matches("raw.*", "raw.focus"));
        assert!(matches(
            "publish.emissions_by_*_month",
            "publish.emissions_by_tag_month"
        ));
        assert!(matches("rollup.usage_daily", "rollup.usage_daily"));
        assert!(!matches("rollup.usage", "rollup.usage_daily"));
        // What stands after the last `*` ends the name, wherever else it stands in it.
        assert!(matches("*usage", "normalize.usage_by_usage"));
        assert!(matches("a*b*c", "a-b-c-b-c") && matches("**", "raw.focus") && matches("*", ""));
        assert!(!matches("a*a", "a") && !matches("a*b*b", "ab") && !matches("", "raw.focus"));
    }
}

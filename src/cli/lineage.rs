//! Which table comes from which, drawn as text, JSON, dot or mermaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;

use super::arguments::LineageFormat;
use crate::model::Graph;

/// Draws the graph, or what leads to and from one table.
pub fn draw(graph: &Graph, name: Option<&str>, format: LineageFormat) -> String {
    let reads: BTreeMap<&str, Vec<&str>> = graph
        .ordered()
        .map(|m| (m.name.as_str(), m.reads.iter().map(String::as_str).collect()))
        .collect();
    let edges = edges(&reads, name);
    match format {
        LineageFormat::Text => match name {
            Some(name) => around(&reads, name),
            None => whole(graph, &edges),
        },
        LineageFormat::Json => {
            let nodes: BTreeSet<&str> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
            let edges: Vec<_> = edges
                .iter()
                .map(|(from, to)| json!({ "from": from, "to": to }))
                .collect();
            serde_json::to_string_pretty(&json!({ "nodes": nodes, "edges": edges })).unwrap_or_default()
        }
        LineageFormat::Dot => {
            let lines: String = edges
                .iter()
                .map(|(from, to)| format!("  \"{from}\" -> \"{to}\";\n"))
                .collect();
            format!("digraph offgridflow {{\n  rankdir=LR;\n  node [shape=box];\n{lines}}}")
        }
        LineageFormat::Mermaid => {
            let lines: String = edges
                .iter()
                .map(|(from, to)| {
                    format!(
                        "    {}[{from}] --> {}[{to}]\n",
                        from.replace('.', "_"),
                        to.replace('.', "_")
                    )
                })
                .collect();
            format!("graph LR\n{lines}")
        }
    }
}

type Edges<'a> = BTreeSet<(&'a str, &'a str)>;

/// From → to, all of them or those on the way to and from a table.
fn edges<'a>(reads: &BTreeMap<&'a str, Vec<&'a str>>, name: Option<&str>) -> Edges<'a> {
    let all: Edges<'a> = reads
        .iter()
        .flat_map(|(to, from)| from.iter().map(|f| (*f, *to)))
        .collect();
    let Some(name) = name else { return all };
    let mut kept = Edges::new();
    for upwards in [true, false] {
        let mut stack = vec![name];
        let mut seen = BTreeSet::new();
        while let Some(table) = stack.pop() {
            if !seen.insert(table) {
                continue;
            }
            for (from, to) in all
                .iter()
                .filter(|(from, to)| if upwards { *to == table } else { *from == table })
            {
                kept.insert((from, to));
                stack.push(if upwards { from } else { to });
            }
        }
    }
    kept
}

fn whole(graph: &Graph, edges: &Edges<'_>) -> String {
    let mut text = String::new();
    let mut stage = String::new();
    for model in graph.ordered() {
        let parents: Vec<&str> = edges
            .iter()
            .filter(|(_, to)| *to == model.name)
            .map(|(from, _)| *from)
            .collect();
        if stage != model.schema() {
            stage = model.schema().to_string();
            let _ = writeln!(text, "{stage}");
        }
        let _ = writeln!(text, "  {:<44} ← {}", model.name, parents.join(", "));
    }
    text
}

/// What a table comes from above its name, what comes from it below.
fn around(reads: &BTreeMap<&str, Vec<&str>>, name: &str) -> String {
    let mut text = format!("{name}\n");
    let up = |table: &str| reads.get(table).cloned().unwrap_or_default();
    let down = |table: &str| {
        reads
            .iter()
            .filter(|(_, from)| from.contains(&table))
            .map(|(to, _)| *to)
            .collect::<Vec<_>>()
    };
    text.push_str("reads\n");
    branch(&mut text, &up, name, 1, &mut BTreeSet::new());
    text.push_str("is read by\n");
    branch(&mut text, &down, name, 1, &mut BTreeSet::new());
    text
}

fn branch<'a>(
    text: &mut String,
    next: &dyn Fn(&str) -> Vec<&'a str>,
    table: &str,
    depth: usize,
    seen: &mut BTreeSet<&'a str>,
) {
    let children = next(table);
    if children.is_empty() && depth == 1 {
        text.push_str("  nothing\n");
    }
    for child in children {
        let first = seen.insert(child);
        let leaf = next(child).is_empty();
        let _ = writeln!(
            text,
            "{}{child}{}",
            "  ".repeat(depth),
            if first || leaf { "" } else { " (above)" }
        );
        if first {
            branch(text, next, child, depth + 1, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_to_and_from() {
        let reads = BTreeMap::from([("b", vec!["a"]), ("c", vec!["b"]), ("d", vec!["a"])]);
        assert_eq!(edges(&reads, Some("b")), Edges::from([("a", "b"), ("b", "c")]));
        assert_eq!(edges(&reads, None).len(), 3);
        assert_eq!(around(&reads, "b"), "b\nreads\n  a\nis read by\n  c\n");
    }
}

//! Reads `[[tenant]]` with its sources and mappings.

use std::collections::BTreeMap;

use super::build::check_store_url;
use super::inventory;
use super::kind::{InventorySource, Role, SourceKind};
use super::reader::Reader;
use super::suggest;
use super::tree::ValueOrigin;
use super::types::{AllocationTag, Ask, Mapping, MappingSet, Source, Tenant};
use super::units;
use crate::domain::timestamp::DateOrder;

/// Conditions of a mapping beside the columns of the allocation tags.
const MAPPING_FIELDS: [&str; 2] = ["sub_account_id", "billing_account_id"];

/// What an Azure query can count.
const COST_TYPES: [&str; 2] = ["actual", "amortized"];

/// Every tenant, in the order of the file.
pub fn tenants(root: &Reader<'_>) -> Vec<Tenant> {
    let mut seen = Vec::new();
    root.tables("tenant")
        .into_iter()
        .map(|reader| tenant(reader, &mut seen))
        .collect()
}

fn tenant(reader: Reader<'_>, seen: &mut Vec<String>) -> Tenant {
    let id = id(&reader, "tenant", seen, "acme");
    let name = reader.text("name").unwrap_or_else(|| id.clone());
    let allocation_tags = allocation_tags(&reader);
    let mut seen_sources = Vec::new();
    let sources: Vec<(Source, &ValueOrigin)> = reader
        .tables("source")
        .into_iter()
        .map(|reader| {
            let origin = reader.origin("inventory_source");
            (source(reader, &mut seen_sources), origin)
        })
        .collect();
    inventory::check(&reader, &sources);
    let mappings = reader
        .tables("mapping")
        .into_iter()
        .map(|reader| mapping(reader, &allocation_tags))
        .collect();
    reader.finish();
    Tenant {
        id,
        name,
        allocation_tags,
        sources: sources.into_iter().map(|(source, _)| source).collect(),
        mappings,
    }
}

/// An id: it becomes a folder, so only `[a-z0-9_-]`, and nobody else's.
fn id(reader: &Reader<'_>, called: &str, seen: &mut Vec<String>, example: &str) -> String {
    let id = reader.required_text("id", example);
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !id.chars().all(allowed) {
        let better: String = id
            .to_lowercase()
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .collect();
        reader.problem(
            "id",
            format!("the id `{id}` has other characters than a-z, 0-9, _ and -"),
            format!("write id = \"{better}\""),
        );
    } else if id.len() > 64 {
        reader.problem(
            "id",
            "the id is longer than 64 characters",
            "it becomes part of paths",
        );
    } else if !id.is_empty() && seen.contains(&id) {
        reader.problem(
            "id",
            format!("a second {called} has the id `{id}`"),
            "give each one an id of its own",
        );
    }
    seen.push(id.clone());
    id
}

fn allocation_tags(reader: &Reader<'_>) -> Vec<AllocationTag> {
    let mut tags: Vec<AllocationTag> = Vec::new();
    for (key, origin) in reader.texts("allocation_tags") {
        let column = tag_column(key);
        if key.trim().is_empty() {
            reader.problem_at(
                "allocation_tags",
                origin,
                "an allocation tag is empty",
                "take it out",
            );
        } else if let Some(other) = tags.iter().find(|tag| tag.column == column) {
            let what = format!(
                "the allocation tags `{}` and `{key}` both give the column {column}",
                other.key
            );
            reader.problem_at("allocation_tags", origin, what, "keep one of them");
        } else {
            tags.push(AllocationTag {
                key: key.to_string(),
                column,
            });
        }
    }
    tags
}

/// The rollup's column of a tag key: lower case, other characters than [a-z0-9] become `_`.
fn tag_column(key: &str) -> String {
    let character = |c: char| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '_'
        }
    };
    format!(
        "tag_{}",
        key.to_lowercase().chars().map(character).collect::<String>()
    )
}

fn source(reader: Reader<'_>, seen: &mut Vec<String>) -> Source {
    let id = id(&reader, "source of this tenant", seen, "aws-main");
    let names: Vec<&str> = SourceKind::ALL.iter().map(|kind| kind.name()).collect();
    let kind = reader
        .choice("kind", &names, SourceKind::from_name)
        .unwrap_or(SourceKind::Focus);
    let url = if kind.asks() {
        let url = reader.text("url").unwrap_or_default();
        if !url.is_empty() && !kind.reads_files() {
            reader.problem(
                "url",
                format!("a source of kind `{kind}` reads no files"),
                "take `url` out; an endpoint of its own goes into the profile",
            );
        }
        url
    } else {
        reader.required_text("url", "s3://acme-billing/exports")
    };
    if !url.is_empty() {
        check_store_url(&reader, "url", &url);
    }
    let ask = ask(&reader, kind, &url);
    let currency = reader.text("currency");
    if let Some(currency) = currency.as_ref().filter(|currency| currency.chars().count() > 10) {
        reader.problem(
            "currency",
            format!("the currency `{currency}` is longer than 10 characters"),
            "for example currency = \"USD\"",
        );
    }
    let given = |key: &'static str| reader.is_given(key);
    let date_order = given("date_order")
        .then(|| reader.choice("date_order", &DateOrder::NAMES, DateOrder::parse))
        .flatten();
    if given("date_order") && url.is_empty() && kind.asks() {
        reader.problem(
            "date_order",
            format!("a source of kind `{kind}` that asks an API has no key `date_order`"),
            "take it out: it belongs to files whose dates are written with slashes",
        );
    }
    let source = Source {
        id,
        kind,
        url,
        ask,
        profile: reader.text("profile"),
        role: reader
            .choice("role", &Role::NAMES, Role::from_name)
            .unwrap_or(Role::Counts),
        currency,
        date_order,
        inventory_source: given("inventory_source")
            .then(|| {
                reader.choice(
                    "inventory_source",
                    &InventorySource::NAMES,
                    InventorySource::from_name,
                )
            })
            .flatten(),
    };
    reader.finish();
    source
}

/// The keys of API kinds; one that the kind does not know is refused.
fn ask(reader: &Reader<'_>, kind: SourceKind, url: &str) -> Ask {
    let texts = |key| {
        reader
            .texts(key)
            .into_iter()
            .map(|(text, _)| text.to_string())
            .collect()
    };
    let known: &[&str] = match kind {
        _ if !kind.asks() || !url.is_empty() => &[],
        SourceKind::AwsCostExplorer => &["accounts", "since", "refresh"],
        SourceKind::AwsCarbon => &["since", "refresh"],
        SourceKind::AzureCostQuery => &["subscriptions", "scope", "cost_type", "since", "refresh"],
        SourceKind::AzureCarbon => &["subscriptions", "since", "refresh"],
        _ => &["table", "project", "since", "refresh"],
    };
    let given = |key: &'static str| reader.is_given(key);
    let ask = Ask {
        accounts: texts("accounts"),
        subscriptions: texts("subscriptions"),
        scope: reader.text("scope"),
        cost_type: given("cost_type")
            .then(|| {
                reader.choice("cost_type", &COST_TYPES, |text| {
                    COST_TYPES.contains(&text).then(|| text.to_string())
                })
            })
            .flatten(),
        table: reader.text("table"),
        project: reader.text("project"),
        since: given("since")
            .then(|| reader.parsed("since", "2026-01", |text| text.parse().ok()))
            .flatten(),
        refresh_hours: given("refresh")
            .then(|| reader.parsed("refresh", "6 hours", units::hours))
            .flatten(),
    };
    for key in [
        "accounts",
        "subscriptions",
        "scope",
        "cost_type",
        "table",
        "project",
        "since",
        "refresh",
    ] {
        if given(key) && !known.contains(&key) {
            let hint = match known {
                [] => "it belongs to sources that ask an API".to_string(),
                known => format!("`{kind}` knows {}", suggest::list(known)),
            };
            reader.problem(key, format!("a source of kind `{kind}` has no key `{key}`"), hint);
        }
    }
    if known.contains(&"table") && ask.table.as_deref().is_none_or(|t| t.split('.').count() != 3) {
        reader.problem(
            "table",
            "the BigQuery table of the export is missing or not written as project.dataset.table",
            "for example table = \"acme-billing.exports.gcp_billing_export_v1_0A1B2C_D3E4F5_A6B7C8\"",
        );
    }
    ask
}

fn mapping(reader: Reader<'_>, tags: &[AllocationTag]) -> Mapping {
    let mut when = BTreeMap::new();
    let mut fields = MAPPING_FIELDS.to_vec();
    fields.extend(tags.iter().map(|tag| tag.column.as_str()));
    if let Some(conditions) = reader.table("when") {
        for (field, item) in conditions.entries() {
            match item.text() {
                _ if !fields.contains(&field.as_str()) => {
                    let hint = match field.strip_prefix("tag_") {
                        Some(key) if suggest::nearest(field, &fields).is_none() => {
                            format!("add \"{key}\" to the tenant's allocation_tags")
                        }
                        _ => suggest::hint(field, &fields, "fields"),
                    };
                    conditions.problem(field, format!("unknown field `{field}` in a mapping"), hint);
                }
                Some(value) => {
                    when.insert(field.clone(), value.to_string());
                }
                None => {
                    let what = format!("`{field}` must be text in quotes, not {}", item.value.type_name());
                    conditions.problem(field, what, "account ids have leading zeros: put them in quotes");
                }
            }
        }
    }
    let set = match reader.table("set") {
        Some(values) => {
            let set = MappingSet {
                entity: values.text("entity"),
                site: values.text("site"),
                cost_centre: values.text("cost_centre"),
            };
            values.finish();
            set
        }
        None => MappingSet::default(),
    };
    if !reader.entries().contains_key("set") {
        reader.problem(
            "set",
            "a mapping sets nothing",
            "for example set = { entity = \"ACME GmbH\" }",
        );
    }
    reader.finish();
    Mapping { when, set }
}

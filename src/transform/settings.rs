//! The configuration as tables, so that SQL models read it like any other input.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::config::Config;
use crate::error::Result;
use crate::model::render::TagColumn;

/// The estimation method this program ships; a changed rule is a new version.
pub const METHOD_VERSION: &str = "ogf-2026.2";

/// Claims of providers about their own electricity, shown beside the market-based figure and never used in it.
const SUPPLIER_CLAIMS: &[(&str, f64)] = &[("AWS", 0.0), ("Microsoft", 0.0), ("Google Cloud", 0.0)];

fn text<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(n, c)| Field::new(*n, c.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, c)| c).collect(),
    )?)
}

/// `settings.<name>` → rows.
///
/// # Errors
/// Internal: columns of different lengths.
pub fn settings_tables(config: &Config, factor_set_version: &str) -> Result<BTreeMap<String, RecordBatch>> {
    let tenants = &config.tenants;
    let mut tables = BTreeMap::new();
    tables.insert(
        "settings.tenant".to_string(),
        batch(vec![
            ("tenant", text(tenants.iter().map(|t| Some(&t.id)))),
            ("name", text(tenants.iter().map(|t| Some(&t.name)))),
            (
                "include_internet_transfer",
                Arc::new(BooleanArray::from(vec![
                    config.method.include_internet_transfer;
                    tenants.len()
                ])),
            ),
            (
                "gwp_set",
                text(tenants.iter().map(|_| Some(&config.method.gwp_set))),
            ),
            (
                "method_version",
                text(tenants.iter().map(|_| Some(METHOD_VERSION))),
            ),
            (
                FACTOR_SET_VERSION,
                text(tenants.iter().map(|_| Some(factor_set_version))),
            ),
        ])?,
    );
    // One row per tenant for all it uses, and one per override that concerns it.
    let mut method: Vec<(&str, Option<&str>, Option<&str>, f64)> = Vec::new();
    for tenant in tenants {
        method.push((&tenant.id, None, None, config.method.utilisation));
        for rule in config
            .method
            .overrides
            .iter()
            .filter(|r| r.tenant.as_ref().is_none_or(|t| *t == tenant.id))
        {
            method.push((
                &tenant.id,
                rule.service_name.as_deref(),
                rule.instance_type.as_deref(),
                rule.utilisation,
            ));
        }
    }
    // Of two rules for the same service and instance type the later one counts.
    let mut last: BTreeMap<(&str, Option<&str>, Option<&str>), f64> = BTreeMap::new();
    for (tenant, service, instance, utilisation) in method {
        last.insert((tenant, service, instance), utilisation);
    }
    tables.insert(
        "settings.method".to_string(),
        batch(vec![
            ("tenant", text(last.keys().map(|k| Some(k.0)))),
            ("service_name", text(last.keys().map(|k| k.1))),
            ("instance_type", text(last.keys().map(|k| k.2))),
            (
                "utilisation",
                Arc::new(last.values().copied().collect::<Float64Array>()),
            ),
        ])?,
    );
    let sources: Vec<_> = tenants
        .iter()
        .flat_map(|t| t.sources.iter().map(move |s| (t, s)))
        .collect();
    tables.insert(
        "settings.source".to_string(),
        batch(vec![
            ("tenant", text(sources.iter().map(|(t, _)| Some(&t.id)))),
            ("source", text(sources.iter().map(|(_, s)| Some(&s.id)))),
            ("kind", text(sources.iter().map(|(_, s)| Some(s.kind.name())))),
            ("role", text(sources.iter().map(|(_, s)| Some(s.role.name())))),
            (
                "currency",
                text(sources.iter().map(|(_, s)| s.currency.as_deref())),
            ),
        ])?,
    );
    let sides: Vec<_> = tenants
        .iter()
        .flat_map(|t| t.provider_sides().map(move |side| (t, side)))
        .collect();
    tables.insert(
        "settings.provider".to_string(),
        batch(vec![
            ("tenant", text(sides.iter().map(|(t, _)| Some(&t.id)))),
            (
                "provider_name",
                text(sides.iter().map(|(_, side)| Some(side.provider_name))),
            ),
            (
                "inventory_source",
                text(sides.iter().map(|(_, side)| Some(side.inventory_source.name()))),
            ),
            (
                "has_figures",
                Arc::new(
                    sides
                        .iter()
                        .map(|(_, side)| Some(side.has_figures))
                        .collect::<BooleanArray>(),
                ),
            ),
        ])?,
    );
    tables.insert("settings.mapping".to_string(), mapping(config)?);
    let tags: Vec<_> = tenants
        .iter()
        .flat_map(|t| t.allocation_tags.iter().map(move |tag| (t, tag)))
        .collect();
    tables.insert(
        "settings.allocation_tag".to_string(),
        batch(vec![
            ("tenant", text(tags.iter().map(|(t, _)| Some(&t.id)))),
            ("tag_key", text(tags.iter().map(|(_, tag)| Some(&tag.key)))),
            ("tag_column", text(tags.iter().map(|(_, tag)| Some(&tag.column)))),
        ])?,
    );
    let market = &config.method.supplier_factors;
    tables.insert(
        "settings.market_claim".to_string(),
        batch(vec![
            ("tenant", text(market.iter().map(|m| Some(&m.tenant)))),
            (
                "provider_name",
                text(market.iter().map(|m| Some(&m.provider_name))),
            ),
            (
                "factor_gco2e_per_kwh",
                Arc::new(
                    market
                        .iter()
                        .map(|m| m.factor_gco2e_per_kwh)
                        .collect::<Float64Array>(),
                ),
            ),
            ("evidence", text(market.iter().map(|m| Some(&m.evidence)))),
        ])?,
    );
    tables.insert(
        "settings.supplier_claim".to_string(),
        batch(vec![
            (
                "provider_name",
                text(SUPPLIER_CLAIMS.iter().map(|(p, _)| Some(*p))),
            ),
            (
                "claimed_gco2e_per_kwh",
                Arc::new(SUPPLIER_CLAIMS.iter().map(|(_, g)| *g).collect::<Float64Array>()),
            ),
        ])?,
    );
    Ok(tables)
}

/// One row per mapping; a mapping with several tags has a row per tag and the same ordinal.
fn mapping(config: &Config) -> Result<RecordBatch> {
    struct Row<'a> {
        tenant: &'a str,
        ordinal: i64,
        billing: Option<&'a str>,
        sub: Option<&'a str>,
        key: Option<&'a str>,
        value: Option<&'a str>,
        set: &'a crate::config::MappingSet,
    }
    let mut rows: Vec<Row<'_>> = Vec::new();
    for tenant in &config.tenants {
        for (ordinal, rule) in tenant.mappings.iter().enumerate() {
            let tags: Vec<(Option<&str>, Option<&str>)> = rule
                .when
                .iter()
                .filter(|(k, _)| k.starts_with("tag_"))
                .map(|(k, v)| (Some(k.as_str()), Some(v.as_str())))
                .collect();
            let tags = if tags.is_empty() { vec![(None, None)] } else { tags };
            rows.extend(tags.into_iter().map(|(key, value)| Row {
                tenant: &tenant.id,
                ordinal: ordinal as i64,
                billing: rule.when.get("billing_account_id").map(String::as_str),
                sub: rule.when.get("sub_account_id").map(String::as_str),
                key,
                value,
                set: &rule.set,
            }));
        }
    }
    batch(vec![
        ("tenant", text(rows.iter().map(|r| Some(r.tenant)))),
        (
            "ordinal",
            Arc::new(rows.iter().map(|r| r.ordinal).collect::<Int64Array>()),
        ),
        ("billing_account_id", text(rows.iter().map(|r| r.billing))),
        ("sub_account_id", text(rows.iter().map(|r| r.sub))),
        ("tag_key", text(rows.iter().map(|r| r.key))),
        ("tag_value", text(rows.iter().map(|r| r.value))),
        ("entity", text(rows.iter().map(|r| r.set.entity.as_deref()))),
        ("site", text(rows.iter().map(|r| r.set.site.as_deref()))),
        (
            "cost_centre",
            text(rows.iter().map(|r| r.set.cost_centre.as_deref())),
        ),
    ])
}

/// The tag columns of all tenants, in the order of their names.
pub fn tag_columns(config: &Config) -> Vec<TagColumn> {
    let mut columns: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for tenant in &config.tenants {
        for tag in &tenant.allocation_tags {
            columns
                .entry((tag.column.clone(), tag.key.clone()))
                .or_default()
                .push(tenant.id.clone());
        }
    }
    columns
        .into_iter()
        .map(|((column, key), tenants)| TagColumn { tenants, key, column })
        .collect()
}

/// The name of the factor set in force. It decides no figure: the factors do, and they are compared themselves.
const FACTOR_SET_VERSION: &str = "factor_set_version";

/// The rows of a settings table that concern a tenant, as text for a fingerprint.
pub fn tenant_text(table: &RecordBatch, tenant: &str) -> String {
    let own = table
        .column_by_name("tenant")
        .and_then(|c| c.as_string_opt::<i32>().cloned());
    let schema = table.schema();
    let deciding = schema.fields().iter().zip(table.columns());
    let formatters: Vec<ArrayFormatter<'_>> = deciding
        .filter(|(field, _)| field.name() != FACTOR_SET_VERSION)
        .filter_map(|(_, column)| {
            ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default().with_null("∅")).ok()
        })
        .collect();
    let mut lines = Vec::new();
    for row in 0..table.num_rows() {
        if own.as_ref().is_none_or(|c| c.value(row) == tenant) {
            lines.push(
                formatters
                    .iter()
                    .map(|f| f.value(row).to_string())
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
    }
    lines.sort();
    lines.join("\n")
}

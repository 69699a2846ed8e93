//! From the merged tree to the typed configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::build_tenant;
use super::layers::Flags;
use super::location;
use super::problem::Problems;
use super::profile_keys;
use super::reader::Reader;
use super::secret::{Profile, Secret, looks_secret};
use super::suggest;
use super::tree::{Entries, Item, Value};
use super::types::{
    Config, Database, Engine, Factors, Landing, Method, SupplierFactor, Tenant, UtilisationOverride, Warehouse,
};
use super::units;
use crate::error::Result;

/// Reads every section; all problems are reported together.
pub fn build(tree: Item, file: PathBuf, base: PathBuf, flags: &Flags, problems: Problems) -> Result<Config> {
    let none = Entries::new();
    let root = Reader::new(tree.entries().unwrap_or(&none), &tree.origin, "", &problems);
    let warehouse = warehouse(&root);
    let database = database(&root);
    let engine = engine(&root);
    let factors = factors(&root, &base);
    let landing = landing(&root);
    let tenants = build_tenant::tenants(&root);
    let method = method(&root, &tenants);
    let profiles = profiles(&root, &base, &problems);
    root.finish();

    check_profiles(&tree, &tenants, &warehouse, &profiles, flags, &problems);
    if let Some(error) = problems.into_error() {
        return Err(error);
    }
    if let Some(tenant) = flags.tenant.as_ref().filter(|id| !tenants.iter().any(|tenant| tenant.id == **id)) {
        let known: Vec<&str> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
        return Err(crate::error::Error::usage(format!("unknown tenant `{tenant}`"))
            .at(file.display().to_string())
            .hint(suggest::hint(tenant, &known, "tenants")));
    }
    Ok(Config {
        file: Some(file),
        base,
        warehouse,
        database,
        engine,
        method,
        factors,
        landing,
        tenants,
        profiles,
        selected_tenant: flags.tenant.clone(),
        tree,
    })
}

fn warehouse(root: &Reader<'_>) -> Warehouse {
    let Some(section) = root.table("warehouse") else { return Warehouse { url: String::new(), profile: None } };
    let url = section.required_text("url", "file://./warehouse/data");
    check_scheme(&section, "url", &url);
    let profile = section.text("profile");
    section.finish();
    Warehouse { url, profile }
}

/// Refuses a URL of a store that nobody here can open.
pub fn check_scheme(reader: &Reader<'_>, key: &str, url: &str) {
    if let Some(scheme) = location::scheme(url).filter(|scheme| !location::SCHEMES.contains(scheme)) {
        let hint = match scheme {
            "https" | "http" if url.contains(".blob.core.windows.net") => {
                "write az://<container>/<prefix> and put account_name into the profile".to_string()
            }
            "https" | "http" => "write s3://<bucket>/<prefix> and put the server into the profile as endpoint".to_string(),
            _ => suggest::hint(scheme, &location::SCHEMES, "schemes"),
        };
        reader.problem(key, format!("unknown URL scheme `{scheme}://`"), hint);
    }
}

fn database(root: &Reader<'_>) -> Database {
    let Some(section) = root.table("database") else { return Database { url: String::new() } };
    let url = section.required_text("url", "sqlite://./warehouse/data/offgridflow.db");
    section.finish();
    Database { url }
}

fn engine(root: &Reader<'_>) -> Engine {
    let Some(section) = root.table("engine") else { return Engine { url: String::new(), memory_limit: 0, threads: 0 } };
    let url = section.required_text("url", "local");
    if location::scheme(&url) == Some("ballista") {
        section.problem("url", "this version cannot run on a cluster yet", "write url = \"local\"");
    } else if !url.is_empty() && url != "local" {
        section.problem("url", format!("unknown engine `{url}`"), "write url = \"local\"");
    }
    let memory_limit = section.parsed("memory_limit", "512MiB", units::bytes).unwrap_or_default();
    // Below this, one sort or one Parquet row group does not fit.
    if (1..32 << 20).contains(&memory_limit) {
        section.problem("memory_limit", "the engine cannot work in less than 32MiB", "the default is 512MiB");
    }
    let threads = usize::try_from(section.count("threads")).unwrap_or_default();
    if threads > 1024 {
        section.problem("threads", format!("{threads} threads are more than any machine has"), "0 takes all cores");
    }
    section.finish();
    Engine { url, memory_limit, threads }
}

fn factors(root: &Reader<'_>, base: &Path) -> Factors {
    let Some(section) = root.table("factors") else { return Factors { overlay: None, version: None } };
    let overlay = section.text("overlay").map(|folder| base.join(folder));
    if let Some(folder) = overlay.as_ref().filter(|folder| !folder.is_dir()) {
        section.problem("overlay", format!("there is no folder {}", folder.display()), "it starts at the folder of this file");
    }
    let version = section.text("version");
    section.finish();
    Factors { overlay, version }
}

fn landing(root: &Reader<'_>) -> Landing {
    let Some(section) = root.table("landing") else { return Landing { max_rejected: 0, lookback_months: 0 } };
    let max_rejected = section.count("max_rejected");
    let lookback_months = section.parsed("lookback", "3 months", units::months).unwrap_or_default();
    section.finish();
    Landing { max_rejected, lookback_months }
}

fn method(root: &Reader<'_>, tenants: &[Tenant]) -> Method {
    let mut method = Method {
        utilisation: 0.0,
        include_internet_transfer: false,
        gwp_set: String::new(),
        overrides: Vec::new(),
        supplier_factors: Vec::new(),
    };
    let Some(section) = root.table("method") else { return method };
    let known: Vec<&str> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    let check_tenant = |reader: &Reader<'_>, tenant: &str| {
        if !tenant.is_empty() && !known.contains(&tenant) {
            reader.problem("tenant", format!("unknown tenant `{tenant}`"), suggest::hint(tenant, &known, "tenants"));
        }
    };
    method.utilisation = section.number("utilisation", 1.0);
    method.include_internet_transfer = section.boolean("include_internet_transfer");
    let sets = ["AR6", "AR5", "AR4"];
    method.gwp_set =
        section.choice("gwp_set", &sets, |text| sets.contains(&text).then(|| text.to_string())).unwrap_or_default();
    for reader in section.tables("override") {
        let tenant = reader.text("tenant");
        check_tenant(&reader, tenant.as_deref().unwrap_or_default());
        method.overrides.push(UtilisationOverride {
            tenant,
            service_name: reader.text("service_name"),
            instance_type: reader.text("instance_type"),
            utilisation: reader.number("utilisation", 1.0),
        });
        reader.finish();
    }
    for reader in section.tables("supplier_factor") {
        let tenant = reader.required_text("tenant", known.first().unwrap_or(&"acme"));
        check_tenant(&reader, &tenant);
        method.supplier_factors.push(SupplierFactor {
            tenant,
            provider_name: reader.required_text("provider_name", "AWS"),
            factor_gco2e_per_kwh: reader.number("factor_gco2e_per_kwh", f64::INFINITY),
            evidence: reader.required_text("evidence", "supplier statement of 2026-02-01"),
        });
        reader.finish();
    }
    section.finish();
    method
}

fn profiles(root: &Reader<'_>, base: &Path, problems: &Problems) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::new();
    let Some(section) = root.table("profile") else { return profiles };
    let known = profile_keys::all();
    for (name, item) in section.entries() {
        let path = section.key(name);
        let Some(entries) = item.entries() else {
            section.problem(name, format!("profile `{name}` must be a table"), format!("write [{path}] above its keys"));
            continue;
        };
        let reader = Reader::new(entries, &item.origin, &path, problems);
        let mut values = BTreeMap::new();
        for (key, item) in entries {
            if !known.contains(&key.as_str()) {
                reader.problem(key, format!("unknown key `{key}`"), suggest::hint(key, &known, "keys"));
                continue;
            }
            let text = match &item.value {
                Value::Text(text) => text.clone(),
                Value::Boolean(boolean) => boolean.to_string(),
                Value::Integer(number) => number.to_string(),
                other => {
                    reader.problem(key, format!("`{key}` must be text in quotes, not {}", other.type_name()), "");
                    continue;
                }
            };
            let named_elsewhere = text.starts_with("env:") || text.starts_with("file:");
            if looks_secret(key) && !named_elsewhere {
                let variable = format!("{name}_{key}").to_ascii_uppercase().replace('-', "_");
                let hint = format!("write {key} = \"env:{variable}\" or \"file:PATH\"");
                reader.problem(key, format!("the secret `{key}` must not stand in this file"), hint);
                continue;
            }
            let place = format!("{}, key {}", problems.place(&item.origin), reader.key(key));
            values.insert(key.clone(), Secret::new(&text, base, place));
        }
        profiles.insert(name.clone(), Profile { name: name.clone(), values });
    }
    profiles
}

/// Every named profile must exist, and the secrets of those in use must be there.
fn check_profiles(
    tree: &Item,
    tenants: &[Tenant],
    warehouse: &Warehouse,
    profiles: &BTreeMap<String, Profile>,
    flags: &Flags,
    problems: &Problems,
) {
    let at = |item: Option<&Item>, key: &str| -> Option<Item> { item?.entries()?.get(key).cloned() };
    let nth = |item: Option<&Item>, index: usize| match item.map(|item| &item.value) {
        Some(Value::List(items)) => items.get(index).cloned(),
        _ => None,
    };
    let mut named = vec![("warehouse.profile", warehouse.profile.clone(), at(at(Some(tree), "warehouse").as_ref(), "profile"), true)];
    let tenant_list = at(Some(tree), "tenant");
    for (tenant_index, tenant) in tenants.iter().enumerate() {
        let selected = flags.tenant.as_ref().is_none_or(|id| *id == tenant.id);
        let source_list = at(nth(tenant_list.as_ref(), tenant_index).as_ref(), "source");
        for (source_index, source) in tenant.sources.iter().enumerate() {
            let item = at(nth(source_list.as_ref(), source_index).as_ref(), "profile");
            named.push(("tenant.source.profile", source.profile.clone(), item, selected));
        }
    }
    let known: Vec<&str> = tree
        .entries()
        .and_then(|root| root.get("profile"))
        .and_then(Item::entries)
        .map(|entries| entries.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let mut checked = Vec::new();
    for (key, name, item, selected) in named {
        let (Some(name), Some(item)) = (name, item) else { continue };
        if !known.contains(&name.as_str()) {
            let hint = match known.as_slice() {
                [] => format!("write [profile.{name}] with its keys"),
                _ => suggest::hint(&name, &known, "profiles"),
            };
            problems.add(key, &item.origin, format!("unknown profile `{name}`"), hint);
        } else if selected && !flags.allow_missing_secrets && !checked.contains(&name) {
            let entries = at(at(Some(tree), "profile").as_ref(), &name);
            for (secret_key, secret) in profiles.get(&name).map(|profile| &profile.values).into_iter().flatten() {
                if let (Err((what, hint)), Some(item)) = (secret.check(), at(entries.as_ref(), secret_key)) {
                    problems.add(&format!("profile.{name}.{secret_key}"), &item.origin, what, hint);
                }
            }
            checked.push(name);
        }
    }
}

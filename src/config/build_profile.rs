//! Reads `[profile.<name>]` and checks who names one.

use std::collections::BTreeMap;
use std::path::Path;

use super::layers::Flags;
use super::problem::Problems;
use super::profile_keys;
use super::reader::Reader;
use super::redaction::{UrlSecret, secret_in_url};
use super::secret::{Profile, Secret, looks_secret};
use super::suggest;
use super::tree::{Item, Value};
use super::types::{Tenant, Warehouse};

/// Reads the profiles; a secret that stands in the file itself is refused.
pub fn profiles(root: &Reader<'_>, base: &Path, problems: &Problems) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::new();
    let Some(section) = root.table("profile") else {
        return profiles;
    };
    let known = profile_keys::all();
    for (name, item) in section.entries() {
        let path = section.key(name);
        let Some(entries) = item.entries() else {
            section.problem(
                name,
                format!("profile `{name}` must be a table"),
                format!("write [{path}] above its keys"),
            );
            continue;
        };
        let reader = Reader::new(entries, &item.origin, &path, problems);
        let mut values = BTreeMap::new();
        for (key, item) in entries {
            if !known.contains(&key.as_str()) {
                reader.problem(
                    key,
                    format!("unknown key `{key}`"),
                    suggest::hint(key, &known, "keys"),
                );
                continue;
            }
            let text = match &item.value {
                Value::Text(text) => text.clone(),
                Value::Boolean(boolean) => boolean.to_string(),
                Value::Integer(number) => number.to_string(),
                other => {
                    reader.problem(
                        key,
                        format!("`{key}` must be text in quotes, not {}", other.type_name()),
                        "",
                    );
                    continue;
                }
            };
            let named_elsewhere = text.starts_with("env:") || text.starts_with("file:");
            if looks_secret(key) && !named_elsewhere {
                let variable = format!("{name}_{key}").to_ascii_uppercase().replace('-', "_");
                let hint = format!("write {key} = \"env:{variable}\" or \"file:PATH\"");
                reader.problem(
                    key,
                    format!("the secret `{key}` must not stand in this file"),
                    hint,
                );
                continue;
            }
            if !named_elsewhere && let Some(secret) = secret_of(key, &text) {
                let (what, hint) = match secret {
                    UrlSecret::Login => (
                        "login",
                        "a store's login belongs into keys of its own, such as secret_access_key",
                    ),
                    UrlSecret::Signature => (
                        "signature, token or password",
                        "a signature belongs into sas_token = \"env:NAME\"",
                    ),
                };
                reader.problem(
                    key,
                    format!("the URL of `{key}` holds a {what}, and a secret must not stand in this file"),
                    format!("write the whole URL as \"env:NAME\" or \"file:PATH\"; {hint}"),
                );
                continue;
            }
            let place = format!("{}, key {}", problems.place(&item.origin), reader.key(key));
            values.insert(key.clone(), Secret::new(&text, base, place));
        }
        profiles.insert(
            name.clone(),
            Profile {
                name: name.clone(),
                values,
            },
        );
    }
    profiles
}

/// The secret in the URL of a key, with or without the scheme before it.
fn secret_of(key: &str, text: &str) -> Option<UrlSecret> {
    let names_server = ["endpoint", "_url", "_uri", "authority_host"]
        .iter()
        .any(|word| key.contains(word));
    match text.contains("://") {
        false if names_server => secret_in_url(&format!("http://{text}")),
        _ => secret_in_url(text),
    }
}

/// Every named profile must exist, and the secrets of those in use must be there.
pub fn check_profiles(
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
    let mut named = vec![(
        "warehouse.profile",
        warehouse.profile.clone(),
        at(at(Some(tree), "warehouse").as_ref(), "profile"),
        true,
    )];
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
        let (Some(name), Some(item)) = (name, item) else {
            continue;
        };
        if !known.contains(&name.as_str()) {
            let hint = match known.as_slice() {
                [] => format!("write [profile.{name}] with its keys"),
                _ => suggest::hint(&name, &known, "profiles"),
            };
            problems.add(key, &item.origin, format!("unknown profile `{name}`"), hint);
        } else if selected && !flags.allow_missing_secrets && !checked.contains(&name) {
            let entries = at(at(Some(tree), "profile").as_ref(), &name);
            for (secret_key, secret) in profiles
                .get(&name)
                .map(|profile| &profile.values)
                .into_iter()
                .flatten()
            {
                if let (Err((what, hint)), Some(item)) = (secret.check(), at(entries.as_ref(), secret_key)) {
                    problems.add(&format!("profile.{name}.{secret_key}"), &item.origin, what, hint);
                }
            }
            checked.push(name);
        }
    }
}

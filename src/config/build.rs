//! From the merged tree to the typed configuration.

use std::path::{Path, PathBuf};

use super::build_profile::{check_profiles, profiles};
use super::build_tenant;
use super::layers::Flags;
use super::location;
use super::problem::Problems;
use super::reader::Reader;
use super::redaction::{UrlSecret, secret_in_url};
use super::suggest;
use super::tree::{Entries, Item};
use super::types::{
    Config, Database, Engine, Factors, Landing, Limits, Method, SupplierFactor, Tenant, UtilisationOverride,
    Warehouse,
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
    if let Some(tenant) = flags
        .tenant
        .as_ref()
        .filter(|id| !tenants.iter().any(|tenant| tenant.id == **id))
    {
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
    let Some(section) = root.table("warehouse") else {
        return Warehouse {
            url: String::new(),
            profile: None,
        };
    };
    let url = section.required_text("url", "file://./warehouse/data");
    check_store_url(&section, "url", &url);
    let profile = section.text("profile");
    section.finish();
    Warehouse { url, profile }
}

/// Refuses a URL of a store that nobody here can open, or that holds a secret.
pub fn check_store_url(reader: &Reader<'_>, key: &str, url: &str) {
    let hint = match secret_in_url(url) {
        Some(UrlSecret::Login) => {
            "take all up to the `@` out, name a `profile` beside the URL, and write its access_key_id and secret_access_key as \"env:NAME\" or \"file:PATH\""
        }
        Some(UrlSecret::Signature) => {
            "take the `?` and all after it out, name a `profile` beside the URL, and give that the signature: sas_token = \"env:NAME\" or \"file:PATH\""
        }
        None => "",
    };
    if refuse_secret(reader, key, url, hint) {
        return;
    }
    // It may be a signature under any name: it is not printed either.
    if location::scheme(url).is_some_and(|scheme| scheme != "file") && url.contains(['?', '#']) {
        reader.problem(
            key,
            "the URL of a store has no `?` and no `#`",
            "take it and all that follows out (credentials belong into a `profile`); one that is part of a key is written `%3F` or `%23`",
        );
        return;
    }
    if let Some(scheme) = location::scheme(url).filter(|scheme| !location::SCHEMES.contains(scheme)) {
        let hint = match scheme {
            "https" | "http" if url.contains(".blob.core.windows.net") => {
                "write az://<container>/<prefix> and put account_name into the profile".to_string()
            }
            "https" | "http" => {
                "write s3://<bucket>/<prefix> and put the server into the profile as endpoint".to_string()
            }
            _ => "use a path, file://, s3://, az://, abfss:// or gs://".to_string(),
        };
        reader.problem(key, format!("unknown URL scheme `{scheme}://`"), hint);
    }
}

/// Refuses a URL that holds a secret, without printing it; whether it did.
fn refuse_secret(reader: &Reader<'_>, key: &str, url: &str, hint: &str) -> bool {
    let what = match secret_in_url(url) {
        Some(UrlSecret::Login) => "the URL holds a login before its `@`",
        Some(UrlSecret::Signature) => "the URL holds a signature, token or password after its `?`",
        None => return false,
    };
    let what = format!("{what}: a secret must not stand here, it would be printed and logged with the URL");
    reader.problem(key, what, hint);
    true
}

fn database(root: &Reader<'_>) -> Database {
    let Some(section) = root.table("database") else {
        return Database { url: String::new() };
    };
    let url = section.required_text("url", "sqlite://./warehouse/data/offgridflow.db");
    refuse_secret(
        &section,
        "url",
        &url,
        "the ledger is a file, which needs no login: url = \"sqlite://./warehouse/data/offgridflow.db\"",
    );
    section.finish();
    Database { url }
}

/// Refuses an engine that there is not.
fn check_engine(section: &Reader<'_>, url: &str) {
    if location::scheme(url) == Some("ballista") {
        let port = url
            .trim_end_matches('/')
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            section.problem(
                "url",
                format!("`{url}` names no port"),
                "write it like ballista://127.0.0.1:50050",
            );
        }
    } else if !url.is_empty() && url != "local" {
        section.problem(
            "url",
            format!("unknown engine `{url}`"),
            "write url = \"local\", or ballista://host:port",
        );
    }
}

fn engine(root: &Reader<'_>) -> Engine {
    let Some(section) = root.table("engine") else {
        return Engine {
            url: String::new(),
            memory_limit: 0,
            threads: 0,
        };
    };
    let url = section.required_text("url", "local");
    let hint = "a scheduler takes no login: url = \"ballista://host:port\"";
    if !refuse_secret(&section, "url", &url, hint) {
        check_engine(&section, &url);
    }
    let memory_limit = section.parsed("memory_limit", "512MiB", units::bytes);
    // Below this, one sort or one Parquet row group does not fit.
    if memory_limit.is_some_and(|bytes| bytes < 32 << 20) {
        section.problem(
            "memory_limit",
            "the engine cannot work in less than 32MiB",
            "the default is 512MiB",
        );
    }
    let threads = usize::try_from(section.count("threads")).unwrap_or_default();
    if threads > 1024 {
        section.problem(
            "threads",
            format!("{threads} threads are more than any machine has"),
            "0 takes all cores",
        );
    }
    section.finish();
    Engine {
        url,
        memory_limit: memory_limit.unwrap_or_default(),
        threads,
    }
}

fn factors(root: &Reader<'_>, base: &Path) -> Factors {
    let Some(section) = root.table("factors") else {
        return Factors {
            overlay: None,
            version: None,
        };
    };
    let overlay = section.text("overlay").map(|folder| base.join(folder));
    if let Some(folder) = overlay.as_ref().filter(|folder| !folder.is_dir()) {
        section.problem(
            "overlay",
            format!("there is no folder {}", folder.display()),
            "it starts at the folder of this file",
        );
    }
    let version = section.text("version");
    section.finish();
    Factors { overlay, version }
}

fn landing(root: &Reader<'_>) -> Landing {
    let Some(section) = root.table("landing") else {
        return Landing {
            max_rejected: 0,
            lookback_months: 0,
            limits: Limits::default(),
        };
    };
    let max_rejected = section.count("max_rejected");
    let lookback_months = section
        .parsed("lookback", "3 months", units::months)
        .unwrap_or_default();
    // With less, no bill could be landed; 0 does not mean "no limit".
    let count = |key, least: u64| {
        let value = section.count(key);
        if value < least {
            section.problem(
                key,
                format!("`{key}` is {value}, it must be {least} or more"),
                "leave the key out to have the default",
            );
        }
        value
    };
    let size = |key, example, least: u64| {
        let value = section.parsed(key, example, units::bytes);
        if value.is_some_and(|bytes| bytes < least) {
            section.problem(
                key,
                format!("`{key}` must be {} KiB or more", least >> 10),
                format!("for example {key} = \"{example}\", the default"),
            );
        }
        value.unwrap_or_default()
    };
    let limits = Limits {
        columns: count("max_columns", 1),
        table_columns: count("max_table_columns", 1),
        periods: count("max_periods", 1),
        nesting: count("max_nesting", 1),
        cell: size("max_cell", "1MiB", 1 << 10),
        row: size("max_row", "16MiB", 4 << 10),
        key: size("max_names", "8KiB", 1 << 10),
        pages: size("max_pages", "448MiB", 1 << 20),
        ratio: count("max_ratio", 1),
    };
    section.finish();
    Landing {
        max_rejected,
        lookback_months,
        limits,
    }
}

fn method(root: &Reader<'_>, tenants: &[Tenant]) -> Method {
    let mut method = Method {
        utilisation: 0.0,
        include_internet_transfer: false,
        gwp_set: String::new(),
        overrides: Vec::new(),
        supplier_factors: Vec::new(),
    };
    let Some(section) = root.table("method") else {
        return method;
    };
    let known: Vec<&str> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    let check_tenant = |reader: &Reader<'_>, tenant: &str| {
        if !tenant.is_empty() && !known.contains(&tenant) {
            reader.problem(
                "tenant",
                format!("unknown tenant `{tenant}`"),
                suggest::hint(tenant, &known, "tenants"),
            );
        }
    };
    method.utilisation = section.number("utilisation", 1.0);
    method.include_internet_transfer = section.boolean("include_internet_transfer");
    let sets = ["AR6", "AR5", "AR4"];
    method.gwp_set = section
        .choice("gwp_set", &sets, |text| {
            sets.contains(&text).then(|| text.to_string())
        })
        .unwrap_or_default();
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

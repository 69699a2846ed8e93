//! Finds the file and puts the layers over each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::Problems;
use super::tree::{self, Entries, Item, Value, ValueOrigin};
use super::types::Config;
use super::{DEFAULTS, build, location, suggest};
use crate::error::{Error, Result};

/// The name that is looked for in the current folder and above.
const FILE_NAME: &str = "offgridflow.toml";
/// The bundled sample company.
const SAMPLE: &str = "warehouse/sample/offgridflow.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "OFFGRIDFLOW_CONFIG";
/// Variables that are no keys: see `docs/operations.md`.
const OTHER_VARIABLES: [&str; 3] = [FILE_VARIABLE, "OFFGRIDFLOW_LOG", "OFFGRIDFLOW_RETRY_MILLISECONDS"];
/// Variables of tests and benchmarks begin so.
const TEST_VARIABLES: [&str; 4] = [
    "OFFGRIDFLOW_TEST_",
    "OFFGRIDFLOW_BENCH_",
    "OFFGRIDFLOW_SLT_",
    "OFFGRIDFLOW_KILL_",
];
/// Values of the environment and of flags that start at the current folder, not at the file's.
const LOCATIONS: [(&str, &str); 3] = [("warehouse", "url"), ("database", "url"), ("factors", "overlay")];

/// The highest layer: what the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--tenant ID`
    pub tenant: Option<String>,
    /// `section.key` and value.
    pub overrides: Vec<(String, String)>,
    /// Leaves missing secrets to their first use: for commands that reach nothing, such as `config show`.
    pub allow_missing_secrets: bool,
}

impl Config {
    /// Finds, reads and checks the configuration.
    ///
    /// # Errors
    /// Usage, naming file, line and key of everything that is wrong.
    pub fn load(flags: &Flags) -> Result<Config> {
        // Variables that are no text cannot be ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("OFFGRIDFLOW_"))
            .collect();
        let current = std::env::current_dir()
            .map_err(|error| Error::external("the current folder cannot be read").because(error))?;
        Config::read(flags, &environment, &current)
    }

    /// The same from a given environment and current folder.
    pub(super) fn read(
        flags: &Flags,
        environment: &BTreeMap<String, String>,
        current: &Path,
    ) -> Result<Config> {
        let file = find(flags, environment, current)?;
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Error::usage("the configuration file cannot be read")
                .at(file.display().to_string())
                .because(error)
                .hint("`offgridflow init` makes one; --config or OFFGRIDFLOW_CONFIG names another")
        })?;
        let name = file.strip_prefix(current).unwrap_or(&file).display().to_string();
        let syntax = |place: &str, error: tree::SyntaxError| {
            Error::usage("the configuration is no TOML")
                .at(format!("{place} line {}", error.line))
                .because(error.message)
        };
        let mut merged = tree::parse(DEFAULTS, &|_| ValueOrigin::Default)
            .map_err(|error| Error::internal("the built-in defaults are no TOML").because(error.message))?;
        let defaults = merged.clone();
        merged.overlay(
            tree::parse(&text, &|line| ValueOrigin::File { line }).map_err(|error| syntax(&name, error))?,
        );

        let problems = Problems::new(Some(name));
        add_environment(&mut merged, &defaults, environment, current, &problems);
        for (key, value) in &flags.overrides {
            let (section, key_in_section) = key.split_once('.').unwrap_or((key, ""));
            set(
                &mut merged,
                &defaults,
                (section, key_in_section),
                value,
                ValueOrigin::Flag,
                current,
                &problems,
            );
        }
        add_source_defaults(&mut merged);
        let base = file
            .parent()
            .map_or_else(|| current.to_path_buf(), Path::to_path_buf);
        derive_database(&mut merged, &base);
        build::build(merged, file, base, flags, problems)
    }
}

/// The file of `--config`, of the environment, of the current folder or one above it, else the sample's.
fn find(flags: &Flags, environment: &BTreeMap<String, String>, current: &Path) -> Result<PathBuf> {
    let variable = environment
        .get(FILE_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    if let Some(named) = flags.config.clone().or(variable) {
        let named = current.join(named);
        return Ok(if named.is_dir() {
            named.join(FILE_NAME)
        } else {
            named
        });
    }
    let above = current.ancestors().map(|folder| folder.join(FILE_NAME));
    let samples = [
        current.join(SAMPLE),
        Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE),
    ];
    above.chain(samples).find(|file| file.is_file()).ok_or_else(|| {
        Error::usage("there is no configuration")
            .at(format!("{FILE_NAME} in {} or above", current.display()))
            .hint("`offgridflow init` makes one; --config or OFFGRIDFLOW_CONFIG names another")
    })
}

/// `OFFGRIDFLOW_<SECTION>_<KEY>` for every key of the defaults.
fn add_environment(
    merged: &mut Item,
    defaults: &Item,
    environment: &BTreeMap<String, String>,
    current: &Path,
    problems: &Problems,
) {
    let Some(sections) = defaults.entries() else {
        return;
    };
    let mut named = Vec::new();
    secrets_named(merged, &mut named);
    let known = variables(sections);
    for (variable, value) in environment {
        // An empty variable is how compose files and CI pass on one that is not set.
        let Some(rest) = variable
            .strip_prefix("OFFGRIDFLOW_")
            .filter(|_| !value.is_empty())
        else {
            continue;
        };
        if is_other(variable, value) || named.contains(variable) {
            continue;
        }
        let rest = rest.to_ascii_lowercase();
        let Some((section, key)) = rest
            .split_once('_')
            .filter(|(section, _)| sections.contains_key(*section))
        else {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            problems.add(
                variable,
                &ValueOrigin::Environment(variable.clone()),
                format!("unknown environment variable {variable}"),
                suggest::hint(variable, &known, "variables"),
            );
            continue;
        };
        set(
            merged,
            defaults,
            (section, key),
            value,
            ValueOrigin::Environment(variable.clone()),
            current,
            problems,
        );
    }
}

/// Whether a variable is none of the configuration's: one of the program's own, or one that Kubernetes sets in every pod
/// beside a service whose name begins like this program's.
fn is_other(variable: &str, value: &str) -> bool {
    let of_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"];
    OTHER_VARIABLES.contains(&variable)
        || TEST_VARIABLES.iter().any(|start| variable.starts_with(start))
        || of_service.iter().any(|part| variable.contains(part))
        || variable.ends_with("_PORT") && value.contains("://")
}

/// The variables that profiles name as `env:NAME`.
fn secrets_named(item: &Item, names: &mut Vec<String>) {
    match &item.value {
        Value::Text(text) => names.extend(text.strip_prefix("env:").map(str::to_string)),
        Value::List(items) => items.iter().for_each(|item| secrets_named(item, names)),
        Value::Table(entries) => entries.values().for_each(|item| secrets_named(item, names)),
        _ => {}
    }
}

/// Every variable that sets a key, and the program's others.
fn variables(sections: &Entries) -> Vec<String> {
    let of_section = |(section, item): (&String, &Item)| {
        let keys: Vec<String> = item
            .entries()
            .into_iter()
            .flat_map(|keys| keys.keys())
            .map(|key| format!("OFFGRIDFLOW_{section}_{key}").to_ascii_uppercase())
            .collect();
        keys
    };
    let others = OTHER_VARIABLES.iter().map(|name| (*name).to_string());
    sections.iter().flat_map(of_section).chain(others).collect()
}

/// Sets one key that the defaults have, reading the text as the type it has there.
fn set(
    merged: &mut Item,
    defaults: &Item,
    (section, key): (&str, &str),
    value: &str,
    origin: ValueOrigin,
    current: &Path,
    problems: &Problems,
) {
    let full = format!("{section}.{key}");
    let scalar = |item: &Item| !matches!(item.value, Value::Table(_) | Value::List(_));
    let keys = defaults
        .entries()
        .and_then(|sections| sections.get(section))
        .and_then(Item::entries);
    let Some(default) = keys.and_then(|keys| keys.get(key)).filter(|item| scalar(item)) else {
        let known: Vec<String> = defaults
            .entries()
            .into_iter()
            .flatten()
            .flat_map(|(name, item)| {
                item.entries()
                    .into_iter()
                    .flat_map(move |keys| keys.keys().map(move |key| format!("{name}.{key}")))
            })
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        problems.add(
            &full,
            &origin,
            format!("unknown key `{full}`"),
            suggest::hint(&full, &known, "keys"),
        );
        return;
    };
    let Some(mut read) = default.value.read_like(value) else {
        problems.add(
            &full,
            &origin,
            format!("`{value}` is not {}", default.value.type_name()),
            "",
        );
        return;
    };
    if let (true, Value::Text(text)) = (LOCATIONS.contains(&(section, key)), &mut read) {
        *text = match (section, key) {
            ("factors", _) if !text.is_empty() => current.join(&*text).display().to_string(),
            ("database", _) => location::absolute_database_url(text, current),
            ("warehouse", _) => location::absolute_url(text, current),
            _ => std::mem::take(text),
        };
    }
    if let Some(keys) = merged
        .entries_mut()
        .and_then(|sections| sections.get_mut(section))
        .and_then(Item::entries_mut)
    {
        keys.insert(key.to_string(), Item { value: read, origin });
    }
}

/// Gives each source the keys it leaves out.
fn add_source_defaults(merged: &mut Item) {
    let tables = |entries: &mut Entries, key: &str, change: &dyn Fn(&mut Entries)| {
        if let Some(Item {
            value: Value::List(items),
            ..
        }) = entries.get_mut(key)
        {
            items.iter_mut().filter_map(Item::entries_mut).for_each(change);
        }
    };
    let Some(root) = merged.entries_mut() else { return };
    tables(root, "tenant", &|tenant| {
        tables(tenant, "source", &|source| {
            for (key, default) in [("role", "counts"), ("currency", "")] {
                source.entry(key.to_string()).or_insert_with(|| Item {
                    value: Value::Text(default.to_string()),
                    origin: ValueOrigin::Default,
                });
            }
        });
    });
}

/// A warehouse set in a higher layer than the ledger brings a ledger of its own: without this, two warehouses of
/// one project would share deliveries and fingerprints.
fn derive_database(merged: &mut Item, base: &Path) {
    let Some(sections) = merged.entries_mut() else {
        return;
    };
    let get = |sections: &Entries, section: &str| sections.get(section)?.entries()?.get("url").cloned();
    let (Some(warehouse), Some(database)) = (get(sections, "warehouse"), get(sections, "database")) else {
        return;
    };
    let Some(url) = warehouse
        .text()
        .filter(|url| location::local_path(url, base).is_some())
    else {
        return;
    };
    if warehouse.origin.layer() <= database.origin.layer() {
        return;
    }
    let folder = url.strip_prefix("file://").unwrap_or(url).trim_end_matches('/');
    let derived = Value::Text(format!("sqlite://{folder}/offgridflow.db"));
    if let Some(keys) = sections.get_mut("database").and_then(Item::entries_mut) {
        keys.insert(
            "url".to_string(),
            Item {
                value: derived,
                origin: ValueOrigin::Derived("in the warehouse's folder"),
            },
        );
    }
}

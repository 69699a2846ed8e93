//! Error texts, layers and redaction, over files in temporary folders.

use std::collections::BTreeMap;
use std::path::Path;

use super::layers::Flags;
use super::{Config, Role, SourceKind};
use crate::error::{Blame, Error, Result};

const COMPANY: &str = r#"
[warehouse]
url = "file://./data"
[[tenant]]
id = "acme"
allocation_tags = ["team", "Cost Centre"]
[[tenant.source]]
id = "aws-main"
kind = "aws_cur2"
url = "s3://acme/exports"
profile = "acme-aws"
[[tenant.mapping]]
when = { sub_account_id = "0123", tag_team = "web" }
set = { entity = "ACME GmbH", cost_centre = "4711" }
[profile.acme-aws]
access_key_id = "AKIA"
secret_access_key = "env:PATH"
allow_http = true
"#;

fn read(text: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("offgridflow.toml"), text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Config::read(flags, &environment, folder.path())
}

fn refused(text: &str) -> (String, String) {
    let error = read(text, &[], &Flags::default()).unwrap_err();
    assert_eq!(error.blame(), Blame::Usage);
    parts(&error)
}

fn parts(error: &Error) -> (String, String) {
    (
        error.to_string(),
        error.hint_text().unwrap_or_default().to_string(),
    )
}

fn pair(message: &str, hint: &str) -> (String, String) {
    (message.to_string(), hint.to_string())
}

#[test]
fn limits_with_which_nothing_could_land_are_refused() {
    for (key, value, says) in [
        ("max_columns", "0", "it must be 1 or more"),
        ("max_periods", "0", "it must be 1 or more"),
        ("max_ratio", "0", "it must be 1 or more"),
        ("max_cell", "\"0\"", "must be 1 KiB or more"),
        ("max_row", "\"1B\"", "must be 4 KiB or more"),
        ("max_names", "\"10\"", "must be 1 KiB or more"),
    ] {
        let (message, hint) = refused(&format!("[landing]\n{key} = {value}\n{COMPANY}"));
        assert!(message.contains(key) && message.contains(says), "{message}");
        assert!(hint.contains("default"), "{hint}");
    }
}

#[test]
fn a_store_s_url_with_a_query_is_refused_without_being_printed() {
    for url in [
        "az://box/bills?code=planted",
        "abfss://box@account.dfs.core.windows.net/x?sv=1%26sig=planted",
        "s3://bucket/x#planted",
    ] {
        let (message, hint) = refused(&COMPANY.replace("s3://acme/exports", url));
        assert!(
            !message.contains("planted") && !hint.contains("planted"),
            "{message} {hint}"
        );
    }
}

#[test]
fn a_company_is_read_whole() {
    let config = read(COMPANY, &[], &Flags::default()).unwrap();
    assert_eq!(config.engine.memory_limit, 512 << 20);
    assert_eq!(config.landing.lookback_months, 3);
    assert_eq!(config.method.gwp_set, "AR6");
    let tenant = &config.tenants[0];
    assert_eq!(tenant.name, "acme");
    assert_eq!(tenant.allocation_tags[1].column, "tag_cost_centre");
    assert_eq!(
        (tenant.sources[0].kind, tenant.sources[0].role),
        (SourceKind::AwsCur2, Role::Counts)
    );
    assert_eq!(tenant.sources[0].currency, None);
    assert_eq!(tenant.mappings[0].when["tag_team"], "web");
    assert_eq!(tenant.mappings[0].set.site, None);
    assert_eq!(config.database.url, "sqlite://./data/offgridflow.db");
    assert_eq!(config.local_folder(), config.base.join("data"));
    let credentials = config.profile(Some("acme-aws")).expose().unwrap();
    assert_eq!(credentials["allow_http"], "true");
    assert_eq!(credentials["secret_access_key"], std::env::var("PATH").unwrap());
}

#[test]
fn unknown_keys_are_refused_with_line_and_hint() {
    assert_eq!(
        refused("[warehouse]\n\nulr = \"file://./data\"\n"),
        pair(
            "unknown key `ulr`, offgridflow.toml line 3, key warehouse.ulr",
            "did you mean `url`?"
        )
    );
    assert_eq!(
        refused("[enigne]\nthreads = 1\n"),
        pair(
            "unknown section `enigne`, offgridflow.toml line 1, key enigne",
            "did you mean `engine`?"
        )
    );
    assert_eq!(
        refused("[[tenant]]\nid = \"acme\"\nregion = \"eu\"\n"),
        pair(
            "unknown key `region`, offgridflow.toml line 3, key tenant.region",
            "the keys here are id, name, allocation_tags, source and mapping"
        )
    );
}

#[test]
fn wrong_values_are_refused() {
    assert_eq!(
        refused("[engine]\nthreads = \"four\"\n"),
        pair(
            "`threads` must be a whole number, not text in quotes, offgridflow.toml line 2, key engine.threads",
            "write it without quotes: four"
        )
    );
    assert_eq!(
        refused("[engine]\nmemory_limit = \"lots\"\n"),
        pair(
            "`lots` is no value for `memory_limit`, offgridflow.toml line 2, key engine.memory_limit",
            "for example memory_limit = \"512MiB\""
        )
    );
    assert_eq!(
        refused("[method]\nutilisation = 50\n").0,
        "`utilisation` is 50, it must be between 0 and 1, offgridflow.toml line 2, key method.utilisation"
    );
    assert_eq!(
        refused("[warehouse]\nurl = \"ftp://host/data\"\n"),
        pair(
            "unknown URL scheme `ftp://`, offgridflow.toml line 2, key warehouse.url",
            "use a path, file://, s3://, az://, abfss:// or gs://"
        )
    );
    assert_eq!(
        refused("[warehouse\n").0.split(':').next(),
        Some("the configuration is no TOML, offgridflow.toml line 1")
    );
}

#[test]
fn tenants_and_sources_are_checked() {
    let source =
        |rest: &str| format!("[[tenant]]\nid = \"acme\"\n[[tenant.source]]\nid = \"bills\"\n{rest}\n");
    assert_eq!(
        refused(&source("url = \"bills\"\nkind = \"aws_cur3\"")),
        pair(
            "unknown kind `aws_cur3`, offgridflow.toml line 6, key tenant.source.kind",
            "did you mean `aws_cur`?"
        )
    );
    assert_eq!(
        refused(&source("url = \"bills\"\nkind = \"gcp_billing\"")),
        pair(
            "a source of kind `gcp_billing` reads no files, offgridflow.toml line 5, key tenant.source.url",
            "take `url` out; an endpoint of its own goes into the profile"
        )
    );
    assert_eq!(
        refused(&source("kind = \"focus\"")),
        pair(
            "`url` is missing, offgridflow.toml line 3, key tenant.source.url",
            "for example url = \"s3://acme-billing/exports\""
        )
    );
    assert_eq!(
        refused(&source("url = \"bills\"\nkind = \"focus\"\ndate_order = \"\"")),
        pair(
            "`date_order` is empty, offgridflow.toml line 7, key tenant.source.date_order",
            "it is one of \"mdy\", \"dmy\""
        )
    );
    assert_eq!(
        refused(&source("url = \"bills\"\nkind = \"focus\"\nrole = \"count\"")),
        pair(
            "unknown role `count`, offgridflow.toml line 7, key tenant.source.role",
            "did you mean `counts`?"
        )
    );
    assert_eq!(
        refused(&source("url = \"bills\"\nkind = \"focus\"\nprofile = \"acme\"")),
        pair(
            "unknown profile `acme`, offgridflow.toml line 7, key tenant.source.profile",
            "write [profile.acme] with its keys"
        )
    );
    assert_eq!(
        refused(&source(
            "url = \"a\"\nkind = \"focus\"\n[[tenant.source]]\nid = \"bills\"\nurl = \"b\"\nkind = \"focus\""
        )),
        pair(
            "a second source of this tenant has the id `bills`, offgridflow.toml line 8, key tenant.source.id",
            "give each one an id of its own"
        )
    );
    assert_eq!(
        refused("[[tenant]]\nid = \"ACME Corp\"\n"),
        pair(
            "the id `ACME Corp` has other characters than a-z, 0-9, _ and -, offgridflow.toml line 2, key tenant.id",
            "write id = \"acme-corp\""
        )
    );
}

#[test]
fn tags_and_mappings_are_checked() {
    assert_eq!(
        refused("[[tenant]]\nid = \"acme\"\nallocation_tags = [\"Cost Centre\",\n  \"cost-centre\"]\n"),
        pair(
            "the allocation tags `Cost Centre` and `cost-centre` both give the column tag_cost_centre, offgridflow.toml line 4, \
             key tenant.allocation_tags",
            "keep one of them"
        )
    );
    let mapping = |when: &str| {
        format!(
            "[[tenant]]\nid = \"acme\"\nallocation_tags = [\"team\"]\n[[tenant.mapping]]\nwhen = {{ {when} }}\nset = {{ site = \"B\" }}\n"
        )
    };
    assert_eq!(
        refused(&mapping("sub_acount_id = \"1\"")),
        pair(
            "unknown field `sub_acount_id` in a mapping, offgridflow.toml line 5, key tenant.mapping.when.sub_acount_id",
            "did you mean `sub_account_id`?"
        )
    );
    assert_eq!(
        refused(&mapping("tag_environment = \"prod\"")).1,
        "add \"environment\" to the tenant's allocation_tags"
    );
    assert_eq!(
        refused(&mapping("sub_account_id = 123")).1,
        "account ids have leading zeros: put them in quotes"
    );
}

#[test]
fn secrets_stand_elsewhere_and_must_be_there() {
    assert_eq!(
        refused("[profile.acme-aws]\nsecret_access_key = \"hunter2\"\n"),
        pair(
            "the secret `secret_access_key` must not stand in this file, offgridflow.toml line 2, key profile.acme-aws.secret_access_key",
            "write secret_access_key = \"env:ACME_AWS_SECRET_ACCESS_KEY\" or \"file:PATH\""
        )
    );
    let text = COMPANY.replace("env:PATH", "env:OFFGRIDFLOW_NOT_SET");
    assert_eq!(
        refused(&text),
        pair(
            "the environment variable OFFGRIDFLOW_NOT_SET is not set, offgridflow.toml line 17, key profile.acme-aws.secret_access_key",
            "export OFFGRIDFLOW_NOT_SET=…"
        )
    );
    let config = read(
        &text,
        &[],
        &Flags {
            allow_missing_secrets: true,
            ..Flags::default()
        },
    )
    .unwrap();
    assert!(
        config
            .profile(Some("acme-aws"))
            .expose()
            .unwrap_err()
            .to_string()
            .contains("offgridflow.toml line 17")
    );
}

#[test]
fn several_problems_are_reported_together() {
    let (message, _) = refused("[engine]\nthreads = -1\n[warehouse]\nulr = \"x\"\n");
    assert_eq!(
        message,
        "the configuration has 2 problems: \n  offgridflow.toml line 2, key engine.threads: `threads` must not be negative\
         \n  offgridflow.toml line 4, key warehouse.ulr: unknown key `ulr`; did you mean `url`?"
    );
}

#[test]
fn layers_lie_over_each_other() {
    let environment = [
        ("OFFGRIDFLOW_ENGINE_THREADS", "3"),
        ("OFFGRIDFLOW_ENGINE_MEMORY_LIMIT", "1GiB"),
        ("OFFGRIDFLOW_WAREHOUSE_URL", "file:///srv/data"),
        ("OFFGRIDFLOW_LOG", "debug"),
        ("OFFGRIDFLOW_FACTORS_VERSION", ""),
    ];
    let flags = Flags {
        overrides: vec![("engine.threads".into(), "2".into())],
        ..Flags::default()
    };
    let config = read(
        "[engine]\nmemory_limit = \"64MiB\"\nthreads = 1\n",
        &environment,
        &flags,
    )
    .unwrap();
    assert_eq!((config.engine.threads, config.engine.memory_limit), (2, 1 << 30));
    assert_eq!(config.warehouse.url, "file:///srv/data");
    assert_eq!(config.database.url, "sqlite:///srv/data/offgridflow.db");
    assert_eq!(config.factors.version, None);

    let error = read("", &[("OFFGRIDFLOW_ENGINE_THREAD", "3")], &Flags::default()).unwrap_err();
    assert_eq!(
        parts(&error),
        pair(
            "unknown key `engine.thread`, environment variable OFFGRIDFLOW_ENGINE_THREAD, key engine.thread",
            "did you mean `engine.threads`?"
        )
    );
    let error = read("", &[("OFFGRIDFLOW_ENGINE_THREADS", "many")], &Flags::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`many` is not a whole number, environment variable OFFGRIDFLOW_ENGINE_THREADS, key engine.threads"
    );
}

#[test]
fn unknown_variables_are_refused() {
    for (variable, hint) in [
        (
            "OFFGRIDFLOW_ENGIN_THREADS",
            "did you mean `OFFGRIDFLOW_ENGINE_THREADS`?",
        ),
        ("OFFGRIDFLOW_CONFIGS", "did you mean `OFFGRIDFLOW_CONFIG`?"),
        (
            "OFFGRIDFLOW_PROFILE_ACME_ENDPOINT",
            "the variables here are OFFGRIDFLOW_",
        ),
        ("OFFGRIDFLOW_TENANT", "the variables here are OFFGRIDFLOW_"),
    ] {
        let (message, said) = parts(&read("", &[(variable, "3")], &Flags::default()).unwrap_err());
        assert_eq!(
            message,
            format!(
                "unknown environment variable {variable}, environment variable {variable}, key {variable}"
            )
        );
        assert!(said.starts_with(hint), "{said}");
    }
    // Its own, those of tests, what a profile names, and what Kubernetes sets for services.
    let accepted = [
        ("OFFGRIDFLOW_LOG", "info"),
        ("OFFGRIDFLOW_RETRY_MILLISECONDS", "5"),
        ("OFFGRIDFLOW_TEST_WEED", "/weed"),
        ("OFFGRIDFLOW_BENCH_LARGE", "1"),
        ("OFFGRIDFLOW_KILL_AT", "3"),
        ("OFFGRIDFLOW_ACME_KEY", "x"),
        ("OFFGRIDFLOW_UNSET_BY_COMPOSE", ""),
        ("OFFGRIDFLOW_SCHEDULER_SERVICE_HOST", "10.0.0.1"),
        ("OFFGRIDFLOW_SCHEDULER_PORT", "tcp://10.0.0.1:50050"),
        ("OFFGRIDFLOW_SCHEDULER_PORT_50050_TCP_ADDR", "10.0.0.1"),
    ];
    let profile = "[profile.acme]\nsecret_access_key = \"env:OFFGRIDFLOW_ACME_KEY\"\n";
    read(profile, &accepted, &Flags::default()).unwrap();
}

#[test]
fn urls_with_secrets_are_refused_and_not_printed() {
    let source = |url: &str| {
        format!(
            "[[tenant]]\nid = \"acme\"\n[[tenant.source]]\nid = \"a\"\nkind = \"focus\"\nurl = \"{url}\"\n"
        )
    };
    let profile = |key: &str, value: &str| format!("[profile.acme]\n{key} = \"{value}\"\n");
    for (text, line, key, hint) in [
        (
            source("s3://AKIA:pl/anted@bucket/x"),
            6,
            "tenant.source.url",
            "secret_access_key",
        ),
        (
            source("az://box/bills?sv=2022&sig=planted"),
            6,
            "tenant.source.url",
            "sas_token",
        ),
        (
            source("https://acme.blob.core.windows.net/box?sig=planted"),
            6,
            "tenant.source.url",
            "sas_token",
        ),
        (
            "[warehouse]\nurl = \"gs://me:planted@bucket\"\n".into(),
            2,
            "warehouse.url",
            "profile",
        ),
        (
            "[warehouse]\nurl = \"az://box?sig=planted\"\n".into(),
            2,
            "warehouse.url",
            "sas_token",
        ),
        (
            "[database]\nurl = \"postgres://me:planted@host/db\"\n".into(),
            2,
            "database.url",
            "sqlite",
        ),
        (
            "[engine]\nurl = \"ballista://me:planted@host:50050\"\n".into(),
            2,
            "engine.url",
            "ballista",
        ),
        (
            profile("endpoint", "http://me:planted@host:9000"),
            2,
            "profile.acme.endpoint",
            "env:NAME",
        ),
        (
            profile("endpoint", "me:planted@host:9000"),
            2,
            "profile.acme.endpoint",
            "env:NAME",
        ),
        (
            profile("proxy_url", "http://me:planted@proxy:3128"),
            2,
            "profile.acme.proxy_url",
            "env:NAME",
        ),
        (
            profile("endpoint_url_sts", "https://planted@sts"),
            2,
            "profile.acme.endpoint_url_sts",
            "env:NAME",
        ),
        (
            profile("endpoint", "https://h/?sig=planted"),
            2,
            "profile.acme.endpoint",
            "sas_token",
        ),
    ] {
        let (message, said) = refused(&text);
        assert!(
            message.contains(" holds a ")
                && message.ends_with(&format!("offgridflow.toml line {line}, key {key}")),
            "{message}"
        );
        assert!(said.contains(hint), "{said}");
        assert!(!format!("{message}{said}").contains("anted"), "{message} {said}");
    }
    let environment = [("OFFGRIDFLOW_WAREHOUSE_URL", "s3://AKIA:planted@bucket")];
    let (message, _) = parts(&read("", &environment, &Flags::default()).unwrap_err());
    assert!(
        message.contains("environment variable OFFGRIDFLOW_WAREHOUSE_URL") && !message.contains("planted"),
        "{message}"
    );
    // A container before its account is no login.
    read(
        &source("abfss://box@acme.dfs.core.windows.net/bills"),
        &[],
        &Flags::default(),
    )
    .unwrap();
}

#[test]
fn an_engine_needs_memory() {
    for size in ["0", "0GiB", "1", "31MiB"] {
        assert_eq!(
            refused(&format!("[engine]\nmemory_limit = \"{size}\"\n")).0,
            "the engine cannot work in less than 32MiB, offgridflow.toml line 2, key engine.memory_limit"
        );
    }
}

#[test]
fn another_warehouse_has_another_ledger() {
    let text =
        "[warehouse]\nurl = \"file://../data\"\n[database]\nurl = \"sqlite://../data/offgridflow.db\"\n";
    let config = read(text, &[], &Flags::default()).unwrap();
    assert_eq!(config.database.url, "sqlite://../data/offgridflow.db");
    let elsewhere = [("OFFGRIDFLOW_WAREHOUSE_URL", "file:///srv/data")];
    let config = read(text, &elsewhere, &Flags::default()).unwrap();
    assert_eq!(config.database.url, "sqlite:///srv/data/offgridflow.db");
    let both = [
        elsewhere[0],
        ("OFFGRIDFLOW_DATABASE_URL", "sqlite:///srv/ledger.db"),
    ];
    let config = read(text, &both, &Flags::default()).unwrap();
    assert_eq!(config.database.url, "sqlite:///srv/ledger.db");
}

#[test]
fn without_a_file_the_sample_company_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::read(&Flags::default(), &BTreeMap::new(), folder.path()).unwrap();
    assert_eq!(config.tenants[0].id, "demo");
    assert_eq!(
        config.base,
        Path::new(env!("CARGO_MANIFEST_DIR")).join("warehouse/sample")
    );
    assert!(config.local_folder().ends_with("warehouse/data"));
}

#[test]
fn the_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(folder.path().join("offgridflow.toml"), "").unwrap();
    let config = Config::read(&Flags::default(), &BTreeMap::new(), &below).unwrap();
    assert_eq!(config.base, folder.path());

    std::fs::write(folder.path().join("other.toml"), "[engine]\nthreads = 7\n").unwrap();
    let named = BTreeMap::from([(
        "OFFGRIDFLOW_CONFIG".to_string(),
        folder.path().join("other.toml").display().to_string(),
    )]);
    assert_eq!(
        Config::read(&Flags::default(), &named, &below)
            .unwrap()
            .engine
            .threads,
        7
    );

    let flags = Flags {
        config: Some("missing.toml".into()),
        ..Flags::default()
    };
    let error = Config::read(&flags, &named, &below).unwrap_err();
    assert_eq!(error.blame(), Blame::Usage);
    assert!(
        error
            .to_string()
            .starts_with("the configuration file cannot be read"),
        "{error}"
    );
}

#[test]
fn a_tenant_is_selected() {
    let flags = Flags {
        tenant: Some("acme".into()),
        ..Flags::default()
    };
    let config = read(&format!("{COMPANY}[[tenant]]\nid = \"other\"\n"), &[], &flags).unwrap();
    assert_eq!(
        config
            .selected_tenants()
            .map(|tenant| tenant.id.as_str())
            .collect::<Vec<_>>(),
        ["acme"]
    );
    assert_eq!(config.tenants.len(), 2);
    let flags = Flags {
        tenant: Some("acne".into()),
        ..Flags::default()
    };
    let error = read(COMPANY, &[], &flags).unwrap_err();
    assert!(error.to_string().starts_with("unknown tenant `acne`"));
    assert_eq!(error.hint_text(), Some("did you mean `acme`?"));
}

#[test]
fn shown_configuration_names_origins_and_no_secret() {
    let flags = Flags {
        overrides: vec![("engine.threads".into(), "2".into())],
        ..Flags::default()
    };
    let environment = [("OFFGRIDFLOW_DATABASE_URL", "postgres://host/ledger")];
    let shown = read(COMPANY, &environment, &flags).unwrap().show();
    let line = |start: &str| {
        let found: Vec<&str> = shown.lines().filter(|line| line.starts_with(start)).collect();
        found.join("|").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(!shown.contains(&std::env::var("PATH").unwrap()), "{shown}");
    assert_eq!(line("threads"), "threads = 2 # flag");
    assert_eq!(line("memory_limit"), "memory_limit = \"512MiB\" # default");
    assert_eq!(
        line("secret_access_key"),
        "secret_access_key = \"env:PATH\" # file, line 17"
    );
    assert_eq!(
        line("url"),
        "url = \"file://./data\" # file, line 3|url = \"postgres://host/ledger\" # environment, OFFGRIDFLOW_DATABASE_URL\
         |url = \"local\" # default|url = \"s3://acme/exports\" # file, line 10"
    );
    let again = read(&shown, &[], &Flags::default()).unwrap();
    assert_eq!(
        again.tenants,
        read(COMPANY, &[], &Flags::default()).unwrap().tenants
    );
}

#[test]
fn the_documented_examples_are_valid() {
    // Every commented example of defaults.toml, taken out of its comment, is accepted.
    let examples: String = super::DEFAULTS
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        examples.contains("[[tenant.source]]") && examples.contains("[[method.override]]"),
        "{examples}"
    );
    let flags = Flags {
        allow_missing_secrets: true,
        ..Flags::default()
    };
    let config = read(&examples, &[], &flags).unwrap();
    assert_eq!(config.method.supplier_factors[0].factor_gco2e_per_kwh, 12.5);
    assert!(Path::new(&config.base).is_absolute());
}

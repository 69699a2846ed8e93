//! Secrets, planted in every place that one can be: none of them is printed, logged or kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::bills::{focus_csv, focus_row};
use crate::support::project::{listing, source};
use crate::support::{Outcome, Project};

/// Each planted secret begins so.
const PLANTED: &str = "pl4nted";

/// A server that refuses every request and tells back what was asked, as storage services do.
fn refusing_server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || refuse(stream));
        }
    });
    port
}

fn refuse(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut asked, mut length) = (String::new(), 0);
    reader.read_line(&mut asked).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let target = asked.split(' ').nth(1)?.replace('&', "&amp;");
    let body = format!("<Error><Code>AccessDenied</Code><Message>no: {target}</Message></Error>");
    let head = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()
}

#[track_caller]
fn holds_none(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let found = text.find(PLANTED).map(|at| {
        let start = text[..at]
            .char_indices()
            .rev()
            .nth(60)
            .map_or(0, |(index, _)| index);
        text[start..].chars().take(160).collect::<String>()
    });
    assert_eq!(found, None, "{what} holds a secret");
}

#[track_caller]
fn prints_none(project: &Project, arguments: &[&str]) -> Outcome {
    let outcome = project.call(arguments);
    holds_none(
        &format!("standard output of {arguments:?}"),
        outcome.stdout.as_bytes(),
    );
    holds_none(
        &format!("standard error of {arguments:?}"),
        outcome.stderr.as_bytes(),
    );
    outcome
}

/// A good source beside six that are refused, each with a login of another kind.
fn project_with_logins(port: u16) -> Project {
    let server = format!("endpoint = \"http://127.0.0.1:{port}\"\nallow_http = true\n");
    let azure = format!("account_name = \"acme\"\n{server}");
    let profiles = [
        ("keys", "s3://bucket/x", "access_key_id = \"AKIA\"\nsecret_access_key = \"env:T_SECRET\"\nsession_token = \"file:session\"\n\
          endpoint = \"env:T_ENDPOINT\"\nallow_http = true\n".to_string()),
        ("proxied", "s3://bucket/y", format!("skip_signature = true\nproxy_url = \"env:T_PROXY\"\n{server}")),
        ("sas", "az://box/x", format!("sas_token = \"file:sas\"\n{azure}")),
        ("account", "az://box/y", format!("account_key = \"env:T_ACCOUNT\"\n{azure}")),
        ("app", "az://box/z", format!(
            "tenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"env:T_CLIENT\"\nauthority_host = \"http://127.0.0.1:{port}\"\n{azure}"
        )),
        ("google", "gs://bucket/x", "service_account_key = \"env:T_GOOGLE\"\n".to_string()),
    ];
    let mut text = source("good", "focus", "bills");
    for (name, url, _) in &profiles {
        text += &format!(
            "[[tenant.source]]\nid = \"{name}\"\nkind = \"focus\"\nurl = \"{url}\"\nprofile = \"{name}\"\n"
        );
    }
    for (name, _, keys) in &profiles {
        text += &format!("[profile.{name}]\n{keys}");
    }
    let plant = |name: &str| format!("{PLANTED}-{name}");
    let project = Project::acme(&text)
        .env("T_SECRET", &plant("secret"))
        .env(
            "T_ENDPOINT",
            &format!("http://me:{}@127.0.0.1:{port}", plant("endpoint")),
        )
        .env(
            "T_PROXY",
            &format!("http://me:{}@127.0.0.1:{port}", plant("proxy")),
        )
        // The text itself is base64, as an account's key is.
        .env("T_ACCOUNT", "pl4ntedA")
        .env("T_CLIENT", &plant("client"))
        .env("T_GOOGLE", &format!("\"{}\"", plant("google")));
    project.write("session", plant("session"));
    project.write(
        "sas",
        format!(
            "?sv=2022-11-02&sp=rl&se=2099-01-01T00:00:00Z&sig={}%3D",
            plant("sas")
        ),
    );
    let bill = focus_csv(&[focus_row("2026-01", "2026-01-10", "a", "", "24", "1.5")]);
    project.write("bills/bill.csv", bill);
    project
}

#[test]
fn secrets_of_profiles_are_printed_and_kept_nowhere() {
    let project = project_with_logins(refusing_server());
    let run = prints_none(&project, &["--verbose", "run", "--select", "raw.*"]);
    // The key that is no JSON is the user's move.
    run.expect(2);
    for failed in ["keys", "proxied", "sas", "account", "app", "google"] {
        run.says(&format!("acme/{failed}"));
    }
    prints_none(
        &project,
        &["--verbose", "run", "--select", "raw.*", "--output", "json"],
    )
    .expect(2);
    for arguments in [
        ["--verbose", "plan", "--output", "json"].as_slice(),
        &["--verbose", "doctor"],
        &["doctor", "--output", "json"],
        &["config", "show"],
        &["sql", "--output", "json", "select * from system.runs"],
        &["sql", "select * from system.slices"],
    ] {
        prints_none(&project, arguments);
    }
    let files = listing(&project.path("data"));
    assert!(files.len() > 3);
    for (path, _, _) in files {
        holds_none(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
}

#[test]
fn a_variable_of_two_lines_is_refused_by_its_name() {
    let clouds = [
        ("s3", "AWS_SESSION_TOKEN"),
        ("az", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("gs", "GOOGLE_SERVICE_ACCOUNT_PATH"),
    ];
    let of_cloud = |scheme: &str| {
        format!("[[tenant.source]]\nid = \"{scheme}\"\nkind = \"focus\"\nurl = \"{scheme}://box/x\"\n")
    };
    let sources: String = clouds.iter().map(|(scheme, _)| of_cloud(scheme)).collect();
    let mut project = Project::acme(&sources)
        .env("AWS_ACCESS_KEY_ID", "AKIA")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .env("AZURE_STORAGE_ACCOUNT_NAME", "acme");
    for (_, variable) in clouds {
        project = project.env(variable, &format!("{PLANTED}\n{PLANTED}"));
    }
    let planned = prints_none(&project, &["plan"]);
    planned.expect(2);
    for (scheme, variable) in clouds {
        planned
            .says(&format!("the environment variable {variable} holds a line break"))
            .says(&format!("acme/{scheme}"));
    }
}

#[test]
fn secrets_in_urls_are_refused_and_not_printed() {
    let secret = format!("{PLANTED}/and+more");
    let of_source = |url: &str| {
        format!(
            "[[tenant]]\nid = \"acme\"\n[[tenant.source]]\nid = \"a\"\nkind = \"focus\"\nurl = \"{url}\"\n"
        )
    };
    let of_profile = |key: &str, value: &str| {
        let source = of_source("s3://bucket/x");
        format!("{source}profile = \"acme\"\n[profile.acme]\nallow_http = true\n{key} = {value}\n")
    };
    let places = [
        (
            "a key and its secret",
            of_source(&format!("s3://AKIA:{secret}@bucket/x")),
            "line 8, key tenant.source.url",
        ),
        (
            "a signature",
            of_source(&format!("az://box/x?sv=2022&sig={secret}")),
            "line 8, key tenant.source.url",
        ),
        (
            "a signature of a bucket",
            of_source(&format!("https://b.s3.amazonaws.com/x?X-Amz-Signature={secret}")),
            "line 8",
        ),
        (
            "the warehouse's login",
            format!("[warehouse]\nurl = \"s3://AKIA:{secret}@bucket/x\"\n"),
            "line 2, key warehouse.url",
        ),
        (
            "the warehouse's signature",
            format!("[warehouse]\nurl = \"az://box?sig={secret}\"\n"),
            "line 2, key warehouse.url",
        ),
        (
            "the database's password",
            format!("[database]\nurl = \"postgres://me:{secret}@host/db\"\n"),
            "line 4, key database.url",
        ),
        (
            "the engine's login",
            format!("[engine]\nurl = \"ballista://me:{secret}@host:50050\"\n"),
            "line 4, key engine.url",
        ),
        (
            "an endpoint's password",
            of_profile("endpoint", &format!("\"http://me:{secret}@127.0.0.1:1\"")),
            "line 12, key profile.acme.endpoint",
        ),
        (
            "a proxy's password",
            of_profile("proxy_url", &format!("\"http://me:{secret}@127.0.0.1:1\"")),
            "line 12, key profile.acme.proxy_url",
        ),
        (
            "a secret that is written out",
            of_profile("secret_access_key", &format!("\"{secret}\"")),
            "line 12, key profile.acme.secret_access_key",
        ),
        (
            "a secret that is no TOML",
            of_profile("secret_access_key", &secret),
            "line 12",
        ),
        (
            "a secret under an unknown key",
            of_profile("secret_key", &format!("\"{secret}\"")),
            "line 12, key profile.acme.secret_key",
        ),
    ];
    let project = Project::new("");
    for (place, text, named) in places {
        project.configure(&text);
        for arguments in [
            ["--verbose", "plan", "--output", "json"].as_slice(),
            &["config", "show"],
        ] {
            let outcome = prints_none(&project, arguments);
            assert_eq!(outcome.code, 2, "{place}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(named), "{place}: {}", outcome.stderr);
        }
    }
    assert!(!project.path("data").exists(), "something was written");
}

#[test]
fn a_bill_cannot_steer_a_terminal() {
    // The log is no terminal here either.
    let project = Project::with_source("focus").env("OFFGRIDFLOW_LOG", "info");
    let steering = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}";
    let good = focus_row("2026-01", "2026-01-10", "a", "", "24", "1.5").replace("us-central1", steering);
    let rejected = focus_row("2026-01", "2026-01-10", "a", "", "24", &format!("1{steering}"));
    project.write("bills/bill.csv", focus_csv(&[good, rejected]));
    let obeyed = |text: &str| text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}');
    let run = project.land();
    run.expect(3).says("\\x1b[2J").says(" INFO ");
    assert!(!obeyed(&run.stderr) && !obeyed(&run.stdout), "{run:?}");
    let id = project.value("select id from system.quarantine");
    let configured = std::fs::read_to_string(project.config()).unwrap();
    project.configure(&format!("{configured}[landing]\nmax_rejected = 1\n"));
    project.land().expect(0);
    let query = "select region_id from normalize.usage";
    for arguments in [
        ["sql", query].as_slice(),
        &["quarantine", "list"],
        &["quarantine", "show", &id],
    ] {
        let outcome = project.call(arguments);
        outcome.expect(0);
        assert!(
            outcome.stdout.contains("\\x1b[2J\\x1b]0;owned\\x07\\u{202e}"),
            "{arguments:?}: {}",
            outcome.stdout
        );
        assert!(
            !obeyed(&outcome.stdout) && !obeyed(&outcome.stderr),
            "{arguments:?}: {outcome:?}"
        );
    }
    // For programs the data stay as they are.
    assert_eq!(project.value(query), steering);
}

#[test]
fn queries_and_settings_out_of_bounds_are_refused() {
    let project = Project::with_source("focus");
    project.write(
        "bills/bill.csv",
        focus_csv(&[focus_row("2026-01", "2026-01-10", "a", "", "24", "1.5")]),
    );
    project.land().expect(0);
    let file = project.path("out.csv");
    let copy = format!(
        "explain analyze copy (select 1) to '{}' stored as csv",
        file.display()
    );
    project
        .call(&["sql", &copy])
        .expect(2)
        .says("a query only reads: it holds COPY")
        .says("--output parquet");
    assert!(!file.exists());
    project
        .call(&["sql", "create table x as select 1"])
        .expect(2)
        .says("a query only reads: it holds CREATE TABLE")
        .says("sql/publish/NAME.sql");
    project
        .call(&["maintain", "--keep-days", "100000000"])
        .expect(2)
        .says("36500");
    project.call(&["maintain", "--keep-days", "36500"]).expect(0);
    let project = project.env("OFFGRIDFLOW_ENGIN_THREADS", "1");
    project
        .call(&["plan"])
        .expect(2)
        .says("OFFGRIDFLOW_ENGINE_THREADS");
}

//! A STUB of Azure's login, its list of subscriptions, Cost Management's query and Carbon Optimization: our own reading of
//! their documented shapes, over TLS with an authority of its own. There is no emulator of these to be had.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Project;

/// The secret that the login takes.
pub const SECRET: &str = "the-secret-of-the-app";
/// The documented cap of a carbon report.
const CAP: usize = 5000;

/// One call as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// `token`, `identity`, `subscriptions`, `query`, `dates` or `report`.
    pub name: &'static str,
    /// With its query.
    pub path: String,
    /// The bearer token.
    pub token: String,
    /// The body: JSON, or the fields of a form as text.
    pub body: Value,
    host: String,
}

impl Call {
    /// The server's own address, as links to a next page begin.
    pub fn server(&self) -> String {
        format!("https://{}", self.host)
    }
}

/// How the stub answers.
pub enum Reply {
    /// Status and body.
    Json(u16, Value),
    /// A body with status 200, to the letter.
    Text(String),
    /// Status, headers and body.
    Headers(u16, Vec<(&'static str, &'static str)>, Value),
    /// No content.
    Nothing,
    /// Half of the body, then the connection breaks although more was announced.
    Cut(Value),
    /// A length is announced that is too short.
    Short(Value),
    /// A few bytes at a time.
    Slow(Value),
}

/// What the stub's tenant holds.
#[derive(Debug, Clone)]
pub struct World {
    /// Subscriptions, numbered from 0.
    pub subscriptions: usize,
    /// Those whose cost or carbon is denied.
    pub denied: Vec<usize>,
    /// Pages of a month's costs.
    pub pages: usize,
    /// Rows of a page.
    pub page_rows: usize,
    /// Resources with emissions of a subscription.
    pub resources: usize,
    /// Figures of one page of a carbon report.
    pub report_rows: usize,
}

impl Default for World {
    fn default() -> Self {
        World {
            subscriptions: 2,
            denied: Vec::new(),
            pages: 3,
            page_rows: 4,
            resources: 6,
            report_rows: CAP,
        }
    }
}

type Handler = dyn Fn(&World, &Call, usize) -> Reply + Send + Sync;

/// The server; it ends with the test's process.
pub struct AzureStub {
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
    folder: TempDir,
}

/// The id of a subscription, as Azure writes it.
pub fn subscription(number: usize) -> String {
    format!("AAAAAAAA-0000-4000-8000-{number:012}")
}

impl AzureStub {
    /// Starts a server that answers as documented.
    pub fn start(world: World) -> AzureStub {
        Self::with(world, |world, call, _| world.answer(call))
    }

    /// Starts a server whose answers `handler` chooses, given the number of calls of the same name before.
    pub fn with(
        world: World,
        handler: impl Fn(&World, &Call, usize) -> Reply + Send + Sync + 'static,
    ) -> AzureStub {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        std::fs::write(folder.path().join("authority.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (noted, handler): (_, Arc<Handler>) = (calls.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, handler, config) = (noted.clone(), handler.clone(), config.clone());
                let world = world.clone();
                std::thread::spawn(move || serve(stream, config, &world, &noted, handler.as_ref()));
            }
        });
        AzureStub { port, calls, folder }
    }

    /// The calls of a name so far.
    pub fn calls(&self, name: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.name == name).cloned().collect()
    }

    /// All calls so far.
    pub fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate that a client must trust, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The `[profile.<name>]` that reaches this server with these keys of a login.
    pub fn profile(&self, name: &str, login: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"{0}\"\nauthority_host = \"{0}\"\n{login}",
            self.url()
        )
    }

    /// A project with one source of a kind and further keys of it, logged in with the right secret.
    pub fn project(&self, kind: &str, keys: &str) -> Project {
        let login =
            "tenant_id = \"contoso\"\nclient_id = \"app\"\nclient_secret = \"env:TEST_AZURE_SECRET\"\n";
        self.project_with(kind, keys, login)
            .env("TEST_AZURE_SECRET", SECRET)
    }

    /// The same with a login of its own.
    pub fn project_with(&self, kind: &str, keys: &str, login: &str) -> Project {
        let profile = self.profile("azure", login);
        Project::new(&format!(
            "{profile}[[tenant]]\nid = \"acme\"\n[[tenant.source]]\nid = \"azure\"\nkind = \"{kind}\"\nprofile = \"azure\"\n{keys}"
        ))
        .env("SSL_CERT_FILE", &self.authority().display().to_string())
        .env("OFFGRIDFLOW_RETRY_MILLISECONDS", "5")
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    world: &World,
    noted: &Mutex<Vec<Call>>,
    handler: &Handler,
) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut tls = BufReader::new(StreamOwned::new(ServerConnection::new(config).ok()?, stream));
    let mut first = String::new();
    tls.read_line(&mut first).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        tls.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_string());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    tls.read_exact(&mut body).ok()?;
    let path = first.split(' ').nth(1)?.replace("%24", "$");
    let text = String::from_utf8(body).ok()?;
    let name = if path.contains("/oauth2/v2.0/token") {
        "token"
    } else if path.contains("/metadata/identity") {
        "identity"
    } else if path.contains("Microsoft.CostManagement/query") {
        "query"
    } else if path.contains("queryCarbonEmissionDataAvailableDateRange") {
        "dates"
    } else if path.contains("carbonEmissionReports") {
        "report"
    } else {
        "subscriptions"
    };
    let call = Call {
        name,
        path,
        token: header("authorization").trim_start_matches("Bearer ").to_string(),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        host: header("host"),
    };
    let before = {
        let mut calls = noted.lock().unwrap();
        let before = calls.iter().filter(|earlier| earlier.name == call.name).count();
        calls.push(call.clone());
        before
    };
    reply(tls.get_mut(), handler(world, &call, before))
}

fn reply(tls: &mut StreamOwned<ServerConnection, TcpStream>, reply: Reply) -> Option<()> {
    let (status, headers, body) = match &reply {
        Reply::Json(status, body) => (*status, Vec::new(), body.to_string()),
        Reply::Headers(status, headers, body) => (*status, headers.clone(), body.to_string()),
        Reply::Text(body) => (200, Vec::new(), body.clone()),
        Reply::Nothing => (204, Vec::new(), String::new()),
        Reply::Cut(body) | Reply::Short(body) | Reply::Slow(body) => (200, Vec::new(), body.to_string()),
    };
    let length = match &reply {
        Reply::Short(_) => body.len() / 2,
        _ => body.len(),
    };
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
    if status != 204 {
        head.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {length}\r\n"
        ));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    tls.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    match reply {
        Reply::Cut(_) => {
            tls.write_all(&body.as_bytes()[..body.len() / 2]).ok()?;
            tls.flush().ok()?;
            tls.sock.shutdown(std::net::Shutdown::Both).ok()?;
            return Some(());
        }
        Reply::Slow(_) => {
            for chunk in body.as_bytes().chunks(body.len() / 8 + 1) {
                std::thread::sleep(Duration::from_millis(60));
                tls.write_all(chunk).ok()?;
                tls.flush().ok()?;
            }
        }
        _ => tls.write_all(body.as_bytes()).ok()?,
    }
    tls.conn.send_close_notify();
    tls.flush().ok()
}

impl World {
    /// The documented answer to a call.
    pub fn answer(&self, call: &Call) -> Reply {
        match call.name {
            "token" => self.token(call),
            "identity" => {
                let expires = chrono::Utc::now().timestamp() + 3600;
                Reply::Json(
                    200,
                    json!({"access_token": "token-of-the-machine", "expires_on": expires.to_string(), "resource": "r", "token_type": "Bearer"}),
                )
            }
            "subscriptions" => self.list(call),
            "query" => self.costs(call),
            "dates" => Reply::Json(200, json!({"startDate": "2023-01-01", "endDate": "2026-10-01"})),
            _ => self.report(call),
        }
    }

    fn token(&self, call: &Call) -> Reply {
        let form = call.body.as_str().unwrap_or_default();
        let has = |field: &str| form.split('&').any(|pair| pair.starts_with(field));
        let known = has(&format!("client_secret={SECRET}"))
            || has("client_assertion=eyJ") && form.contains("jwt-bearer");
        match known {
            true => Reply::Json(
                200,
                json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("token-{}", chrono::Utc::now().timestamp_micros())}),
            ),
            false => Reply::Json(
                401,
                json!({"error": "invalid_client", "error_codes": [7000215], "error_description":
                    "AADSTS7000215: Invalid client secret provided. Trace ID: 1\r\nCorrelation ID: 2"}),
            ),
        }
    }

    /// Two pages, in case there are two subscriptions.
    fn list(&self, call: &Call) -> Reply {
        let half = self.subscriptions.div_ceil(2);
        let (from, to, next) = match call.path.contains("$skiptoken") {
            true => (half, self.subscriptions, None),
            false => (
                0,
                half,
                Some(format!("{}{}&$skiptoken=2", call.server(), call.path)),
            ),
        };
        let value: Vec<Value> = (from..to)
            .map(|n| json!({"subscriptionId": subscription(n), "displayName": format!("team {n}"), "state": "Enabled"}))
            .collect();
        Reply::Json(200, json!({"value": value, "nextLink": next}))
    }

    fn costs(&self, call: &Call) -> Reply {
        let number = call
            .path
            .split('/')
            .nth(2)
            .and_then(|id| id.get(24..)?.parse().ok());
        if number.is_some_and(|n: usize| self.denied.contains(&n)) {
            return Reply::Json(
                401,
                json!({"error": {"code": "RBACAccessDenied", "message": "The client does not have authorization to perform action."}}),
            );
        }
        let page: usize = match call.path.split_once("$skiptoken=") {
            Some((_, page)) => page.parse().unwrap(),
            None => 1,
        };
        let day = call.body["timePeriod"]["from"]
            .as_str()
            .unwrap_or("2026-10-01")
            .to_string();
        let day: u64 = day[..10].replace('-', "").parse().unwrap();
        let row = |n: usize| {
            let amount = serde_json::from_str::<Value>("0.1000000001").unwrap();
            json!([
                amount,
                24.0,
                day + (n % 28) as u64,
                "Usage",
                "Virtual Machines",
                "D2s v5",
                "1 Hour",
                "westeurope",
                "EUR"
            ])
        };
        let rows: Vec<Value> = (0..self.page_rows).map(row).collect();
        let next = (page < self.pages).then(|| {
            let first = call.path.split("&$skiptoken").next().unwrap();
            format!("{}{first}&$skiptoken={}", call.server(), page + 1)
        });
        let columns: Vec<Value> = [
            "Cost",
            "UsageQuantity",
            "UsageDate",
            "ChargeType",
            "MeterCategory",
            "Meter",
            "UnitOfMeasure",
            "ResourceLocation",
            "Currency",
        ]
        .into_iter()
        .map(|name| json!({"name": name, "type": "String"}))
        .collect();
        Reply::Json(
            200,
            json!({"properties": {"nextLink": next, "columns": columns, "rows": rows}}),
        )
    }

    /// Resource `n` lies in group `n % 4` and is a machine or a storage account; each emits a gram in each scope.
    fn report(&self, call: &Call) -> Reply {
        let texts = |key: &str| -> Vec<String> {
            let list = call.body[key].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|text| text.as_str().unwrap().to_string())
                .collect()
        };
        let asked = texts("subscriptionList");
        assert!(
            asked.len() <= 100 && asked.iter().all(|id| *id == id.to_lowercase()),
            "{asked:?}"
        );
        let (groups, kinds, places) = (
            texts("resourceGroupUrlList"),
            texts("resourceTypeList"),
            texts("locationList"),
        );
        let number = |id: &str| id.get(24..).and_then(|n| n.parse::<usize>().ok()).unwrap();
        let mut found: Vec<Value> = Vec::new();
        let mut names = BTreeMap::new();
        let category = call.body["categoryType"].as_str().unwrap_or_default().to_string();
        for id in asked.iter().filter(|id| !self.denied.contains(&number(id))) {
            for n in 0..self.resources {
                let group = format!("/subscriptions/{id}/resourceGroups/g{}", n % 4);
                let kind = [
                    "microsoft.compute/virtualmachines",
                    "microsoft.storage/storageaccounts",
                ][n % 2];
                let is_in =
                    |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
                if !is_in(&groups, &group) || !is_in(&kinds, kind) || !is_in(&places, "west europe") {
                    continue;
                }
                match category.as_str() {
                    "ResourceGroup" => drop(names.insert(group.clone(), json!({"itemName": format!("g{}", n % 4),
                        "resourceGroupUrl": group, "subscriptionId": id, "latestMonthEmissions": 1.0}))),
                    "ResourceType" => drop(names.insert(kind.to_string(), json!({"itemName": kind, "latestMonthEmissions": 1.0}))),
                    "Location" => drop(names.insert("west europe".into(), json!({"itemName": "west europe", "latestMonthEmissions": 1.0}))),
                    _ => found.push(json!({"dataType": "ResourceItemDetailsData", "itemName": format!("r{n}"),
                        "latestMonthEmissions": 0.001, "previousMonthEmissions": 9.9, "subscriptionId": id,
                        "resourceGroup": format!("g{}", n % 4), "resourceId": format!("{group}/providers/{kind}/r{n}"),
                        "resourceType": kind, "location": "west europe", "categoryType": "Resource"})),
                }
            }
        }
        found.extend(names.into_values());
        found.truncate(CAP);
        let start: usize = call.body["skipToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let end = (start + self.report_rows).min(found.len());
        let next = (end < found.len()).then(|| end.to_string());
        let decisions: Vec<Value> = asked
            .iter()
            .map(|id| match self.denied.contains(&number(id)) {
                true => json!({"subscriptionId": id, "decision": "Denied", "denialReason": "Carbon Optimization Reader permission required"}),
                false => json!({"subscriptionId": id, "decision": "Allowed"}),
            })
            .collect();
        Reply::Json(
            200,
            json!({"subscriptionAccessDecisionList": decisions, "value": &found[start..end], "skipToken": next}),
        )
    }
}

//! A bqemulator of the test's own: a BigQuery server on DuckDB, without logins.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{http, prepared, root};

/// The project that its tables lie in.
pub const PROJECT: &str = "acme-billing";
/// The dataset of the exports.
pub const DATASET: &str = "exports";
const PATIENCE: Duration = Duration::from_secs(90);

/// The server; killed when dropped.
pub struct BigQuery {
    process: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    log: PathBuf,
    _folder: TempDir,
}

impl BigQuery {
    /// Starts a server with an empty dataset.
    pub fn start() -> BigQuery {
        let program = prepared("OFFGRIDFLOW_TEST_BIGQUERY");
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let output = std::fs::File::create(&log).unwrap();
        let [port, grpc_port] = free_ports();
        let process = Command::new(program)
            .args(["start", "--ephemeral", "--enable-admin", "--project", PROJECT])
            .args([
                "--rest-port",
                &port.to_string(),
                "--grpc-port",
                &grpc_port.to_string(),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let server = BigQuery {
            process,
            port,
            log,
            _folder: folder,
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < PATIENCE,
                "bqemulator does not start: {}",
                std::fs::read_to_string(&server.log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let dataset =
            json!({"datasetReference": {"projectId": PROJECT, "datasetId": DATASET}, "location": "EU"});
        server.call("POST", "datasets", &dataset);
        server
    }

    /// Makes a table with the columns of `tests/fixtures/<schema>`, partitioned by the day of arrival.
    pub fn create(&self, table: &str, schema: &str) {
        let text = std::fs::read_to_string(root().join("tests/fixtures").join(schema)).unwrap();
        let fields: Value = serde_json::from_str(&text).unwrap();
        let body = json!({
            "tableReference": {"projectId": PROJECT, "datasetId": DATASET, "tableId": table},
            "schema": {"fields": fields},
            "timePartitioning": {"type": "DAY"},
        });
        self.call("POST", &format!("datasets/{DATASET}/tables"), &body);
    }

    /// Adds rows, written as lines of JSON.
    pub fn insert(&self, table: &str, lines: &str) {
        let rows: Vec<Value> = lines
            .lines()
            .map(|line| json!({"json": serde_json::from_str::<Value>(line).unwrap()}))
            .collect();
        let path = format!("datasets/{DATASET}/tables/{table}/insertAll");
        let answer = self.call("POST", &path, &json!({"rows": rows}));
        let errors = answer["insertErrors"].as_array().map_or(0, Vec::len);
        assert_eq!(errors, 0, "{answer}");
    }

    /// Runs a statement.
    pub fn execute(&self, sql: &str) {
        let answer = self.call("POST", "queries", &json!({"query": sql, "useLegacySql": false}));
        assert!(answer["errors"].as_array().is_none_or(Vec::is_empty), "{answer}");
    }

    /// Adds a column: to what is stored, and to what the server tells of the table.
    pub fn add_column(&self, table: &str, sql: &str, field: Value) {
        self.execute(&format!(
            "ALTER TABLE `{PROJECT}.{DATASET}.{table}` ADD COLUMN {sql}"
        ));
        let path = format!("datasets/{DATASET}/tables/{table}");
        let mut told = self.call("GET", &path, &Value::Null);
        told["schema"]["fields"].as_array_mut().unwrap().push(field);
        self.call("PATCH", &path, &json!({"schema": told["schema"]}));
    }

    /// The calls that it has answered, as `METHOD last/parts/of/the/path`.
    pub fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let base = format!("/bigquery/v2/projects/{PROJECT}/");
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|entry| entry["event"] == "http.request")
            .filter_map(|entry| {
                let path = entry["path"].as_str()?.strip_prefix(&base)?.to_string();
                Some(format!("{} {path}", entry["method"].as_str()?))
            })
            .collect()
    }

    /// The `[profile.<name>]` that reaches this server.
    pub fn profile(&self, name: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"http://127.0.0.1:{}\"\ndisable_oauth = true\n",
            self.port
        )
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/bigquery/v2/projects/{PROJECT}/{path}");
        let json = [("Content-Type", "application/json")];
        let (status, answer) =
            http::request(self.port, method, &path, &json, body.to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }
}

impl Drop for BigQuery {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports() -> [u16; 2] {
    let held = [0, 0].map(|any| TcpListener::bind(("127.0.0.1", any)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

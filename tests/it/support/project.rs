//! A project folder and the program run in it as its users run it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::root;

/// A folder with a configuration, its sources and its warehouse; gone when dropped.
pub struct Project {
    folder: TempDir,
    config: PathBuf,
    environment: Vec<(String, String)>,
}

/// The sample company and how its first run ended, once for all tests: they read it, and change copies.
pub static SAMPLE: LazyLock<(Project, Outcome)> = LazyLock::new(|| {
    let project = Project::sample_in(shared_folder("sample"));
    let ran = project.run();
    (project, ran)
});

/// A folder for a project that many tests read. Nothing drops it: the one of an earlier test run goes now.
fn shared_folder(name: &str) -> TempDir {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    TempDir::new_in(&place).unwrap()
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// A project with this configuration; the warehouse is its folder `data`.
    pub fn new(config: &str) -> Self {
        Self::new_in(TempDir::new().unwrap(), config)
    }

    fn new_in(folder: TempDir, config: &str) -> Self {
        let path = folder.path().join("offgridflow.toml");
        let project = Project {
            folder,
            config: path,
            environment: Vec::new(),
        };
        project.configure(config);
        project
    }

    /// A project with one tenant, `acme`, and these `[[tenant.source]]` blocks or further keys of the tenant.
    pub fn acme(tenant: &str) -> Self {
        Self::new(&format!(
            "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{tenant}"
        ))
    }

    /// A project with one source of a kind in the folder `bills`.
    pub fn with_source(kind: &str) -> Self {
        Self::acme(&source("bills", kind, "bills"))
    }

    /// The bundled sample company with a warehouse of its own.
    pub fn sample() -> Self {
        Self::sample_in(TempDir::new().unwrap())
    }

    fn sample_in(folder: TempDir) -> Self {
        let project = Project {
            folder,
            config: root().join("warehouse/sample/offgridflow.toml"),
            environment: Vec::new(),
        };
        let data = format!("file://{}", project.path("data").display());
        project.env("OFFGRIDFLOW_WAREHOUSE_URL", &data)
    }

    /// The sample company after its first run, in a warehouse that the test may change.
    pub fn sample_after_a_run() -> Self {
        let project = Self::sample();
        project.copy_tables(&SAMPLE.0);
        project
    }

    /// A project that many tests read: see [`Project::copy_of`].
    pub fn shared(name: &str, config: &str) -> Self {
        Self::new_in(shared_folder(name), config)
    }

    /// A project with the tables and the ledger of another one, which it may change; what is delivered stays where it is and
    /// as it is.
    pub fn copy_of(shared: &Project) -> Self {
        let config = std::fs::read_to_string(&shared.config).unwrap();
        let sources = format!("file://{}/bills", shared.folder.path().display());
        let project = Self::new(&config.replace("file://./bills", &sources));
        project.copy_tables(shared);
        project
    }

    fn copy_tables(&self, from: &Project) {
        let copied = Command::new("cp")
            .arg("-a")
            .args([from.path("data"), self.path("data")])
            .status();
        assert!(copied.unwrap().success());
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Sets an environment variable for every command.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Replaces the configuration.
    pub fn configure(&self, config: &str) {
        let head = "[warehouse]\nurl = \"file://./data\"\n";
        let head = if config.contains("[warehouse]") { "" } else { head };
        std::fs::write(&self.config, format!("{head}{config}")).unwrap();
    }

    /// A path below the project's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Writes a file compressed with gzip.
    pub fn write_gzip(&self, relative: &str, text: &str) {
        self.write(relative, gzip(text.as_bytes()));
    }

    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offgridflow"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OFFGRIDFLOW_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .current_dir(self.folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn call(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments))
    }

    /// `run`, whatever its exit code.
    pub fn run(&self) -> Outcome {
        self.call(&["run"])
    }

    /// `run` of landing alone, with the checks after it, whatever its exit code.
    pub fn land(&self) -> Outcome {
        self.call(&["run", "--select", "raw.*"])
    }

    /// `run --output json` that must succeed: its report.
    pub fn report(&self) -> Value {
        let outcome = self.call(&["run", "--output", "json"]);
        outcome.expect(0);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// The report of a landing that must succeed.
    pub fn land_report(&self) -> Value {
        let outcome = self.call(&["run", "--select", "raw.*", "--output", "json"]);
        outcome.expect(0);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// The steps of `plan`: (table, partition, action).
    pub fn plan(&self) -> Vec<(String, String, String)> {
        let outcome = self.call(&["plan", "--output", "json"]);
        outcome.expect(0);
        let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_string();
        let steps = plan["steps"].as_array().unwrap();
        steps
            .iter()
            .map(|s| (text(s, "table"), text(s, "partition"), text(s, "action")))
            .collect()
    }

    /// The rows of a query, every value as text, null as the empty text.
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let outcome = self.call(&["sql", "--output", "csv", query]);
        outcome.expect(0);
        let mut reader = csv::Reader::from_reader(outcome.stdout.as_bytes());
        reader
            .records()
            .map(|r| r.unwrap().iter().map(str::to_string).collect())
            .collect()
    }

    /// The one value of a query.
    pub fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert_eq!(
            (rows.len(), rows.first().map_or(0, Vec::len)),
            (1, 1),
            "{query} gives one value"
        );
        rows[0][0].clone()
    }

    /// The result of a query as lines of CSV, for snapshots.
    pub fn csv(&self, query: &str) -> String {
        let outcome = self.call(&["sql", "--output", "csv", query]);
        outcome.expect(0);
        outcome.stdout
    }

    /// The cost per currency in `normalize.usage`, as written there without trailing zeros.
    pub fn billed(&self) -> Vec<(String, String, u64)> {
        let query =
            "select billing_currency, sum(billed_cost), count(*) from normalize.usage group by 1 order by 1";
        self.rows(query)
            .into_iter()
            .map(|r| (r[0].clone(), plain(&r[1]), r[2].parse().unwrap()))
            .collect()
    }
}

impl Outcome {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Outcome {
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "exit code\nstdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails unless the messages hold this phrase.
    #[track_caller]
    pub fn says(&self, phrase: &str) -> &Self {
        assert!(
            self.stderr.contains(phrase),
            "`{phrase}` is not in: {}",
            self.stderr
        );
        self
    }
}

/// A `[[tenant.source]]` block.
pub fn source(id: &str, kind: &str, folder: &str) -> String {
    format!("[[tenant.source]]\nid = \"{id}\"\nkind = \"{kind}\"\nurl = \"file://./{folder}\"\n")
}

/// Bytes compressed with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A decimal without the zeros that its column's scale adds.
pub fn plain(decimal: &str) -> String {
    match decimal.contains('.') {
        true => decimal.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => decimal.to_string(),
    }
}

/// Every file below a folder with its bytes' length and time of change, to tell whether anything was touched.
pub fn listing(folder: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            match meta.is_dir() {
                true => folders.push(entry.path()),
                false => files.push((entry.path(), meta.len(), meta.modified().unwrap())),
            }
        }
    }
    files.sort();
    files
}

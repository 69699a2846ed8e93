//! A fake-gcs-server of the test's own: Google Cloud Storage to read from. It checks no login and takes no conditional
//! writes.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http::{encoded, request};
use super::moto::free_port;
use super::prepared;

/// The server; killed when dropped, its data with it.
pub struct Gcs {
    process: Child,
    port: u16,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Gcs {
    /// Starts a server with an empty bucket.
    pub fn start(bucket: &str) -> Gcs {
        let port = free_port();
        let process = Command::new(prepared("OFFGRIDFLOW_TEST_GCS"))
            .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory"])
            .args(["-port", &port.to_string()])
            .args(["-public-host", &format!("127.0.0.1:{port}")])
            .args(["-external-url", &format!("http://127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Gcs { process, port };
        let body = format!("{{\"name\":\"{bucket}\"}}");
        let started = Instant::now();
        while server.post("/storage/v1/b?project=tests", "application/json", body.as_bytes()) != Some(200) {
            assert!(started.elapsed() < PATIENCE, "fake-gcs-server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Puts an object: `bucket/key`.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let (bucket, key) = path.split_once('/').unwrap();
        let target = format!(
            "/upload/storage/v1/b/{bucket}/o?uploadType=media&name={}",
            encoded(key)
        );
        let status = self.post(&target, "application/octet-stream", bytes);
        assert_eq!(status, Some(200), "fake-gcs-server takes {path}");
    }

    fn post(&self, target: &str, content: &str, body: &[u8]) -> Option<u16> {
        let answer = request(self.port, "POST", target, &[("Content-Type", content)], body);
        answer.map(|(status, _)| status)
    }

    /// The `[profile.<name>]` that reaches this server.
    pub fn profile(&self, name: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"http://127.0.0.1:{}\"\nallow_http = true\ndisable_oauth = true\n",
            self.port
        )
    }
}

impl Drop for Gcs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

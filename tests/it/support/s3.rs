//! A SeaweedFS of the test's own: a real S3 server with signatures and conditional writes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::prepared;

/// The server; killed when dropped, its data with it.
pub struct S3 {
    process: Child,
    /// Where it speaks S3.
    pub port: u16,
    filer_port: u16,
    _folder: TempDir,
}

/// The keys that the server knows.
pub const ACCESS_KEY: &str = "test-access-key";
pub const SECRET_KEY: &str = "test-secret-key";
const IDENTITIES: &str = r#"{"identities":[{"name":"tests","credentials":[{"accessKey":"test-access-key",
"secretKey":"test-secret-key"}],"actions":["Admin","Read","Write","List"]}]}"#;
/// Its slowest start seen was 17 seconds, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

impl S3 {
    /// Starts a server with empty buckets of these names.
    pub fn start(buckets: &[&str]) -> S3 {
        let weed = prepared("OFFGRIDFLOW_TEST_WEED");
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("s3.json");
        std::fs::write(&config, IDENTITIES).unwrap();
        let [master, volume, filer, s3] = free_ports();
        let process = Command::new(weed)
            .args([
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3",
                "-volume.max=100",
            ])
            .args(["-master.volumeSizeLimitMB=64", "-master.telemetry=false"])
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-s3.config={}", config.display()))
            .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
            .args([format!("-filer.port={filer}"), format!("-s3.port={s3}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = S3 {
            process,
            port: s3,
            filer_port: filer,
            _folder: folder,
        };
        let started = Instant::now();
        for bucket in buckets {
            while !server.make_bucket(bucket) {
                assert!(started.elapsed() < PATIENCE, "SeaweedFS does not start");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        while TcpStream::connect(("127.0.0.1", s3)).is_err() {
            assert!(
                started.elapsed() < PATIENCE,
                "SeaweedFS does not open its S3 port"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    /// A bucket is a folder of the filer.
    fn make_bucket(&self, name: &str) -> bool {
        self.filer("POST", &format!("/buckets/{name}/"), b"")
            .is_some_and(|status| status == 201 || status == 200)
    }

    /// Puts an object.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let started = Instant::now();
        // The first write waits until a volume is there.
        while self.filer("PUT", &format!("/buckets/{path}"), bytes) != Some(201) {
            assert!(started.elapsed() < PATIENCE, "SeaweedFS does not take {path}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// One request to the filer; a POST without a content type makes a folder.
    fn filer(&self, method: &str, path: &str, body: &[u8]) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.filer_port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let path = path.replace(' ', "%20").replace('=', "%3D");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             {}Content-Length: {}\r\n\r\n",
            if method == "PUT" {
                "Content-Type: application/octet-stream\r\n"
            } else {
                ""
            },
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// The `[profile.<name>]` that reaches this server; the keys come from the environment.
    pub fn profile(&self, name: &str) -> String {
        Self::profile_at(self.port, name)
    }

    /// The same through another port, such as a proxy's.
    pub fn profile_at(port: u16, name: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"http://127.0.0.1:{port}\"\nallow_http = true\nregion = \"us-east-1\"\n\
             access_key_id = \"env:TEST_S3_ACCESS_KEY\"\nsecret_access_key = \"env:TEST_S3_SECRET_KEY\"\n"
        )
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It would take its time over an orderly end, and there is nothing to keep.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ports whose neighbour 10,000 above is free too: each service takes that one for gRPC.
fn free_ports() -> [u16; 4] {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    // Servers of one test run start side by side, between the look at a port and its use.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + (std::process::id() % 30_000) as u16 + NEXT.fetch_add(100, Ordering::Relaxed);
    for port in start..start + 100 {
        let (Ok(one), Ok(other)) = (
            TcpListener::bind(("127.0.0.1", port)),
            TcpListener::bind(("127.0.0.1", port + 10_000)),
        ) else {
            continue;
        };
        held.push((one, other));
        ports.push(port);
        if let [a, b, c, d] = ports[..] {
            return [a, b, c, d];
        }
    }
    panic!("no free ports");
}

//! A cluster of the built program's own processes on loopback.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Project;

/// A debug build on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of a cluster; killed when dropped.
pub struct Node {
    process: Child,
}

impl Node {
    /// Starts a scheduler for the project's warehouse and waits until it listens.
    pub fn scheduler(project: &Project, port: u16) -> Node {
        Self::start(
            project,
            port,
            &[
                "scheduler",
                "--port",
                &port.to_string(),
                "--executor-timeout",
                "4",
            ],
        )
    }

    /// Starts an executor and waits until it listens.
    pub fn executor(project: &Project, scheduler: u16, tasks: usize) -> Node {
        let [port, grpc] = free_ports();
        Self::start(
            project,
            port,
            &[
                "executor",
                "--scheduler",
                &format!("127.0.0.1:{scheduler}"),
                "--port",
                &port.to_string(),
                "--grpc-port",
                &grpc.to_string(),
                "--memory",
                "512MiB",
                "--concurrent-tasks",
                &tasks.to_string(),
                "--heartbeat",
                "1",
            ],
        )
    }

    fn start(project: &Project, port: u16, arguments: &[&str]) -> Node {
        let mut command = project.command(&[&["cluster"], arguments].concat());
        // What it says goes to the log of the test, which shows it when the test fails.
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut node = Node {
            process: command.spawn().unwrap(),
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                node.process.try_wait().unwrap().is_none(),
                "{arguments:?} ended at once"
            );
            assert!(started.elapsed() < PATIENCE, "{arguments:?} does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        node
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM; gives its exit code.
    pub fn terminate(mut self) -> i32 {
        let id = self.process.id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        let asked = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(asked.elapsed() < PATIENCE, "it does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ports that nobody listens on; none is given twice in one test process.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap();
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        loop {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            held.push(listener);
            if !given.contains(&port) {
                given.push(port);
                return port;
            }
        }
    })
}

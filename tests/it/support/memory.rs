//! How much memory a command takes.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command};
use std::time::Duration;

use super::Outcome;

/// Waits for a command that must succeed and gives the most memory it has had, in KiB, as Linux counts it.
pub fn peak_kib(mut child: Child) -> u64 {
    let peak = watched(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    peak
}

/// Waits for a command that may fail and gives how it ended, with the most memory it has had in KiB. Its output lies in files
/// meanwhile: nobody reads a pipe.
pub fn measured(mut command: Command) -> (Outcome, u64) {
    let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    command
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let peak = watched(&mut child);
    let text = |file: &mut File| {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    let outcome = Outcome {
        code: child.wait().unwrap().code().unwrap_or(-1),
        stdout: text(&mut stdout),
        stderr: text(&mut stderr),
    };
    (outcome, peak)
}

/// The most memory of a process until it ends, in KiB, as Linux counts it.
fn watched(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line
            .and_then(|text| text.trim().trim_end_matches(" kB").trim().parse().ok())
            .unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(peak > 0, "no memory was seen");
    peak
}

/// The most that an API connector may take for 100,000 rows.
pub const LITTLE_KIB: u64 = 300 * 1024;

//! How much memory a command takes.

use std::process::Child;
use std::time::Duration;

/// Waits for a command that must succeed and gives the most memory it has had, in KiB, as Linux counts it.
pub fn peak_kib(mut child: Child) -> u64 {
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
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(peak > 0, "no memory was seen");
    peak
}

/// The most that an API connector may take for 100,000 rows.
pub const LITTLE_KIB: u64 = 300 * 1024;

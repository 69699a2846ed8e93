//! Where a process can die: every write to a store or to the ledger. Tests stop it there, as `kill -9` does.

use std::future::Future;

/// Makes a write. With the feature `kill-points` and `OFFGRIDFLOW_KILL_AT=before:N` or `after:N` the process ends before
/// or after the N-th one.
pub async fn around<T>(write: impl Future<Output = T>) -> T {
    #[cfg(feature = "kill-points")]
    {
        let number = chosen::next();
        chosen::die_at("before", number);
        let written = write.await;
        chosen::die_at("after", number);
        written
    }
    #[cfg(not(feature = "kill-points"))]
    write.await
}

#[cfg(feature = "kill-points")]
mod chosen {
    use std::process::Command;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WRITES: AtomicU64 = AtomicU64::new(0);

    pub fn next() -> u64 {
        WRITES.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn die_at(side: &str, number: u64) {
        let wanted = std::env::var("OFFGRIDFLOW_KILL_AT").unwrap_or_default();
        if wanted == format!("{side}:{number}") {
            // No destructor, no buffer, no handler: the process is gone, or the test that asked for it hangs and fails.
            let killed = Command::new("kill")
                .args(["-9", &std::process::id().to_string()])
                .status();
            tracing::error!(?killed, "the process should be gone");
            loop {
                std::thread::park();
            }
        }
    }
}

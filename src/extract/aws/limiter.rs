//! Calls of one account stand in line, whichever sources make them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Cost Explorer answers a few calls a second and account; more are refused.
const BETWEEN_CALLS: Duration = Duration::from_millis(200);

static ACCOUNTS: LazyLock<Mutex<HashMap<String, Arc<Limiter>>>> = LazyLock::new(Mutex::default);

/// The line of one account.
#[derive(Debug)]
pub(super) struct Limiter {
    next: Mutex<Instant>,
}

impl Limiter {
    /// The one limiter of an account in this process.
    pub(super) fn of(account: &str) -> Arc<Limiter> {
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = accounts.entry(account.to_string()).or_insert_with(|| {
            Arc::new(Limiter {
                next: Mutex::new(Instant::now()),
            })
        });
        limiter.clone()
    }

    /// Waits until it is the caller's turn.
    pub(super) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + BETWEEN_CALLS;
            at
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_of_one_account_stand_in_line() {
        let (one, same, other) = (Limiter::of("1"), Limiter::of("1"), Limiter::of("2"));
        let started = Instant::now();
        one.turn().await;
        other.turn().await;
        assert!(started.elapsed() < BETWEEN_CALLS);
        same.turn().await;
        assert!(started.elapsed() >= BETWEEN_CALLS);
    }
}

//! Calls that are made again: exponential pauses with jitter, and never sooner than the other side asked.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result, Retry};

/// How long and how often a call is repeated.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all.
    pub tries: u32,
    /// The first pause; each further one is twice as long, and a random part of it is waited.
    pub first: Duration,
    /// The longest pause of our own; what the other side asks for may be longer.
    pub longest: Duration,
    /// No further attempt begins after this.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            tries: 8,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            deadline: Duration::from_secs(15 * 60),
        }
    }
}

impl RetryPolicy {
    /// Quick pauses, for tests against servers on the same machine: `OFFGRIDFLOW_RETRY_MILLISECONDS` is the first one.
    pub fn from_environment() -> Self {
        let first = std::env::var("OFFGRIDFLOW_RETRY_MILLISECONDS")
            .ok()
            .and_then(|text| text.parse().ok());
        match first {
            Some(milliseconds) => RetryPolicy {
                first: Duration::from_millis(milliseconds),
                ..RetryPolicy::default()
            },
            None => RetryPolicy::default(),
        }
    }
}

/// Makes a call until it succeeds, fails for good, or the policy allows no more attempts.
///
/// # Errors
/// The last failure, with the number of attempts in its place.
pub async fn retrying<T, F: Future<Output = Result<T>>>(
    policy: &RetryPolicy,
    mut call: impl FnMut() -> F,
) -> Result<T> {
    let started = Instant::now();
    let mut pause = policy.first;
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = match error.retry() {
            Retry::Never => return Err(after(error, attempt)),
            // Full jitter: many callers that failed together do not come back together.
            Retry::Backoff => pause.mul_f64(fastrand::f64()),
            Retry::After(asked) => asked + pause.mul_f64(fastrand::f64() * 0.1),
        };
        if attempt >= policy.tries || started.elapsed().saturating_add(wait) > policy.deadline {
            let error = match error.retry() {
                Retry::After(asked) if asked > policy.deadline => error.at(format!(
                    "asked to wait {} s, longer than the {} s that a call is given",
                    asked.as_secs(),
                    policy.deadline.as_secs()
                )),
                _ => error,
            };
            return Err(after(error, attempt));
        }
        tracing::warn!(%error, attempt, wait_ms = wait.as_millis() as u64, "a call failed and is made again");
        tokio::time::sleep(wait).await;
        attempt += 1;
        pause = pause.saturating_mul(2).min(policy.longest);
    }
}

fn after(error: Error, attempts: u32) -> Error {
    match attempts {
        1 => error,
        _ => error.at(format!("after {attempts} attempts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn quick() -> RetryPolicy {
        RetryPolicy {
            first: Duration::from_millis(1),
            ..RetryPolicy::default()
        }
    }

    #[tokio::test]
    async fn calls_are_repeated_while_that_helps() {
        let calls = Cell::new(0);
        let result = retrying(&quick(), || {
            calls.set(calls.get() + 1);
            let attempt = calls.get();
            async move {
                match attempt {
                    1 => Err(Error::external("busy").retryable()),
                    2 => Err(Error::external("slow down").retryable_after(Duration::from_millis(3))),
                    _ => Ok(attempt),
                }
            }
        })
        .await;
        assert_eq!(result.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_final_failure_is_not_repeated_and_patience_ends() {
        let calls = Cell::new(0);
        let count = |retry: bool| {
            calls.set(calls.get() + 1);
            async move {
                let error = Error::external("no");
                Err::<(), _>(if retry { error.retryable() } else { error })
            }
        };
        assert!(retrying(&quick(), || count(false)).await.is_err());
        assert_eq!(calls.get(), 1);
        let error = retrying(&quick(), || count(true)).await.unwrap_err();
        assert_eq!(
            (calls.get(), error.to_string().as_str()),
            (9, "no, after 8 attempts")
        );
    }

    #[tokio::test]
    async fn no_attempt_begins_after_the_deadline() {
        let policy = RetryPolicy {
            deadline: Duration::from_secs(1),
            ..quick()
        };
        let error = retrying(&policy, || async {
            Err::<(), _>(Error::external("later").retryable_after(Duration::from_secs(60)))
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "later, asked to wait 60 s, longer than the 1 s that a call is given"
        );
    }

    #[tokio::test]
    async fn a_pause_without_end_is_not_waited_for() {
        let calls = Cell::new(0);
        let error = retrying(&quick(), || {
            calls.set(calls.get() + 1);
            let pause = Duration::from_secs(u64::MAX);
            async move { Err::<(), _>(Error::external("later").retryable_after(pause)) }
        })
        .await
        .unwrap_err();
        assert_eq!(
            (calls.get(), error.to_string().as_str()),
            (
                1,
                "later, asked to wait 86400 s, longer than the 900 s that a call is given"
            )
        );
    }
}

//! One limiter for all callers of an Azure tenant: calls stay below its quota, and a pause asked of one holds for all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many calls within any such number of seconds.
pub type Window = (usize, u32);

/// Cost Management's query units of a tenant; a query of a month takes one.
pub const QUERY_UNITS: &[Window] = &[(12, 10), (60, 60), (600, 3600)];
/// No quota is documented: only pauses that are asked for.
pub const PAUSES_ONLY: &[Window] = &[];

/// As long as one call is waited for.
const LONGEST_HOLD: Duration = Duration::from_secs(15 * 60);

static LIMITERS: LazyLock<Mutex<BTreeMap<String, Arc<Limiter>>>> = LazyLock::new(Mutex::default);

/// Counts the calls of every window exactly: a bucket that refills would allow twice the quota in its first window.
#[derive(Debug)]
pub struct Limiter {
    windows: Vec<(usize, Duration)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the calls of the longest window were made, oldest first.
    made: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Limiter {
    /// The limiter of a tenant's API: the same one for every source of this process.
    pub fn of(tenant: &str, windows: &[Window]) -> Arc<Limiter> {
        let mut limiters = locked(&LIMITERS);
        let key = format!("{tenant} {windows:?}");
        limiters
            .entry(key)
            .or_insert_with(|| Arc::new(Limiter::new(windows, second_from_environment())))
            .clone()
    }

    fn new(windows: &[Window], second: Duration) -> Limiter {
        Limiter {
            windows: windows
                .iter()
                .map(|(calls, seconds)| (*calls, second * *seconds))
                .collect(),
            state: Mutex::default(),
        }
    }

    /// Waits until a call may be made, and counts it.
    pub async fn turn(&self) {
        while let Some(wait) = self.take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Holds back every caller for this long, [`LONGEST_HOLD`] at most: then one of them asks again.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_HOLD);
        let mut state = locked(&self.state);
        state.paused_until = Some(state.paused_until.map_or(until, |earlier| earlier.max(until)));
    }

    /// Counts a call made now, or says how long to wait before asking again.
    fn take(&self, now: Instant) -> Option<Duration> {
        let mut state = locked(&self.state);
        let longest = self
            .windows
            .iter()
            .map(|(_, span)| *span)
            .max()
            .unwrap_or_default();
        while state.made.front().is_some_and(|made| *made + longest <= now) {
            state.made.pop_front();
        }
        let free_again = self.windows.iter().filter_map(|(calls, span)| {
            let oldest = state.made.len().checked_sub(*calls)?;
            Some(state.made[oldest] + *span)
        });
        let wait = free_again
            .chain(state.paused_until)
            .map(|until| until.saturating_duration_since(now))
            .max()
            .filter(|wait| !wait.is_zero());
        if wait.is_none() && !self.windows.is_empty() {
            state.made.push_back(now);
        }
        wait
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a second of the quota is: tests against servers on the same machine have quicker ones.
fn second_from_environment() -> Duration {
    std::env::var("OFFGRIDFLOW_RETRY_MILLISECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(Duration::from_secs(1), Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_ever_holds_more_than_its_quota() {
        let limiter = Limiter::new(QUERY_UNITS, Duration::from_secs(1));
        let start = Instant::now();
        let mut now = start;
        let mut made = Vec::new();
        while made.len() < 1300 {
            match limiter.take(now) {
                None => made.push(now - start),
                Some(wait) => now += wait,
            }
        }
        for (calls, seconds) in QUERY_UNITS {
            let span = Duration::from_secs(u64::from(*seconds));
            for (first, one_more) in made.iter().zip(&made[*calls..]) {
                assert!(*one_more - *first >= span, "{calls} calls in {seconds} s");
            }
        }
        assert_eq!(
            made[600],
            Duration::from_secs(3600),
            "the whole quota of an hour is used"
        );
    }

    #[test]
    fn a_pause_holds_for_all_and_the_longest_counts() {
        let limiter = Limiter::new(PAUSES_ONLY, Duration::from_secs(1));
        assert_eq!(limiter.take(Instant::now()), None);
        limiter.pause(Duration::from_secs(60));
        limiter.pause(Duration::from_secs(5));
        let wait = limiter.take(Instant::now()).unwrap();
        assert!(wait > Duration::from_secs(58), "{wait:?}");
        assert_eq!(limiter.take(Instant::now() + Duration::from_secs(61)), None);
        limiter.pause(Duration::MAX);
        assert_eq!(limiter.take(Instant::now() + LONGEST_HOLD), None);
    }

    #[test]
    fn sources_of_a_tenant_share_one_limiter() {
        let one = Limiter::of("contoso", QUERY_UNITS);
        assert!(Arc::ptr_eq(&one, &Limiter::of("contoso", QUERY_UNITS)));
        assert!(!Arc::ptr_eq(&one, &Limiter::of("fabrikam", QUERY_UNITS)));
        assert!(!Arc::ptr_eq(&one, &Limiter::of("contoso", PAUSES_ONLY)));
    }
}

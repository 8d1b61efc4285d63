//! Logs that the store cannot be written: once per outage, not once per attempt of every run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::run::store::StoreError;
use crate::types::RunId;

/// How often an outage that continues is logged again.
const REPEAT: Duration = Duration::from_mins(1);

/// The state of the store as seen by the drivers of a server. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::run) struct Outage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of failed writes since the last successful one.
    failures: u64,
    /// Whether one of these failures was logged.
    is_logged: bool,
    last_logged: Option<Instant>,
}

impl Outage {
    /// Reports a failed write. Logs the first one of an outage, and after that at most one a minute.
    pub(super) fn report(&self, run: RunId, error: &StoreError, now: Instant) {
        if let Some(failures) = self.count(now) {
            tracing::warn!(run.id = %run, %error, failures, "could not write a run's log; trying again");
        }
    }

    /// Counts a failure. Returns the number of failures so far if they are to be logged.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures += 1;
        let is_due = state.last_logged.is_none_or(|logged| now.duration_since(logged) >= REPEAT);
        is_due.then(|| {
            (state.is_logged, state.last_logged) = (true, Some(now));
            state.failures
        })
    }

    /// Reports a successful write.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = std::mem::take(&mut state.failures);
        if std::mem::take(&mut state.is_logged) {
            tracing::info!(failures, "run logs can be written again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_once_and_then_once_a_minute() {
        let outage = Outage::default();
        let start = Instant::now();
        let mut logged = Vec::new();
        for second in 0..=120 {
            if outage.count(start + Duration::from_secs(second)).is_some() {
                logged.push(second);
            }
            // A disk that is nearly full accepts some writes.
            if second == 30 {
                outage.end();
            }
        }
        assert_eq!(logged, [0, 60, 120]);
    }
}

//! The run's time limit, which is paused while the agent waits for an answer.

use std::time::Duration;

use tokio::time::{Instant, sleep_until as sleep_until_instant};

/// A countdown that can be paused.
#[derive(Clone, Copy, Debug)]
pub(super) enum WallClock {
    Off,
    Running { until: Instant },
    Paused { remaining: Duration },
}

impl WallClock {
    pub(super) fn start(limit: Duration) -> Self {
        Self::Running { until: Instant::now() + limit }
    }

    pub(super) fn pause(self) -> Self {
        match self {
            Self::Running { until } => Self::Paused { remaining: until.saturating_duration_since(Instant::now()) },
            other => other,
        }
    }

    pub(super) fn resume(self) -> Self {
        match self {
            Self::Paused { remaining } => Self::start(remaining),
            other => other,
        }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Running { until } => Some(until),
            Self::Off | Self::Paused { .. } => None,
        }
    }

    /// When the time limit expires if no server is connected. A paused clock resumes when the last open request expires, at
    /// `answer_deadline`.
    pub(super) fn expires_at(self, answer_deadline: Option<Instant>) -> Option<Instant> {
        match self {
            Self::Off => None,
            Self::Running { until } => Some(until),
            Self::Paused { remaining } => Some(answer_deadline.unwrap_or_else(Instant::now) + remaining),
        }
    }

    /// Restores the clock of a run that an earlier server drove. `remaining` is the time that its shim reports until
    /// [`WallClock::expires_at`].
    pub(super) fn restored(remaining: Duration, answer_deadline: Option<Instant>) -> Self {
        match answer_deadline {
            None => Self::start(remaining),
            // If the earlier server died between opening the request and updating the shim's deadline, `remaining` excludes the wait.
            Some(deadline) => {
                let wait = deadline.saturating_duration_since(Instant::now());
                Self::Paused { remaining: remaining.checked_sub(wait).unwrap_or(remaining) }
            }
        }
    }
}

/// Sleeps until `deadline`; without one, never completes. For `select!` arms that are disabled without a deadline.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until_instant(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_restored_clock_has_the_same_time_remaining() {
        let (limit, wait, downtime) = (Duration::from_mins(5), Duration::from_mins(10), Duration::from_mins(2));
        let answer_deadline = Instant::now() + wait;
        let paused = WallClock::start(limit).pause();
        let expires_at = paused.expires_at(Some(answer_deadline)).unwrap();
        assert_eq!(expires_at, answer_deadline + limit);
        tokio::time::advance(downtime).await;
        let restored = WallClock::restored(expires_at - Instant::now(), Some(answer_deadline));
        assert!(matches!(restored, WallClock::Paused { remaining } if remaining == limit));
        let restored = WallClock::restored(limit, None);
        assert_eq!(restored.deadline(), Some(Instant::now() + limit));
    }
}

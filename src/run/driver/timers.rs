//! The time limits of a run.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The time limits of a run. All are off until they are started.
#[derive(Debug)]
pub(super) struct Timers {
    /// The run's time limit, which is paused while the agent waits for an answer.
    pub(super) limit: WallClock,
    /// When the agent must have written something since its start.
    pub(super) startup: Option<Instant>,
    /// When the agent must have written something since it last did.
    pub(super) idle: Option<Instant>,
}

/// A time limit that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The run's time limit.
    Limit,
    /// The time limit of at least one open request.
    Requests,
    /// The startup timeout.
    Startup,
    /// The idle timeout.
    Idle,
}

impl Timers {
    pub(super) fn off() -> Self {
        Self { limit: WallClock::Off, startup: None, idle: None }
    }

    /// Waits for a time limit that expires even while the agent writes. `requests` is when the next open request expires. Cancel-safe.
    pub(super) async fn expired(&self, requests: Option<Instant>) -> Timer {
        first([(self.limit.deadline(), Timer::Limit), (requests, Timer::Requests)]).await
    }

    /// Waits for a time limit that expires only if the agent writes nothing. Cancel-safe.
    pub(super) async fn silent(&self) -> Timer {
        first([(self.startup, Timer::Startup), (self.idle, Timer::Idle)]).await
    }
}

/// Waits for the earlier deadline; forever without one.
async fn first(deadlines: [(Option<Instant>, Timer); 2]) -> Timer {
    match deadlines.into_iter().filter_map(|(at, timer)| Some((at?, timer))).min_by_key(|(at, _)| *at) {
        Some((at, timer)) => {
            sleep_until(at).await;
            timer
        }
        None => std::future::pending().await,
    }
}

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

    /// The remaining time; `None` if there is no limit.
    pub(super) fn remaining(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Running { until } => Some(until.saturating_duration_since(Instant::now())),
            Self::Paused { remaining } => Some(remaining),
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

    #[tokio::test(start_paused = true)]
    async fn the_earliest_of_the_time_limits_expires_first() {
        let now = Instant::now();
        let mut timers = Timers::off();
        timers.limit = WallClock::start(Duration::from_secs(9));
        assert_eq!(timers.expired(None).await, Timer::Limit);
        assert_eq!(timers.expired(Some(now + Duration::from_secs(3))).await, Timer::Requests);
        timers.limit = timers.limit.pause();
        (timers.startup, timers.idle) = (Some(now + Duration::from_secs(30)), Some(now + Duration::from_secs(20)));
        assert_eq!(timers.silent().await, Timer::Idle);
        timers.idle = None;
        assert_eq!(timers.silent().await, Timer::Startup);
    }
}

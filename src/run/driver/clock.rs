//! The run's time limit, which stands still while the agent waits for somebody's answer.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Where the time limit stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum WallClock {
    Off,
    Running { until: Instant },
    Standing { left: Duration },
}

impl WallClock {
    pub(super) fn start(limit: Duration) -> Self {
        Self::Running { until: Instant::now() + limit }
    }

    pub(super) fn stand(self) -> Self {
        match self {
            Self::Running { until } => Self::Standing { left: until.saturating_duration_since(Instant::now()) },
            other => other,
        }
    }

    pub(super) fn resume(self) -> Self {
        match self {
            Self::Standing { left } => Self::start(left),
            other => other,
        }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Running { until } => Some(until),
            Self::Off | Self::Standing { .. } => None,
        }
    }

    /// When the run's time is over if no server is there to answer what is open: it is answered by itself at `answered` at the latest,
    /// and then the clock goes on.
    pub(super) fn over_at(self, answered: Option<Instant>) -> Option<Instant> {
        match (self, answered) {
            (Self::Off, _) => None,
            (Self::Running { until }, _) => Some(until),
            (Self::Standing { left }, answered) => Some(answered.unwrap_or_else(Instant::now) + left),
        }
    }

    /// The clock of a run that an earlier server drove, from what its shim says is left until [`WallClock::over_at`].
    pub(super) fn found(left: Duration, answered: Option<Instant>) -> Self {
        match answered {
            None => Self::start(left),
            // A server that died between asking and setting the limit anew has left a limit without the wait.
            Some(answered) => {
                let wait = answered.saturating_duration_since(Instant::now());
                Self::Standing { left: left.checked_sub(wait).unwrap_or(left) }
            }
        }
    }
}

/// Waits until then. Only for arms of a `select!` that are off without a moment.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_the_same_for_the_server_that_goes_on() {
        let (limit, wait, dead) = (Duration::from_mins(5), Duration::from_mins(10), Duration::from_mins(2));
        let answered = Instant::now() + wait;
        let standing = WallClock::start(limit).stand();
        let over_at = standing.over_at(Some(answered)).unwrap();
        assert_eq!(over_at, answered + limit);
        tokio::time::advance(dead).await;
        let found = WallClock::found(over_at - Instant::now(), Some(answered));
        assert!(matches!(found, WallClock::Standing { left } if left == limit));
        let found = WallClock::found(limit, None);
        assert_eq!(found.deadline(), Some(Instant::now() + limit));
    }
}

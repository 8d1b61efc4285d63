//! How long an agent may run: the time limit set by the server, and a limit without a server.

use std::time::{Duration, Instant};

/// How long an agent without a time limit runs without a server, and how long a handover is kept after the agent's end.
pub(super) const UNATTENDED_LIMIT: Duration = Duration::from_hours(24);

/// The limits of one agent. The caller passes a monotonic clock.
#[derive(Debug)]
pub(super) struct TimeLimits {
    deadline: Option<Instant>,
    unattended_since: Option<Instant>,
}

impl TimeLimits {
    /// Limits that start now.
    pub(super) fn new(now: Instant, left: Option<Duration>) -> Self {
        Self { deadline: after(now, left), unattended_since: None }
    }

    /// Sets or removes the time limit.
    pub(super) fn set(&mut self, now: Instant, left: Option<Duration>) {
        self.deadline = after(now, left);
    }

    /// Remaining time.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Records whether a server is connected.
    pub(super) fn set_attended(&mut self, now: Instant, attended: bool) {
        if attended {
            self.unattended_since = None;
        } else {
            self.unattended_since.get_or_insert(now);
        }
    }

    /// Until when the shim waits for a server; `None` while one is connected.
    pub(super) fn unattended_until(&self) -> Option<Instant> {
        self.unattended_since.map(|since| since + UNATTENDED_LIMIT)
    }

    /// When the agent is killed.
    pub(super) fn end(&self) -> Option<Instant> {
        self.deadline.or_else(|| self.unattended_until())
    }
}

/// Treats an overflowing limit as none.
fn after(now: Instant, left: Option<Duration>) -> Option<Instant> {
    left.and_then(|left| now.checked_add(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_an_agent_runs_for_a_day_after_the_last_server() {
        let now = Instant::now();
        let mut time_limits = TimeLimits::new(now, None);
        time_limits.set_attended(now, true);
        assert_eq!(time_limits.end(), None);
        let later = now + Duration::from_hours(1);
        time_limits.set_attended(later, false);
        time_limits.set_attended(later + Duration::from_hours(1), false);
        assert_eq!(time_limits.end(), Some(later + UNATTENDED_LIMIT));
        time_limits.set_attended(later, true);
        assert_eq!(time_limits.end(), None);
    }

    #[test]
    fn a_limit_applies_with_and_without_a_server() {
        let now = Instant::now();
        let minute = Duration::from_mins(1);
        let mut time_limits = TimeLimits::new(now, Some(minute));
        time_limits.set_attended(now, false);
        assert_eq!(time_limits.end(), Some(now + minute));
        assert_eq!(time_limits.left(now + minute / 4), Some(minute * 3 / 4));
        assert_eq!(time_limits.left(now + 2 * minute), Some(Duration::ZERO));
        time_limits.set(now, Some(Duration::MAX));
        assert_eq!(time_limits.left(now), None);
    }
}

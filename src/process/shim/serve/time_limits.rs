//! How long an agent may go on: the time limit that the server sets, and a bound where it has set none.

use std::time::{Duration, Instant};

/// How long an agent without a time limit goes on when no server comes, and how long a memo is kept for one after the agent's end.
pub(super) const UNATTENDED_LIMIT: Duration = Duration::from_hours(24);

/// The limits of one agent. The clock is the caller's, and monotonic.
#[derive(Debug)]
pub(super) struct TimeLimits {
    deadline: Option<Instant>,
    unattended_since: Option<Instant>,
}

impl TimeLimits {
    /// Counted from now.
    pub(super) fn new(now: Instant, left: Option<Duration>) -> Self {
        Self { deadline: after(now, left), unattended_since: None }
    }

    /// Sets the time limit anew, or lifts it.
    pub(super) fn set(&mut self, now: Instant, left: Option<Duration>) {
        self.deadline = after(now, left);
    }

    /// What is left of the time limit.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Whether a server is there, as of now.
    pub(super) fn set_attended(&mut self, now: Instant, set_attended: bool) {
        if set_attended {
            self.unattended_since = None;
        } else {
            self.unattended_since.get_or_insert(now);
        }
    }

    /// Until when a server is waited for that does not come; `None` while one is there.
    pub(super) fn unattended_until(&self) -> Option<Instant> {
        self.unattended_since.map(|since| since + UNATTENDED_LIMIT)
    }

    /// When the agent's time is over.
    pub(super) fn end(&self) -> Option<Instant> {
        self.deadline.or_else(|| self.unattended_until())
    }
}

/// A limit beyond what the clock can hold is none.
fn after(now: Instant, left: Option<Duration>) -> Option<Instant> {
    left.and_then(|left| now.checked_add(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_an_agent_goes_on_for_a_day_after_the_last_server() {
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
    fn a_limit_counts_whether_or_not_a_server_is_there() {
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

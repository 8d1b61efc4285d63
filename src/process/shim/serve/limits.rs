//! How long an agent may go on: the time limit that the server sets, and a bound where it has set none.

use std::time::{Duration, Instant};

/// How long an agent without a time limit goes on when no server comes, and how long a memo is kept for one after the agent's end.
pub(super) const ALONE: Duration = Duration::from_hours(24);

/// The limits of one agent. The clock is the caller's, and monotonic.
#[derive(Debug)]
pub(super) struct Limits {
    deadline: Option<Instant>,
    alone_since: Option<Instant>,
}

impl Limits {
    /// Counted from now.
    pub(super) fn new(now: Instant, left: Option<Duration>) -> Self {
        Self { deadline: after(now, left), alone_since: None }
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
    pub(super) fn attended(&mut self, now: Instant, attended: bool) {
        if attended {
            self.alone_since = None;
        } else {
            self.alone_since.get_or_insert(now);
        }
    }

    /// Until when a server is waited for that does not come; `None` while one is there.
    pub(super) fn alone_until(&self) -> Option<Instant> {
        self.alone_since.map(|since| since + ALONE)
    }

    /// When the agent's time is over.
    pub(super) fn end(&self) -> Option<Instant> {
        self.deadline.or_else(|| self.alone_until())
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
        let mut limits = Limits::new(now, None);
        limits.attended(now, true);
        assert_eq!(limits.end(), None);
        let later = now + Duration::from_hours(1);
        limits.attended(later, false);
        limits.attended(later + Duration::from_hours(1), false);
        assert_eq!(limits.end(), Some(later + ALONE));
        limits.attended(later, true);
        assert_eq!(limits.end(), None);
    }

    #[test]
    fn a_limit_counts_whether_or_not_a_server_is_there() {
        let now = Instant::now();
        let minute = Duration::from_mins(1);
        let mut limits = Limits::new(now, Some(minute));
        limits.attended(now, false);
        assert_eq!(limits.end(), Some(now + minute));
        assert_eq!(limits.left(now + minute / 4), Some(minute * 3 / 4));
        assert_eq!(limits.left(now + 2 * minute), Some(Duration::ZERO));
        limits.set(now, Some(Duration::MAX));
        assert_eq!(limits.left(now), None);
    }
}

//! How long a commit waits for further jobs.
//!
//! A commit costs as much as the events of twenty runs. While many runs write, their jobs arrive within a short time of each other, because
//! their output is moved together; a commit that starts with the first of them would take it alone, and the next one the rest.

use std::time::{Duration, Instant};

/// The wait grows by this much with each further job in the last commit, up to the maximum.
const STEP: Duration = Duration::from_micros(50);
const MAX: Duration = Duration::from_millis(1);
/// An earlier commit says nothing about the present load.
const RECENT: Duration = Duration::from_millis(10);

/// The last commit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grouping {
    jobs: usize,
    at: Option<Instant>,
}

impl Grouping {
    /// Notes a commit of this many jobs that ended now.
    pub(super) fn note(&mut self, jobs: usize, now: Instant) {
        *self = Self { jobs, at: Some(now) };
    }

    /// How long to wait with jobs that are there now. Zero unless the last commit was recent and shared.
    pub(super) fn wait(self, now: Instant) -> Duration {
        if self.at.is_none_or(|at| now.saturating_duration_since(at) > RECENT) {
            return Duration::ZERO;
        }
        let others = u32::try_from(self.jobs.saturating_sub(1)).unwrap_or(u32::MAX);
        STEP.saturating_mul(others).min(MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_only_after_a_recent_one_that_was_shared() {
        let (start, mut grouping) = (Instant::now(), Grouping::default());
        assert_eq!(grouping.wait(start), Duration::ZERO, "the first");
        grouping.note(1, start);
        assert_eq!(grouping.wait(start), Duration::ZERO, "a lone writer");
        grouping.note(3, start);
        assert_eq!(grouping.wait(start + RECENT), 2 * STEP);
        assert_eq!(grouping.wait(start + 2 * RECENT), Duration::ZERO, "the store was idle since");
        grouping.note(10_000, start);
        assert_eq!(grouping.wait(start), MAX);
    }
}

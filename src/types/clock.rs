//! The wall clock.

use super::Timestamp;

/// A source of the current time, passed in so that tests can control it.
pub trait Clock: Send + Sync {
    /// The current wall-clock time, which may jump backwards. Use a monotonic clock to measure durations.
    fn now(&self) -> Timestamp;
}

/// The system clock. Only this type reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "all other code gets the time from this clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

//! What time it is.

use super::Timestamp;

/// Tells the time. Passed in wherever a moment is needed, so that a test can say what time it is.
pub trait Clock: Send + Sync {
    /// The present moment, by the wall: it may step back. For measuring how long something takes use a monotonic clock.
    fn now(&self) -> Timestamp;
}

/// The system's clock, and the only place that asks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is given")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

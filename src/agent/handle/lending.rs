//! Whether the output of an agent can be borrowed from its shim, and when again.

use std::time::Duration;

use tokio::time::Instant;

use crate::process::shim::Greeting;

/// How long a shim keeps output that was returned.
const KEPT: Duration = Duration::from_secs(1);
/// Growth of the output between two reports, in bytes, from which an agent still writes too fast.
const FAST: u64 = 4 * 1024;

/// Whether the output can be borrowed.
#[derive(Debug, Default)]
pub(super) struct Lending {
    /// Whether the shim knows the command.
    is_supported: bool,
    /// From when the shim may be asked once more; `None` if it has been asked, or not yet for the first time.
    again_at: Option<Instant>,
}

impl Lending {
    pub(super) fn note_greeting(&mut self, greeting: &Greeting) {
        (self.is_supported, self.again_at) = (greeting.lends, None);
    }

    /// Whether the shim can be asked. To be followed by the question.
    pub(super) fn ask(&mut self) -> bool {
        self.again_at = None;
        self.is_supported
    }

    /// Whether it is time to ask once more, for the output of an agent that has written this much since the last report.
    pub(super) fn is_due(&self, growth: u64) -> bool {
        growth < FAST && self.again_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Notes that the output was returned.
    pub(super) fn note_return(&mut self) {
        self.again_at = Some(Instant::now() + KEPT);
    }
}

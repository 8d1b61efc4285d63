//! What a scenario needs to know about the benchmark.

use super::server::TestBed;

/// The configuration of one benchmark.
pub(crate) struct Bench {
    pub(super) test_bed: TestBed,
    pub(super) quick: bool,
    /// The command of a peer to compare with.
    pub(super) peer: Option<String>,
}

impl Bench {
    /// `full` for a real measurement, `quick` with `--quick`.
    pub(super) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

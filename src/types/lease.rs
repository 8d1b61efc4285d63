//! Leases: which node may change a run.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::{NodeId, RunId};

/// How often the lease of a run was taken. The first epoch is 1; each taking starts the next one and voids the lease of the epoch before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// The epoch in which a run is created.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// Epoch number `n`; `None` for 0.
    pub fn new(n: u64) -> Option<Self> {
        NonZeroU64::new(n).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The right of one node to change one run, and to append to its log.
///
/// A store accepts a write only under the run's present lease. A single server has an unlimited lease: it ends only when a later server on
/// the same data takes it. Cloning does not extend the right, and dropping it does not end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// The node that holds it.
    pub node: NodeId,
    /// The epoch in which it was given.
    pub epoch: Epoch,
}

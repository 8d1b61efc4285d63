//! What the store counts.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Meters of one store. Cloning gives another handle to the same ones.
#[derive(Clone, Debug)]
pub struct StoreMeters {
    commits: Histogram,
    failures: Counter,
    events: Counter,
    bytes: Counter,
}

impl Default for StoreMeters {
    fn default() -> Self {
        // From 100 µs, a fast disk, to 3 s, one that is about to fail.
        let commits = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        Self { commits, failures: Counter::default(), events: Counter::default(), bytes: Counter::default() }
    }
}

impl StoreMeters {
    /// A transaction was carried out in that time, and is on disk or is not.
    pub fn committed(&self, took: Duration, written: bool) {
        self.commits.observe(took.as_secs_f64());
        if !written {
            self.failures.inc();
        }
    }

    /// A batch of so many events and bytes is on disk.
    pub fn stored(&self, events: u64, bytes: u64) {
        self.events.inc_by(events);
        self.bytes.inc_by(bytes);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Time from the beginning of a transaction until it was on disk";
        registry.register_with_unit("commit", help, Unit::Seconds, self.commits.clone());
        registry.register("commit_failures", "Transactions that the disk did not take", self.failures.clone());
        registry.register("events_stored", "Events on disk since the start", self.events.clone());
        registry.register("event_stored_bytes", "Bytes of these events", self.bytes.clone());
    }
}

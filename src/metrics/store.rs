//! Store metrics.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Metrics of one store. A clone is another handle on the same metrics.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    commits: Histogram,
    failures: Counter,
    events: Counter,
    bytes: Counter,
    damaged_rows: Counter,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        // From 100 µs, a fast disk, to 3 s, a disk that is about to fail.
        let commits = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let [failures, events, bytes, damaged_rows] = std::array::from_fn(|_| Counter::default());
        Self { commits, failures, events, bytes, damaged_rows }
    }
}

impl StoreMetrics {
    /// Records a transaction and whether it is durable.
    pub fn record_commit(&self, duration: Duration, succeeded: bool) {
        self.commits.observe(duration.as_secs_f64());
        if !succeeded {
            self.failures.inc();
        }
    }

    /// Records a durable batch of events.
    pub fn record_events(&self, events: u64, bytes: u64) {
        self.events.inc_by(events);
        self.bytes.inc_by(bytes);
    }

    /// Records a damaged row that was not known before.
    pub fn record_damaged_row(&self) {
        self.damaged_rows.inc();
    }

    /// Number of damaged rows that were found.
    #[cfg(test)]
    pub(crate) fn damaged_rows(&self) -> u64 {
        self.damaged_rows.get()
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Duration of a transaction until it was on disk";
        registry.register_with_unit("commit", help, Unit::Seconds, self.commits.clone());
        registry.register("commit_failures", "Failed transactions", self.failures.clone());
        registry.register("events_stored", "Events written to disk since the start", self.events.clone());
        registry.register("damaged_rows", "Damaged rows of the database that were found since the start", self.damaged_rows.clone());
        registry.register("event_stored_bytes", "Size of these events in bytes", self.bytes.clone());
    }
}

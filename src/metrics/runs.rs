//! What is counted of runs.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::types::{RunDone, Usage};

/// Most that one word of an agent adds to a sum. What it tells is not checked by anybody, and counters must not run over.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// The same in dollars.
const MOST_DOLLARS: f64 = 1_000_000.0;

/// Times by agent.
type Times = Family<ByAgent, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAgent {
    agent: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEnd {
    agent: String,
    status: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    agent: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFate {
    fate: &'static str,
}

/// Meters of all runs of a server. Cloning gives another handle to the same ones. Agents are named as they are registered.
#[derive(Clone, Debug)]
pub struct RunMeters {
    created: Family<ByAgent, Counter>,
    ended: Family<ByEnd, Counter>,
    queue_wait: Times,
    agent_start: Times,
    duration: Times,
    tokens: Family<ByKind, Counter>,
    cost: Family<ByAgent, Counter<f64, AtomicU64>>,
    taken_over: Family<ByFate, Counter>,
}

impl Default for RunMeters {
    fn default() -> Self {
        // 10 ms to 90 min: an empty queue, and a long one.
        let waits: fn() -> Histogram = || Histogram::new(exponential_buckets(0.01, 3.0, 13));
        // 20 ms to 80 s: agents begin in about a second, and are given up after two minutes.
        let starts: fn() -> Histogram = || Histogram::new(exponential_buckets(0.02, 2.0, 13));
        // A second to 9 h.
        let durations: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 16));
        Self {
            created: Family::default(),
            ended: Family::default(),
            queue_wait: Family::new_with_constructor(waits),
            agent_start: Family::new_with_constructor(starts),
            duration: Family::new_with_constructor(durations),
            tokens: Family::default(),
            cost: Family::default(),
            taken_over: Family::default(),
        }
    }
}

impl RunMeters {
    /// A run was made.
    pub fn created(&self, agent: &str) {
        self.created.get_or_create(&by(agent)).inc();
    }

    /// A run has its place, after having waited so long since it was made.
    pub fn admitted(&self, agent: &str, waited: Duration) {
        self.queue_wait.get_or_create(&by(agent)).observe(waited.as_secs_f64());
    }

    /// An agent has said that it is ready, so long after its run had its place.
    pub fn agent_ready(&self, agent: &str, took: Duration) {
        self.agent_start.get_or_create(&by(agent)).observe(took.as_secs_f64());
    }

    /// A run's end is on disk.
    pub fn ended(&self, agent: &str, done: &RunDone) {
        let labels = ByEnd { agent: agent.to_owned(), status: done.status.as_str(), cause: done.cause.as_str() };
        self.ended.get_or_create(&labels).inc();
        self.duration.get_or_create(&by(agent)).observe(Duration::from_millis(done.duration_ms).as_secs_f64());
    }

    /// An agent has told new totals of its run; `before` is what it told last.
    pub fn used(&self, agent: &str, total: &Usage, before: Option<&Usage>) {
        let nothing = Usage::default();
        let before = before.unwrap_or(&nothing);
        for (kind, total, before) in [
            ("input", total.input_tokens, before.input_tokens),
            ("output", total.output_tokens, before.output_tokens),
            ("cache_read", total.cache_read_tokens, before.cache_read_tokens),
            ("cache_write", total.cache_write_tokens, before.cache_write_tokens),
            ("reasoning", total.reasoning_tokens, before.reasoning_tokens),
        ] {
            let more = total.min(MOST_TOKENS).saturating_sub(before);
            self.tokens.get_or_create(&ByKind { agent: agent.to_owned(), kind }).inc_by(more);
        }
        let more = total.cost_usd.unwrap_or_default() - before.cost_usd.unwrap_or_default();
        // What is no number, or shrinks, costs nothing more.
        if more > 0.0 {
            self.cost.get_or_create(&by(agent)).inc_by(more.min(MOST_DOLLARS));
        }
    }

    /// So many runs of the server before this one were taken over: their agents found, queued again, or given up.
    pub fn taken_over(&self, found: usize, queued: usize, interrupted: usize) {
        for (fate, count) in [("found", found), ("queued", queued), ("interrupted", interrupted)] {
            self.taken_over.get_or_create(&ByFate { fate }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("runs_created", "Runs that were made", self.created.clone());
        registry.register("runs_ended", "Runs that ended, by how and why", self.ended.clone());
        let help = "Time from a run's creation until it had its place";
        registry.register_with_unit("queue_wait", help, Unit::Seconds, self.queue_wait.clone());
        let help = "Time from when a run had its place until its agent was ready";
        registry.register_with_unit("agent_start", help, Unit::Seconds, self.agent_start.clone());
        let help = "Time from a run's creation to its end";
        registry.register_with_unit("run_duration", help, Unit::Seconds, self.duration.clone());
        let help = "Tokens as agents told them; those of reasoning are among those of output";
        registry.register("tokens", help, self.tokens.clone());
        registry.register("cost_dollars", "US dollars as agents told them, partly from list prices", self.cost.clone());
        let help = "Runs of the server before this one, by what became of them when this one started";
        registry.register("runs_taken_over", help, self.taken_over.clone());
    }
}

fn by(agent: &str) -> ByAgent {
    ByAgent { agent: agent.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_that_are_told_again_count_once_and_wrong_ones_never() {
        let meters = RunMeters::default();
        let told = |tokens, cost| Usage { input_tokens: tokens, cost_usd: cost, ..Usage::default() };
        let totals = [told(5, Some(0.5)), told(5, Some(0.5)), told(3, None), told(9, Some(f64::NAN)), told(u64::MAX, Some(-1.0))];
        let mut before = None;
        for total in &totals {
            meters.used("demo", total, before);
            before = Some(total);
        }
        let input = meters.tokens.get_or_create(&ByKind { agent: "demo".into(), kind: "input" }).get();
        assert_eq!(input, 5 + 6 + (MOST_TOKENS - 9));
        let cost = meters.cost.get_or_create(&by("demo")).get();
        assert!((cost - 0.5).abs() < 1e-9, "{cost}");
    }
}

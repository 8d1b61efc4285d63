//! Run metrics.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::types::{RunDone, Usage};

/// Maximum number of tokens that one report of an agent adds. Reports are not verified, and counters must not overflow.
const MAX_TOKENS: u64 = 1_000_000_000_000;

/// Maximum number of dollars that one report of an agent adds.
const MAX_DOLLARS: f64 = 1_000_000.0;

/// Durations by agent.
type Durations = Family<AgentLabels, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    agent_type: String,
    status: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    agent_type: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RecoveryLabels {
    outcome: &'static str,
}

/// Metrics of all runs of a server. A clone is another handle on the same metrics. Agents are given by their registered names.
#[derive(Clone, Debug)]
pub struct RunMetrics {
    created: Family<AgentLabels, Counter>,
    ended: Family<EndLabels, Counter>,
    queue_wait: Durations,
    agent_start: Durations,
    duration: Durations,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<AgentLabels, Counter<f64, AtomicU64>>,
    recovered: Family<RecoveryLabels, Counter>,
}

impl Default for RunMetrics {
    fn default() -> Self {
        // 10 ms to 90 min: from an empty queue to a long one.
        let queue_waits: fn() -> Histogram = || Histogram::new(exponential_buckets(0.01, 3.0, 13));
        // 20 ms to 80 s: agents start within about a second and are stopped after two minutes.
        let starts: fn() -> Histogram = || Histogram::new(exponential_buckets(0.02, 2.0, 13));
        // 1 s to 9 h.
        let durations: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 16));
        Self {
            created: Family::default(),
            ended: Family::default(),
            queue_wait: Family::new_with_constructor(queue_waits),
            agent_start: Family::new_with_constructor(starts),
            duration: Family::new_with_constructor(durations),
            tokens: Family::default(),
            cost: Family::default(),
            recovered: Family::default(),
        }
    }
}

impl RunMetrics {
    /// Records a new run.
    pub fn record_created(&self, agent_type: &str) {
        self.created.get_or_create(&labels(agent_type)).inc();
    }

    /// Records that a run left the queue, and the time since its creation.
    pub fn record_admitted(&self, agent_type: &str, waited: Duration) {
        self.queue_wait.get_or_create(&labels(agent_type)).observe(waited.as_secs_f64());
    }

    /// Records that an agent is ready, and the time since its run left the queue.
    pub fn record_agent_ready(&self, agent_type: &str, duration: Duration) {
        self.agent_start.get_or_create(&labels(agent_type)).observe(duration.as_secs_f64());
    }

    /// Records the end of a run. Call it once the end is durable.
    pub fn record_ended(&self, agent_type: &str, done: &RunDone) {
        let end = EndLabels { agent_type: agent_type.to_owned(), status: done.status.as_str(), cause: done.cause.as_str() };
        self.ended.get_or_create(&end).inc();
        self.duration.get_or_create(&labels(agent_type)).observe(Duration::from_millis(done.duration_ms).as_secs_f64());
    }

    /// Records new totals of a run's usage; `before` are the previous totals.
    pub fn record_usage(&self, agent_type: &str, total: &Usage, before: Option<&Usage>) {
        let zero = Usage::default();
        let before = before.unwrap_or(&zero);
        for (kind, total, before) in [
            ("input", total.input_tokens, before.input_tokens),
            ("output", total.output_tokens, before.output_tokens),
            ("cache_read", total.cache_read_tokens, before.cache_read_tokens),
            ("cache_write", total.cache_write_tokens, before.cache_write_tokens),
            ("reasoning", total.reasoning_tokens, before.reasoning_tokens),
        ] {
            let added = total.min(MAX_TOKENS).saturating_sub(before);
            self.tokens.get_or_create(&TokenLabels { agent_type: agent_type.to_owned(), kind }).inc_by(added);
        }
        let added = total.cost_usd.unwrap_or_default() - before.cost_usd.unwrap_or_default();
        // NaN and decreasing totals add nothing.
        if added > 0.0 {
            self.cost.get_or_create(&labels(agent_type)).inc_by(added.min(MAX_DOLLARS));
        }
    }

    /// Records how many unfinished runs of the previous server were reattached, queued again, or marked as interrupted.
    pub fn record_recovered(&self, reattached: usize, requeued: usize, interrupted: usize) {
        for (outcome, count) in [("reattached", reattached), ("requeued", requeued), ("interrupted", interrupted)] {
            self.recovered.get_or_create(&RecoveryLabels { outcome }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("runs_created", "Created runs", self.created.clone());
        registry.register("runs_ended", "Ended runs by status and cause", self.ended.clone());
        let help = "Time from the creation of a run until it left the queue";
        registry.register_with_unit("queue_wait", help, Unit::Seconds, self.queue_wait.clone());
        let help = "Time from when a run left the queue until its agent was ready";
        registry.register_with_unit("agent_start", help, Unit::Seconds, self.agent_start.clone());
        let help = "Time from the creation of a run to its end";
        registry.register_with_unit("run_duration", help, Unit::Seconds, self.duration.clone());
        let help = "Tokens reported by agents; reasoning is part of output";
        registry.register("tokens", help, self.tokens.clone());
        registry.register("cost_dollars", "US dollars reported by agents, partly computed from list prices", self.cost.clone());
        let help = "Unfinished runs of the previous server by what became of them at the start";
        registry.register("runs_recovered", help, self.recovered.clone());
    }
}

fn labels(agent_type: &str) -> AgentLabels {
    AgentLabels { agent_type: agent_type.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_totals_count_once_and_invalid_ones_not_at_all() {
        let metrics = RunMetrics::default();
        let usage = |tokens, cost| Usage { input_tokens: tokens, cost_usd: cost, ..Usage::default() };
        let totals = [usage(5, Some(0.5)), usage(5, Some(0.5)), usage(3, None), usage(9, Some(f64::NAN)), usage(u64::MAX, Some(-1.0))];
        let mut before = None;
        for total in &totals {
            metrics.record_usage("demo", total, before);
            before = Some(total);
        }
        let input = metrics.tokens.get_or_create(&TokenLabels { agent_type: "demo".into(), kind: "input" }).get();
        assert_eq!(input, 5 + 6 + (MAX_TOKENS - 9));
        let cost = metrics.cost.get_or_create(&labels("demo")).get();
        assert!((cost - 0.5).abs() < 1e-9, "{cost}");
    }
}

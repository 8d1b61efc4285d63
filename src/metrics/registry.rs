//! All metrics of a server, and their encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::format::to_text_format;
use super::{Format, HttpMetrics, RunMetrics, StoreMetrics, process};
use crate::types::{RunStatus, Timestamp};

/// Prefix of all names except the `process_` ones, which all programs share.
const PREFIX: &str = "openrunner";

/// The metrics of one server. A clone is another handle on the same metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    counters: Arc<Registry>,
    http: HttpMetrics,
    started_at: Timestamp,
}

/// Values that are read when metrics are requested, rather than counted.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Live runs by agent and status. Combinations that are absent count 0.
    pub runs: BTreeMap<(String, RunStatus), u64>,
    /// Limit of concurrent runs.
    pub max_runs: usize,
    /// Limit of queued runs.
    pub max_queue: usize,
    /// Open event streams.
    pub followers: usize,
    /// Whether runs can be started: the store accepts writes, and file descriptors are available.
    pub is_healthy: bool,
    /// Each agent, and whether a run of it can start.
    pub agents: Vec<(String, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    agent_type: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

impl Metrics {
    /// The metrics of a server that started at `started_at`, including those of its store and its runs.
    pub fn new(started_at: Timestamp, store: &StoreMetrics, runs: &RunMetrics) -> Self {
        let (mut registry, http) = (Registry::with_prefix(PREFIX), HttpMetrics::default());
        registry.register("build", "Version of the program", Info::new(BuildLabels { version: env!("CARGO_PKG_VERSION") }));
        runs.register(&mut registry);
        store.register(&mut registry);
        http.register(&mut registry);
        Self { counters: Arc::new(registry), http, started_at }
    }

    /// The metrics of the HTTP API.
    pub fn http(&self) -> &HttpMetrics {
        &self.http
    }

    /// All metrics as of `now`, in the given format. Blocks briefly: it reads `/proc`.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn encode(&self, gauges: &Gauges, now: Timestamp, format: Format) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let uptime = now.as_millis().saturating_sub(self.started_at.as_millis()).max(0) / 1000;
        encode_registry(&mut text, &self.counters)?;
        encode_registry(&mut text, &gauge_registry(gauges, uptime))?;
        let mut process_registry = Registry::default();
        let started = self.started_at.as_millis() / 1000;
        process_registry.register("process_start_time_seconds", "Start time of the server in seconds since 1970", ConstGauge::new(started));
        process::register(&mut process_registry);
        encode_registry(&mut text, &process_registry)?;
        encode_eof(&mut text)?;
        Ok(match format {
            Format::Text => to_text_format(&text),
            Format::OpenMetrics => text,
        })
    }
}

fn gauge_registry(gauges: &Gauges, uptime: i64) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let (runs, available) = (Family::<RunLabels, Gauge>::default(), Family::<AgentLabels, Gauge>::default());
    for (agent_type, is_available) in &gauges.agents {
        available.get_or_create(&AgentLabels { agent_type: agent_type.clone() }).set(i64::from(*is_available));
        // Every series exists from the start, so that alerts and rates need no special case for a missing one.
        for status in RunStatus::ALL.into_iter().filter(|status| !status.is_ended()) {
            runs.get_or_create(&RunLabels { agent_type: agent_type.clone(), status: status.as_str() }).set(0);
        }
    }
    for ((agent_type, status), count) in &gauges.runs {
        runs.get_or_create(&RunLabels { agent_type: agent_type.clone(), status: status.as_str() }).set(to_i64(*count));
    }
    registry.register("runs", "Live runs by agent and status", runs);
    registry.register("agent_available", "Whether runs of the agent can start", available);
    let queued = gauges.runs.iter().filter(|((_, status), _)| *status == RunStatus::Queued).map(|(_, count)| *count);
    let mut gauge = |name: &str, help: &str, value: i64| registry.register(name, help, ConstGauge::new(value));
    gauge("queue_length", "Queued runs", to_i64(queued.sum()));
    gauge("queue_max", "Limit of queued runs", to_i64(gauges.max_queue as u64));
    gauge("runs_max", "Limit of concurrent runs", to_i64(gauges.max_runs as u64));
    gauge("followers", "Open event streams", to_i64(gauges.followers as u64));
    gauge("healthy", "Whether runs can be started: disk space and file descriptors are available", i64::from(gauges.is_healthy));
    registry.register_with_unit("uptime", "Time since the server started", Unit::Seconds, ConstGauge::new(uptime));
    registry
}

/// Counts never come near the bound.
fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

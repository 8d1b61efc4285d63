//! All meters of a server, and how they are written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{HttpMeters, RunMeters, StoreMeters, process};
use crate::types::{RunStatus, Timestamp};

/// The media type of what [`Metrics::write`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What stands before every name but those that all programs have.
const PREFIX: &str = "openrunner";

/// The meters of one server. Cloning gives another handle to the same ones.
#[derive(Clone, Debug)]
pub struct Metrics {
    counted: Arc<Registry>,
    http: HttpMeters,
    started_at: Timestamp,
}

/// What is not counted but looked at when it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Runs that have not ended, by agent and where they stand.
    pub runs: BTreeMap<(String, RunStatus), u64>,
    /// Runs that may work at once.
    pub max_runs: usize,
    /// Runs that may wait.
    pub max_queue: usize,
    /// Open streams of events.
    pub followers: usize,
    /// Whether runs can be started: the store takes writes, and there are descriptors.
    pub is_well: bool,
    /// Each agent, and whether a run of it can start.
    pub agents: Vec<(String, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    agent: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAgent {
    agent: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Metrics {
    /// Those of a server that started at that moment, with the meters of its store and its runs.
    pub fn new(started_at: Timestamp, store: &StoreMeters, runs: &RunMeters) -> Self {
        let (mut registry, http) = (Registry::with_prefix(PREFIX), HttpMeters::default());
        registry.register("build", "The program", Info::new(Build { version: env!("CARGO_PKG_VERSION") }));
        runs.register(&mut registry);
        store.register(&mut registry);
        http.register(&mut registry);
        Self { counted: Arc::new(registry), http, started_at }
    }

    /// The meters of the API.
    pub fn http(&self) -> &HttpMeters {
        &self.http
    }

    /// Everything as of `now`, in the text format that Prometheus reads. Blocks for a moment, as it asks the system about this
    /// process.
    ///
    /// # Errors
    /// Never in practice: a text can always be written to.
    pub fn write(&self, present: &Present, now: Timestamp) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let uptime = now.as_millis().saturating_sub(self.started_at.as_millis()).max(0) / 1000;
        encode_registry(&mut text, &self.counted)?;
        encode_registry(&mut text, &present_registry(present, uptime))?;
        let mut own = Registry::default();
        let started = self.started_at.as_millis() / 1000;
        own.register("process_start_time_seconds", "When the server started, in seconds since 1970", ConstGauge::new(started));
        process::register(&mut own);
        encode_registry(&mut text, &own)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

fn present_registry(present: &Present, uptime: i64) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let runs = Family::<ByState, Gauge>::default();
    for ((agent, status), count) in &present.runs {
        runs.get_or_create(&ByState { agent: agent.clone(), state: status.as_str() }).set(integer(*count));
    }
    registry.register("runs", "Runs that have not ended, by agent and where they stand", runs);
    let agents = Family::<ByAgent, Gauge>::default();
    for (agent, is_available) in &present.agents {
        agents.get_or_create(&ByAgent { agent: agent.clone() }).set(i64::from(*is_available));
    }
    registry.register("agent_available", "Whether runs of the agent can start", agents);
    let waiting = present.runs.iter().filter(|((_, status), _)| *status == RunStatus::Queued).map(|(_, count)| *count);
    let mut gauge = |name: &str, help: &str, value: i64| registry.register(name, help, ConstGauge::new(value));
    gauge("queue_length", "Runs that wait for a place", integer(waiting.sum()));
    gauge("queue_max", "Runs that may wait", integer(present.max_queue as u64));
    gauge("runs_max", "Runs that may work at once", integer(present.max_runs as u64));
    gauge("followers", "Open streams of events", integer(present.followers as u64));
    gauge("healthy", "Whether runs can be started: there is room on the disk, and there are descriptors", i64::from(present.is_well));
    registry.register_with_unit("uptime", "Time since the server started", Unit::Seconds, ConstGauge::new(uptime));
    registry
}

/// No count of ours comes near the bound.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

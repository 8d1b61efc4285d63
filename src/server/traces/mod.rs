//! Traces of runs, exported over OTLP if the environment names a collector.
//!
//! ```text
//! driver ── done is stored ──▶ ids of ended runs ── one task: row and log ──▶ spans ── OTLP ──▶ collector
//! ```
//!
//! A trace is built from the store after its run has ended. Tracing therefore adds no work to the path of an event, a run that outlived
//! its server has one trace with correct times, and an unresponsive collector costs only a bounded queue of ids. Traces not exported when
//! the server exits are lost. [ADR 9](../../../../docs/adr/0009-traces-from-the-log.md) explains the reasons.

mod spans;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Config, SamplingDecision, ShouldSample, SpanData, SpanExporter as _};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::spans::{Root, TraceBuilder};
use crate::run::RunManager;
use crate::run::store::{RunRecord, RunStore, StoreError};
use crate::types::RunId;

/// Maximum number of runs exported together.
const MAX_RUNS: usize = 32;

/// Number of spans after which a batch is exported.
const BATCH_SPANS: usize = 2048;

/// Approximate number of log bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// How long a server that shuts down may take to export queued traces.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The variables that name a collector, per the OpenTelemetry specification.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Exports the traces of ended runs.
#[derive(Debug)]
pub(super) struct Traces {
    completions: mpsc::Receiver<RunId>,
    store: Arc<dyn RunStore>,
    exporter: SpanExporter,
    sampler: Box<dyn ShouldSample>,
    /// Whether the last export failed.
    is_failing: bool,
}

impl Traces {
    /// Subscribes to ended runs. Returns `None` if the environment names no collector, or an unusable one, which is logged.
    pub(super) fn start(runs: &RunManager, store: Arc<dyn RunStore>) -> Option<Self> {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let is_off = get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if is_off || ENDPOINTS.iter().all(|name| get(name).is_none()) {
            return None;
        }
        let protocol = get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| get("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(protocol) = protocol.filter(|protocol| protocol != "http/protobuf") {
            tracing::warn!(protocol, "traces are exported as http/protobuf only; set the endpoint to the collector's HTTP port");
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
        let mut exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, "traces are disabled: invalid OTEL_EXPORTER_OTLP_… variable");
                return None;
            }
        };
        let resource = resource();
        exporter.set_resource(&resource);
        tracing::info!("exporting traces to the collector named in the environment");
        // Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
        let sampler = Config::default().sampler;
        Some(Self { completions: runs.completions()?, store, exporter, sampler, is_failing: false })
    }

    /// Exports traces until `drained` is cancelled, then flushes the queue for at most [`FLUSH_TIMEOUT`].
    pub(super) async fn run(mut self, drained: CancellationToken) {
        let flush_timeout = async {
            drained.cancelled().await;
            sleep(FLUSH_TIMEOUT).await;
        };
        tokio::select! {
            () = self.export_all(&drained) => {}
            () = flush_timeout => tracing::warn!("could not export the traces of the last runs in time"),
        }
    }

    async fn export_all(&mut self, drained: &CancellationToken) {
        let mut ended = Vec::with_capacity(MAX_RUNS);
        loop {
            tokio::select! {
                // Queued runs first: after `drained` no more are added.
                biased;
                count = self.completions.recv_many(&mut ended, MAX_RUNS) => if count == 0 { return },
                () = drained.cancelled() => return,
            }
            let mut spans = Vec::new();
            for run in ended.drain(..) {
                match self.build_spans(run).await {
                    Ok(run_spans) => spans.extend(run_spans),
                    Err(error) => tracing::warn!(run.id = %run, %error, "could not read the log of a run; skipped its trace"),
                }
                if spans.len() >= BATCH_SPANS {
                    export(&self.exporter, std::mem::take(&mut spans), &mut self.is_failing).await;
                }
            }
            if !spans.is_empty() {
                export(&self.exporter, spans, &mut self.is_failing).await;
            }
        }
    }

    /// Builds the spans of a run; empty if it has not ended, was deleted, or is not sampled.
    async fn build_spans(&self, id: RunId) -> Result<Vec<SpanData>, StoreError> {
        let Some(run) = self.store.run(id).await?.filter(|run| run.done.is_some()) else { return Ok(Vec::new()) };
        if !self.is_sampled(&run) {
            return Ok(Vec::new());
        }
        let (mut builder, mut cursor) = (TraceBuilder::new(&run), 0);
        loop {
            let chunks = self.store.chunks(id, cursor, READ_BYTES).await?;
            if chunks.is_empty() {
                return Ok(builder.finish(&run));
            }
            for chunk in chunks {
                // A trace of a damaged log lacks what cannot be read.
                cursor = chunk.as_ref().map_or_else(|damaged| damaged.last, |chunk| chunk.last).get();
                for line in chunk.iter().flat_map(|chunk| chunk.body.split(|byte| *byte == b'\n')) {
                    builder.add_line(line);
                }
            }
        }
    }

    fn is_sampled(&self, run: &RunRecord) -> bool {
        let root = Root::new(run);
        let parent = root.parent.map(|parent| Context::new().with_remote_span_context(parent));
        let result = self.sampler.should_sample(parent.as_ref(), root.trace_id, &root.name, &root.kind, &root.attributes, &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

/// Exports spans. Logs the first of consecutive failures, and the recovery.
async fn export(exporter: &SpanExporter, spans: Vec<SpanData>, is_failing: &mut bool) {
    match (exporter.export(spans).await, *is_failing) {
        (Ok(()), false) | (Err(_), true) => {}
        (Ok(()), true) => {
            *is_failing = false;
            tracing::info!("the collector is reachable again");
        }
        (Err(error), false) => {
            *is_failing = true;
            tracing::warn!(%error, "could not export traces; further failures are not logged until the collector is reachable again");
        }
    }
}

/// The resource attributes of all spans: from the environment, with the default service name `openrunner`.
fn resource() -> Resource {
    let named = Resource::builder().build();
    let is_named = named.get(&Key::from_static_str("service.name")).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { builder.build() } else { builder.with_service_name("openrunner").build() }
}

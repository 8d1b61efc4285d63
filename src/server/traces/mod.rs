//! Traces of runs, sent to an OpenTelemetry collector where the environment names one.
//!
//! ```text
//! driver ── done is on disk ──▶ ids of ended runs ── one task: row and log ──▶ spans ── OTLP ──▶ collector
//! ```
//!
//! A trace is made when its run has ended, of what is on disk. So nothing of it is on the way of an event, a run that outlived its server
//! has one trace with the right times, and a collector that does not answer costs no more than the ids that wait. What was not sent when
//! the server ends is not sent later. [ADR 9](../../../../docs/adr/0009-traces-from-the-log.md) has the reasons.

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

use self::spans::{Story, root_of};
use crate::run::RunManager;
use crate::run::store::{RunRecord, RunStore, StoreError};
use crate::types::RunId;

/// Most runs that are sent together.
const BATCH: usize = 32;

/// Most spans that are gathered before they are sent.
const SPANS: usize = 2048;

/// About how much of a log is read at once, in bytes.
const READ: usize = 256 * 1024;

/// How long a server that goes away may take to send what waits.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The variables that name a collector, as OpenTelemetry's specification has them.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Sends the traces of ended runs.
#[derive(Debug)]
pub(super) struct Traces {
    completions: mpsc::Receiver<RunId>,
    store: Arc<dyn RunStore>,
    exporter: SpanExporter,
    sampler: Box<dyn ShouldSample>,
    /// The last ones could not be sent.
    is_failing: bool,
}

impl Traces {
    /// Begins to listen for ends. `None` where the environment names no collector, or one that cannot be used, of which the log tells.
    pub(super) fn start(runs: &RunManager, store: Arc<dyn RunStore>) -> Option<Self> {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let is_off = get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if is_off || ENDPOINTS.iter().all(|name| get(name).is_none()) {
            return None;
        }
        let protocol = get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| get("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(protocol) = protocol.filter(|protocol| protocol != "http/protobuf") {
            tracing::warn!(protocol, "traces are sent by http/protobuf only; name the collector's endpoint for that");
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
        let mut exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, "no traces are sent: OTEL_EXPORTER_OTLP_… cannot be used");
                return None;
            }
        };
        let resource = resource();
        exporter.set_resource(&resource);
        tracing::info!("traces of runs are sent to the collector that the environment names");
        // Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
        let sampler = Config::default().sampler;
        Some(Self { completions: runs.completions()?, store, exporter, sampler, is_failing: false })
    }

    /// Sends until all runs have ended or are let go, which `drained` tells, and then what waits, but not for long.
    pub(super) async fn send(mut self, drained: CancellationToken) {
        let too_late = async {
            drained.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.send_all(&drained) => {}
            () = too_late => tracing::warn!("traces of the last runs could not be sent in time"),
        }
    }

    async fn send_all(&mut self, drained: &CancellationToken) {
        let mut ended = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                // What waits comes first: after the drain nothing more comes.
                biased;
                count = self.completions.recv_many(&mut ended, BATCH) => if count == 0 { return },
                () = drained.cancelled() => return,
            }
            let mut spans = Vec::new();
            for run in ended.drain(..) {
                match self.spans_of(run).await {
                    Ok(of_run) => spans.extend(of_run),
                    Err(error) => tracing::warn!(run.id = %run, %error, "the run has no trace: its log cannot be read"),
                }
                if spans.len() >= SPANS {
                    export(&self.exporter, std::mem::take(&mut spans), &mut self.is_failing).await;
                }
            }
            if !spans.is_empty() {
                export(&self.exporter, spans, &mut self.is_failing).await;
            }
        }
    }

    /// The spans of a run; none if it goes on, is gone, or is not sampled.
    async fn spans_of(&self, id: RunId) -> Result<Vec<SpanData>, StoreError> {
        let Some(run) = self.store.run(id).await?.filter(|run| run.done.is_some()) else { return Ok(Vec::new()) };
        if !self.is_sampled(&run) {
            return Ok(Vec::new());
        }
        let (mut story, mut cursor) = (Story::of(&run), 0);
        loop {
            let chunks = self.store.chunks(id, cursor, READ).await?;
            let Some(last) = chunks.last() else { return Ok(story.spans(&run)) };
            cursor = last.last.get();
            for line in chunks.iter().flat_map(|chunk| chunk.body.split(|byte| *byte == b'\n')) {
                story.see(line);
            }
        }
    }

    fn is_sampled(&self, run: &RunRecord) -> bool {
        let root = root_of(run);
        let parent = root.parent.map(|parent| Context::new().with_remote_span_context(parent));
        let judged = self.sampler.should_sample(parent.as_ref(), root.trace_id, &root.name, &root.kind, &root.attributes, &[]);
        judged.decision == SamplingDecision::RecordAndSample
    }
}

/// Sends spans. A collector that cannot be reached is told of once, and then when it is back.
async fn export(exporter: &SpanExporter, spans: Vec<SpanData>, is_failing: &mut bool) {
    match (exporter.export(spans).await, *is_failing) {
        (Ok(()), false) | (Err(_), true) => {}
        (Ok(()), true) => {
            *is_failing = false;
            tracing::info!("the collector takes traces again");
        }
        (Err(error), false) => {
            *is_failing = true;
            tracing::warn!(%error, "the collector takes no traces; those that are lost until it does are not told of one by one");
        }
    }
}

/// What all spans have in common: the environment's word, and `openrunner` where it has none.
fn resource() -> Resource {
    let named = Resource::builder().build();
    let is_named = named.get(&Key::from_static_str("service.name")).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { builder.build() } else { builder.with_service_name("openrunner").build() }
}

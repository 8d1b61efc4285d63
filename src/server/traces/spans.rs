//! Builds spans from a run's row and log. Pure: no clock, no I/O.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions for generative AI, with `openrunner.…` where these define none. Spans
//! contain no prompt, no agent text, and no tool input or output (rule W7).

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use memchr::memmem;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::run::store::RunRecord;
use crate::types::{Cause, RunId, Timestamp, ToolKind, ToolStatus};

/// Maximum number of tool-call spans per run; further calls are counted in `openrunner.tool_calls.left_out`.
const MAX_TOOL_CALLS: usize = 1000;

/// Maximum length in characters of a text that comes from the agent: the name of a tool or model, an id.
const MAX_TEXT: usize = 128;

/// The fields of a run's root span that are known when the run is created.
pub(super) struct Root {
    /// The caller's trace, or a new one whose id is the UUID in the run's id.
    pub(super) trace_id: TraceId,
    /// The caller's span.
    pub(super) parent: Option<SpanContext>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    pub(super) attributes: Vec<KeyValue>,
}

impl Root {
    pub(super) fn new(run: &RunRecord) -> Self {
        let parent = run.spec.trace_parent.map(|parent| {
            let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            let (trace, span) = (TraceId::from(parent.trace_id.get()), SpanId::from(parent.span_id.get()));
            SpanContext::new(trace, span, flags, true, TraceState::NONE)
        });
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "invoke_agent"),
            KeyValue::new("gen_ai.agent.name", run.spec.agent_type.clone()),
            KeyValue::new("gen_ai.conversation.id", run.session.to_string()),
            KeyValue::new("openrunner.run.id", run.id.to_string()),
            KeyValue::new("openrunner.session.id", run.session.to_string()),
        ];
        attributes.extend(run.spec.model.as_deref().map(|model| KeyValue::new("gen_ai.request.model", truncate(model))));
        Self {
            trace_id: parent.as_ref().map_or_else(|| TraceId::from(run.id.as_u128()), SpanContext::trace_id),
            parent,
            name: format!("invoke_agent {}", run.spec.agent_type).into(),
            kind: SpanKind::Internal,
            attributes,
        }
    }
}

/// Collects tool calls from a run's log, line by line.
pub(super) struct TraceBuilder {
    run: RunId,
    calls: Vec<Call>,
    /// Index of the newest call with each id.
    by_id: HashMap<String, usize>,
    /// Number of calls without a span.
    left_out: i64,
    /// When the agent was ready, and its model.
    started: Option<(Timestamp, Option<String>)>,
}

/// One tool call.
struct Call {
    span: SpanId,
    /// The call whose sub-agent made this one.
    parent: Option<SpanId>,
    id: String,
    tool: String,
    kind: Option<ToolKind>,
    start: Timestamp,
    /// When it ended, and its status.
    result: Option<(Timestamp, Option<ToolStatus>)>,
}

/// The relevant fields of an event. Flat and borrowed, so that large outputs are skipped, not copied.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    ts: Timestamp,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    tool: Option<Cow<'a, str>>,
    #[serde(default)]
    kind: Option<ToolKind>,
    #[serde(default)]
    status: Option<ToolStatus>,
    #[serde(default, borrow)]
    parent_tool_call_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    model: Option<Cow<'a, str>>,
}

impl TraceBuilder {
    pub(super) fn new(run: &RunRecord) -> Self {
        Self { run: run.id, calls: Vec::new(), by_id: HashMap::new(), left_out: 0, started: None }
    }

    /// Adds one line of the log.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        // Most lines are tokens; a substring search is enough to skip them without parsing.
        const RELEVANT: [&[u8]; 3] = [br#""type":"tool_call""#, br#""type":"tool_result""#, br#""type":"run_started""#];
        if !RELEVANT.iter().any(|needle| memmem::find(line, needle).is_some()) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return };
        match (&*line.r#type, line.id) {
            ("run_started", _) => self.started = Some((line.ts, line.model.as_deref().map(truncate))),
            ("tool_call", Some(id)) => {
                if self.calls.len() >= MAX_TOOL_CALLS {
                    self.left_out += 1;
                    return;
                }
                let parent = line.parent_tool_call_id.and_then(|parent| self.by_id.get(&*parent)).map(|index| self.calls[*index].span);
                self.by_id.insert(id.clone().into_owned(), self.calls.len());
                let (span, tool) = (span_id(self.run, line.seq), line.tool.as_deref().map(truncate).unwrap_or_default());
                self.calls.push(Call { span, parent, id: truncate(&id), tool, kind: line.kind, start: line.ts, result: None });
            }
            ("tool_result", Some(id)) => {
                if let Some(call) = self.by_id.get(&*id).and_then(|index| self.calls.get_mut(*index)) {
                    call.result.get_or_insert((line.ts, line.status));
                }
            }
            _ => {}
        }
    }

    /// The spans of the run, with its outcome from `run`: the root span, one from creation to the agent's start, and one per tool call.
    pub(super) fn finish(self, run: &RunRecord) -> Vec<SpanData> {
        let Root { trace_id, parent, name, kind, mut attributes } = Root::new(run);
        let root_id = SpanId::from(low_bits(run.id));
        let ended = run.ended_at.unwrap_or(run.created_at);
        let scope = InstrumentationScope::builder("openrunner").with_version(env!("CARGO_PKG_VERSION")).build();
        let span =
            |id: SpanId, name: Cow<'static, str>, from: Timestamp, to: Timestamp, attributes: Vec<KeyValue>, status: Status| SpanData {
                span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, TraceState::NONE),
                parent_span_id: root_id,
                parent_span_is_remote: false,
                span_kind: SpanKind::Internal,
                name,
                start_time: at(from),
                end_time: at(to.max(from)),
                attributes,
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status,
                instrumentation_scope: scope.clone(),
            };
        let mut spans = Vec::with_capacity(self.calls.len() + 2);
        if let Some((ready_at, model)) = self.started {
            attributes.extend(model.map(|model| KeyValue::new("gen_ai.response.model", model)));
            let startup = span(span_id(run.id, 0), "openrunner.start".into(), run.created_at, ready_at, Vec::new(), Status::Unset);
            spans.push(startup);
        }
        for call in self.calls {
            let (end, result) = call.result.unwrap_or((ended, None));
            let mut call_attributes = vec![
                KeyValue::new("gen_ai.operation.name", "execute_tool"),
                KeyValue::new("gen_ai.tool.name", call.tool.clone()),
                KeyValue::new("gen_ai.tool.call.id", call.id),
            ];
            call_attributes.extend(call.kind.map(|kind| KeyValue::new("openrunner.tool.kind", kind.as_str())));
            let result = result.map_or("unfinished", ToolStatus::as_str);
            let status = match result {
                "ok" => Status::Unset,
                _ => Status::error(result),
            };
            call_attributes.push(KeyValue::new("openrunner.tool.status", result));
            let mut call_span = span(call.span, format!("execute_tool {}", call.tool).into(), call.start, end, call_attributes, status);
            call_span.parent_span_id = call.parent.unwrap_or(root_id);
            spans.push(call_span);
        }
        if self.left_out > 0 {
            attributes.push(KeyValue::new("openrunner.tool_calls.left_out", self.left_out));
        }
        let mut status = Status::Unset;
        if let Some(done) = &run.done {
            attributes.push(KeyValue::new("openrunner.outcome", done.status.as_str()));
            attributes.push(KeyValue::new("openrunner.cause", done.cause.as_str()));
            if let Some(usage) = &done.usage {
                // The convention counts cached tokens as input tokens.
                let input = usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
                attributes.push(KeyValue::new("gen_ai.usage.input_tokens", count(input)));
                attributes.push(KeyValue::new("gen_ai.usage.output_tokens", count(usage.output_tokens)));
            }
            if done.cause != Cause::Ok {
                attributes.push(KeyValue::new("error.type", done.cause.as_str()));
                // Only the cause: the agent's message may quote the prompt.
                status = Status::error(done.cause.as_str());
            }
        }
        let mut root = span(root_id, name, run.created_at, ended, attributes, status);
        root.span_kind = kind;
        root.parent_span_is_remote = parent.is_some();
        root.parent_span_id = parent.map_or(SpanId::INVALID, |parent| parent.span_id());
        spans.push(root);
        spans
    }
}

/// The id of the span that starts with event `seq`. Deterministic, so a repeated export yields the same ids.
fn span_id(run: RunId, seq: u64) -> SpanId {
    let digest = Sha256::new().chain_update(run.as_u128().to_be_bytes()).chain_update(seq.to_be_bytes()).finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(bytes)
}

/// The lower 64 bits of a run's id. Random except for two variant bits that are never both 0, so it is a valid, non-zero span id.
fn low_bits(run: RunId) -> u64 {
    let bits = run.as_u128() & u128::from(u64::MAX);
    u64::try_from(bits).unwrap_or(u64::MAX)
}

fn at(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0))
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Truncates a text that comes from the agent.
fn truncate(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

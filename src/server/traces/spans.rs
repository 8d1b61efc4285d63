//! What a run's row and log come to as spans. Pure: no clock, no I/O.
//!
//! Names and attributes are those of OpenTelemetry's conventions for generative AI, with `openrunner.…` for what they have no word for. No
//! prompt, no text of the agent, no input or output of a tool is in them (W7 of the threat model).

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

/// Most tool calls of a run that become spans; the others are counted.
const MAX_TOOL_CALLS: usize = 1000;

/// Longest text of an agent's that becomes part of a span, in characters: the name of a tool or a model, an id.
const MAX_WORD: usize = 128;

/// What a run's own span is made of.
pub(super) struct Root {
    /// The caller's trace, or one of the run's own: then its id has the digits of the run's id.
    pub(super) trace_id: TraceId,
    /// The caller's span.
    pub(super) parent: Option<SpanContext>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    /// What is known of a run from its beginning.
    pub(super) attributes: Vec<KeyValue>,
}

/// The beginning of a run's span.
pub(super) fn root_of(run: &RunRecord) -> Root {
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
    attributes.extend(run.spec.model.as_deref().map(|model| KeyValue::new("gen_ai.request.model", word(model))));
    Root {
        trace_id: parent.as_ref().map_or_else(|| TraceId::from(run.id.as_u128()), SpanContext::trace_id),
        parent,
        name: format!("invoke_agent {}", run.spec.agent_type).into(),
        kind: SpanKind::Internal,
        attributes,
    }
}

/// What the log tells, line by line.
pub(super) struct Story {
    run: RunId,
    calls: Vec<Call>,
    /// Calls by their ids: the newest of each.
    by_id: HashMap<String, usize>,
    /// Calls that have no span.
    left_out: i64,
    /// When the agent was up, and with which model.
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
    from: Timestamp,
    /// When it was over, and how it went.
    over: Option<(Timestamp, Option<ToolStatus>)>,
}

/// The fields of an event that matter here. Flat, so that an output of megabytes is passed over and not copied.
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

impl Story {
    /// The story of this run, of which nothing is told yet.
    pub(super) fn of(run: &RunRecord) -> Self {
        Self { run: run.id, calls: Vec::new(), by_id: HashMap::new(), left_out: 0, started: None }
    }

    /// Takes in one line of the log.
    pub(super) fn see(&mut self, line: &[u8]) {
        // Most lines are tokens, and need not be taken apart to see that they are none of these.
        const TOLD: [&[u8]; 3] = [br#""type":"tool_call""#, br#""type":"tool_result""#, br#""type":"run_started""#];
        if !TOLD.iter().any(|told| memmem::find(line, told).is_some()) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return };
        match (&*line.r#type, line.id) {
            ("run_started", _) => self.started = Some((line.ts, line.model.as_deref().map(word))),
            ("tool_call", Some(id)) => {
                if self.calls.len() >= MAX_TOOL_CALLS {
                    self.left_out += 1;
                    return;
                }
                let parent = line.parent_tool_call_id.and_then(|parent| self.by_id.get(&*parent)).map(|place| self.calls[*place].span);
                self.by_id.insert(id.clone().into_owned(), self.calls.len());
                let (span, tool) = (span_id(self.run, line.seq), line.tool.as_deref().map(word).unwrap_or_default());
                self.calls.push(Call { span, parent, id: word(&id), tool, kind: line.kind, from: line.ts, over: None });
            }
            ("tool_result", Some(id)) => {
                if let Some(call) = self.by_id.get(&*id).and_then(|place| self.calls.get_mut(*place)) {
                    call.over.get_or_insert((line.ts, line.status));
                }
            }
            _ => {}
        }
    }

    /// The spans of the run, whose row tells how it ended: its own, that of its way to a place and an agent that is up, and one for each
    /// tool call.
    pub(super) fn spans(self, run: &RunRecord) -> Vec<SpanData> {
        let Root { trace_id, parent, name, kind, mut attributes } = root_of(run);
        let own = SpanId::from(low_bits(run.id));
        let ended = run.ended_at.unwrap_or(run.created_at);
        let scope = InstrumentationScope::builder("openrunner").with_version(env!("CARGO_PKG_VERSION")).build();
        let span =
            |id: SpanId, name: Cow<'static, str>, from: Timestamp, to: Timestamp, attributes: Vec<KeyValue>, status: Status| SpanData {
                span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, TraceState::NONE),
                parent_span_id: own,
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
        if let Some((up, model)) = self.started {
            attributes.extend(model.map(|model| KeyValue::new("gen_ai.response.model", model)));
            let waiting = span(span_id(run.id, 0), "openrunner.start".into(), run.created_at, up, Vec::new(), Status::Unset);
            spans.push(waiting);
        }
        for call in self.calls {
            let (to, result) = call.over.unwrap_or((ended, None));
            let mut of_call = vec![
                KeyValue::new("gen_ai.operation.name", "execute_tool"),
                KeyValue::new("gen_ai.tool.name", call.tool.clone()),
                KeyValue::new("gen_ai.tool.call.id", call.id),
            ];
            of_call.extend(call.kind.and_then(name_of).map(|kind| KeyValue::new("openrunner.tool.kind", kind)));
            let result = result.and_then(name_of).unwrap_or_else(|| "unfinished".to_owned());
            let status = match result.as_str() {
                "ok" => Status::Unset,
                _ => Status::error(result.clone()),
            };
            of_call.push(KeyValue::new("openrunner.tool.status", result));
            let mut of_call = span(call.span, format!("execute_tool {}", call.tool).into(), call.from, to, of_call, status);
            of_call.parent_span_id = call.parent.unwrap_or(own);
            spans.push(of_call);
        }
        if self.left_out > 0 {
            attributes.push(KeyValue::new("openrunner.tool_calls.left_out", self.left_out));
        }
        let mut status = Status::Unset;
        if let Some(done) = &run.done {
            attributes.push(KeyValue::new("openrunner.outcome", done.status.as_str()));
            attributes.push(KeyValue::new("openrunner.cause", done.cause.as_str()));
            if let Some(usage) = &done.usage {
                // There what came from a cache counts among what was read.
                let read = usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
                attributes.push(KeyValue::new("gen_ai.usage.input_tokens", count(read)));
                attributes.push(KeyValue::new("gen_ai.usage.output_tokens", count(usage.output_tokens)));
            }
            if done.cause != Cause::Ok {
                attributes.push(KeyValue::new("error.type", done.cause.as_str()));
                // The cause alone: what the agent said of it may quote what it was asked.
                status = Status::error(done.cause.as_str());
            }
        }
        let mut root = span(own, name, run.created_at, ended, attributes, status);
        root.span_kind = kind;
        root.parent_span_is_remote = parent.is_some();
        root.parent_span_id = parent.map_or(SpanId::INVALID, |parent| parent.span_id());
        spans.push(root);
        spans
    }
}

/// The span of what began with an event, the same whenever it is worked out.
fn span_id(run: RunId, seq: u64) -> SpanId {
    let digest = Sha256::new().chain_update(run.as_u128().to_be_bytes()).chain_update(seq.to_be_bytes()).finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(bytes)
}

/// The last 16 digits of a run's id. They are random but for two bits that are never 0, so the number is one that a span may have.
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

/// An agent's word, not longer than it has to be.
fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

/// The name of a kind or status on the wire.
fn name_of(value: impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

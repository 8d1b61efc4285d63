//! Converts the log of a run into the events of a streamed response. Pure: lines of the log in, bytes of the response out.
//!
//! ```text
//! created ─ queued ─ in_progress ─ item ─ item … ─ completed | failed ─ [DONE]
//! item: output_item.added ─ part.added ─ delta … ─ text.done ─ part.done ─ output_item.done
//! ```

use serde::Serialize;
use serde_json::{Value, json};

use super::super::super::ApiError;
use super::super::frame::{KEEP_ALIVE, LAST, write_frame};
use super::super::line::{Done, Line};
use super::id::item_id;
use super::object::{ItemStatus, OutputItem, OutputText, ResponseError, ResponseObject, ResponseUsage, SummaryText};
use crate::run::{RunEnd, RunView};
use crate::types::{Cause, NoticeCode, Role, RunId, RunStatus};

/// Maximum size of all texts of a response in memory, in bytes. Deltas are sent in any case; what is longer is missing in complete texts.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// The separator of two messages: clients join their texts.
const SEPARATOR: &str = "\n\n";

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum StreamEnd {
    /// The run has completed.
    Completed,
    /// The run has failed.
    Failed,
    /// The reader has lost access.
    AccessLost,
}

/// An event of a stream.
#[derive(Serialize)]
struct Event<'a> {
    r#type: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    fields: Value,
}

/// The item that the agent is writing.
#[derive(Debug)]
struct OpenItem {
    id: String,
    kind: Kind,
    text: String,
    /// Whether the agent has finished it. It stays open until it is known whether another item follows.
    is_complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
}

/// What was written of the life of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Empty,
    Created,
    InProgress,
}

/// Encodes the events of one response. Output of sub-agents is omitted: it is addressed to the agent, not to the user.
#[derive(Debug)]
pub(in crate::api) struct ResponseEvents {
    run: RunId,
    created_at_ms: i64,
    response: ResponseObject,
    /// Whether the text is the output of the run as JSON, which is known at its end. What the agent writes before is omitted.
    is_structured: bool,
    /// Number of the next event.
    next: u64,
    /// Events up to this number are not written.
    after: Option<u64>,
    stage: Stage,
    has_text: bool,
    open: Option<OpenItem>,
    /// Size of all texts, in bytes.
    text_size: usize,
}

impl ResponseEvents {
    /// An encoder for the response of `run` that writes the events after number `after`.
    pub(in crate::api) fn new(run: &RunView, after: Option<u64>) -> Self {
        // The beginning of a stream is the same, whether the run has ended or not.
        let mut beginning = run.clone();
        (beginning.cause, beginning.end) = (None, None);
        beginning.status = RunStatus::Queued;
        Self {
            run: run.run_id,
            created_at_ms: run.created_at.as_millis(),
            response: ResponseObject::new(&beginning),
            is_structured: run.output_schema.is_some(),
            next: 0,
            after,
            stage: Stage::Empty,
            has_text: false,
            open: None,
            text_size: 0,
        }
    }

    /// An encoder that writes nothing, for the response at the end.
    pub(in crate::api) fn silent(run: &RunView) -> Self {
        Self::new(run, Some(u64::MAX))
    }

    /// The response up to here.
    pub(in crate::api) fn into_response(self) -> ResponseObject {
        self.response
    }

    /// Ends the response with the outcome of its ended run.
    pub(in crate::api) fn end_as(&mut self, run: &RunView) {
        let (Some(cause), Some(end)) = (run.cause, run.end.clone()) else { return };
        let RunEnd { message, result, output, usage, duration_ms, .. } = end;
        self.end(Done { status: run.status, cause, message, result, output, usage, duration_ms }, &mut Vec::new());
    }

    /// The texts of the complete messages.
    pub(in crate::api) fn texts(&self) -> impl Iterator<Item = &str> {
        self.response.texts()
    }

    /// Writes the events for lines of the log; returns how the stream ended, if it did. An empty line is a keep-alive.
    pub(in crate::api) fn push(&mut self, lines: &[u8], out: &mut Vec<u8>) -> Option<StreamEnd> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if line == b"\n" {
                out.extend_from_slice(KEEP_ALIVE);
                continue;
            }
            self.create(out);
            match Line::parse(line) {
                Line::RunStarted => self.begin(out),
                Line::Token { content, parent_tool_call_id: None } if !self.is_structured => self.write_text(&content, out),
                Line::Thinking { content, parent_tool_call_id: None } if !content.is_empty() => {
                    self.item(Kind::Reasoning, out);
                    self.write_delta(&content, out);
                }
                // Agents that send tokens have sent those of this message already.
                Line::Message { role: Role::Assistant, content, parent_tool_call_id: None } if !self.is_structured => {
                    if !self.open.as_ref().is_some_and(|item| item.kind == Kind::Message && !item.is_complete) {
                        self.write_text(&content, out);
                    }
                    if let Some(item) = self.open.as_mut().filter(|item| item.kind == Kind::Message) {
                        item.is_complete = true;
                    }
                }
                Line::Done(done) => return Some(self.end(done, out)),
                Line::Notice { code: NoticeCode::AccessEnded } => {
                    let detail = "the stream ended before the response because the token or key is no longer valid";
                    self.write_error(&ApiError::unauthorized("token_invalid", detail), out);
                    return Some(StreamEnd::AccessLost);
                }
                // Part of the log is missing, and so are its numbers. Everything from here on is new to the reader.
                Line::Notice { code: NoticeCode::Gap } => self.next = self.next.max(self.after.map_or(0, |after| after.saturating_add(1))),
                Line::Token { .. } | Line::Thinking { .. } | Line::Message { .. } | Line::Notice { .. } | Line::Other => {}
            }
        }
        None
    }

    /// Writes an error that ends the stream but not the response. Its number is that of the last event, so that a client that resumes after it
    /// misses nothing.
    pub(in crate::api) fn write_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        let (_status, code) = super::super::error::to_openai(error.status(), error.code());
        let fields = json!({ "code": code, "message": error.detail(), "param": null });
        write_event("error", self.next.saturating_sub(1), fields, out);
    }

    fn end(&mut self, done: Done, out: &mut Vec<u8>) -> StreamEnd {
        let Done { status, cause, message, result, output, usage, duration_ms } = done;
        self.begin(out);
        let error = ResponseError::new(cause, message.as_deref());
        if cause == Cause::Ok {
            let result = output.filter(|_| self.is_structured).map(|output| output.to_string()).or(result);
            // Some agents report their text only at the end.
            if let Some(result) = result.filter(|_| !self.has_text) {
                self.write_text(&result, out);
            }
        }
        self.close(if cause == Cause::Ok { ItemStatus::Completed } else { ItemStatus::Incomplete }, out);
        self.response.end(status, error, usage.as_ref().map(ResponseUsage::from), self.created_at_ms, duration_ms);
        // A cancelled response has no event of its own; its status is in the response.
        let (kind, end) =
            if cause == Cause::Ok { ("response.completed", StreamEnd::Completed) } else { ("response.failed", StreamEnd::Failed) };
        self.write_response(kind, out);
        if self.after != Some(u64::MAX) {
            out.extend_from_slice(LAST);
        }
        end
    }

    /// Writes the first event, unless it is written already.
    fn create(&mut self, out: &mut Vec<u8>) {
        if self.stage != Stage::Empty {
            return;
        }
        self.stage = Stage::Created;
        // Only clients that do not wait are interested in the queue.
        if self.response.background {
            self.write_response("response.created", out);
            self.write_response("response.queued", out);
        } else {
            self.response.set_status(RunStatus::Running);
            self.write_response("response.created", out);
        }
    }

    /// The run has started.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.stage != Stage::InProgress {
            self.stage = Stage::InProgress;
            self.response.set_status(RunStatus::Running);
            self.write_response("response.in_progress", out);
        }
    }

    fn write_text(&mut self, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.has_text = true;
            self.item(Kind::Message, out);
            self.write_delta(text, out);
        }
    }

    /// Makes sure that an item of this kind is being written.
    fn item(&mut self, kind: Kind, out: &mut Vec<u8>) {
        self.begin(out);
        if self.open.as_ref().is_some_and(|item| item.kind == kind && !item.is_complete) {
            return;
        }
        if self.open.as_ref().is_some_and(|item| item.kind == Kind::Message) {
            self.write_delta(SEPARATOR, out);
        }
        self.close(ItemStatus::Completed, out);
        let index = self.response.output.len();
        let id = item_id(if kind == Kind::Message { "msg" } else { "rs" }, self.run, index);
        let added = item(kind, id.clone(), ItemStatus::InProgress, None);
        self.write("response.output_item.added", out, || json!({ "output_index": index, "item": added }));
        let (event, position) = part_event(kind, "added");
        self.write(event, out, || json!({ "item_id": id, "output_index": index, position: 0, "part": part(kind, String::new()) }));
        self.open = Some(OpenItem { id, kind, text: String::new(), is_complete: false });
    }

    /// Writes text of the open item.
    fn write_delta(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        let mut end = text.len().min(MAX_TEXT.saturating_sub(self.text_size));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        item.text.push_str(&text[..end]);
        self.text_size += end;
        let index = self.response.output.len();
        let id = &item.id;
        match item.kind {
            Kind::Message => self.write(
                "response.output_text.delta",
                out,
                || json!({ "item_id": id, "output_index": index, "content_index": 0, "delta": text, "logprobs": [] }),
            ),
            Kind::Reasoning => self.write(
                "response.reasoning_summary_text.delta",
                out,
                || json!({ "item_id": id, "output_index": index, "summary_index": 0, "delta": text }),
            ),
        }
        self.open = Some(item);
    }

    /// Ends the open item.
    fn close(&mut self, status: ItemStatus, out: &mut Vec<u8>) {
        let Some(OpenItem { id, kind, text, is_complete }) = self.open.take() else { return };
        let status = if is_complete { ItemStatus::Completed } else { status };
        let index = self.response.output.len();
        match kind {
            Kind::Message => self.write(
                "response.output_text.done",
                out,
                || json!({ "item_id": id, "output_index": index, "content_index": 0, "text": text, "logprobs": [] }),
            ),
            Kind::Reasoning => self.write(
                "response.reasoning_summary_text.done",
                out,
                || json!({ "item_id": id, "output_index": index, "summary_index": 0, "text": text }),
            ),
        }
        let (event, position) = part_event(kind, "done");
        self.write(event, out, || json!({ "item_id": id, "output_index": index, position: 0, "part": part(kind, text.clone()) }));
        let done = item(kind, id, status, Some(text));
        self.write("response.output_item.done", out, || json!({ "output_index": index, "item": done }));
        self.response.output.push(done);
    }

    fn write_response(&mut self, kind: &'static str, out: &mut Vec<u8>) {
        let number = self.number();
        if let Some(number) = number {
            write_event(kind, number, json!({ "response": self.response }), out);
        }
    }

    fn write(&mut self, kind: &'static str, out: &mut Vec<u8>, fields: impl FnOnce() -> Value) {
        if let Some(number) = self.number() {
            write_event(kind, number, fields(), out);
        }
    }

    /// The number of the next event; `None` if it is not written.
    fn number(&mut self) -> Option<u64> {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.after.is_none_or(|after| number > after).then_some(number)
    }
}

fn item(kind: Kind, id: String, status: ItemStatus, text: Option<String>) -> OutputItem {
    match kind {
        Kind::Message => OutputItem::Message { id, status, role: "assistant", content: text.map(OutputText::new).into_iter().collect() },
        Kind::Reasoning => OutputItem::Reasoning { id, status, summary: text.map(SummaryText::new).into_iter().collect() },
    }
}

fn part(kind: Kind, text: String) -> Value {
    match kind {
        Kind::Message => json!(OutputText::new(text)),
        Kind::Reasoning => json!(SummaryText::new(text)),
    }
}

/// The event for the beginning or end of an item's part, and the name of the part's position.
fn part_event(kind: Kind, what: &str) -> (&'static str, &'static str) {
    match (kind, what) {
        (Kind::Message, "added") => ("response.content_part.added", "content_index"),
        (Kind::Message, _) => ("response.content_part.done", "content_index"),
        (Kind::Reasoning, "added") => ("response.reasoning_summary_part.added", "summary_index"),
        (Kind::Reasoning, _) => ("response.reasoning_summary_part.done", "summary_index"),
    }
}

fn write_event(kind: &str, sequence_number: u64, fields: Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'\n');
    write_frame(&Event { r#type: kind, sequence_number, fields }, out);
}

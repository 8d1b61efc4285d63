//! The events of a run as the chunks of a streamed answer. Pure: lines of the log in, bytes for the wire out.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::ApiError;
use super::completion::{CompletionUsage, RunOf, completion_id};
use super::error::OpenAiError;
use super::run_error::cause_error;
use crate::run::RunView;
use crate::types::{Cause, Role, RunStatus, Usage};

/// What keeps a connection open while the agent says nothing, and finds out clients that have gone.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The frame after which nothing comes.
const LAST: &[u8] = b"data: [DONE]\n\n";

/// A piece of a streamed answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatCompletionChunk)]
pub(in crate::api) struct Chunk<'a> {
    /// `chatcmpl-` and the id of the run: the same in all chunks.
    id: &'a str,
    /// Always `chat.completion.chunk`.
    object: &'static str,
    /// When the run was made, in seconds since 1970.
    created: i64,
    /// The model, as it was asked for.
    model: &'a str,
    /// One, but none in the chunk that tells the totals.
    choices: &'a [ChunkChoice<'a>],
    /// The totals, in the last chunk, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
    /// The run behind it: in the first chunk and in the one that tells the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    openrunner: Option<RunOf>,
}

/// A piece of the one answer.
#[derive(Serialize, ToSchema)]
struct ChunkChoice<'a> {
    /// Always 0.
    index: u32,
    /// What is new.
    delta: ChunkDelta<'a>,
    /// Always null: agents do not tell them.
    #[schema(required)]
    logprobs: Option<()>,
    /// `stop` in the last piece.
    #[schema(required)]
    finish_reason: Option<&'static str>,
}

/// What is new.
#[derive(Default, Serialize, ToSchema)]
struct ChunkDelta<'a> {
    /// `assistant`, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Text of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// Thinking of the agent, by the name that other servers of this API have given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
}

/// The type of an event, which tells whether the rest is looked at: it may be the output of a tool, of megabytes.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// What a line of the log says that matters here.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Token {
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Thinking {
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Message {
        role: Role,
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Done(Done),
    #[serde(other)]
    Other,
}

/// The end of the run.
#[derive(Deserialize)]
struct Done {
    status: RunStatus,
    cause: Cause,
    message: Option<String>,
    result: Option<String>,
    usage: Option<Usage>,
}

impl Line {
    /// Reads a line. The log holds what this program wrote; what it does not know is of a later one, and is passed over as any client would.
    fn of(line: &[u8]) -> Self {
        match serde_json::from_slice::<Kind<'_>>(line) {
            Ok(kind) if matches!(&*kind.r#type, "token" | "thinking" | "message" | "done") => {
                serde_json::from_slice(line).unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }
}

/// How far a stream has come.
#[derive(Debug)]
pub(in crate::api) enum Read {
    /// More will come.
    More,
    /// The run has ended well, and all of it is written.
    Ended,
    /// The run has ended without an answer. Nothing was written of that.
    Failed(ApiError),
}

/// Makes the chunks of one answer. What sub-agents say is left out: it is said to the agent, not to the user.
#[derive(Debug)]
pub(in crate::api) struct Chunks {
    id: String,
    created: i64,
    model: String,
    run: RunOf,
    with_usage: bool,
    /// A chunk was written.
    begun: bool,
    text: Text,
}

/// How far the text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// There is none.
    Nothing,
    /// The last message goes on.
    InMessage,
    /// What comes next is another message.
    AfterMessage,
}

impl Chunks {
    /// The chunks of this run's answer; `model` is what was asked for.
    pub(in crate::api) fn of(run: &RunView, model: String, with_usage: bool) -> Self {
        Self {
            id: completion_id(run.run_id),
            created: run.created_at.as_millis().div_euclid(1000),
            model,
            run: RunOf { run_id: run.run_id, session_id: run.session_id, status: RunStatus::Running },
            with_usage,
            begun: false,
            text: Text::Nothing,
        }
    }

    /// Writes what these lines of the log come to. An empty line stands for a silence, and keeps the connection open.
    pub(in crate::api) fn read(&mut self, lines: &[u8], out: &mut Vec<u8>) -> Read {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if line == b"\n" {
                out.extend_from_slice(KEEP_ALIVE);
                continue;
            }
            match Line::of(line) {
                Line::Token { content, parent_tool_call_id: None } => {
                    if !content.is_empty() {
                        self.write(&content, out);
                    }
                }
                Line::Thinking { content, parent_tool_call_id: None } => {
                    self.delta(ChunkDelta { reasoning_content: Some(&content), ..ChunkDelta::default() }, out);
                }
                // Its tokens came before it, from agents that tell them.
                Line::Message { role: Role::Assistant, content, parent_tool_call_id: None } => {
                    if self.text != Text::InMessage && !content.is_empty() {
                        self.write(&content, out);
                    }
                    if self.text == Text::InMessage {
                        self.text = Text::AfterMessage;
                    }
                }
                Line::Done(done) => return self.end(done, out),
                Line::Token { .. } | Line::Thinking { .. } | Line::Message { .. } | Line::Other => {}
            }
        }
        Read::More
    }

    /// Writes a refusal into a stream that has begun: OpenAI's clients raise it as an error.
    pub(in crate::api) fn refuse(error: &ApiError, out: &mut Vec<u8>) {
        frame(&OpenAiError::of(error), out);
    }

    fn end(&mut self, done: Done, out: &mut Vec<u8>) -> Read {
        let Done { status, cause, message, result, usage } = done;
        let said = message.as_deref().unwrap_or("it did not say why");
        if let Some(error) = cause_error(cause, format!("run {} has ended without an answer: {said}", self.run.run_id)) {
            return Read::Failed(error);
        }
        // An agent that told its text only with its end.
        if let Some(result) = result.filter(|result| self.text == Text::Nothing && !result.is_empty()) {
            self.write(&result, out);
        }
        self.begin(out);
        self.run.status = status;
        let choice = ChunkChoice { index: 0, delta: ChunkDelta::default(), logprobs: None, finish_reason: Some("stop") };
        self.chunk(&[choice], None, Some(self.run), out);
        if let Some(usage) = usage.filter(|_| self.with_usage) {
            self.chunk(&[], Some(CompletionUsage::from(&usage)), None, out);
        }
        out.extend_from_slice(LAST);
        Read::Ended
    }

    /// Writes text of a message. Between two messages there is an empty line.
    fn write(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.text == Text::AfterMessage {
            self.delta(ChunkDelta { content: Some("\n\n"), ..ChunkDelta::default() }, out);
        }
        self.delta(ChunkDelta { content: Some(text), ..ChunkDelta::default() }, out);
        self.text = Text::InMessage;
    }

    fn delta(&mut self, delta: ChunkDelta<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None };
        self.chunk(&[choice], None, None, out);
    }

    /// Writes the first chunk, which says who speaks, if it is not written.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let delta = ChunkDelta { role: Some("assistant"), content: Some(""), reasoning_content: None };
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None };
        self.chunk(&[choice], None, Some(self.run), out);
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<CompletionUsage>, run: Option<RunOf>, out: &mut Vec<u8>) {
        let (id, model) = (self.id.as_str(), self.model.as_str());
        frame(&Chunk { id, object: "chat.completion.chunk", created: self.created, model, choices, usage, openrunner: run }, out);
    }
}

/// One server-sent event without a name. JSON escapes every line break, so the data is one line.
fn frame(data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, data).expect("writing text to memory cannot fail");
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::types::{RunId, SessionId};

    fn chunks(with_usage: bool) -> Chunks {
        let run = RunOf { run_id: RunId::new(), session_id: SessionId::new(), status: RunStatus::Running };
        let model = "demo".to_owned();
        Chunks { id: "chatcmpl-1".into(), created: 7, model, run, with_usage, begun: false, text: Text::Nothing }
    }

    fn lines(events: &[Value]) -> Vec<u8> {
        events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect()
    }

    /// The data of each frame, and how far the stream has come.
    fn read(chunks: &mut Chunks, events: &[Value]) -> (Vec<Value>, Read) {
        let mut out = Vec::new();
        let read = chunks.read(&lines(events), &mut out);
        let text = String::from_utf8(out).unwrap();
        let data = text.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").unwrap());
        (data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect(), read)
    }

    fn done(more: &Value) -> Value {
        let mut done = json!({"type": "done", "status": "completed", "cause": "ok", "result": "Hi", "duration_ms": 1});
        for (name, value) in more.as_object().unwrap() {
            done[name] = value.clone();
        }
        done
    }

    /// The text of all chunks, put together.
    fn text(data: &[Value]) -> String {
        data.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }

    #[test]
    fn the_first_chunk_says_who_speaks_the_last_why_it_ended_and_then_nothing_comes() {
        let events = [json!({"type": "run_queued", "position": 0}), json!({"type": "token", "content": "Hi"}), done(&json!({}))];
        let (data, read) = read(&mut chunks(false), &events);
        assert!(matches!(read, Read::Ended));
        let [first, token, last, end] = &data[..] else { panic!("{data:?}") };
        assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        assert_eq!((&first["openrunner"]["status"], &last["openrunner"]["status"]), (&json!("running"), &json!("completed")));
        assert_eq!(token["choices"][0], json!({"index": 0, "delta": {"content": "Hi"}, "logprobs": null, "finish_reason": null}));
        assert_eq!(last["choices"][0], json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}));
        assert_eq!(end, "[DONE]");
        assert!(data.iter().all(|chunk| chunk.get("usage").is_none()));
    }

    #[test]
    fn totals_come_in_a_chunk_of_their_own_where_they_were_asked_for() {
        let usage = json!({"input_tokens": 200, "output_tokens": 84, "cache_read_tokens": 2000, "cache_write_tokens": 10,
            "reasoning_tokens": 30, "cost_is_estimate": false});
        let (data, _) = read(&mut chunks(true), &[done(&json!({ "usage": usage }))]);
        let [.., last, totals, _end] = &data[..] else { panic!("{data:?}") };
        assert!(last.get("usage").is_none());
        let expected = json!({"prompt_tokens": 2210, "completion_tokens": 84, "total_tokens": 2294,
            "prompt_tokens_details": {"cached_tokens": 2000}, "completion_tokens_details": {"reasoning_tokens": 30}});
        assert_eq!((&totals["choices"], &totals["usage"]), (&json!([]), &expected));
    }

    #[test]
    fn thinking_comes_apart_from_text_and_messages_have_an_empty_line_between_them() {
        let events = [
            json!({"type": "thinking", "content": "hm"}),
            json!({"type": "token", "content": "one"}),
            json!({"type": "message", "role": "assistant", "content": "one"}),
            json!({"type": "message", "role": "assistant", "content": "two"}),
            json!({"type": "token", "content": "th"}),
            json!({"type": "token", "content": "ree"}),
            json!({"type": "message", "role": "user", "content": "not mine"}),
            done(&json!({"result": "three"})),
        ];
        let (data, _) = read(&mut chunks(false), &events);
        assert_eq!(text(&data), "one\n\ntwo\n\nthree");
        assert_eq!(data[1]["choices"][0]["delta"], json!({"reasoning_content": "hm"}));
    }

    #[test]
    fn what_sub_agents_say_is_left_out() {
        let said = |kind: &str| json!({"type": kind, "role": "assistant", "content": "sub", "parent_tool_call_id": "t1"});
        let (data, _) = read(&mut chunks(false), &[said("token"), said("thinking"), said("message"), done(&json!({}))]);
        assert_eq!(text(&data), "Hi", "the result stands in for an answer without tokens");
    }

    #[test]
    fn a_run_that_failed_writes_nothing_of_its_own_and_says_why() {
        let failed = done(&json!({"status": "failed", "cause": "not_logged_in", "message": "no key", "result": null}));
        let (data, read) = read(&mut chunks(false), &[failed]);
        let Read::Failed(error) = read else { panic!("{read:?}") };
        assert_eq!((data.len(), error.status().as_u16(), error.code()), (0, 502, "not_logged_in"));
        assert!(error.detail().ends_with("no key"));
    }

    #[test]
    fn w6_a_silence_and_a_refusal_are_frames_that_text_cannot_forge() {
        let mut out = Vec::new();
        assert!(matches!(chunks(false).read(b"\n", &mut out), Read::More));
        assert_eq!(out, KEEP_ALIVE);
        let mut chunks = chunks(false);
        let (data, _) = read(&mut chunks, &[json!({"type": "token", "content": "a\n\ndata: [DONE]\n\n\r\r"})]);
        assert_eq!(text(&data), "a\n\ndata: [DONE]\n\n\r\r");
        let mut out = Vec::new();
        Chunks::refuse(&ApiError::not_found("no\n\nno"), &mut out);
        assert_eq!(String::from_utf8(out).unwrap().matches('\n').count(), 2);
    }
}

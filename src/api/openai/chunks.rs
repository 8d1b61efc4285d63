//! Converts the events of a run into the chunks of a streamed completion. Pure: lines of the log in, bytes of the response out.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::ApiError;
use super::chat::Chat;
use super::completion::{CompletionRun, CompletionUsage, completion_id};
use super::error::OpenAiError;
use super::frame::{KEEP_ALIVE, LAST, write_frame};
use super::line::{Done, Line};
use super::run_error::cause_error;
use crate::run::RunView;
use crate::types::{NoticeCode, Role, RunStatus};

/// A chunk of a streamed completion.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatCompletionChunk)]
pub(in crate::api) struct Chunk<'a> {
    /// `chatcmpl-` and the id of the run: the same in all chunks.
    id: &'a str,
    /// Always `chat.completion.chunk`.
    object: &'static str,
    /// When the run was created, in seconds since 1970.
    created: i64,
    /// The requested model.
    model: &'a str,
    /// One choice; none in the chunk with the usage.
    choices: &'a [ChunkChoice<'a>],
    /// Usage, in the last chunk, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
    /// The run, in the first chunk and in the one with the finish reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    openrunner: Option<CompletionRun>,
}

/// The only choice of a chunk.
#[derive(Serialize, ToSchema)]
struct ChunkChoice<'a> {
    /// Always 0.
    index: u32,
    /// The new content.
    delta: ChunkDelta<'a>,
    /// Always null: agents do not report them.
    #[schema(required)]
    logprobs: Option<()>,
    /// `stop` in the last chunk, otherwise null.
    #[schema(required)]
    finish_reason: Option<&'static str>,
}

/// The new content of a chunk.
#[derive(Default, Serialize, ToSchema)]
struct ChunkDelta<'a> {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Text of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// Thinking, under the name that other servers of this API use.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
}

/// The state of a stream.
#[derive(Debug)]
pub(in crate::api) enum Progress {
    /// The run has not ended.
    Running,
    /// The run has completed, and everything is written.
    Completed,
    /// The run has ended without a result. The error is not written.
    Failed(ApiError),
}

/// Encodes the chunks of one completion. Output of sub-agents is omitted: it is addressed to the agent, not to the user.
#[derive(Debug)]
pub(in crate::api) struct Chunks {
    id: String,
    created: i64,
    model: String,
    run: CompletionRun,
    with_usage: bool,
    /// Whether the text is the output of the run as JSON, which is known at its end. What the agent writes before is omitted.
    is_structured: bool,
    /// Whether a chunk was written.
    has_started: bool,
    text: Text,
    /// The client's chat, to which the answer is added.
    chat: Option<Chat>,
}

/// The state of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// No text yet.
    Empty,
    /// Within a message.
    InMessage,
    /// Between messages.
    AfterMessage,
}

impl Chunks {
    /// An encoder for the completion of `run`; `model` is the requested one.
    pub(in crate::api) fn new(run: &RunView, model: String, with_usage: bool, is_structured: bool) -> Self {
        Self {
            id: completion_id(run.run_id),
            created: run.created_at.as_millis().div_euclid(1000),
            model,
            run: CompletionRun { run_id: run.run_id, session_id: run.session_id, status: RunStatus::Running },
            with_usage,
            is_structured,
            has_started: false,
            text: Text::Empty,
            chat: None,
        }
    }

    /// Adds the answer to a chat.
    pub(in crate::api) fn with_chat(mut self, chat: Option<Chat>) -> Self {
        self.chat = chat;
        self.chat.iter_mut().for_each(Chat::begin_answer);
        self
    }

    /// The digest of the chat with the whole answer.
    pub(in crate::api) fn end_chat(&mut self) -> Option<[u8; 32]> {
        self.chat.take().map(Chat::end)
    }

    /// Writes the chunks for lines of the log. An empty line is a keep-alive.
    pub(in crate::api) fn push(&mut self, lines: &[u8], out: &mut Vec<u8>) -> Progress {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if line == b"\n" {
                out.extend_from_slice(KEEP_ALIVE);
                continue;
            }
            match Line::parse(line) {
                Line::Token { content, parent_tool_call_id: None } => {
                    if !content.is_empty() && !self.is_structured {
                        self.write_text(&content, out);
                    }
                }
                Line::Thinking { content, parent_tool_call_id: None } => {
                    self.write_delta(ChunkDelta { reasoning_content: Some(&content), ..ChunkDelta::default() }, out);
                }
                // Agents that send tokens have sent those of this message already.
                Line::Message { role: Role::Assistant, content, parent_tool_call_id: None } => {
                    if self.text != Text::InMessage && !content.is_empty() && !self.is_structured {
                        self.write_text(&content, out);
                    }
                    if self.text == Text::InMessage {
                        self.text = Text::AfterMessage;
                    }
                }
                Line::Done(done) => return self.end(done, out),
                Line::Notice { code: NoticeCode::AccessEnded } => {
                    let detail = "the stream ended before the run because the token or key is no longer valid";
                    return Progress::Failed(ApiError::unauthorized("token_invalid", detail));
                }
                Line::RunStarted
                | Line::Token { .. }
                | Line::Thinking { .. }
                | Line::Message { .. }
                | Line::Notice { .. }
                | Line::Other => {}
            }
        }
        Progress::Running
    }

    /// Writes an error into a stream that has started. OpenAI's clients raise it.
    pub(in crate::api) fn write_error(error: &ApiError, out: &mut Vec<u8>) {
        write_frame(&OpenAiError::new(error), out);
    }

    fn end(&mut self, done: Done, out: &mut Vec<u8>) -> Progress {
        let Done { status, cause, message, result, output, usage, duration_ms: _ } = done;
        let message = message.as_deref().unwrap_or("no reason given");
        if let Some(error) = cause_error(cause, format!("run {} ended without a result: {message}", self.run.run_id)) {
            return Progress::Failed(error);
        }
        let result = output.filter(|_| self.is_structured).map(|output| output.to_string()).or(result);
        // Some agents report their text only at the end.
        if let Some(result) = result.filter(|result| self.text == Text::Empty && !result.is_empty()) {
            self.write_text(&result, out);
        }
        self.start(out);
        self.run.status = status;
        let choice = ChunkChoice { index: 0, delta: ChunkDelta::default(), logprobs: None, finish_reason: Some("stop") };
        self.write_chunk(&[choice], None, Some(self.run), out);
        if let Some(usage) = usage.filter(|_| self.with_usage) {
            self.write_chunk(&[], Some(CompletionUsage::from(&usage)), None, out);
        }
        out.extend_from_slice(LAST);
        Progress::Completed
    }

    /// Writes text of a message. Messages are separated by an empty line.
    fn write_text(&mut self, text: &str, out: &mut Vec<u8>) {
        if let Some(chat) = &mut self.chat {
            chat.push(if self.text == Text::AfterMessage { "\n\n" } else { "" });
            chat.push(text);
        }
        if self.text == Text::AfterMessage {
            self.write_delta(ChunkDelta { content: Some("\n\n"), ..ChunkDelta::default() }, out);
        }
        self.write_delta(ChunkDelta { content: Some(text), ..ChunkDelta::default() }, out);
        self.text = Text::InMessage;
    }

    fn write_delta(&mut self, delta: ChunkDelta<'_>, out: &mut Vec<u8>) {
        self.start(out);
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None };
        self.write_chunk(&[choice], None, None, out);
    }

    /// Writes the first chunk, which contains the role, unless it is written already.
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let delta = ChunkDelta { role: Some("assistant"), content: Some(""), reasoning_content: None };
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None };
        self.write_chunk(&[choice], None, Some(self.run), out);
    }

    fn write_chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<CompletionUsage>, run: Option<CompletionRun>, out: &mut Vec<u8>) {
        let (id, model) = (self.id.as_str(), self.model.as_str());
        write_frame(&Chunk { id, object: "chat.completion.chunk", created: self.created, model, choices, usage, openrunner: run }, out);
    }
}

#[cfg(test)]
mod tests {
    //! Rules: W6.

    use serde_json::{Value, json};

    use super::*;
    use crate::types::{RunId, SessionId};

    fn chunks(with_usage: bool) -> Chunks {
        let run = CompletionRun { run_id: RunId::new(), session_id: SessionId::new(), status: RunStatus::Running };
        let model = "demo".to_owned();
        Chunks {
            id: "chatcmpl-1".into(),
            created: 7,
            model,
            run,
            with_usage,
            is_structured: false,
            has_started: false,
            text: Text::Empty,
            chat: None,
        }
    }

    fn lines(events: &[Value]) -> Vec<u8> {
        events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect()
    }

    /// The data of each frame, and the state of the stream.
    fn push(chunks: &mut Chunks, events: &[Value]) -> (Vec<Value>, Progress) {
        let mut out = Vec::new();
        let progress = chunks.push(&lines(events), &mut out);
        let text = String::from_utf8(out).unwrap();
        let data = text.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").unwrap());
        (data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect(), progress)
    }

    fn done(more: &Value) -> Value {
        let mut done = json!({"type": "done", "status": "completed", "cause": "ok", "result": "Hi", "duration_ms": 1});
        for (name, value) in more.as_object().unwrap() {
            done[name] = value.clone();
        }
        done
    }

    /// The text of all chunks.
    fn text(data: &[Value]) -> String {
        data.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }

    #[test]
    fn the_first_chunk_has_the_role_and_the_last_the_finish_reason() {
        let events = [json!({"type": "run_queued", "position": 0}), json!({"type": "token", "content": "Hi"}), done(&json!({}))];
        let (data, progress) = push(&mut chunks(false), &events);
        assert!(matches!(progress, Progress::Completed));
        let [first, token, last, end] = &data[..] else { panic!("{data:?}") };
        assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        assert_eq!((&first["openrunner"]["status"], &last["openrunner"]["status"]), (&json!("running"), &json!("completed")));
        assert_eq!(token["choices"][0], json!({"index": 0, "delta": {"content": "Hi"}, "logprobs": null, "finish_reason": null}));
        assert_eq!(last["choices"][0], json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}));
        assert_eq!(end, "[DONE]");
        assert!(data.iter().all(|chunk| chunk.get("usage").is_none()));
    }

    #[test]
    fn usage_has_its_own_chunk_if_requested() {
        let usage = json!({"input_tokens": 200, "output_tokens": 84, "cache_read_tokens": 2000, "cache_write_tokens": 10,
            "reasoning_tokens": 30, "cost_is_estimate": false});
        let (data, _) = push(&mut chunks(true), &[done(&json!({ "usage": usage }))]);
        let [.., last, totals, _end] = &data[..] else { panic!("{data:?}") };
        assert!(last.get("usage").is_none());
        let expected = json!({"prompt_tokens": 2210, "completion_tokens": 84, "total_tokens": 2294,
            "prompt_tokens_details": {"cached_tokens": 2000}, "completion_tokens_details": {"reasoning_tokens": 30}});
        assert_eq!((&totals["choices"], &totals["usage"]), (&json!([]), &expected));
    }

    #[test]
    fn thinking_is_separate_and_messages_are_separated_by_an_empty_line() {
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
        let (data, _) = push(&mut chunks(false), &events);
        assert_eq!(text(&data), "one\n\ntwo\n\nthree");
        assert_eq!(data[1]["choices"][0]["delta"], json!({"reasoning_content": "hm"}));
    }

    #[test]
    fn a_structured_answer_is_the_output_and_nothing_else() {
        let mut chunks = Chunks { is_structured: true, ..chunks(false) };
        let events = [
            json!({"type": "thinking", "content": "hm"}),
            json!({"type": "token", "content": "Here it is:"}),
            json!({"type": "message", "role": "assistant", "content": "Here it is:"}),
            done(&json!({"result": "Here it is: {}", "output": {"a": 1}})),
        ];
        let (data, progress) = push(&mut chunks, &events);
        assert!(matches!(progress, Progress::Completed));
        assert_eq!((text(&data).as_str(), &data[1]["choices"][0]["delta"]), ("{\"a\":1}", &json!({"reasoning_content": "hm"})));
    }

    #[test]
    fn output_of_sub_agents_is_omitted() {
        let output = |kind: &str| json!({"type": kind, "role": "assistant", "content": "sub", "parent_tool_call_id": "t1"});
        let (data, _) = push(&mut chunks(false), &[output("token"), output("thinking"), output("message"), done(&json!({}))]);
        assert_eq!(text(&data), "Hi", "the result replaces missing tokens");
    }

    #[test]
    fn a_failed_run_writes_nothing_and_returns_the_cause() {
        let failed = done(&json!({"status": "failed", "cause": "not_logged_in", "message": "no key", "result": null}));
        let (data, progress) = push(&mut chunks(false), &[failed]);
        let Progress::Failed(error) = progress else { panic!("{progress:?}") };
        assert_eq!((data.len(), error.status().as_u16(), error.code()), (0, 502, "not_logged_in"));
        assert!(error.detail().ends_with("no key"));
    }

    #[test]
    fn keep_alives_and_errors_are_frames_that_text_cannot_forge() {
        let mut out = Vec::new();
        assert!(matches!(chunks(false).push(b"\n", &mut out), Progress::Running));
        assert_eq!(out, KEEP_ALIVE);
        let mut chunks = chunks(false);
        let (data, _) = push(&mut chunks, &[json!({"type": "token", "content": "a\n\ndata: [DONE]\n\n\r\r\u{2028}"})]);
        assert_eq!(text(&data), "a\n\ndata: [DONE]\n\n\r\r\u{2028}");
        let mut out = Vec::new();
        Chunks::write_error(&ApiError::not_found("no\n\nno"), &mut out);
        assert_eq!(String::from_utf8(out).unwrap().matches('\n').count(), 2);
    }
}

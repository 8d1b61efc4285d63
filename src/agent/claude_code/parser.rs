//! What the lines of `stream-json` mean.
//!
//! Both modes print the same lines; two-way, the program also asks (`control_request`) and answers (`control_response`).
//! The life of a text: `stream_event` lines bring its pieces as tokens, then one `assistant` line brings it whole as a message.
//! The life of a tool call: `assistant` (the call), perhaps a `control_request` (may it?), `user` (what came of it).
//! A turn ends with `result`, and nothing else ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::plan::{Change, Plan};
use super::wire::{self, Block, Head, MessageLine, StreamLine, Text};
use super::{diff, failure, tools};
use crate::agent::{Fate, Item, Mode, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{
    DecidedBy, Decision, Delta, Failure, Level, NoticeCode, Question, Role, StreamEvent, Timestamp, ToolCall, ToolStatus, Usage,
};

/// The name under which the first thing that we ask is answered.
const INITIALIZE: &str = "req_1";

/// What the model is told when it asks a user.
const NOBODY_THERE: &str =
    "There is no user present who could answer. Decide by yourself, by your best judgement, and go on with the task.";

/// What the model is told when a permission is denied.
const DENIED: &str = "The user does not allow this.";

/// The parser of one `claude` process.
#[derive(Debug)]
pub(super) struct ClaudeParser {
    mode: Mode,
    prompt: String,
    working_dir: PathBuf,
    /// Whether the process continues a conversation, whose earlier cost its totals then hold.
    resumed: bool,
    started: bool,
    /// The message that is being streamed, by the tool call whose sub-agent writes it.
    streaming: BTreeMap<Option<String>, String>,
    /// Messages of this turn whose thinking came in pieces, and must not come again.
    thought: BTreeSet<String>,
    /// Every tool call so far, with what it will do to the plan.
    calls: BTreeMap<String, Option<Change>>,
    /// Tool calls that were not allowed.
    refused: BTreeSet<String>,
    /// Permissions that wait for an answer.
    pending: BTreeMap<String, Pending>,
    plan: Plan,
    /// The program's word for the last error of this turn.
    error: Option<String>,
    /// Whether the limit was told since the turn began.
    limited: bool,
    /// Whether an interrupt was told, after which no `result` need come (seen in `sigint_hang`).
    interrupted: bool,
    usage: Usage,
}

/// A permission that waits for an answer.
#[derive(Debug)]
struct Pending {
    tool_call: Option<String>,
    input: Value,
    suggestions: Vec<Value>,
}

/// What came of a line that could be read.
enum Known {
    /// It is known, and this is its fate.
    As(Fate),
    /// It is not known.
    Not,
}

/// Gives [`Fate::Told`] if something was told.
fn fate(out: &Output) -> Fate {
    if out.is_empty() { Fate::Noise } else { Fate::Told }
}

impl ClaudeParser {
    pub(super) fn new(mode: Mode, task: &Task) -> Self {
        Self {
            mode,
            prompt: task.spec.prompt.clone(),
            working_dir: task.spec.working_dir.clone(),
            resumed: task.resume.is_some(),
            started: false,
            streaming: BTreeMap::new(),
            thought: BTreeSet::new(),
            calls: BTreeMap::new(),
            refused: BTreeSet::new(),
            pending: BTreeMap::new(),
            plan: Plan::default(),
            error: None,
            limited: false,
            interrupted: false,
            // The program computes its costs from list prices.
            usage: Usage { cost_is_estimate: true, ..Usage::default() },
        }
    }

    /// Takes one line. An error means that it could not be read at all, and then nothing was changed.
    fn understand(&mut self, line: &str, out: &mut Output) -> serde_json::Result<Known> {
        let head: Head<'_> = serde_json::from_str(line)?;
        let subtype = head.subtype.as_ref().map_or("", |subtype| subtype.0.as_ref());
        let fate = match (head.kind.as_ref(), subtype) {
            ("stream_event", _) => return Ok(self.stream_event(serde_json::from_str(line)?, out)),
            ("assistant", _) => return Ok(self.assistant(line, &serde_json::from_str(line)?, out)),
            ("user", _) => return Ok(self.user(line, &serde_json::from_str(line)?, out)),
            ("result", _) => self.result(serde_json::from_str(line)?, out),
            ("control_request", _) => return Ok(self.control_request(&serde_json::from_str(line)?, out)),
            ("control_cancel_request", _) => self.control_cancel(&serde_json::from_str(line)?, out),
            ("control_response", _) => control_response(serde_json::from_str(line)?, out),
            ("system", "init") => self.init(serde_json::from_str(line)?, out),
            ("system", "api_retry") => self.api_retry(&serde_json::from_str(line)?, out),
            ("system", "permission_denied") => {
                // Its words come again as the call's result.
                self.refused.insert(serde_json::from_str::<wire::PermissionDenied>(line)?.tool_use_id);
                Fate::Kept
            }
            ("rate_limit_event", _) => rate_limit(&serde_json::from_str(line)?, out),
            // What a sub-agent does is told by its own lines, which name the call that it belongs to.
            ("system", "status" | "thinking_tokens" | "task_started" | "task_progress" | "task_updated" | "task_notification")
            | ("command_lifecycle" | "keep_alive" | "tool_progress", _) => Fate::Noise,
            _ => return Ok(Known::Not),
        };
        Ok(Known::As(fate))
    }

    fn stream_event(&mut self, line: StreamLine<'_>, out: &mut Output) -> Known {
        let parent = line.parent_tool_use_id.map(Text::into_string);
        let known = match (line.event.kind.as_ref(), line.event.delta) {
            ("content_block_delta", Some(delta)) => {
                let message_id = match line.api_message_id {
                    Some(id) => Some(id.into_string()),
                    None => self.streaming.get(&parent).cloned(),
                };
                return self.delta(delta, message_id, parent, out);
            }
            ("message_start", _) => {
                if let Some(message) = line.event.message {
                    self.streaming.insert(parent, message.id.into_owned());
                }
                Fate::Kept
            }
            ("message_stop", _) => {
                self.streaming.remove(&parent);
                Fate::Kept
            }
            ("content_block_start" | "content_block_stop" | "message_delta" | "ping", _) => Fate::Noise,
            _ => return Known::Not,
        };
        Known::As(known)
    }

    fn delta(&mut self, delta: wire::Delta<'_>, message_id: Option<String>, parent: Option<String>, out: &mut Output) -> Known {
        let thinking = delta.kind == "thinking_delta";
        let text = match delta.kind.as_ref() {
            "text_delta" => delta.text,
            "thinking_delta" => delta.thinking,
            // A call's input comes whole with its `assistant` line, and a signature means nothing to a reader.
            "input_json_delta" | "signature_delta" | "citations_delta" => None,
            _ => return Known::Not,
        };
        let Some(text) = text.map(Text::into_string).filter(|text| !text.is_empty()) else { return Known::As(Fate::Noise) };
        if thinking
            && let Some(id) = &message_id
            && !self.thought.contains(id)
        {
            self.thought.insert(id.clone());
        }
        let content = Delta { text, message_id, parent_tool_call_id: parent };
        out.event(if thinking { StreamEvent::Thinking { content } } else { StreamEvent::Token { content } });
        Known::As(Fate::Told)
    }

    fn init(&mut self, init: wire::Init, out: &mut Output) -> Fate {
        if std::mem::replace(&mut self.started, true) {
            return Fate::Noise;
        }
        let started = Started { agent_session: init.session_id, version: init.claude_code_version, model: init.model };
        out.items.push(Item::Started(started));
        Fate::Told
    }

    fn api_retry(&mut self, retry: &wire::ApiRetry, out: &mut Output) -> Fate {
        let why = match (retry.error_status, retry.error.as_deref()) {
            (Some(status), Some(error)) => format!("{status} {error}"),
            (Some(status), None) => status.to_string(),
            (None, Some(error)) if error != "unknown" => error.to_owned(),
            (None, _) => "no answer".to_owned(),
        };
        let data = json!({
            "attempt": retry.attempt, "max_attempts": retry.max_retries, "delay_ms": retry.retry_delay_ms, "status": retry.error_status,
        });
        let message = format!("the model call failed ({why}) and is tried again");
        out.event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message, data: Some(without_nulls(data)) });
        if retry.error_status == Some(429) && !std::mem::replace(&mut self.limited, true) {
            out.event(StreamEvent::notice(Level::Warning, NoticeCode::RateLimited, "the provider's rate limit is reached"));
        }
        Fate::Told
    }

    fn assistant(&mut self, line: &str, said: &MessageLine<'_>, out: &mut Output) -> Known {
        let Some(blocks) = said.message.blocks() else { return Known::Not };
        let mut unknown = false;
        for block in blocks {
            let message_id = said.message.id.clone();
            let parent_tool_call_id = said.parent_tool_use_id.clone();
            match block {
                Block { text: Some(message), .. } if said.error.is_some() => {
                    // No model said this: the program tells why it has no answer, and `result` will tell it once more.
                    self.error.clone_from(&said.error);
                    out.event(StreamEvent::Error { code: said.error.clone().unwrap_or_default(), message, retryable: false });
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    out.event(StreamEvent::Message { role: Role::Assistant, content, message_id, parent_tool_call_id });
                }
                Block { thinking: Some(text), .. } if block.kind == "thinking" => {
                    if !text.is_empty() && !message_id.as_ref().is_some_and(|id| self.thought.contains(id)) {
                        out.event(StreamEvent::Thinking { content: Delta { text, message_id, parent_tool_call_id } });
                    }
                }
                Block { id: Some(id), name: Some(name), input, .. } if block.kind == "tool_use" => {
                    self.tool_call(id, name, input, parent_tool_call_id, out);
                }
                // Its text is withheld by the provider.
                Block { kind, .. } if kind == "redacted_thinking" => {}
                _ => unknown = true,
            }
        }
        Known::As(if unknown { out.raw(line) } else { fate(out) })
    }

    fn tool_call(&mut self, id: String, name: String, input: Value, parent_tool_call_id: Option<String>, out: &mut Output) {
        if self.calls.contains_key(&id) {
            return;
        }
        self.calls.insert(id.clone(), Change::of(&name, &input));
        let plan = (name == "TodoWrite" && parent_tool_call_id.is_none()).then(|| self.plan.replace(&input)).flatten();
        let title = tools::title(&name, &input, &self.working_dir);
        out.event(StreamEvent::ToolCall(ToolCall { kind: tools::kind(&name), id, name, title, input, parent_tool_call_id }));
        out.items.extend(plan.map(Item::Event));
    }

    fn user(&mut self, line: &str, said: &MessageLine<'_>, out: &mut Output) -> Known {
        if said.is_replay {
            return Known::As(Fate::Noise);
        }
        let Some(blocks) = said.message.blocks() else { return Known::Not };
        let results = blocks.iter().filter(|block| block.kind == "tool_result").count();
        // It stands beside the blocks, so with several of them it could not be told whose it is.
        let details = said.tool_use_result.filter(|_| results == 1).map(RawValue::get);
        let mut unknown = false;
        for block in blocks {
            match block {
                Block { tool_use_id: Some(ref id), .. } if block.kind == "tool_result" => {
                    self.tool_result(id, &block, &said.tool_result_meta, details, out);
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    self.interrupted |= content.starts_with("[Request interrupted by user");
                    let parent_tool_call_id = said.parent_tool_use_id.clone();
                    out.event(StreamEvent::Message { role: Role::User, content, message_id: None, parent_tool_call_id });
                }
                _ => unknown = true,
            }
        }
        Known::As(if unknown { out.raw(line) } else { fate(out) })
    }

    fn tool_result(&mut self, id: &str, block: &Block<'_>, meta: &[wire::ToolResultMeta], details: Option<&str>, out: &mut Output) {
        let decision = meta.iter().find(|meta| meta.id == *id).and_then(|meta| meta.permission_decision.as_ref());
        let refused = self.refused.remove(id) || decision.is_some_and(|decision| decision.decision == "reject");
        let status = match (refused, block.is_error) {
            (true, _) => ToolStatus::Denied,
            (false, true) => ToolStatus::Error,
            (false, false) => ToolStatus::Ok,
        };
        out.event(StreamEvent::ToolResult { id: id.to_owned(), status, content: block.result_text(), duration_ms: None });
        let change = self.calls.get_mut(id).and_then(Option::take);
        if status == ToolStatus::Ok {
            out.items.extend(details.and_then(diff::file_change).map(Item::Event));
            out.items.extend(change.and_then(|change| self.plan.apply(change, details)).map(Item::Event));
        }
    }

    fn control_request(&mut self, asked: &wire::ControlRequest<'_>, out: &mut Output) -> Known {
        let id = asked.request_id.as_ref();
        let body = asked.request.map_or("null", RawValue::get);
        let subtype = serde_json::from_str::<Subtype<'_>>(body).map(|body| body.subtype).unwrap_or_default();
        if subtype.0 != "can_use_tool" {
            // Without an answer the agent would wait for ever.
            let error = format!("Unsupported control request subtype: {}", subtype.0);
            answer(out, &json!({ "subtype": "error", "request_id": id, "error": error }));
            return Known::Not;
        }
        let Ok(wish) = serde_json::from_str::<wire::CanUseTool>(body) else {
            answer(out, &json!({ "subtype": "error", "request_id": id, "error": "this request could not be read" }));
            return Known::Not;
        };
        if wish.tool_name == "AskUserQuestion" {
            self.question(id, wish, out);
            return Known::As(Fate::Told);
        }
        let mut options = vec![Decision::AllowOnce, Decision::Deny];
        if !wish.permission_suggestions.is_empty() {
            options.insert(1, Decision::AllowAlways);
        }
        out.event(StreamEvent::PermissionRequest {
            id: id.to_owned(),
            tool_call_id: wish.tool_use_id.clone(),
            kind: tools::kind(&wish.tool_name),
            tool: wish.tool_name,
            input: wish.input.clone(),
            options,
            expires_at: None,
        });
        let pending = Pending { tool_call: wish.tool_use_id, input: wish.input, suggestions: wish.permission_suggestions };
        self.pending.insert(id.to_owned(), pending);
        Known::As(Fate::Told)
    }

    /// The agent asks its user. Nobody is there, so the model is told to decide by itself; a reader sees the question.
    fn question(&mut self, id: &str, wish: wire::CanUseTool, out: &mut Output) {
        let asked = wire::AskUserQuestion::deserialize(wish.input).unwrap_or_default();
        let questions: Vec<Question> = asked
            .questions
            .into_iter()
            .map(|asked| Question {
                text: asked.question,
                options: asked.options.into_iter().map(|option| option.label).collect(),
                multiple: asked.multi_select,
            })
            .collect();
        let answers = vec![Vec::new(); questions.len()];
        out.event(StreamEvent::Question { id: id.to_owned(), questions });
        out.event(StreamEvent::QuestionResolved { id: id.to_owned(), answers, by: DecidedBy::Policy });
        self.refused.extend(wish.tool_use_id);
        answer_with(out, id, &json!({ "behavior": "deny", "message": NOBODY_THERE }));
    }

    fn control_cancel(&mut self, cancel: &wire::ControlCancel<'_>, out: &mut Output) -> Fate {
        if let Some(pending) = self.pending.remove(cancel.request_id.as_ref()) {
            self.withdrawn(cancel.request_id.as_ref().to_owned(), pending, out);
        }
        fate(out)
    }

    /// The agent waits no longer for an answer to this.
    fn withdrawn(&mut self, id: String, pending: Pending, out: &mut Output) {
        self.refused.extend(pending.tool_call);
        let reason = Some("the agent has withdrawn this request".to_owned());
        out.event(StreamEvent::PermissionResolved { id, decision: Decision::Deny, by: DecidedBy::Policy, reason });
    }

    fn result(&mut self, result: wire::TurnResult, out: &mut Output) -> Fate {
        for (id, pending) in std::mem::take(&mut self.pending) {
            self.withdrawn(id, pending, out);
        }
        self.count(&result);
        out.event(StreamEvent::Usage(self.usage.clone()));
        let code = self.error.take();
        self.thought.clear();
        self.streaming.clear();
        self.refused.clear();
        self.limited = false;
        self.interrupted = false;
        out.items.push(Item::TurnEnded(failure::turn_end(result, code.as_deref())));
        Fate::Told
    }

    /// Adds what a turn has used.
    fn count(&mut self, turn: &wire::TurnResult) {
        let usage = &mut self.usage;
        let add = |total: &mut u64, more: u64| *total = total.saturating_add(more);
        if let Some(models) = &turn.model_usage_since_last_result {
            let mut cost = usage.cost_usd.unwrap_or(0.0);
            for model in models.values() {
                add(&mut usage.input_tokens, model.input_tokens);
                add(&mut usage.output_tokens, model.output_tokens);
                add(&mut usage.cache_read_tokens, model.cache_read_input_tokens);
                add(&mut usage.cache_write_tokens, model.cache_creation_input_tokens);
                add(&mut usage.reasoning_tokens, model.thinking_tokens);
                cost += model.cost_usd;
            }
            usage.cost_usd = Some(cost);
        } else {
            add(&mut usage.input_tokens, turn.usage.input_tokens);
            add(&mut usage.output_tokens, turn.usage.output_tokens);
            add(&mut usage.cache_read_tokens, turn.usage.cache_read_input_tokens);
            add(&mut usage.cache_write_tokens, turn.usage.cache_creation_input_tokens);
            usage.cost_usd = turn.total_cost_usd.filter(|_| !self.resumed);
        }
    }
}

/// Which control request it is.
#[derive(Deserialize)]
struct Subtype<'a> {
    #[serde(borrow)]
    subtype: Text<'a>,
}

fn control_response(line: wire::ControlResponse<'_>, out: &mut Output) -> Fate {
    if line.response.subtype == "error" {
        let error = line.response.error.unwrap_or_else(|| "a request was refused without a word".to_owned());
        out.event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, error));
    }
    fate(out)
}

fn rate_limit(line: &wire::RateLimit, out: &mut Output) -> Fate {
    let (level, message) = match line.rate_limit_info.status.as_str() {
        "rejected" => (Level::Warning, "the usage limit is reached"),
        "allowed_warning" => (Level::Info, "the usage limit is near"),
        _ => return Fate::Noise,
    };
    let resets_at = line.rate_limit_info.resets_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    let data = resets_at.map(|resets_at| json!({ "resets_at": resets_at }));
    out.event(StreamEvent::Notice { level, code: NoticeCode::RateLimited, message: message.to_owned(), data });
    Fate::Told
}

/// Fields that are not known are absent, not null.
fn without_nulls(mut data: Value) -> Value {
    if let Some(fields) = data.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    data
}

/// Sends a control response.
fn answer(out: &mut Output, response: &Value) {
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

/// Answers a request that was understood.
fn answer_with(out: &mut Output, id: &str, response: &Value) {
    answer(out, &json!({ "subtype": "success", "request_id": id, "response": response }));
}

/// The suggestion with the session as its reach: some of the program's own would write into the settings of the project.
fn for_this_session(mut suggestion: Value) -> Value {
    if let Some(destination) = suggestion.get_mut("destination") {
        *destination = json!("session");
    }
    suggestion
}

impl Parser for ClaudeParser {
    fn open(&mut self, out: &mut Output) {
        let prompt = std::mem::take(&mut self.prompt);
        match self.mode {
            Mode::TwoWay => {
                let request = json!({ "subtype": "initialize", "hooks": null });
                out.send_json(&json!({ "type": "control_request", "request_id": INITIALIZE, "request": request }));
                out.send_json(&json!({ "type": "user", "message": { "role": "user", "content": prompt } }));
            }
            Mode::OneShot => {
                out.send = prompt.into_bytes();
                out.close_stdin = true;
            }
        }
    }

    fn line(&mut self, line: &str, out: &mut Output) -> Fate {
        let known = self.understand(line, out).or_else(|_unreadable| {
            // Doubled keys are an error where a type is expected; here the last one counts, as it does elsewhere.
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(line)?;
            self.understand(&serde_json::to_string(&fields)?, out)
        });
        match known {
            Ok(Known::As(fate)) => fate,
            Ok(Known::Not) | Err(_) => out.raw(line),
        }
    }

    fn decide(&mut self, request: &str, decision: Decision, out: &mut Output) {
        let Some(pending) = self.pending.remove(request) else { return };
        let mut response = json!({ "behavior": "allow", "updatedInput": pending.input });
        match decision {
            Decision::AllowOnce => {}
            Decision::AllowAlways => {
                let permissions: Vec<Value> = pending.suggestions.into_iter().map(for_this_session).collect();
                response["updatedPermissions"] = Value::Array(permissions);
            }
            Decision::Deny => {
                self.refused.extend(pending.tool_call);
                response = json!({ "behavior": "deny", "message": DENIED });
            }
        }
        answer_with(out, request, &response);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let interrupted = self.interrupted && exit.is_success();
        let failed = || Failure::new(crate::types::Cause::AgentError, "the turn was interrupted before the model answered");
        failure::diagnose(exit, stderr_tail).or_else(|| interrupted.then(failed))
    }
}

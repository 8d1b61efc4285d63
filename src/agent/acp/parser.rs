//! The protocol's state machine: parses the agent's lines and sends requests.

use agent_client_protocol_schema::v1::{StopReason, ToolCallUpdate};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::causes::{self, INVALID_PARAMS, METHOD_NOT_FOUND, RequestPhase};
use super::dialect::Dialect;
use super::permissions::Permissions;
use super::plan::plan_entries;
use super::setup::{SessionSetup, current_model, prompt};
use super::text::MessageBuffer;
use super::tools::ToolCalls;
use super::usage::UsageTotals;
use super::wire::{
    CancelRequest, Chunk, Message, PermissionRequest, Plan, Update, UpdateKind, error_response, notification, request, response,
};
use crate::agent::{Item, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Delta, Failure, Level, NoticeCode, StreamEvent};

/// A client of the Agent Client Protocol, for one process and one conversation.
///
/// A turn is running while a request to the agent is pending: from the start of the process, or from [`Parser::begin_turn`], to the
/// response to `session/prompt`.
pub struct Acp {
    setup: SessionSetup,
    dialect: Dialect,
    /// The request to the agent that has no response yet.
    pending: Option<(u64, Step)>,
    last_id: u64,
    version: Option<String>,
    /// The session mode to set before the first prompt.
    session_mode: Option<String>,
    /// Set once the agent is ready.
    session: Option<String>,
    /// The message that started the turn.
    prompt: String,
    /// Whether the turn was interrupted.
    interrupted: bool,
    message: MessageBuffer,
    calls: ToolCalls,
    usage: UsageTotals,
    permissions: Permissions,
    /// Whether the turn has produced any output.
    active: bool,
    /// Whether a permission was denied in the turn.
    denied: bool,
}

/// The purpose of the pending request.
#[derive(Clone, Debug)]
enum Step {
    Initialize,
    Session,
    Model { session: String, opened: Value },
    Mode { session: String, model: Option<String> },
    Prompt,
}

/// Updates that readers of a run do not need: menus, titles, modes, and the echo of the prompt.
const IGNORED_UPDATES: &[&str] =
    &["available_commands_update", "config_option_update", "current_mode_update", "session_info_update", "user_message_chunk"];

/// Notifications outside the protocol without useful content (recordings `acp/claude_text`, `acp/codex_text`).
const IGNORED_METHODS: &[&str] = &["_auth/status_update"];

impl Acp {
    /// A parser for `task`.
    pub fn new(task: &Task, dialect: Dialect) -> Self {
        let setup = SessionSetup::new(task);
        Self {
            usage: UsageTotals::new(setup.resume.is_some()),
            prompt: task.spec.prompt.clone(),
            setup,
            dialect,
            pending: None,
            last_id: 0,
            version: None,
            session_mode: None,
            session: None,
            interrupted: false,
            message: MessageBuffer::default(),
            calls: ToolCalls::new(dialect),
            permissions: Permissions::default(),
            active: false,
            denied: false,
        }
    }

    /// Sets the session to `mode`, as defined by the agent, before the first prompt. Some agents ask for permission only in some modes.
    #[must_use]
    pub fn with_session_mode(mut self, mode: Option<String>) -> Self {
        self.session_mode = mode;
        self
    }

    fn send(&mut self, step: Step, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        out.send_json(&request(self.last_id, method, params));
        self.pending = Some((self.last_id, step));
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        // An interrupted turn counts as cancelled, however the agent reports it.
        let failure = if self.interrupted { Failure::new(Cause::Cancelled, "the turn was interrupted") } else { failure };
        self.finish_turn(out);
        if failure.cause == Cause::RateLimited {
            out.emit(StreamEvent::notice(Level::Error, NoticeCode::RateLimited, failure.message.clone()));
        }
        out.items.push(Item::TurnEnded(Err(failure)));
    }

    /// Closes the message, requests and tool calls that are open at the end of a turn, and emits the usage.
    fn finish_turn(&mut self, out: &mut Output) {
        self.message.close(out);
        self.permissions.close_all("the turn is over", &mut self.calls, out);
        self.calls.finish(self.interrupted, out);
        if let Some(total) = self.usage.total() {
            out.emit(StreamEvent::Usage(total));
        }
    }

    /// Handles a response. Responses to unknown requests are ignored.
    fn handle_response(&mut self, id: &RawValue, message: Message<'_>, out: &mut Output) -> LineOutcome {
        let Some((_, step)) = self.pending.take_if(|(pending, _)| id.get().parse() == Ok(*pending)) else { return LineOutcome::Ignored };
        let phase = match step {
            Step::Initialize | Step::Session | Step::Mode { .. } => RequestPhase::Setup,
            Step::Model { .. } => RequestPhase::Model,
            Step::Prompt => RequestPhase::Prompt,
        };
        let result = match (message.error, message.result) {
            (Some(error), _) => Err(self.setup.attribute(phase, causes::failure(phase, &error))),
            (None, result) => Ok(result.and_then(|result| serde_json::from_str(result.get()).ok()).unwrap_or(Value::Null)),
        };
        if let Err(failure) = result.and_then(|result| self.advance(step, &result, out)) {
            self.fail(failure, out);
        }
        LineOutcome::Emitted
    }

    /// Processes the result of `step` and sends the next request.
    fn advance(&mut self, step: Step, result: &Value, out: &mut Output) -> Result<(), Failure> {
        match step {
            Step::Initialize => {
                self.version = result.pointer("/agentInfo/version").and_then(Value::as_str).map(str::to_owned);
                let (method, params) = self.setup.session(result)?;
                self.send(Step::Session, method, &params, out);
            }
            Step::Session => {
                let named = result.get("sessionId").and_then(Value::as_str).map(str::to_owned);
                let session = named.or_else(|| self.setup.resume.clone());
                let session = session.ok_or_else(|| Failure::new(Cause::Protocol, "the agent opened a session without an id"))?;
                match self.setup.model(&session, result)? {
                    Some((method, params)) => self.send(Step::Model { session, opened: result.clone() }, method, &params, out),
                    None => self.set_mode(session, current_model(result).map(str::to_owned), out),
                }
            }
            Step::Model { session, opened } => {
                let model = self.setup.model.clone().or_else(|| current_model(&opened).map(str::to_owned));
                self.set_mode(session, model, out);
            }
            Step::Mode { session, model } => self.start(session, model, out),
            Step::Prompt => self.handle_turn_result(result, out)?,
        }
        Ok(())
    }

    /// Sets the session mode, if one is configured.
    fn set_mode(&mut self, session: String, model: Option<String>, out: &mut Output) {
        match self.session_mode.take() {
            Some(mode) => {
                let params = json!({ "sessionId": session, "modeId": mode });
                self.send(Step::Mode { session, model }, "session/set_mode", &params, out);
            }
            None => self.start(session, model, out),
        }
    }

    /// Completes the setup and starts the first turn.
    fn start(&mut self, session: String, model: Option<String>, out: &mut Output) {
        self.session = Some(session.clone());
        let started = Started { agent_session: Some(session), version: self.version.clone(), model };
        out.items.push(Item::Started(started));
        if self.interrupted {
            self.fail(Failure::new(Cause::Cancelled, "the turn was interrupted"), out);
        } else {
            self.send_prompt(out);
        }
    }

    /// Sends the turn's message to the agent.
    fn send_prompt(&mut self, out: &mut Output) {
        let params = prompt(self.session.as_deref().unwrap_or_default(), &self.prompt);
        self.send(Step::Prompt, "session/prompt", &params, out);
    }

    /// Handles the result of a turn.
    fn handle_turn_result(&mut self, result: &Value, out: &mut Output) -> Result<(), Failure> {
        let reason = result.get("stopReason").and_then(|reason| serde_json::from_value(reason.clone()).ok());
        let usage = result.get("usage").unwrap_or(&Value::Null);
        self.usage.add_turn(usage);
        let silent = !self.active && usage.is_null();
        match reason {
            // Also if the agent had already completed the turn, so that the next message never follows a turn that counts as successful.
            _ if self.interrupted => Err(Failure::new(Cause::Cancelled, "the turn was interrupted")),
            Some(StopReason::EndTurn) if silent && self.is_slash_command() => Err(Failure::new(
                Cause::BadArguments,
                "the agent took the prompt for an unknown command, because it starts with a slash; start it with another character",
            )),
            Some(StopReason::EndTurn) => {
                self.complete_turn(out);
                Ok(())
            }
            Some(StopReason::MaxTokens) => {
                out.emit(StreamEvent::notice(
                    Level::Warning,
                    NoticeCode::AgentWarning,
                    "the answer was truncated at the model's token limit",
                ));
                self.complete_turn(out);
                Ok(())
            }
            Some(StopReason::MaxTurnRequests) => {
                Err(Failure::new(Cause::AgentError, "the agent reached its limit of model requests per turn"))
            }
            Some(StopReason::Refusal) => Err(Failure::new(Cause::AgentError, "the model refused to continue")),
            // Codex's adapter ends the turn after a denial (recording `acp/codex_permission_reject_once`).
            Some(StopReason::Cancelled) if self.denied => {
                Err(Failure::new(Cause::AgentError, "the agent cancelled the turn after a denial"))
            }
            Some(StopReason::Cancelled) => Err(Failure::new(Cause::AgentError, "the agent cancelled the turn")),
            _ => Err(Failure::new(Cause::Protocol, "the agent ended the turn with an unknown stop reason")),
        }
    }

    fn complete_turn(&mut self, out: &mut Output) {
        self.finish_turn(out);
        let text = self.message.take_last();
        out.items.push(Item::TurnEnded(Ok(text)));
    }

    /// Whether the prompt may have been taken for an unknown command: `OpenCode` takes every prompt that starts with a slash for a
    /// command, and ends the turn without output if it does not exist (recording `acp/opencode_slash`).
    fn is_slash_command(&self) -> bool {
        let command = self.prompt.trim().strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
        command.is_some_and(|command| !self.dialect.silent_commands.contains(&command))
    }

    /// Handles a request of the agent. An unknown method is rejected as JSON-RPC requires.
    fn handle_request(&mut self, id: &RawValue, method: &str, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(id) = serde_json::from_str::<Value>(id.get()) else { return out.emit_raw(line) };
        match method {
            "session/request_permission" => {
                let Some(Ok(request)) = params.map(|params| serde_json::from_str(params.get())) else {
                    out.send_json(&error_response(&id, INVALID_PARAMS, "invalid params"));
                    return out.emit_raw(line);
                };
                self.request_permission(id, request, out);
                LineOutcome::Emitted
            }
            // `OpenCode` sends this although the client does not offer it, does not wait for the response, and writes the file anyway
            // (recording `acp/opencode_permission_allow_once`). After an error response it prints pages of its own source to stderr.
            // The tool call reports the change.
            "fs/write_text_file" if self.dialect.sends_redundant_writes => {
                out.send_json(&response(&id, &json!({})));
                LineOutcome::Emitted
            }
            method if method.starts_with("fs/") || method.starts_with("terminal/") => {
                out.send_json(&error_response(&id, METHOD_NOT_FOUND, "this client offers neither files nor terminals"));
                LineOutcome::Emitted
            }
            _ => {
                out.send_json(&error_response(&id, METHOD_NOT_FOUND, "method not found"));
                out.emit_raw(line)
            }
        }
    }

    fn request_permission(&mut self, id: Value, request: PermissionRequest, out: &mut Output) {
        self.active = true;
        self.message.close(out);
        let in_turn = !self.interrupted && matches!(self.pending, Some((_, Step::Prompt)));
        if in_turn {
            self.permissions.open(id, request, &mut self.calls, out);
        } else {
            Permissions::reject(&id, request, &mut self.calls, out);
        }
    }

    /// Handles `$/cancel_request`, by which the agent withdraws a request (recording `acp/codex_cancel_permission`, where it had already
    /// been answered).
    fn handle_withdrawal(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(CancelRequest { request_id })) = params.map(|params| serde_json::from_str(params.get())) else {
            return out.emit_raw(line);
        };
        if self.permissions.withdraw(&request_id, &mut self.calls, out) { LineOutcome::Emitted } else { LineOutcome::Ignored }
    }

    /// Handles `session/update`.
    fn handle_update(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(Update { session_id, update })) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return out.emit_raw(line);
        };
        let update = update.get();
        let Ok(UpdateKind { session_update: kind }) = serde_json::from_str(update) else { return out.emit_raw(line) };
        if IGNORED_UPDATES.contains(&&*kind) || matches!(self.pending, Some((_, Step::Session))) {
            // Updates before the response to `session/load` are history, which is in the logs of earlier runs.
            return LineOutcome::Ignored;
        }
        if self.session.as_deref().is_some_and(|ours| ours != session_id) {
            return out.emit_raw(line);
        }
        if !kind.starts_with("tool_call") {
            self.calls.announce_complete(None, out);
        }
        let outcome = match &*kind {
            "agent_message_chunk" => self.handle_text(update, out),
            "agent_thought_chunk" => self.handle_thinking(update, out),
            "tool_call" => self.handle_tool_call(true, update, out),
            "tool_call_update" => self.handle_tool_call(false, update, out),
            "plan" => serde_json::from_str::<Plan>(update).ok().map(|plan| {
                self.message.close(out);
                out.emit(StreamEvent::Plan { entries: plan_entries(&plan.entries) });
                LineOutcome::Emitted
            }),
            "usage_update" => serde_json::from_str::<Value>(update)
                .ok()
                .map(|usage| if self.usage.update(&usage) { LineOutcome::Buffered } else { LineOutcome::Ignored }),
            _ => None,
        };
        let outcome = match outcome {
            None => out.emit_raw(line),
            Some(_) if !out.is_empty() => LineOutcome::Emitted,
            Some(outcome) => outcome,
        };
        self.active |= outcome == LineOutcome::Emitted;
        outcome
    }

    fn handle_text(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.message.push(chunk.message_id.as_deref(), &chunk.content.text, out);
        Some(LineOutcome::Emitted)
    }

    fn handle_thinking(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.message.close(out);
        let message_id = chunk.message_id.map(std::borrow::Cow::into_owned);
        let content = Delta { text: chunk.content.text.into_owned(), message_id, parent_tool_call_id: None };
        out.emit(StreamEvent::Thinking { content });
        Some(LineOutcome::Emitted)
    }

    fn handle_tool_call(&mut self, first: bool, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let update: ToolCallUpdate = serde_json::from_str(update).ok()?;
        self.message.close(out);
        self.calls.announce_complete(Some(&update.tool_call_id.to_string()), out);
        self.calls.update(first, update, out);
        Some(LineOutcome::Buffered)
    }
}

impl Parser for Acp {
    fn open(&mut self, out: &mut Output) {
        self.send(Step::Initialize, "initialize", &SessionSetup::initialize(), out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(message) = serde_json::from_str::<Message<'_>>(line) else { return out.emit_raw(line) };
        match (message.method.as_deref(), message.id) {
            (Some("session/update"), None) => self.handle_update(message.params, line, out),
            (Some("$/cancel_request"), None) => self.handle_withdrawal(message.params, line, out),
            (Some(method), None) if IGNORED_METHODS.contains(&method) => LineOutcome::Ignored,
            (Some(method), Some(id)) => self.handle_request(id, method, message.params, line, out),
            (None, Some(id)) => self.handle_response(id, message, out),
            (_, None) => out.emit_raw(line),
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        if let Answer::Permission { decision, option_id, .. } = answer {
            self.denied |= *decision == Decision::Deny;
            self.permissions.answer(request, *decision, option_id.as_deref(), &mut self.calls, out);
        }
    }

    fn begin_turn(&mut self, text: &str, out: &mut Output) -> bool {
        if self.session.is_none() || self.pending.is_some() {
            return false;
        }
        text.clone_into(&mut self.prompt);
        (self.interrupted, self.active, self.denied) = (false, false, false);
        self.message.take_last();
        self.send_prompt(out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if self.pending.is_none() {
            return false;
        }
        // Before the prompt was sent, the turn ends instead of starting.
        let prompted = matches!(self.pending, Some((_, Step::Prompt)));
        if prompted && !self.interrupted {
            let session = self.session.as_deref().unwrap_or_default();
            out.send_json(&notification("session/cancel", &json!({ "sessionId": session })));
            self.permissions.close_all("the turn was interrupted", &mut self.calls, out);
        }
        self.interrupted = true;
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.message.close(out);
        self.permissions.close_all("the agent has exited", &mut self.calls, out);
        self.calls.finish(self.interrupted, out);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        self.dialect.diagnose.and_then(|diagnose| diagnose(exit, stderr_tail))
    }
}

//! The protocol's state machine: parses the agent's lines and sends requests. `updates` continues this module with what an agent reports
//! during a turn.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::causes::{self, INVALID_PARAMS, METHOD_NOT_FOUND, RequestPhase};
use super::compaction::Compaction;
use super::dialect::Dialect;
use super::permissions::Permissions;
use super::prompt::PromptParts;
use super::questions::{self, Questions};
use super::request_keys::RequestKeys;
use super::session_state::SessionState;
use super::setup::{OpenSession, SessionOptions, SessionSetup, initialize_params};
use super::text::MessageBuffer;
use super::tools::{ToolCalls, TurnOutcome};
use super::turn::{Ending, Turn};
use super::usage::UsageTotals;
use super::wire::{CancelRequest, Message, PermissionRequest, error_response, notification, request, response};
use crate::agent::{self, Item, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Failure, Level, NoticeCode, PermissionMode, StreamEvent};

/// How long after the result of a turn the agent may be silent until the turn ends: the result may overtake the last chunks of the answer by
/// some 50 ms.
const SETTLE: Duration = Duration::from_millis(200);
/// Number of lines after the result of a turn at which the turn ends although the agent is not silent.
const MAX_LATE_LINES: u32 = 1000;
/// How long the agent may be silent in a turn without a running tool until a notice says so: many agents retry a failing model without a
/// word.
const SILENT_MODEL: Duration = Duration::from_mins(1);
/// How long the agent may be silent before it answers a request of the setup. Some never answer `session/new`; slow ones start MCP servers.
const SILENT_SETUP: Duration = Duration::from_mins(2);

/// A client of the Agent Client Protocol, for one process and one conversation.
///
/// A turn is running while a request to the agent is pending, or while its result settles: from the start of the process, or from
/// [`Parser::begin_turn`], to [`Item::TurnEnded`].
pub struct Acp {
    pub(super) setup: SessionSetup,
    pub(super) dialect: Dialect,
    /// The request to the agent that has no response yet.
    pub(super) pending: Option<(u64, Step)>,
    last_id: u64,
    version: Option<String>,
    /// Set once the agent is ready.
    pub(super) session: Option<String>,
    pub(super) turn: Turn,
    /// What the first prompt contains besides its text.
    parts: PromptParts,
    pub(super) message: MessageBuffer,
    pub(super) calls: ToolCalls,
    pub(super) usage: UsageTotals,
    pub(super) state: SessionState,
    pub(super) compaction: Compaction,
    /// The session mode for which the agent has left the one that was set.
    pub(super) left_mode: Option<String>,
    permissions: Permissions,
    questions: Questions,
    keys: RequestKeys,
    /// Whether a permission was granted for good: the agent then no longer asks about some tools.
    allowed_always: bool,
}

/// The purpose of the pending request.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Initialize,
    /// With the result of `initialize`.
    Authenticate(Value),
    Session,
    Configure(RequestPhase, OpenSession),
    Prompt,
}

/// Notifications outside the protocol without useful content start with this.
pub(super) const EXTENSION: char = '_';

impl Acp {
    /// A parser for `task`.
    pub fn new(task: &Task, dialect: Dialect) -> Self {
        let setup = SessionSetup::new(task);
        Self {
            usage: UsageTotals::new(setup.resume.is_some()),
            turn: Turn::new(&task.spec.prompt),
            parts: PromptParts::of_task(task),
            setup,
            dialect,
            pending: None,
            last_id: 0,
            version: None,
            session: None,
            message: MessageBuffer::default(),
            calls: ToolCalls::new(dialect),
            state: SessionState::default(),
            compaction: Compaction::default(),
            left_mode: None,
            permissions: Permissions::default(),
            questions: Questions::default(),
            keys: RequestKeys::default(),
            allowed_always: false,
        }
    }

    /// Sets up the session with `options`.
    #[must_use]
    pub fn with_options(mut self, options: SessionOptions) -> Self {
        self.setup.options = options;
        self
    }

    fn send(&mut self, step: Step, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        out.send_json(&request(self.last_id, method, params));
        self.pending = Some((self.last_id, step));
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        // An interrupted turn counts as cancelled, however the agent reports it.
        let failure = if self.turn.interrupted { Failure::new(Cause::Cancelled, "the turn was interrupted") } else { failure };
        let outcome = if self.turn.interrupted { TurnOutcome::Interrupted } else { TurnOutcome::Failed };
        self.close_turn(outcome, out);
        if failure.cause == Cause::RateLimited {
            out.emit(StreamEvent::notice(Level::Error, NoticeCode::RateLimited, failure.message.clone()));
        }
        out.items.push(Item::TurnEnded(Err(self.setup.with_login(failure))));
    }

    /// Closes the message, requests and tool calls that are open at the end of a turn, and emits the usage.
    fn close_turn(&mut self, outcome: TurnOutcome, out: &mut Output) {
        self.message.close(out);
        self.close_requests("the turn is over", out);
        self.calls.finish(outcome, out);
        if let Some(total) = self.usage.total() {
            out.emit(StreamEvent::Usage(total));
        }
        if self.session.is_some() {
            self.state.emit(true, out);
        }
    }

    fn close_requests(&mut self, reason: &str, out: &mut Output) {
        self.permissions.close_all(reason, &mut self.calls, out);
        self.questions.close_all(out);
    }

    /// Handles a response. Responses to unknown requests are ignored.
    fn handle_response(&mut self, id: &RawValue, message: Message<'_>, out: &mut Output) -> LineOutcome {
        let Some((_, step)) = self.pending.take_if(|(pending, _)| id.get().parse() == Ok(*pending)) else { return LineOutcome::Ignored };
        let phase = match &step {
            Step::Initialize => RequestPhase::Initialize,
            Step::Authenticate(_) => RequestPhase::Authenticate,
            Step::Session => RequestPhase::Session,
            Step::Configure(phase, _) => *phase,
            Step::Prompt => RequestPhase::Prompt,
        };
        let result = match (message.error, message.result) {
            (Some(error), _) => Err(self.setup.attribute(phase, causes::failure(phase, &error))),
            (None, result) => Ok(result.and_then(|result| serde_json::from_str(result.get()).ok()).unwrap_or(Value::Null)),
        };
        let is_buffered = match result {
            // The turn may only settle now.
            Ok(result) if matches!(step, Step::Prompt) => self.handle_turn_result(result, out),
            result => {
                if let Err(failure) = result.and_then(|result| self.advance(step, result, out)) {
                    self.fail(failure, out);
                }
                false
            }
        };
        if is_buffered && out.is_empty() { LineOutcome::Buffered } else { LineOutcome::Emitted }
    }

    /// Processes the result of a step of the setup and sends the next request.
    fn advance(&mut self, step: Step, result: Value, out: &mut Output) -> Result<(), Failure> {
        match step {
            Step::Initialize => {
                self.version = result.pointer("/agentInfo/version").and_then(Value::as_str).map(str::to_owned);
                self.recognize(&result);
                self.setup.initialized(&result)?;
                match self.setup.auth_method(&result)? {
                    Some(method) => {
                        self.send(Step::Authenticate(result), "authenticate", &json!({ "methodId": method }), out);
                    }
                    None => self.open_session(&result, out)?,
                }
            }
            Step::Authenticate(initialized) => self.open_session(&initialized, out)?,
            Step::Session => {
                let session = self.setup.opened(&result)?;
                self.state.open(&result, session.model.as_deref());
                if let Some(mode) = &session.mode {
                    self.state.set_mode(mode);
                }
                self.setup.required_mode.clone_from(&session.mode);
                self.configure(session, out);
            }
            Step::Configure(_, session) => self.configure(session, out),
            Step::Prompt => {}
        }
        Ok(())
    }

    /// Applies the dialect of a known agent, for agents that the operator has configured.
    fn recognize(&mut self, initialized: &Value) {
        let name = initialized.pointer("/agentInfo/name").and_then(Value::as_str);
        if let Some(known) = name.and_then(Dialect::by_name) {
            self.dialect = Dialect { diagnose: self.dialect.diagnose, ..known };
            self.calls.set_dialect(self.dialect);
        }
    }

    fn open_session(&mut self, initialized: &Value, out: &mut Output) -> Result<(), Failure> {
        let (method, params) = self.setup.session(initialized)?;
        self.send(Step::Session, method, &params, out);
        Ok(())
    }

    /// Sends the next request that configures the session, or starts the first turn.
    fn configure(&mut self, mut session: OpenSession, out: &mut Output) {
        match session.requests.pop_front() {
            Some((phase, method, params)) => self.send(Step::Configure(phase, session), method, &params, out),
            None => self.start(session, out),
        }
    }

    /// Completes the setup and starts the first turn.
    fn start(&mut self, session: OpenSession, out: &mut Output) {
        self.session = Some(session.id.clone());
        let started = Started { agent_session: Some(session.id), version: self.version.clone(), model: session.model };
        out.items.push(Item::Started(started));
        self.state.emit(false, out);
        if self.turn.interrupted {
            self.fail(Failure::new(Cause::Cancelled, "the turn was interrupted"), out);
        } else {
            self.send_prompt(out);
        }
    }

    /// Sends the turn's message to the agent.
    fn send_prompt(&mut self, out: &mut Output) {
        let blocks = self.parts.take().into_blocks(&self.turn.prompt, self.setup.embeds_files);
        let params = json!({ "sessionId": self.session, "prompt": blocks });
        self.send(Step::Prompt, "session/prompt", &params, out);
    }

    /// Handles the result of a turn. Returns whether the turn has not ended yet, because chunks of the answer may still arrive.
    fn handle_turn_result(&mut self, result: Value, out: &mut Output) -> bool {
        let ends = self.turn.ends_at_once(&result);
        self.turn.result = Some(result);
        if ends {
            self.end_turn(out);
        }
        !ends
    }

    /// Ends the turn whose result has arrived.
    fn end_turn(&mut self, out: &mut Output) {
        let Some(result) = self.turn.result.take() else { return };
        let is_partial = self.dialect.reports_last_call && self.turn.called_tools;
        let has_usage = self.usage.add_turn(&result, is_partial);
        self.message.close(out);
        match self.turn.evaluate(&result, self.message.last(), has_usage, &self.dialect) {
            Ok(ending) => {
                if ending == Ending::Truncated {
                    let message = "the answer was truncated at the model's token limit";
                    out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
                }
                self.close_turn(TurnOutcome::Completed, out);
                self.report_unasked(out);
                let text = self.message.take_last();
                out.items.push(Item::TurnEnded(Ok(text)));
            }
            Err(failure) => self.fail(failure, out),
        }
    }

    /// Reports a tool that has changed something without having been allowed, where the run's mode requires that it asks. In `read_only` the
    /// agent is interrupted and its turn fails. Returns whether that happened.
    pub(super) fn report_unasked(&mut self, out: &mut Output) -> bool {
        let Some(title) = self.calls.take_unasked() else { return false };
        let mode = self.setup.permission_mode;
        if !self.setup.options.enforces_asking || self.allowed_always || mode == PermissionMode::Auto {
            return false;
        }
        let message = format!("the agent did not ask for permission before it did this: {title}");
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message.clone()));
        if mode != PermissionMode::ReadOnly || !matches!(self.pending, Some((_, Step::Prompt))) {
            return false;
        }
        self.send_cancel(out);
        // The response is not awaited: an agent that does not ask may not stop, either.
        self.pending = None;
        self.fail(Failure::new(Cause::AgentError, format!("{message}; it was stopped, because permission_mode is read_only")), out);
        true
    }

    fn send_cancel(&mut self, out: &mut Output) {
        let session = self.session.as_deref().unwrap_or_default();
        out.send_json(&notification("session/cancel", &json!({ "sessionId": session })));
    }

    fn is_in_turn(&self) -> bool {
        !self.turn.interrupted && matches!(self.pending, Some((_, Step::Prompt)))
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
            "elicitation/create" | "_x.ai/ask_user_question" | "x.ai/ask_user_question" => {
                let params: Value = params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
                self.request_answers(&id, method == "elicitation/create", &params, out);
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
                if self.is_noise(method) { LineOutcome::Emitted } else { out.emit_raw(line) }
            }
        }
    }

    fn is_noise(&self, method: &str) -> bool {
        self.dialect.noise.iter().any(|prefix| method.starts_with(prefix))
    }

    fn request_permission(&mut self, id: Value, request: PermissionRequest, out: &mut Output) {
        self.turn.active = true;
        self.message.close(out);
        if !self.is_in_turn() {
            Permissions::reject(&id, request, &mut self.calls, out);
        } else if !self.questions.open_from_permission(&id, &request, &mut self.keys, out) {
            self.permissions.open(id, request, &mut self.keys, &mut self.calls, out);
        }
    }

    /// Handles a request that asks the user: a form of the protocol, or Grok's own request.
    fn request_answers(&mut self, id: &Value, is_form: bool, params: &Value, out: &mut Output) {
        self.turn.active = true;
        self.message.close(out);
        // Forms are offered only where a user decides. Grok asks in every mode.
        let may_ask = self.is_in_turn() && (!is_form || self.setup.permission_mode == PermissionMode::Ask);
        let opened = may_ask
            && if is_form {
                self.questions.open_form(id, params, &mut self.keys, out)
            } else {
                self.questions.open_by_text(id, params, &mut self.keys, out)
            };
        if opened {
            return;
        }
        let message = params.get("message").and_then(Value::as_str).unwrap_or("no message");
        let notice = format!("a question of the agent was declined: {message}");
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, notice));
        out.send_json(&if is_form { questions::declined(id) } else { response(id, &json!({ "outcome": "cancelled" })) });
    }

    /// Handles `$/cancel_request`, by which the agent withdraws a request (recording `acp/codex_cancel_permission`, where it had already
    /// been answered).
    fn handle_withdrawal(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(CancelRequest { request_id })) = params.map(|params| serde_json::from_str(params.get())) else {
            return out.emit_raw(line);
        };
        let withdrawn = self.permissions.withdraw(&request_id, &mut self.calls, out) || self.questions.withdraw(&request_id, out);
        if withdrawn { LineOutcome::Emitted } else { LineOutcome::Ignored }
    }

    fn handle_message(&mut self, message: Message<'_>, line: &str, out: &mut Output) -> LineOutcome {
        match (message.method.as_deref(), message.id) {
            (Some("session/update"), None) => self.handle_update(message.params, line, out),
            // The user has opened an address; the tool call that waits for it continues.
            (Some("elicitation/complete"), None) => LineOutcome::Ignored,
            (Some("$/cancel_request"), None) => self.handle_withdrawal(message.params, line, out),
            (Some(method), None) => self.handle_extension(method, message.params, line, out),
            (Some(method), Some(id)) => self.handle_request(id, method, message.params, line, out),
            (None, Some(id)) => self.handle_response(id, message, out),
            (None, None) => out.emit_raw(line),
        }
    }

    /// Handles a notification that is not part of the protocol.
    fn handle_extension(&self, method: &str, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let event = self.dialect.notification.and_then(|event| {
            let params: Value = serde_json::from_str(params?.get()).ok()?;
            event(method, &params)
        });
        match event {
            Some(event) => {
                out.emit(event);
                LineOutcome::Emitted
            }
            None if method.starts_with(EXTENSION) || self.is_noise(method) => LineOutcome::Ignored,
            None => out.emit_raw(line),
        }
    }
}

impl Parser for Acp {
    fn open(&mut self, out: &mut Output) {
        let params = initialize_params(self.setup.permission_mode);
        self.send(Step::Initialize, "initialize", &params, out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        self.turn.silence_reported = false;
        let settles = self.turn.result.is_some();
        let outcome = match serde_json::from_str::<Message<'_>>(line) {
            Ok(message) => self.handle_message(message, line, out),
            Err(_) => out.emit_raw(line),
        };
        let has_emitted = self.calls.note_line(line.len(), out);
        let outcome = if has_emitted && outcome != LineOutcome::Raw { LineOutcome::Emitted } else { outcome };
        if !settles {
            return outcome;
        }
        self.turn.late_lines += 1;
        if self.turn.late_lines < MAX_LATE_LINES {
            return outcome;
        }
        self.end_turn(out);
        if outcome == LineOutcome::Raw { outcome } else { LineOutcome::Emitted }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        match answer {
            Answer::Permission { decision, option_id, .. } => {
                self.turn.denied |= *decision == Decision::Deny;
                self.allowed_always |= *decision == Decision::AllowAlways;
                self.permissions.answer(request, *decision, option_id.as_deref(), &mut self.calls, out);
            }
            Answer::Question { answers } => {
                self.questions.answer(request, answers, out);
            }
        }
    }

    fn begin_turn(&mut self, message: &agent::Message, out: &mut Output) -> bool {
        let is_busy = self.session.is_none() || self.pending.is_some() || self.turn.result.is_some();
        if is_busy || !message.images.is_empty() && !self.setup.takes_images {
            return false;
        }
        self.turn = Turn::new(&message.text);
        self.parts = PromptParts::of_message(message);
        self.message.begin_turn();
        self.send_prompt(out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if self.turn.result.is_some() {
            self.turn.interrupted = true;
            self.end_turn(out);
            return true;
        }
        if self.pending.is_none() {
            return false;
        }
        // Before the prompt was sent, the turn ends instead of starting.
        if self.is_in_turn() {
            self.send_cancel(out);
            self.close_requests("the turn was interrupted", out);
        }
        self.turn.interrupted = true;
        true
    }

    fn finish(&mut self, out: &mut Output) {
        if let Some(session) = self.session.as_deref().filter(|_| self.setup.closes_sessions && self.pending.is_none()) {
            self.last_id += 1;
            out.send_json(&request(self.last_id, "session/close", &json!({ "sessionId": session })));
        }
    }

    fn max_silence(&self) -> Option<Duration> {
        if self.turn.result.is_some() {
            return Some(SETTLE);
        }
        match &self.pending {
            None => None,
            Some((_, Step::Prompt)) => {
                let waits = self.turn.silence_reported || self.turn.interrupted || self.calls.any_running();
                let asks = !self.permissions.is_empty() || !self.questions.is_empty();
                (!waits && !asks).then_some(SILENT_MODEL)
            }
            Some(_) => Some(SILENT_SETUP),
        }
    }

    fn handle_silence(&mut self, out: &mut Output) {
        if self.turn.result.is_some() {
            return self.end_turn(out);
        }
        match &self.pending {
            None => {}
            Some((_, Step::Prompt)) => {
                self.turn.silence_reported = true;
                let seconds = SILENT_MODEL.as_secs();
                let message = format!("the agent has been silent for {seconds} s; it may be retrying a model call that fails");
                out.emit(StreamEvent::notice(Level::Warning, NoticeCode::Retrying, message));
            }
            Some((_, step)) => {
                let seconds = SILENT_SETUP.as_secs();
                let message = format!("the agent did not answer {} within {seconds} s", step.method());
                self.pending = None;
                self.fail(Failure::new(Cause::Protocol, message), out);
            }
        }
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.end_turn(out);
        self.message.close(out);
        self.close_requests("the agent has exited", out);
        let outcome = if self.turn.interrupted { TurnOutcome::Interrupted } else { TurnOutcome::Failed };
        self.calls.finish(outcome, out);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        self.dialect.diagnose.and_then(|diagnose| diagnose(exit, stderr_tail))
    }
}

impl Step {
    /// What is not answered, for messages.
    fn method(&self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Authenticate(_) => "authenticate",
            Self::Session => "the request for a session",
            Self::Configure(..) => "the configuration of its session",
            Self::Prompt => "session/prompt",
        }
    }
}

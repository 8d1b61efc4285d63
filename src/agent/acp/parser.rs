//! The client's side of the conversation, line by line.

use agent_client_protocol_schema::v1::{StopReason, ToolCallUpdate};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::causes::{self, Asked, INVALID_PARAMS, METHOD_NOT_FOUND};
use super::dialect::Dialect;
use super::permissions::Permissions;
use super::plan::plan_entries;
use super::setup::{Wanted, current_model, prompt};
use super::text::Speech;
use super::tools::Calls;
use super::usage::Spent;
use super::wire::{Chunk, Message, PermissionRequest, Plan, Update, UpdateKind, Withdrawn, notification, refusal, request, response};
use crate::agent::{Item, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Delta, Failure, Level, NoticeCode, StreamEvent};

/// A client of the Agent Client Protocol, for one process and one conversation.
///
/// A turn goes on while a request of ours is unanswered: from the start of the process, or from [`Parser::begin_turn`], to the answer
/// to `session/prompt`.
pub struct Acp {
    wanted: Wanted,
    dialect: Dialect,
    /// The request of ours that is not answered yet.
    waiting: Option<(u64, Step)>,
    last_id: u64,
    version: Option<String>,
    /// The mode of the agent's own that it is put into.
    session_mode: Option<String>,
    /// Set once the agent is ready.
    session: Option<String>,
    /// The message that began the turn.
    prompt: String,
    /// Whether the turn was asked to stop.
    interrupted: bool,
    speech: Speech,
    calls: Calls,
    spent: Spent,
    permissions: Permissions,
    /// Whether the turn has told anything.
    active: bool,
    /// Whether something was denied in the turn.
    denied: bool,
}

/// What we wait for.
#[derive(Clone, Debug)]
enum Step {
    Initialize,
    Session,
    Model { session: String, opened: Value },
    Mode { session: String, model: Option<String> },
    Prompt,
}

/// Updates that tell nothing a reader of a run needs: menus, titles, modes, and our own prompt come back.
const NOISE: &[&str] =
    &["available_commands_update", "config_option_update", "current_mode_update", "session_info_update", "user_message_chunk"];

/// Notifications outside the protocol that tell nothing (recordings `acp/claude_text`, `acp/codex_text`).
const NOISY_METHODS: &[&str] = &["_auth/status_update"];

impl Acp {
    /// A parser for `task`.
    pub fn new(task: &Task, dialect: Dialect) -> Self {
        let wanted = Wanted::new(task);
        Self {
            spent: Spent::new(wanted.resume.is_some()),
            prompt: task.spec.prompt.clone(),
            wanted,
            dialect,
            waiting: None,
            last_id: 0,
            version: None,
            session_mode: None,
            session: None,
            interrupted: false,
            speech: Speech::default(),
            calls: Calls::new(dialect),
            permissions: Permissions::default(),
            active: false,
            denied: false,
        }
    }

    /// Puts the session into `mode`, one of the agent's own, before the first prompt: some agents ask for permission only in some of
    /// theirs.
    #[must_use]
    pub fn in_session_mode(mut self, mode: Option<String>) -> Self {
        self.session_mode = mode;
        self
    }

    fn send(&mut self, step: Step, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        out.send_json(&request(self.last_id, method, params));
        self.waiting = Some((self.last_id, step));
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        // Whatever an agent makes of it, a turn that was interrupted ended because of that.
        let failure = if self.interrupted { Failure::new(Cause::Cancelled, "the turn was interrupted") } else { failure };
        self.settle(out);
        if failure.cause == Cause::RateLimited {
            out.event(StreamEvent::notice(Level::Error, NoticeCode::RateLimited, failure.message.clone()));
        }
        out.items.push(Item::TurnEnded(Err(failure)));
    }

    /// Tells what a turn's end leaves over.
    fn settle(&mut self, out: &mut Output) {
        self.speech.close(out);
        self.permissions.close_all("the turn is over", &mut self.calls, out);
        self.calls.finish(self.interrupted, out);
        if let Some(total) = self.spent.total() {
            out.event(StreamEvent::Usage(total));
        }
    }

    /// An answer of the agent to a request of ours. One to a request that we did not make is of no interest.
    fn response(&mut self, id: &RawValue, message: Message<'_>, out: &mut Output) -> LineOutcome {
        let Some((_, step)) = self.waiting.take_if(|(waiting, _)| id.get().parse() == Ok(*waiting)) else { return LineOutcome::Ignored };
        let asked = match step {
            Step::Initialize | Step::Session | Step::Mode { .. } => Asked::Setup,
            Step::Model { .. } => Asked::Model,
            Step::Prompt => Asked::Prompt,
        };
        let result = match (message.error, message.result) {
            (Some(error), _) => Err(self.wanted.blame(asked, causes::failure(asked, &error))),
            (None, result) => Ok(result.and_then(|result| serde_json::from_str(result.get()).ok()).unwrap_or(Value::Null)),
        };
        if let Err(failure) = result.and_then(|result| self.advance(step, &result, out)) {
            self.fail(failure, out);
        }
        LineOutcome::Emitted
    }

    /// Goes on to the next step.
    fn advance(&mut self, step: Step, result: &Value, out: &mut Output) -> Result<(), Failure> {
        match step {
            Step::Initialize => {
                self.version = result.pointer("/agentInfo/version").and_then(Value::as_str).map(str::to_owned);
                let (method, params) = self.wanted.session(result)?;
                self.send(Step::Session, method, &params, out);
            }
            Step::Session => {
                let named = result.get("sessionId").and_then(Value::as_str).map(str::to_owned);
                let session = named.or_else(|| self.wanted.resume.clone());
                let session = session.ok_or_else(|| Failure::new(Cause::Protocol, "the agent opened a session without an id"))?;
                match self.wanted.model(&session, result)? {
                    Some((method, params)) => self.send(Step::Model { session, opened: result.clone() }, method, &params, out),
                    None => self.choose_mode(session, current_model(result).map(str::to_owned), out),
                }
            }
            Step::Model { session, opened } => {
                let model = self.wanted.model.clone().or_else(|| current_model(&opened).map(str::to_owned));
                self.choose_mode(session, model, out);
            }
            Step::Mode { session, model } => self.begin(session, model, out),
            Step::Prompt => self.finish(result, out)?,
        }
        Ok(())
    }

    /// The session is there: it is put into the mode that the operator wants.
    fn choose_mode(&mut self, session: String, model: Option<String>, out: &mut Output) {
        match self.session_mode.take() {
            Some(mode) => {
                let params = json!({ "sessionId": session, "modeId": mode });
                self.send(Step::Mode { session, model }, "session/set_mode", &params, out);
            }
            None => self.begin(session, model, out),
        }
    }

    /// Everything is ready: the turn begins.
    fn begin(&mut self, session: String, model: Option<String>, out: &mut Output) {
        self.session = Some(session.clone());
        let started = Started { agent_session: Some(session), version: self.version.clone(), model };
        out.items.push(Item::Started(started));
        if self.interrupted {
            self.fail(Failure::new(Cause::Cancelled, "the turn was interrupted"), out);
        } else {
            self.ask_model(out);
        }
    }

    /// Hands the turn's message to the agent.
    fn ask_model(&mut self, out: &mut Output) {
        let params = prompt(self.session.as_deref().unwrap_or_default(), &self.prompt);
        self.send(Step::Prompt, "session/prompt", &params, out);
    }

    /// The turn is over.
    fn finish(&mut self, result: &Value, out: &mut Output) -> Result<(), Failure> {
        let reason = result.get("stopReason").and_then(|reason| serde_json::from_value(reason.clone()).ok());
        let usage = result.get("usage").unwrap_or(&Value::Null);
        self.spent.turn(usage);
        let silent = !self.active && usage.is_null();
        match reason {
            // An agent that was at its end already may say so, but the message that follows must not find a turn taken for good.
            _ if self.interrupted => Err(Failure::new(Cause::Cancelled, "the turn was interrupted")),
            Some(StopReason::EndTurn) if silent && self.was_unknown_command() => Err(Failure::new(
                Cause::BadArguments,
                "the agent took the prompt for a command, because it begins with a slash, and did nothing; begin it with another character",
            )),
            Some(StopReason::EndTurn) => {
                self.end_well(out);
                Ok(())
            }
            Some(StopReason::MaxTokens) => {
                out.event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, "the answer was cut at the model's token limit"));
                self.end_well(out);
                Ok(())
            }
            Some(StopReason::MaxTurnRequests) => {
                Err(Failure::new(Cause::AgentError, "the agent stopped at its limit of model requests for one turn"))
            }
            Some(StopReason::Refusal) => Err(Failure::new(Cause::AgentError, "the model refused to go on")),
            // For Codex's adapter a denial is the end of the turn (recording `acp/codex_permission_reject_once`).
            Some(StopReason::Cancelled) if self.denied => {
                Err(Failure::new(Cause::AgentError, "the agent cancelled the turn after a denial"))
            }
            Some(StopReason::Cancelled) => Err(Failure::new(Cause::AgentError, "the agent cancelled the turn")),
            _ => Err(Failure::new(Cause::Protocol, "the agent ended the turn without a reason that is known")),
        }
    }

    fn end_well(&mut self, out: &mut Output) {
        self.settle(out);
        let text = self.speech.take_last();
        out.items.push(Item::TurnEnded(Ok(text)));
    }

    /// `OpenCode` takes any prompt that begins with a slash for a command, and ends the turn without a word if it has none of
    /// that name (recording `acp/opencode_slash`).
    fn was_unknown_command(&self) -> bool {
        let command = self.prompt.trim().strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
        command.is_some_and(|command| !self.dialect.silent_commands.contains(&command))
    }

    /// A request of the agent. One that we do not know is refused as the protocol wants it.
    fn request(&mut self, id: &RawValue, method: &str, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(id) = serde_json::from_str::<Value>(id.get()) else { return out.raw(line) };
        match method {
            "session/request_permission" => {
                let Some(Ok(asked)) = params.map(|params| serde_json::from_str(params.get())) else {
                    out.send_json(&refusal(&id, INVALID_PARAMS, "invalid params"));
                    return out.raw(line);
                };
                self.ask(id, asked, out);
                LineOutcome::Emitted
            }
            // `OpenCode` asks for this although we offered no such thing, does not wait for the answer and writes the file anyway
            // (recording `acp/opencode_permission_allow_once`); a refusal it answers with pages of its own source on its stderr.
            // The change itself is told by the tool call.
            "fs/write_text_file" if self.dialect.writes_twice => {
                out.send_json(&response(&id, &json!({})));
                LineOutcome::Emitted
            }
            method if method.starts_with("fs/") || method.starts_with("terminal/") => {
                out.send_json(&refusal(&id, METHOD_NOT_FOUND, "this client offers no files and no terminals"));
                LineOutcome::Emitted
            }
            _ => {
                out.send_json(&refusal(&id, METHOD_NOT_FOUND, "method not found"));
                out.raw(line)
            }
        }
    }

    fn ask(&mut self, id: Value, asked: PermissionRequest, out: &mut Output) {
        self.active = true;
        self.speech.close(out);
        let goes_on = !self.interrupted && matches!(self.waiting, Some((_, Step::Prompt)));
        if goes_on {
            self.permissions.ask(id, asked, &mut self.calls, out);
        } else {
            Permissions::refuse(&id, asked, &mut self.calls, out);
        }
    }

    /// The agent takes back a request of its own (recording `acp/codex_cancel_permission`, where it had been answered already).
    fn withdrawn(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(Withdrawn { request_id })) = params.map(|params| serde_json::from_str(params.get())) else { return out.raw(line) };
        if self.permissions.withdraw(&request_id, &mut self.calls, out) { LineOutcome::Emitted } else { LineOutcome::Ignored }
    }

    /// `session/update`.
    fn update(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> LineOutcome {
        let Some(Ok(Update { session_id, update })) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return out.raw(line);
        };
        let update = update.get();
        let Ok(UpdateKind { session_update: kind }) = serde_json::from_str(update) else { return out.raw(line) };
        if NOISE.contains(&&*kind) || matches!(self.waiting, Some((_, Step::Session))) {
            // Until `session/load` is answered, updates are the history, which was told by the runs that made it.
            return LineOutcome::Ignored;
        }
        if self.session.as_deref().is_some_and(|ours| ours != session_id) {
            return out.raw(line);
        }
        if !kind.starts_with("tool_call") {
            self.calls.move_on(None, out);
        }
        let fate = match &*kind {
            "agent_message_chunk" => self.spoken(update, out),
            "agent_thought_chunk" => self.thought(update, out),
            "tool_call" => self.tool(true, update, out),
            "tool_call_update" => self.tool(false, update, out),
            "plan" => serde_json::from_str::<Plan>(update).ok().map(|plan| {
                self.speech.close(out);
                out.event(StreamEvent::Plan { entries: plan_entries(&plan.entries) });
                LineOutcome::Emitted
            }),
            "usage_update" => serde_json::from_str::<Value>(update)
                .ok()
                .map(|usage| if self.spent.update(&usage) { LineOutcome::Buffered } else { LineOutcome::Ignored }),
            _ => None,
        };
        let fate = match fate {
            None => out.raw(line),
            Some(_) if !out.is_empty() => LineOutcome::Emitted,
            Some(fate) => fate,
        };
        self.active |= fate == LineOutcome::Emitted;
        fate
    }

    fn spoken(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.speech.piece(chunk.message_id.as_deref(), &chunk.content.text, out);
        Some(LineOutcome::Emitted)
    }

    fn thought(&mut self, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(LineOutcome::Ignored);
        }
        self.speech.close(out);
        let message_id = chunk.message_id.map(std::borrow::Cow::into_owned);
        let content = Delta { text: chunk.content.text.into_owned(), message_id, parent_tool_call_id: None };
        out.event(StreamEvent::Thinking { content });
        Some(LineOutcome::Emitted)
    }

    fn tool(&mut self, first: bool, update: &str, out: &mut Output) -> Option<LineOutcome> {
        let update: ToolCallUpdate = serde_json::from_str(update).ok()?;
        self.speech.close(out);
        self.calls.move_on(Some(&update.tool_call_id.to_string()), out);
        self.calls.update(first, update, out);
        Some(LineOutcome::Buffered)
    }
}

impl Parser for Acp {
    fn open(&mut self, out: &mut Output) {
        self.send(Step::Initialize, "initialize", &Wanted::initialize(), out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(message) = serde_json::from_str::<Message<'_>>(line) else { return out.raw(line) };
        match (message.method.as_deref(), message.id) {
            (Some("session/update"), None) => self.update(message.params, line, out),
            (Some("$/cancel_request"), None) => self.withdrawn(message.params, line, out),
            (Some(method), None) if NOISY_METHODS.contains(&method) => LineOutcome::Ignored,
            (Some(method), Some(id)) => self.request(id, method, message.params, line, out),
            (None, Some(id)) => self.response(id, message, out),
            (_, None) => out.raw(line),
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        if let Answer::Permission { decision, .. } = answer {
            self.denied |= *decision == Decision::Deny;
            self.permissions.answer(request, *decision, &mut self.calls, out);
        }
    }

    fn begin_turn(&mut self, text: &str, out: &mut Output) -> bool {
        if self.session.is_none() || self.waiting.is_some() {
            return false;
        }
        text.clone_into(&mut self.prompt);
        (self.interrupted, self.active, self.denied) = (false, false, false);
        self.speech.take_last();
        self.ask_model(out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if self.waiting.is_none() {
            return false;
        }
        // Before the prompt there is nothing to stop: the turn ends where it would begin.
        let begun = matches!(self.waiting, Some((_, Step::Prompt)));
        if begun && !self.interrupted {
            let session = self.session.as_deref().unwrap_or_default();
            out.send_json(&notification("session/cancel", &json!({ "sessionId": session })));
            self.permissions.close_all("the turn was interrupted", &mut self.calls, out);
        }
        self.interrupted = true;
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.speech.close(out);
        self.permissions.close_all("the agent has ended", &mut self.calls, out);
        self.calls.finish(self.interrupted, out);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        self.dialect.diagnose.and_then(|diagnose| diagnose(exit, stderr_tail))
    }
}

//! The client's side of the conversation, line by line.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::{PermissionOptionKind, StopReason, ToolCallUpdate, ToolKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::causes::{self, Asked, INVALID_PARAMS, METHOD_NOT_FOUND};
use super::setup::{Wanted, current_model};
use super::text::Speech;
use super::tools::Calls;
use super::usage::Spent;
use super::wire::{Chunk, Message, PermissionOption, PermissionRequest, Plan, Update, UpdateKind, refusal, request, response};
use crate::agent::{Fate, Item, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Decision, Delta, Failure, Level, NoticeCode, PlanEntry, PlanStatus, StreamEvent};

/// What a tool changed, by its name, its input and its raw output.
pub(crate) type FileChanges = fn(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent>;

/// What one agent does in its own way. The default suits an agent of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// Where the agent does not name its tools: the name, from the kind and title of a call's first mention.
    pub(crate) tool_name: Option<fn(ToolKind, &str) -> String>,
    /// The tool whose input `todos` is the agent's plan.
    pub(crate) plan_tool: Option<&'static str>,
    /// What a finished call changed, where the agent gives no diff, or none of the whole file.
    pub(crate) file_changes: Option<FileChanges>,
    /// Whether a call that the agent calls completed has failed all the same, by its raw output.
    pub(crate) failed: Option<fn(&Value) -> bool>,
    /// The agent writes files itself and asks us to write them as well, whatever we offer.
    pub(crate) writes_twice: bool,
    /// Commands of the agent's own that may well end without a word.
    pub(crate) silent_commands: &'static [&'static str],
    /// What an exit without a result means.
    pub(crate) diagnose: Option<fn(Exit, &str) -> Option<Failure>>,
}

/// A client of the Agent Client Protocol, for one process and one prompt.
pub struct Acp {
    wanted: Wanted,
    dialect: Dialect,
    /// The request of ours that is not answered yet.
    waiting: Option<(u64, Step)>,
    last_id: u64,
    version: Option<String>,
    session: Option<String>,
    speech: Speech,
    calls: Calls,
    spent: Spent,
    /// Permission requests that are not answered yet, by the id that we announced.
    open: HashMap<String, Question>,
    /// Whether the turn has told anything.
    active: bool,
}

/// What we wait for.
#[derive(Clone, Debug)]
enum Step {
    Initialize,
    Session,
    Model { opened: Value },
    Prompt,
}

/// A permission request of the agent.
#[derive(Debug)]
struct Question {
    id: Value,
    call: String,
    options: Vec<PermissionOption>,
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
            wanted,
            dialect,
            waiting: None,
            last_id: 0,
            version: None,
            session: None,
            speech: Speech::default(),
            calls: Calls::new(dialect),
            open: HashMap::new(),
            active: false,
        }
    }

    fn send(&mut self, step: Step, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        out.send_json(&request(self.last_id, method, params));
        self.waiting = Some((self.last_id, step));
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        self.settle(out);
        if failure.cause == Cause::RateLimited {
            out.event(StreamEvent::notice(Level::Error, NoticeCode::RateLimited, failure.message.clone()));
        }
        out.items.push(Item::TurnEnded(Err(failure)));
    }

    /// Tells what a turn's end leaves over.
    fn settle(&mut self, out: &mut Output) {
        self.speech.close(out);
        self.calls.finish(out);
        self.open.clear();
        if let Some(total) = self.spent.total() {
            out.event(StreamEvent::Usage(total));
        }
    }

    /// An answer of the agent to a request of ours. One to a request that we did not make is of no interest.
    fn response(&mut self, id: &RawValue, message: Message<'_>, out: &mut Output) -> Fate {
        let Some((_, step)) = self.waiting.take_if(|(waiting, _)| id.get().parse() == Ok(*waiting)) else { return Fate::Noise };
        let asked = match step {
            Step::Initialize | Step::Session => Asked::Setup,
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
        Fate::Told
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
                self.session = Some(session.clone());
                match self.wanted.model(&session, result)? {
                    Some((method, params)) => self.send(Step::Model { opened: result.clone() }, method, &params, out),
                    None => self.begin(session, current_model(result), out),
                }
            }
            Step::Model { opened } => {
                let session = self.session.clone().unwrap_or_default();
                let model = self.wanted.model.clone();
                self.begin(session, model.as_deref().or_else(|| current_model(&opened)), out);
            }
            Step::Prompt => self.finish(result, out)?,
        }
        Ok(())
    }

    /// Everything is ready: the turn begins.
    fn begin(&mut self, session: String, model: Option<&str>, out: &mut Output) {
        let prompt = self.wanted.prompt(&session);
        let started = Started { agent_session: Some(session), version: self.version.clone(), model: model.map(str::to_owned) };
        out.items.push(Item::Started(started));
        self.send(Step::Prompt, "session/prompt", &prompt, out);
    }

    /// The turn is over.
    fn finish(&mut self, result: &Value, out: &mut Output) -> Result<(), Failure> {
        let reason = result.get("stopReason").and_then(|reason| serde_json::from_value(reason.clone()).ok());
        let usage = result.get("usage").unwrap_or(&Value::Null);
        self.spent.turn(usage);
        let silent = !self.active && usage.is_null();
        match reason {
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
        let command = self.wanted.prompt.trim().strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
        command.is_some_and(|command| !self.dialect.silent_commands.contains(&command))
    }

    /// A request of the agent. One that we do not know is refused as the protocol wants it.
    fn request(&mut self, id: &RawValue, method: &str, params: Option<&RawValue>, line: &str, out: &mut Output) -> Fate {
        let Ok(id) = serde_json::from_str::<Value>(id.get()) else { return out.raw(line) };
        match method {
            "session/request_permission" => {
                let Some(Ok(asked)) = params.map(|params| serde_json::from_str(params.get())) else {
                    out.send_json(&refusal(&id, INVALID_PARAMS, "invalid params"));
                    return out.raw(line);
                };
                self.ask(id, asked, out);
                Fate::Told
            }
            // `OpenCode` asks for this although we offered no such thing, does not wait for the answer and writes the file anyway
            // (recording `acp/opencode_permission_allow_once`); a refusal it answers with pages of its own source on its stderr.
            // The change itself is told by the tool call.
            "fs/write_text_file" if self.dialect.writes_twice => {
                out.send_json(&response(&id, &json!({})));
                Fate::Told
            }
            method if method.starts_with("fs/") || method.starts_with("terminal/") => {
                out.send_json(&refusal(&id, METHOD_NOT_FOUND, "this client offers no files and no terminals"));
                Fate::Told
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
        let asking = self.calls.ask(asked.tool_call, out);
        let key = id.to_string();
        let offered = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let options = offered.into_iter().filter(|decision| choice(&asked.options, *decision).is_some() || *decision == Decision::Deny);
        out.event(StreamEvent::PermissionRequest {
            id: key.clone(),
            tool_call_id: Some(asking.id.clone()),
            tool: asking.tool,
            kind: asking.kind,
            input: asking.input,
            options: options.collect(),
            expires_at: None,
        });
        self.open.insert(key, Question { id, call: asking.id, options: asked.options });
    }

    /// `session/update`.
    fn update(&mut self, params: Option<&RawValue>, line: &str, out: &mut Output) -> Fate {
        let Some(Ok(Update { session_id, update })) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return out.raw(line);
        };
        let update = update.get();
        let Ok(UpdateKind { session_update: kind }) = serde_json::from_str(update) else { return out.raw(line) };
        if NOISE.contains(&&*kind) || matches!(self.waiting, Some((_, Step::Session))) {
            // Until `session/load` is answered, updates are the history, which was told by the runs that made it.
            return Fate::Noise;
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
                Fate::Told
            }),
            "usage_update" => {
                serde_json::from_str::<Value>(update).ok().map(|usage| if self.spent.update(&usage) { Fate::Kept } else { Fate::Noise })
            }
            _ => None,
        };
        let fate = match fate {
            None => out.raw(line),
            Some(_) if !out.is_empty() => Fate::Told,
            Some(fate) => fate,
        };
        self.active |= fate == Fate::Told;
        fate
    }

    fn spoken(&mut self, update: &str, out: &mut Output) -> Option<Fate> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(Fate::Noise);
        }
        self.speech.piece(chunk.message_id.as_deref(), &chunk.content.text, out);
        Some(Fate::Told)
    }

    fn thought(&mut self, update: &str, out: &mut Output) -> Option<Fate> {
        let chunk: Chunk<'_> = serde_json::from_str(update).ok()?;
        if chunk.content.text.is_empty() {
            return Some(Fate::Noise);
        }
        self.speech.close(out);
        let message_id = chunk.message_id.map(std::borrow::Cow::into_owned);
        let content = Delta { text: chunk.content.text.into_owned(), message_id, parent_tool_call_id: None };
        out.event(StreamEvent::Thinking { content });
        Some(Fate::Told)
    }

    fn tool(&mut self, first: bool, update: &str, out: &mut Output) -> Option<Fate> {
        let update: ToolCallUpdate = serde_json::from_str(update).ok()?;
        self.speech.close(out);
        self.calls.move_on(Some(&update.tool_call_id.to_string()), out);
        self.calls.update(first, update, out);
        Some(Fate::Kept)
    }
}

impl Parser for Acp {
    fn open(&mut self, out: &mut Output) {
        self.send(Step::Initialize, "initialize", &Wanted::initialize(), out);
    }

    fn line(&mut self, line: &str, out: &mut Output) -> Fate {
        let Ok(message) = serde_json::from_str::<Message<'_>>(line) else { return out.raw(line) };
        match (message.method.as_deref(), message.id) {
            (Some("session/update"), None) => self.update(message.params, line, out),
            (Some(method), None) if NOISY_METHODS.contains(&method) => Fate::Noise,
            (Some(method), Some(id)) => self.request(id, method, message.params, line, out),
            (None, Some(id)) => self.response(id, message, out),
            (_, None) => out.raw(line),
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        let Answer::Permission { decision, .. } = answer else { return };
        let decision = *decision;
        let Some(question) = self.open.remove(request) else { return };
        let chosen = choice(&question.options, decision);
        let outcome = match chosen {
            Some(option) => json!({ "outcome": "selected", "optionId": option.option_id }),
            None => json!({ "outcome": "cancelled" }),
        };
        if decision == Decision::Deny || chosen.is_none() {
            self.calls.deny(&question.call);
        }
        out.send_json(&response(&question.id, &json!({ "outcome": outcome })));
    }

    fn end_of_output(&mut self, out: &mut Output) {
        self.speech.close(out);
        self.calls.finish(out);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        self.dialect.diagnose.and_then(|diagnose| diagnose(exit, stderr_tail))
    }
}

/// The agent's option for `decision`, by kind: the ids are every agent's own. Never one that allows more than was decided.
fn choice(options: &[PermissionOption], decision: Decision) -> Option<&PermissionOption> {
    use PermissionOptionKind as Kind;
    let wanted: &[Kind] = match decision {
        Decision::AllowOnce => &[Kind::AllowOnce],
        Decision::AllowAlways => &[Kind::AllowAlways],
        Decision::Deny => &[Kind::RejectOnce, Kind::RejectAlways],
    };
    wanted.iter().find_map(|kind| options.iter().find(|option| option.kind == Some(*kind)))
}

/// The steps of a plan, tolerantly: a step that was given up is not part of the plan any more.
pub(crate) fn plan_entries(entries: &[Value]) -> Vec<PlanEntry> {
    let entry = |entry: &Value| {
        let status = match entry.get("status").and_then(Value::as_str) {
            Some("cancelled") => return None,
            Some("in_progress") => PlanStatus::InProgress,
            Some("completed") => PlanStatus::Completed,
            _ => PlanStatus::Pending,
        };
        Some(PlanEntry { content: entry.get("content")?.as_str()?.to_owned(), status })
    };
    entries.iter().filter_map(entry).collect()
}

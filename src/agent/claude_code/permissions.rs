//! What the program asks of us: whether a tool may run, and what its user would say.
//!
//! A request is open from its `control_request` until it is answered, the program withdraws it (`control_cancel_request`) or the
//! turn ends. Every request is answered, also one that we do not know: without an answer the program waits for ever.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tools;
use super::wire::{AskUserQuestion, CanUseTool, ControlRequest, ControlSubtype};
use crate::agent::Output;
use crate::agent::common::{OpenRequests, Rejected};
use crate::types::{Answer, DecidedBy, Decision, Question, StreamEvent, ToolKind};

/// What the model is told when it asks a user and nobody answers.
const NOBODY_THERE: &str =
    "There is no user present who could answer. Decide by yourself, by your best judgement, and go on with the task.";

/// What the model is told when a permission is denied without a word.
const DENIED: &str = "The user does not allow this.";

/// The requests of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    open: OpenRequests<Request>,
    /// Tool calls that were not allowed, and whose results are still to come.
    refused: BTreeSet<String>,
    /// What was allowed for the session.
    allowed: BTreeSet<String>,
}

/// A request that waits for an answer.
#[derive(Debug)]
struct Request {
    tool_call: Option<String>,
    /// What was shown, and so what may run.
    input: Value,
    wanted: Wanted,
}

/// What the answer is to say.
#[derive(Debug)]
enum Wanted {
    /// Whether the tool may run.
    Permission {
        /// What the program could remember for itself, if it may from now on.
        suggestions: Vec<Value>,
        /// What we remember.
        reach: String,
    },
    /// What the user says to each of these.
    Answers(Vec<String>),
}

/// Whether a request was known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was, and is answered or open.
    Known,
    /// It was not.
    Unknown,
}

impl Permissions {
    /// The program asks.
    pub(super) fn ask(&mut self, asked: &ControlRequest<'_>, out: &mut Output) -> Asked {
        let id = asked.request_id.as_ref();
        if self.open.get(id).is_some() {
            // The answer to the first one will be taken for this one's.
            return Asked::Unknown;
        }
        let body = asked.request.map_or("null", RawValue::get);
        let subtype = serde_json::from_str::<ControlSubtype<'_>>(body).map(|body| body.subtype).unwrap_or_default();
        if subtype.0 != "can_use_tool" {
            refuse(out, id, &format!("Unsupported control request subtype: {}", subtype.0));
            return Asked::Unknown;
        }
        match serde_json::from_str::<CanUseTool>(body) {
            Ok(wish) if wish.tool_name == "AskUserQuestion" => self.question(id, wish, out),
            Ok(wish) => self.permission(id, wish, out),
            Err(_unreadable) => {
                refuse(out, id, "this request could not be read");
                return Asked::Unknown;
            }
        }
        Asked::Known
    }

    /// Denies a request that cannot be added to the open ones.
    fn deny_rejected(&mut self, id: &str, Rejected { request, reason }: Rejected<Request>, out: &mut Output) {
        self.refused.extend(request.tool_call);
        respond(out, id, &json!({ "behavior": "deny", "message": reason.to_string() }));
        out.emit(reason.notice());
    }

    fn permission(&mut self, id: &str, wish: CanUseTool, out: &mut Output) {
        let reach = reach(&wish);
        if self.allowed.contains(&reach) {
            return respond(out, id, &json!({ "behavior": "allow", "updatedInput": wish.input }));
        }
        let wanted = Wanted::Permission { suggestions: wish.permission_suggestions, reach };
        let request = Request { tool_call: wish.tool_use_id.clone(), input: wish.input.clone(), wanted };
        if let Err(rejected) = self.open.insert(id.to_owned(), request) {
            return self.deny_rejected(id, rejected, out);
        }
        out.emit(StreamEvent::PermissionRequest {
            id: id.to_owned(),
            tool_call_id: wish.tool_use_id,
            kind: tools::kind(&wish.tool_name),
            tool: wish.tool_name,
            input: wish.input,
            options: vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny],
            expires_at: None,
        });
    }

    fn question(&mut self, id: &str, wish: CanUseTool, out: &mut Output) {
        let asked = AskUserQuestion::deserialize(&wish.input).unwrap_or_default();
        let texts = asked.questions.iter().map(|asked| asked.question.clone()).collect();
        let questions = asked.questions.into_iter().map(|asked| Question {
            text: asked.question,
            options: asked.options.into_iter().map(|option| option.label).collect(),
            multiple: asked.multi_select,
        });
        let request = Request { tool_call: wish.tool_use_id, input: wish.input, wanted: Wanted::Answers(texts) };
        if let Err(rejected) = self.open.insert(id.to_owned(), request) {
            return self.deny_rejected(id, rejected, out);
        }
        out.emit(StreamEvent::Question { id: id.to_owned(), questions: questions.collect() });
    }

    /// Somebody has answered. A request that is not open, or is of the other kind, is left alone.
    pub(super) fn answer(&mut self, id: &str, answer: &Answer, out: &mut Output) {
        let fits = |request: &Request| {
            matches!(
                (&request.wanted, answer),
                (Wanted::Permission { .. }, Answer::Permission { .. }) | (Wanted::Answers(_), Answer::Question { .. })
            )
        };
        if !self.open.get(id).is_some_and(fits) {
            return;
        }
        let Some(Request { tool_call, mut input, wanted }) = self.open.remove(id) else { return };
        let response = match (wanted, answer) {
            (_, Answer::Permission { decision: Decision::Deny, message }) => {
                self.refused.extend(tool_call);
                json!({ "behavior": "deny", "message": message.as_deref().unwrap_or(DENIED) })
            }
            (Wanted::Permission { suggestions, reach }, Answer::Permission { decision: Decision::AllowAlways, .. }) => {
                self.allowed.insert(reach);
                let permissions: Vec<Value> = suggestions.into_iter().map(for_this_session).collect();
                json!({ "behavior": "allow", "updatedInput": input, "updatedPermissions": permissions })
            }
            (Wanted::Answers(texts), Answer::Question { answers }) => {
                if let Some(answers) = said(texts, answers) {
                    if let Some(fields) = input.as_object_mut() {
                        fields.insert("answers".to_owned(), answers);
                    }
                    json!({ "behavior": "allow", "updatedInput": input })
                } else {
                    self.refused.extend(tool_call);
                    json!({ "behavior": "deny", "message": NOBODY_THERE })
                }
            }
            _ => json!({ "behavior": "allow", "updatedInput": input }),
        };
        respond(out, id, &response);
    }

    /// The program does not ask that any more.
    pub(super) fn withdraw(&mut self, id: &str, out: &mut Output) {
        let Some(request) = self.open.remove(id) else { return };
        self.close(id, request, out);
    }

    fn close(&mut self, id: &str, request: Request, out: &mut Output) {
        self.refused.extend(request.tool_call);
        let (id, by) = (id.to_owned(), DecidedBy::Policy);
        out.emit(match request.wanted {
            Wanted::Permission { .. } => {
                let reason = Some("the agent has withdrawn this request".to_owned());
                StreamEvent::PermissionResolved { id, decision: Decision::Deny, by, reason }
            }
            Wanted::Answers(texts) => StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); texts.len()], by },
        });
    }

    /// The turn is over, and with it whatever was asked in it.
    pub(super) fn turn_over(&mut self, out: &mut Output) {
        for (id, request) in self.open.drain() {
            self.close(&id, request, out);
        }
    }

    /// The program itself has not allowed this tool call.
    pub(super) fn refused_by_program(&mut self, tool_call: String) {
        self.refused.insert(tool_call);
    }

    /// Whether this tool call was not allowed. Asked once, when its result is there.
    pub(super) fn was_refused(&mut self, tool_call: &str) -> bool {
        self.refused.remove(tool_call)
    }
}

/// What "always" means, in this process: all edits, all uses of a tool that only looks or of an MCP server's tool, and otherwise
/// just the same once more. Where everything is asked by our own rule, the program offers nothing to remember (tried with 2.1.330),
/// so it is remembered here.
fn reach(wish: &CanUseTool) -> String {
    match tools::kind(&wish.tool_name) {
        ToolKind::Edit => "edits".to_owned(),
        ToolKind::Read | ToolKind::Search | ToolKind::Think => wish.tool_name.clone(),
        ToolKind::Other if wish.tool_name.starts_with("mcp__") => wish.tool_name.clone(),
        _ => {
            let mut input = wish.input.clone();
            if let Some(fields) = input.as_object_mut() {
                // The model's own words for what it does.
                fields.remove("description");
            }
            format!("{} {input}", wish.tool_name)
        }
    }
}

/// The answers by their questions, as the program wants them (seen in `bidi_question`). `None` if there are none at all.
fn said(questions: Vec<String>, answers: &[Vec<String>]) -> Option<Value> {
    let pairs = questions.into_iter().zip(answers).filter(|(_, answers)| !answers.is_empty());
    let answers: serde_json::Map<String, Value> = pairs.map(|(question, answers)| (question, json!(answers.join(", ")))).collect();
    (!answers.is_empty()).then_some(Value::Object(answers))
}

/// The suggestion with the session as its reach: some of the program's own would write into the settings of the project.
fn for_this_session(mut suggestion: Value) -> Value {
    if let Some(destination) = suggestion.get_mut("destination") {
        *destination = json!("session");
    }
    suggestion
}

/// Answers a request that was understood.
fn respond(out: &mut Output, id: &str, response: &Value) {
    let response = json!({ "subtype": "success", "request_id": id, "response": response });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

/// Answers a request that was not.
fn refuse(out: &mut Output, id: &str, error: &str) {
    let response = json!({ "subtype": "error", "request_id": id, "error": error });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

//! What the program asks of us: whether a tool may run, and what its user would say.
//!
//! A permission is open from its `control_request` until somebody decides, the program withdraws it (`control_cancel_request`) or
//! the turn ends. Every request is answered, also one that we do not know: without an answer the program waits for ever.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tools;
use super::wire::{AskUserQuestion, CanUseTool, ControlRequest, ControlSubtype};
use crate::agent::Output;
use crate::types::{DecidedBy, Decision, Question, StreamEvent};

/// What the model is told when it asks a user.
const NOBODY_THERE: &str =
    "There is no user present who could answer. Decide by yourself, by your best judgement, and go on with the task.";

/// What the model is told when a permission is denied.
const DENIED: &str = "The user does not allow this.";

/// The permissions of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    open: BTreeMap<String, Wish>,
    /// Tool calls that were not allowed, and whose results are still to come.
    refused: BTreeSet<String>,
}

/// A permission that waits for an answer.
#[derive(Debug)]
struct Wish {
    tool_call: Option<String>,
    /// What was shown, and so what may run.
    input: Value,
    suggestions: Vec<Value>,
}

/// Whether a request was known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was, and is answered or open.
    Known,
    /// It was not, and is refused.
    Unknown,
}

impl Permissions {
    /// The program asks.
    pub(super) fn ask(&mut self, asked: &ControlRequest<'_>, out: &mut Output) -> Asked {
        let id = asked.request_id.as_ref();
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

    fn permission(&mut self, id: &str, wish: CanUseTool, out: &mut Output) {
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
        let wish = Wish { tool_call: wish.tool_use_id, input: wish.input, suggestions: wish.permission_suggestions };
        self.open.insert(id.to_owned(), wish);
    }

    /// The model asks its user. Nobody is there, so it is told to decide by itself; a reader sees what it asked.
    fn question(&mut self, id: &str, wish: CanUseTool, out: &mut Output) {
        let asked = AskUserQuestion::deserialize(wish.input).unwrap_or_default();
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
        answer(out, id, &json!({ "behavior": "deny", "message": NOBODY_THERE }));
    }

    /// Somebody has decided. A request that is not open is ignored.
    pub(super) fn decide(&mut self, id: &str, decision: Decision, out: &mut Output) {
        let Some(wish) = self.open.remove(id) else { return };
        let mut response = json!({ "behavior": "allow", "updatedInput": wish.input });
        match decision {
            Decision::AllowOnce => {}
            Decision::AllowAlways => {
                response["updatedPermissions"] = wish.suggestions.into_iter().map(for_this_session).collect();
            }
            Decision::Deny => {
                self.refused.extend(wish.tool_call);
                response = json!({ "behavior": "deny", "message": DENIED });
            }
        }
        answer(out, id, &response);
    }

    /// The program does not ask that any more.
    pub(super) fn withdraw(&mut self, id: &str, out: &mut Output) {
        let Some(wish) = self.open.remove(id) else { return };
        self.refused.extend(wish.tool_call);
        let reason = Some("the agent has withdrawn this request".to_owned());
        out.event(StreamEvent::PermissionResolved { id: id.to_owned(), decision: Decision::Deny, by: DecidedBy::Policy, reason });
    }

    /// The turn is over, and with it whatever was asked in it.
    pub(super) fn turn_over(&mut self, out: &mut Output) {
        let open: Vec<String> = self.open.keys().cloned().collect();
        for id in open {
            self.withdraw(&id, out);
        }
        self.refused.clear();
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

/// The suggestion with the session as its reach: some of the program's own would write into the settings of the project.
fn for_this_session(mut suggestion: Value) -> Value {
    if let Some(destination) = suggestion.get_mut("destination") {
        *destination = json!("session");
    }
    suggestion
}

/// Answers a request that was understood.
fn answer(out: &mut Output, id: &str, response: &Value) {
    let response = json!({ "subtype": "success", "request_id": id, "response": response });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

/// Answers a request that was not.
fn refuse(out: &mut Output, id: &str, error: &str) {
    let response = json!({ "subtype": "error", "request_id": id, "error": error });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

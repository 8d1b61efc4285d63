//! Requests of the app-server to us: approvals, which wait for a decision, and questions, which nobody is there to answer.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::items::Items;
use super::tools;
use super::wire::{Asked, UserInputWanted};
use crate::agent::Output;
use crate::types::{DecidedBy, Decision, Level, NoticeCode, Question, StreamEvent, ToolKind};

/// The answers that every request for approval takes. Recordings `appserver_approval_*` have all of them.
const OPTIONS: [Decision; 3] = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];

/// Parameters that tell nothing of what is going to run: ids, moments, and rules that Codex offers to write down for itself.
const BOOKKEEPING: [&str; 9] = [
    "threadId",
    "turnId",
    "itemId",
    "approvalId",
    "startedAtMs",
    "commandActions",
    "proposedExecpolicyAmendment",
    "proposedNetworkPolicyAmendments",
    "availableDecisions",
];

/// Requests that wait for a decision, by the id under which they were announced.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    waiting: HashMap<String, Waiting>,
}

/// One request that waits.
#[derive(Debug)]
struct Waiting {
    /// Codex's own id of the request, given back as it came.
    id: Value,
    form: Form,
}

/// What the answer looks like.
#[derive(Debug)]
enum Form {
    /// A word: accept, acceptForSession, decline.
    Word,
    /// The permissions that were asked for, or none. From the schema.
    Grant(Value),
    /// An MCP server's question whether its tool may run. From the schema.
    Elicitation,
}

impl Approvals {
    /// `item/commandExecution/requestApproval`, whose parameters are `params`: a command, input to a running one, or a connection.
    pub(super) fn command(&mut self, id: Value, asked: &Asked, params: Map<String, Value>, items: &Items, out: &mut Output) {
        let mut input = what_runs(params);
        // The ordinary case goes without saying.
        for (name, ordinary) in [("kind", "command"), ("environmentId", "local")] {
            if input.get(name).is_some_and(|value| value == ordinary) {
                input.remove(name);
            }
        }
        // The item's command is what is asked for, unless the request is about something else, such as input to that command.
        let item = asked.item_id.as_deref().and_then(|item| items.input(item)?.as_object()).filter(|_| !input.contains_key("kind"));
        for (name, value) in item.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            input.entry(name).or_insert_with(|| value.clone());
        }
        let connection = input.contains_key("networkApprovalContext");
        if !connection && !input.contains_key("command") {
            return deny_unseen(&id, out);
        }
        let kind = if connection { ToolKind::Fetch } else { ToolKind::Execute };
        self.wait(id, Form::Word, asked.item_id.clone(), tools::COMMAND, kind, input, out);
    }

    /// `item/fileChange/requestApproval`. It does not say what would be changed, its item does.
    pub(super) fn patch(&mut self, id: Value, asked: &Asked, params: Map<String, Value>, items: &Items, out: &mut Output) {
        let Some(changes) = asked.item_id.as_deref().and_then(|item| items.input(item)?.get("changes")) else {
            return deny_unseen(&id, out);
        };
        let mut input = what_runs(params);
        input.insert("changes".to_owned(), changes.clone());
        self.wait(id, Form::Word, asked.item_id.clone(), tools::PATCH, ToolKind::Edit, input, out);
    }

    /// `item/permissions/requestApproval`: more rights for the rest of the turn or thread. From the schema.
    pub(super) fn permissions(&mut self, id: Value, asked: &Asked, params: Map<String, Value>, out: &mut Output) {
        let input = what_runs(params);
        let wanted = input.get("permissions").cloned().unwrap_or_else(|| json!({}));
        self.wait(id, Form::Grant(wanted), asked.item_id.clone(), "requestPermissions", ToolKind::Other, input, out);
    }

    /// `mcpServer/elicitation/request`: a form for the user, or an MCP tool's wish to run. From the schema; `codex_approval_kind`
    /// is the word that the program itself marks the latter with.
    pub(super) fn elicitation(&mut self, id: Value, params: Map<String, Value>, out: &mut Output) {
        let marked = params.get("_meta").and_then(|meta| meta.get("codex_approval_kind"));
        let server = params.get("serverName").and_then(Value::as_str).unwrap_or("MCP server").to_owned();
        if marked.and_then(Value::as_str) == Some("mcp_tool_call") {
            let input = what_runs(params);
            return self.wait(id, Form::Elicitation, None, &server, ToolKind::Other, input, out);
        }
        respond(&id, &json!({ "action": "decline" }), out);
        let asked = params.get("message").and_then(Value::as_str).unwrap_or_default();
        let message = format!("{server} asked the user something, which nobody is there to answer: {asked}");
        out.event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of one event and its answer")]
    fn wait(
        &mut self,
        id: Value,
        form: Form,
        tool_call_id: Option<String>,
        tool: &str,
        kind: ToolKind,
        input: Map<String, Value>,
        out: &mut Output,
    ) {
        let name = match &id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let tool = tool.to_owned();
        let (input, options) = (Value::Object(input), OPTIONS.to_vec());
        out.event(StreamEvent::PermissionRequest { id: name.clone(), tool_call_id, tool, kind, input, options, expires_at: None });
        self.waiting.insert(name, Waiting { id, form });
    }

    /// Gives the answer to a request that waits; any other name is ignored.
    pub(super) fn decide(&mut self, request: &str, decision: Decision, out: &mut Output) {
        let Some(Waiting { id, form }) = self.waiting.remove(request) else { return };
        let allowed = decision != Decision::Deny;
        let always = decision == Decision::AllowAlways;
        let answer = match form {
            Form::Word => {
                // "cancel" would end the turn; after "decline" the model may try something else.
                let word = match decision {
                    Decision::AllowOnce => "accept",
                    Decision::AllowAlways => "acceptForSession",
                    Decision::Deny => "decline",
                };
                json!({ "decision": word })
            }
            Form::Grant(wanted) => {
                json!({ "permissions": if allowed { wanted } else { json!({}) }, "scope": if always { "session" } else { "turn" } })
            }
            Form::Elicitation if always => json!({ "action": "accept", "content": {}, "_meta": { "persist": "session" } }),
            Form::Elicitation if allowed => json!({ "action": "accept", "content": {} }),
            Form::Elicitation => json!({ "action": "decline" }),
        };
        respond(&id, &answer, out);
    }

    /// A request has been answered or is void. Whether it still waited.
    pub(super) fn resolved(&mut self, id: &Value) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|_, waiting| waiting.id != *id);
        self.waiting.len() < before
    }
}

/// `item/tool/requestUserInput`: questions of the model. Nobody is there to answer, so each gets no answer, which lets the turn go
/// on. From the schema.
pub(super) fn user_input(id: &Value, wanted: UserInputWanted, out: &mut Output) {
    let answers: Map<String, Value> = wanted.questions.iter().map(|each| (each.id.clone(), json!({ "answers": [] }))).collect();
    respond(id, &json!({ "answers": answers }), out);
    let request = match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let answers = vec![Vec::new(); wanted.questions.len()];
    let question = |each: super::wire::WantedInput| Question {
        text: each.question,
        options: each.options.unwrap_or_default().into_iter().map(|option| option.label).collect(),
        multiple: false,
    };
    let questions = wanted.questions.into_iter().map(question).collect();
    out.event(StreamEvent::Question { id: request.clone(), questions });
    out.event(StreamEvent::QuestionResolved { id: request, answers, by: DecidedBy::Policy });
}

/// What cannot be shown is not allowed: the answer is no, and a notice says so.
fn deny_unseen(id: &Value, out: &mut Output) {
    respond(id, &json!({ "decision": "decline" }), out);
    let message = "the agent asked for permission without showing what for; it was denied";
    out.event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
}

/// Answers a request.
pub(super) fn respond(id: &Value, result: &Value, out: &mut Output) {
    out.send_json(&json!({ "id": id, "result": result }));
}

/// Refuses a request that we do not know, or cannot do.
pub(super) fn refuse(id: &Value, method: &str, out: &mut Output) {
    out.send_json(&json!({ "id": id, "error": { "code": -32601, "message": format!("this client does not know {method}") } }));
}

/// Everything of a request's parameters that tells what would run. What a later version adds is shown, too.
fn what_runs(mut params: Map<String, Value>) -> Map<String, Value> {
    params.retain(|name, value| !value.is_null() && !BOOKKEEPING.contains(&name.as_str()));
    params
}

//! Requests of the app-server to us: approvals and questions. They wait until they are answered, Codex takes them back, or their
//! turn ends.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::items::Items;
use super::tools;
use super::wire::{Asked, CommandAction, UserInputWanted};
use crate::agent::Output;
use crate::agent::common::{OpenRequests, Rejected};
use crate::types::{Answer, DecidedBy, Decision, Level, NoticeCode, Question, StreamEvent, ToolKind};

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

/// Requests that wait for an answer, by the id under which they were announced.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    waiting: OpenRequests<Waiting>,
    /// Tool calls of this turn that were not allowed.
    denied: Vec<String>,
    /// Commands run in a sandbox in which nothing can be changed.
    contained: bool,
}

/// One request that waits.
#[derive(Debug)]
struct Waiting {
    /// Codex's own id of the request, given back as it came.
    id: Value,
    tool_call: Option<String>,
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
    /// What the user says to each of the questions with these ids.
    Answers(Vec<String>),
}

impl Approvals {
    /// With none waiting. `contained` says that commands run where nothing can be changed.
    pub(super) fn new(contained: bool) -> Self {
        Self { contained, ..Self::default() }
    }

    /// Whether a request of this id waits.
    pub(super) fn is_open(&self, id: &Value) -> bool {
        self.waiting.get(&name(id)).is_some()
    }

    /// `item/commandExecution/requestApproval`, whose parameters are `params`: a command, input to a running one, or a connection.
    pub(super) fn command(&mut self, id: Value, asked: &Asked, params: Map<String, Value>, items: &Items, out: &mut Output) {
        let looks = self.contained.then(|| looking(&params)).flatten();
        let mut input = what_runs(params);
        // The ordinary case goes without saying.
        for (name, ordinary) in [("kind", "command"), ("environmentId", "local")] {
            if input.get(name).is_some_and(|value| value == ordinary) {
                input.remove(name);
            }
        }
        // Whatever else is said is more than a plain command: such as that it failed in the sandbox and shall run outside of it.
        let plain = input.keys().all(|name| ["command", "cwd"].contains(&name.as_str()));
        // The item's command is what is asked for, unless the request is about something else, such as input to that command.
        let item = asked.item_id.as_deref().and_then(|item| items.input(item)?.as_object()).filter(|_| !input.contains_key("kind"));
        for (name, value) in item.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            input.entry(name).or_insert_with(|| value.clone());
        }
        let connection = input.contains_key("networkApprovalContext");
        if !connection && !input.contains_key("command") {
            return deny_unseen(&id, out);
        }
        let kind = match looks.filter(|_| plain) {
            Some(kind) => kind,
            None if connection => ToolKind::Fetch,
            None => ToolKind::Execute,
        };
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
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
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
        let (name, tool) = (name(&id), tool.to_owned());
        let waiting = Waiting { id, tool_call: tool_call_id.clone(), form };
        if let Err(rejected) = self.waiting.insert(name.clone(), waiting) {
            return self.deny_rejected(rejected, out);
        }
        let (input, options) = (Value::Object(input), OPTIONS.to_vec());
        out.emit(StreamEvent::PermissionRequest { id: name, tool_call_id, tool, kind, input, options, expires_at: None });
    }

    /// `item/tool/requestUserInput`: questions of the model. Tried with 0.169.0 and its feature `default_mode_request_user_input`.
    pub(super) fn question(&mut self, id: Value, wanted: UserInputWanted, out: &mut Output) {
        let ids = wanted.questions.iter().map(|each| each.id.clone()).collect();
        let question = |each: super::wire::WantedInput| Question {
            text: each.question,
            options: each.options.unwrap_or_default().into_iter().map(|option| option.label).collect(),
            multiple: false,
        };
        let (name, questions) = (name(&id), wanted.questions.into_iter().map(question).collect());
        let waiting = Waiting { id, tool_call: None, form: Form::Answers(ids) };
        if let Err(rejected) = self.waiting.insert(name.clone(), waiting) {
            return self.deny_rejected(rejected, out);
        }
        out.emit(StreamEvent::Question { id: name, questions });
    }

    /// Denies a request that cannot be added to the open ones. A question gets empty answers.
    fn deny_rejected(&mut self, Rejected { request, reason }: Rejected<Waiting>, out: &mut Output) {
        let Waiting { id, tool_call, form } = request;
        let result = match form {
            Form::Answers(_) => json!({ "answers": form.said(&[]) }),
            Form::Word | Form::Grant(_) | Form::Elicitation => form.decided(Decision::Deny),
        };
        respond(&id, &result, out);
        self.denied.extend(tool_call);
        out.emit(reason.notice());
    }

    /// Gives the answer to a request that waits; any other name, or an answer of the other kind, is left alone. Gives the words of a
    /// denial, which the request has no room for.
    pub(super) fn answer<'a>(&mut self, request: &str, answer: &'a Answer, out: &mut Output) -> Option<&'a str> {
        let asks = matches!(self.waiting.get(request)?.form, Form::Answers(_));
        if asks != matches!(answer, Answer::Question { .. }) {
            return None;
        }
        let Waiting { id, tool_call, form } = self.waiting.remove(request)?;
        match answer {
            Answer::Question { answers } => {
                respond(&id, &json!({ "answers": form.said(answers) }), out);
                None
            }
            Answer::Permission { decision, message } => {
                respond(&id, &form.decided(*decision), out);
                if *decision != Decision::Deny {
                    return None;
                }
                self.denied.extend(tool_call);
                message.as_deref()
            }
        }
    }

    /// A request has been answered or is void. Whether it still waited.
    pub(super) fn resolved(&mut self, id: &Value, out: &mut Output) -> bool {
        let Some(waiting) = self.waiting.remove(&name(id)) else { return false };
        self.denied.extend(waiting.take_back(out));
        true
    }

    /// The turn is over, and with it whatever was asked in it. Gives the tool calls that were not allowed.
    pub(super) fn turn_over(&mut self, out: &mut Output) -> Vec<String> {
        let taken_back = self.waiting.drain().filter_map(|(_, waiting)| waiting.take_back(out));
        let mut denied = std::mem::take(&mut self.denied);
        denied.extend(taken_back);
        denied
    }
}

impl Waiting {
    /// Tells that nobody needs to answer any more. Gives the tool call that waited.
    fn take_back(self, out: &mut Output) -> Option<String> {
        let (id, by) = (name(&self.id), DecidedBy::Policy);
        out.emit(match self.form {
            Form::Answers(ids) => StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); ids.len()], by },
            Form::Word | Form::Grant(_) | Form::Elicitation => {
                let reason = Some("the agent has withdrawn this request".to_owned());
                StreamEvent::PermissionResolved { id, decision: Decision::Deny, by, reason }
            }
        });
        self.tool_call
    }
}

impl Form {
    fn decided(self, decision: Decision) -> Value {
        let allowed = decision != Decision::Deny;
        let always = decision == Decision::AllowAlways;
        match self {
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
            Form::Elicitation | Form::Answers(_) => json!({ "action": "decline" }),
        }
    }

    /// The answers by their questions. One without an answer lets the model go on by itself.
    fn said(self, answers: &[Vec<String>]) -> Map<String, Value> {
        let Form::Answers(ids) = self else { return Map::new() };
        let each = ids.into_iter().enumerate();
        each.map(|(place, id)| (id, json!({ "answers": answers.get(place).map_or(&[][..], Vec::as_slice) }))).collect()
    }
}

/// The id under which a request is announced.
fn name(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What sort of looking a command is, if Codex takes it for nothing else. It may be wrong, so this counts only where the sandbox
/// holds as well.
fn looking(params: &Map<String, Value>) -> Option<ToolKind> {
    let actions = Vec::<CommandAction>::deserialize(params.get("commandActions")?).ok()?;
    let kind = |action: &CommandAction| match action.kind.as_str() {
        "read" => Some(ToolKind::Read),
        "listFiles" | "search" => Some(ToolKind::Search),
        _ => None,
    };
    let kinds: Vec<ToolKind> = actions.iter().map(kind).collect::<Option<_>>()?;
    kinds.into_iter().reduce(|first, next| if first == next { first } else { ToolKind::Read })
}

/// What cannot be shown is not allowed: the answer is no, and a notice says so.
fn deny_unseen(id: &Value, out: &mut Output) {
    respond(id, &json!({ "decision": "decline" }), out);
    let message = "the agent asked for permission without showing what for; it was denied";
    out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
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

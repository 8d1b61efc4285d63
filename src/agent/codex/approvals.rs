//! Requests from the app-server: approvals and questions. A request is open until it is answered, Codex withdraws it, or its turn ends.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::items::Items;
use super::tools;
use super::wire::{ApprovalRequest, CommandAction, UserInputQuestion, UserInputRequest};
use crate::agent::Output;
use crate::agent::common::{Form, Limit, OpenRequests, Rejected, Remembered};
use crate::types::bounds::MAX_DENIED_CALLS;
use crate::types::{Answer, DecidedBy, Decision, Level, NoticeCode, Question, QuestionOption, StreamEvent, ToolKind};

/// The decisions that every approval request accepts. Recorded in `appserver_approval_*`.
const OPTIONS: [Decision; 3] = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];

/// Parameters that do not describe what would run: ids, times, and rules that Codex suggests to remember.
const HIDDEN_PARAMS: [&str; 9] = [
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

/// The open requests, by the id in their event.
#[derive(Debug)]
pub(super) struct Approvals {
    open: OpenRequests<OpenRequest>,
    /// Tool calls of this turn that were denied.
    denied: Remembered<()>,
    /// Whether commands run in a sandbox in which they cannot change anything.
    read_only_sandbox: bool,
}

/// A request without an answer.
#[derive(Debug)]
struct OpenRequest {
    /// Codex's id of the request, returned unchanged.
    id: Value,
    tool_call: Option<String>,
    format: ResponseFormat,
}

/// The format of the response.
#[derive(Debug)]
enum ResponseFormat {
    /// A decision: `accept`, `acceptForSession` or `decline`.
    Decision,
    /// The requested permissions, or none. From the schema.
    Grant(Value),
    /// An MCP server's request to run its tool. From the schema.
    Elicitation,
    /// The answers to the questions with these ids.
    Answers(Vec<String>),
    /// The content of an MCP server's form.
    Form(Form),
}

impl Approvals {
    /// Without open requests. `read_only_sandbox` states whether commands run in a sandbox in which they cannot change anything.
    pub(super) fn new(read_only_sandbox: bool) -> Self {
        let effect = "the results of the oldest denied calls show an error instead of the denial";
        let denied = Remembered::new(Limit::new("denied_calls", MAX_DENIED_CALLS, effect));
        Self { open: OpenRequests::default(), denied, read_only_sandbox }
    }

    /// Whether a request with this id is open.
    pub(super) fn is_open(&self, id: &Value) -> bool {
        self.open.get(&event_id(id)).is_some()
    }

    /// `item/commandExecution/requestApproval` with the parameters `params`: for a command, input to a running command, or a connection.
    pub(super) fn open_command(
        &mut self,
        id: Value,
        request: &ApprovalRequest,
        params: Map<String, Value>,
        items: &mut Items,
        out: &mut Output,
    ) {
        let tool_call = request.item_id.as_deref().map(|item| items.requested(item, tools::COMMAND));
        let read_only = self.read_only_sandbox.then(|| read_only_kind(&params)).flatten();
        let mut input = displayed_params(params);
        // Omit default values.
        for (name, default) in [("kind", "command"), ("environmentId", "local")] {
            if input.get(name).is_some_and(|value| value == default) {
                input.remove(name);
            }
        }
        // Any other parameter makes it more than a plain command, for example that it failed in the sandbox and is to run outside of it.
        let is_plain = input.keys().all(|name| ["command", "cwd"].contains(&name.as_str()));
        // The request is for the item's command, unless it is about something else, such as input to that command.
        let item = tool_call.as_deref().and_then(|call| items.input(call)?.as_object()).filter(|_| !input.contains_key("kind"));
        for (name, value) in item.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            input.entry(name).or_insert_with(|| value.clone());
        }
        let is_connection = input.contains_key("networkApprovalContext");
        if !is_connection && !input.contains_key("command") {
            return deny_undisplayable(&id, out);
        }
        let kind = match read_only.filter(|_| is_plain) {
            Some(kind) => kind,
            None if is_connection => ToolKind::Fetch,
            None => ToolKind::Execute,
        };
        self.open_permission_request(id, ResponseFormat::Decision, tool_call, tools::COMMAND, kind, input, out);
    }

    /// `item/fileChange/requestApproval`. The item contains the changes, not the request.
    pub(super) fn open_patch(
        &mut self,
        id: Value,
        request: &ApprovalRequest,
        params: Map<String, Value>,
        items: &mut Items,
        out: &mut Output,
    ) {
        let tool_call = request.item_id.as_deref().map(|item| items.requested(item, tools::PATCH));
        let Some(changes) = tool_call.as_deref().and_then(|call| items.input(call)?.get("changes")) else {
            return deny_undisplayable(&id, out);
        };
        let mut input = displayed_params(params);
        input.insert("changes".to_owned(), changes.clone());
        self.open_permission_request(id, ResponseFormat::Decision, tool_call, tools::PATCH, ToolKind::Edit, input, out);
    }

    /// `item/permissions/requestApproval`: further permissions for the rest of the turn or thread. From the schema.
    pub(super) fn open_permissions(&mut self, id: Value, request: &ApprovalRequest, params: Map<String, Value>, out: &mut Output) {
        let input = displayed_params(params);
        let requested = input.get("permissions").cloned().unwrap_or_else(|| json!({}));
        self.open_permission_request(
            id,
            ResponseFormat::Grant(requested),
            request.item_id.clone(),
            "requestPermissions",
            ToolKind::Other,
            input,
            out,
        );
    }

    /// `mcpServer/elicitation/request`: a form for the user, or a request to run an MCP tool. From the schema. Codex marks the latter with
    /// `codex_approval_kind`.
    pub(super) fn handle_elicitation(&mut self, id: Value, params: Map<String, Value>, out: &mut Output) {
        let approval_kind = params.get("_meta").and_then(|meta| meta.get("codex_approval_kind"));
        let server = params.get("serverName").and_then(Value::as_str).unwrap_or("MCP server").to_owned();
        if approval_kind.and_then(Value::as_str) == Some("mcp_tool_call") {
            let input = displayed_params(params);
            return self.open_permission_request(id, ResponseFormat::Elicitation, None, &server, ToolKind::Other, input, out);
        }
        if let Some((form, questions)) = Form::from_params(&params) {
            return self.open_questions(id, questions, ResponseFormat::Form(form), out);
        }
        send_response(&id, &json!({ "action": "decline" }), out);
        let message = params.get("message").and_then(Value::as_str).unwrap_or_default();
        let message = format!("{server} requested user input in a form that cannot be shown; it was declined: {message}");
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of one event and its answer")]
    fn open_permission_request(
        &mut self,
        id: Value,
        format: ResponseFormat,
        tool_call_id: Option<String>,
        tool: &str,
        kind: ToolKind,
        input: Map<String, Value>,
        out: &mut Output,
    ) {
        let (event_id, tool) = (event_id(&id), tool.to_owned());
        let request = OpenRequest { id, tool_call: tool_call_id.clone(), format };
        if let Err(rejected) = self.open.insert(event_id.clone(), request) {
            return self.deny_rejected(rejected, out);
        }
        let (input, options) = (Value::Object(input), OPTIONS.to_vec());
        out.emit(StreamEvent::PermissionRequest {
            id: event_id,
            tool_call_id,
            tool,
            kind,
            input,
            options,
            choices: Vec::new(),
            expires_at: None,
        });
    }

    /// `item/tool/requestUserInput`: questions from the model. Tested with 0.169.0 and its feature `default_mode_request_user_input`.
    pub(super) fn open_question(&mut self, id: Value, request: UserInputRequest, out: &mut Output) {
        let ids = request.questions.iter().map(|question| question.id.clone()).collect();
        let question = |question: UserInputQuestion| Question {
            text: question.question,
            header: question.header.filter(|header| !header.is_empty()),
            options: question.options.unwrap_or_default().into_iter().map(QuestionOption::from).collect(),
            multiple: false,
        };
        self.open_questions(id, request.questions.into_iter().map(question).collect(), ResponseFormat::Answers(ids), out);
    }

    fn open_questions(&mut self, id: Value, questions: Vec<Question>, format: ResponseFormat, out: &mut Output) {
        let event_id = event_id(&id);
        let request = OpenRequest { id, tool_call: None, format };
        if let Err(rejected) = self.open.insert(event_id.clone(), request) {
            return self.deny_rejected(rejected, out);
        }
        out.emit(StreamEvent::Question { id: event_id, questions });
    }

    /// Denies a request that cannot be added to the open ones. A question gets empty answers.
    fn deny_rejected(&mut self, Rejected { request, reason }: Rejected<OpenRequest>, out: &mut Output) {
        let OpenRequest { id, tool_call, format } = request;
        let result = match format {
            ResponseFormat::Answers(_) | ResponseFormat::Form(_) => format.answers_response(&[]),
            ResponseFormat::Decision | ResponseFormat::Grant(_) | ResponseFormat::Elicitation => format.decision_response(Decision::Deny),
        };
        send_response(&id, &result, out);
        self.note_denied(tool_call, out);
        reason.report(out);
    }

    /// Answers an open request. Ignored if the request is not open or of the other kind. Returns the message of a denial, for which the
    /// response has no field.
    pub(super) fn answer<'a>(&mut self, request: &str, answer: &'a Answer, out: &mut Output) -> Option<&'a str> {
        let is_question = self.open.get(request)?.format.question_count().is_some();
        if is_question != matches!(answer, Answer::Question { .. }) {
            return None;
        }
        let OpenRequest { id, tool_call, format } = self.open.remove(request)?;
        match answer {
            Answer::Question { answers } => {
                send_response(&id, &format.answers_response(answers), out);
                None
            }
            Answer::Permission { decision, message, .. } => {
                send_response(&id, &format.decision_response(*decision), out);
                if *decision != Decision::Deny {
                    return None;
                }
                self.note_denied(tool_call, out);
                message.as_deref()
            }
        }
    }

    /// Closes a request that was answered or has become void. Returns whether it was open.
    pub(super) fn close(&mut self, id: &Value, out: &mut Output) -> bool {
        let Some(request) = self.open.remove(&event_id(id)) else { return false };
        let tool_call = request.emit_closed(out);
        self.note_denied(tool_call, out);
        true
    }

    /// Closes all open requests.
    pub(super) fn close_requests(&mut self, out: &mut Output) {
        for (_, request) in self.open.drain() {
            let tool_call = request.emit_closed(out);
            self.note_denied(tool_call, out);
        }
    }

    /// Closes all open requests and forgets which tool calls were denied, at the end of a turn.
    pub(super) fn end_turn(&mut self, out: &mut Output) {
        self.close_requests(out);
        self.denied.clear();
    }

    /// Whether a tool call of this turn was denied.
    pub(super) fn was_denied(&self, tool_call: &str) -> bool {
        self.denied.contains(tool_call)
    }

    fn note_denied(&mut self, tool_call: Option<String>, out: &mut Output) {
        if let Some(tool_call) = tool_call {
            self.denied.insert(&tool_call, (), out);
        }
    }
}

impl OpenRequest {
    /// Emits that the request is closed. Returns its tool call.
    fn emit_closed(self, out: &mut Output) -> Option<String> {
        let (id, by) = (event_id(&self.id), DecidedBy::Policy);
        out.emit(if let Some(count) = self.format.question_count() {
            StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); count], by }
        } else {
            let reason = Some("the agent withdrew the request".to_owned());
            StreamEvent::PermissionResolved { id, decision: Decision::Deny, option_id: None, by, reason }
        });
        self.tool_call
    }
}

impl ResponseFormat {
    fn decision_response(self, decision: Decision) -> Value {
        let allowed = decision != Decision::Deny;
        let always = decision == Decision::AllowAlways;
        match self {
            ResponseFormat::Decision => {
                // "cancel" would end the turn; after "decline" the model can try something else.
                let decision = match decision {
                    Decision::AllowOnce => "accept",
                    Decision::AllowAlways => "acceptForSession",
                    Decision::Deny => "decline",
                };
                json!({ "decision": decision })
            }
            ResponseFormat::Grant(requested) => {
                json!({ "permissions": if allowed { requested } else { json!({}) }, "scope": if always { "session" } else { "turn" } })
            }
            ResponseFormat::Elicitation if always => json!({ "action": "accept", "content": {}, "_meta": { "persist": "session" } }),
            ResponseFormat::Elicitation if allowed => json!({ "action": "accept", "content": {} }),
            ResponseFormat::Elicitation | ResponseFormat::Answers(_) | ResponseFormat::Form(_) => json!({ "action": "decline" }),
        }
    }

    /// Number of questions; `None` if it is a permission request.
    fn question_count(&self) -> Option<usize> {
        match self {
            Self::Answers(ids) => Some(ids.len()),
            Self::Form(form) => Some(form.len()),
            Self::Decision | Self::Grant(_) | Self::Elicitation => None,
        }
    }

    /// The response with answers: by question id, where the model continues if a question has none, or as the content of a form.
    fn answers_response(self, answers: &[Vec<String>]) -> Value {
        let ids = match self {
            Self::Form(form) => return form.response(answers),
            Self::Answers(ids) => ids,
            Self::Decision | Self::Grant(_) | Self::Elicitation => Vec::new(),
        };
        let by_id = ids.into_iter().enumerate();
        let by_id = by_id.map(|(index, id)| (id, json!({ "answers": answers.get(index).map_or(&[][..], Vec::as_slice) })));
        json!({ "answers": by_id.collect::<Map<_, _>>() })
    }
}

/// The id of the request's event.
fn event_id(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The kind of a command that Codex classifies as read-only. `None` otherwise. The classification can be wrong, so it counts only in
/// addition to the sandbox.
fn read_only_kind(params: &Map<String, Value>) -> Option<ToolKind> {
    let actions = Vec::<CommandAction>::deserialize(params.get("commandActions")?).ok()?;
    let kind = |action: &CommandAction| match action.kind.as_str() {
        "read" => Some(ToolKind::Read),
        "listFiles" | "search" => Some(ToolKind::Search),
        _ => None,
    };
    let kinds: Vec<ToolKind> = actions.iter().map(kind).collect::<Option<_>>()?;
    kinds.into_iter().reduce(|first, next| if first == next { first } else { ToolKind::Read })
}

/// Denies a request whose subject cannot be shown to the user, and emits a notice.
fn deny_undisplayable(id: &Value, out: &mut Output) {
    send_response(id, &json!({ "decision": "decline" }), out);
    let message = "the agent requested permission without describing the action; the request was denied";
    out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
}

/// Sends a response.
pub(super) fn send_response(id: &Value, result: &Value, out: &mut Output) {
    out.send_json(&json!({ "id": id, "result": result }));
}

/// Rejects an unknown or unsupported request.
pub(super) fn send_unknown_method(id: &Value, method: &str, out: &mut Output) {
    out.send_json(&json!({ "id": id, "error": { "code": -32601, "message": format!("method not found: {method}") } }));
}

/// The parameters that describe what would run, including those that later versions add.
fn displayed_params(mut params: Map<String, Value>) -> Map<String, Value> {
    params.retain(|name, value| !value.is_null() && !HIDDEN_PARAMS.contains(&name.as_str()));
    params
}

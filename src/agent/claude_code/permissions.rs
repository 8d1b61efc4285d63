//! Requests from the program: permission to use a tool, and questions to the user.
//!
//! A request is open from its `control_request` until it is answered, the program withdraws it (`control_cancel_request`) or the turn ends.
//! Every request is answered, unknown ones with an error, because the program waits forever for a response.

use std::collections::VecDeque;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::tasks::Tasks;
use super::tools;
use super::wire::{CanUseTool, ControlRequest, ControlSubtype};
use crate::agent::Output;
use crate::agent::common::{CallIds, Form, Limit, OpenRequests, Rejected, Remembered};
use crate::types::bounds::{MAX_ALLOWED_SCOPES, MAX_DENIED_CALLS};
use crate::types::{Answer, DecidedBy, Decision, Level, NoticeCode, Question, QuestionOption, StreamEvent, ToolKind};

/// Sent to the model in response to a question without an answer.
const UNANSWERED_MESSAGE: &str =
    "No user is available to answer. Decide by yourself, using your best judgment, and continue with the task.";

/// Sent to the model with a denial that has no message.
const DENIED_MESSAGE: &str = "The user denied this action.";

/// The open requests of one process.
#[derive(Debug)]
pub(super) struct Permissions {
    /// Whether the program gives its answer by a tool, because the run has a schema.
    takes_output: bool,
    open: OpenRequests<OpenRequest>,
    /// Denied tool calls whose results have not arrived.
    denied: Remembered<()>,
    /// Digests of the scopes that were allowed for the session (see [`allow_scope`]), the oldest first.
    allowed: VecDeque<[u8; 32]>,
    allowed_limit: Limit,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            takes_output: false,
            open: OpenRequests::default(),
            denied: Remembered::new(Limit::new(
                "denied_calls",
                MAX_DENIED_CALLS,
                "the results of the oldest denied calls show an error instead of the denial",
            )),
            allowed: VecDeque::new(),
            allowed_limit: Limit::new("allowed_scopes", MAX_ALLOWED_SCOPES, "the agent asks again about what was first allowed for good"),
        }
    }
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct OpenRequest {
    tool_call: Option<String>,
    /// The sub-agent that makes the call.
    agent: Option<String>,
    /// The input as the client sees it. Exactly this is allowed.
    input: Value,
    details: Details,
}

/// What the request is about.
#[derive(Debug)]
enum Details {
    /// Permission to use a tool.
    Permission {
        /// The rules that the program suggests to remember.
        suggestions: Vec<Value>,
        /// What [`Decision::AllowAlways`] covers.
        scope: String,
    },
    /// The texts of the questions.
    Question(Vec<String>),
    /// The form of an MCP server.
    Form(Form),
}

impl OpenRequest {
    /// Whether a sub-agent that is alive in the background waits for the answer.
    pub(super) fn is_of_live_task(&self, tasks: &Tasks) -> bool {
        self.agent.as_deref().is_some_and(|agent| tasks.live().any(|task| task == agent))
    }
}

impl Permissions {
    /// Allows the tool by which the program gives an answer in the form of a schema.
    pub(super) fn with_output(self, takes_output: bool) -> Self {
        Self { takes_output, ..self }
    }

    /// Handles a control request. Returns `false` if it is unknown or invalid.
    pub(super) fn handle_request(&mut self, request: &ControlRequest<'_>, calls: &mut CallIds, out: &mut Output) -> bool {
        let id = request.request_id.as_ref();
        if self.open.get(id).is_some() {
            // Its response would be taken for the response to the first request with this id.
            return false;
        }
        let body = request.request.map_or("null", RawValue::get);
        let subtype = serde_json::from_str::<ControlSubtype<'_>>(body).map(|body| body.subtype).unwrap_or_default();
        if subtype.0 == "elicitation" {
            self.open_form(id, &serde_json::from_str(body).unwrap_or_default(), out);
            return true;
        }
        if subtype.0 != "can_use_tool" {
            send_error(out, id, &format!("Unsupported control request subtype: {}", subtype.0));
            return false;
        }
        let request = serde_json::from_str::<CanUseTool>(body).map(|mut request| {
            request.tool_use_id = request.tool_use_id.map(|id| calls.requested(&id, &request.tool_name));
            request
        });
        match request {
            // The answer in the form of the run's schema, which does nothing else.
            Ok(request) if self.takes_output && request.tool_name == "StructuredOutput" => {
                send_response(out, id, &json!({ "behavior": "allow", "updatedInput": request.input }));
            }
            Ok(request) if request.tool_name == "AskUserQuestion" => self.open_question(id, request, out),
            Ok(request) => self.open_permission(id, request, out),
            Err(_) => {
                send_error(out, id, "invalid can_use_tool request");
                return false;
            }
        }
        true
    }

    /// Denies a request that cannot be added to the open ones.
    fn deny_rejected(&mut self, id: &str, Rejected { request, reason }: Rejected<OpenRequest>, out: &mut Output) {
        self.note_denied(request.tool_call, out);
        send_response(out, id, &json!({ "behavior": "deny", "message": reason.to_string() }));
        reason.report(out);
    }

    fn open_permission(&mut self, id: &str, request: CanUseTool, out: &mut Output) {
        let scope = allow_scope(&request);
        if self.allowed.contains(&digest(&scope)) {
            return send_response(out, id, &json!({ "behavior": "allow", "updatedInput": request.input }));
        }
        let details = Details::Permission { suggestions: request.permission_suggestions, scope };
        let open = OpenRequest { tool_call: request.tool_use_id.clone(), agent: request.agent_id, input: request.input.clone(), details };
        if let Err(rejected) = self.open.insert(id.to_owned(), open) {
            return self.deny_rejected(id, rejected, out);
        }
        out.emit(StreamEvent::PermissionRequest {
            id: id.to_owned(),
            tool_call_id: request.tool_use_id,
            kind: tools::kind(&request.tool_name),
            tool: request.tool_name,
            input: request.input,
            options: vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny],
            choices: Vec::new(),
            expires_at: None,
        });
    }

    fn open_question(&mut self, id: &str, request: CanUseTool, out: &mut Output) {
        let questions = questions(&request.input);
        let texts = questions.iter().map(|question| question.text.clone()).collect();
        let open = OpenRequest {
            tool_call: request.tool_use_id,
            agent: request.agent_id,
            input: request.input,
            details: Details::Question(texts),
        };
        if let Err(rejected) = self.open.insert(id.to_owned(), open) {
            return self.deny_rejected(id, rejected, out);
        }
        out.emit(StreamEvent::Question { id: id.to_owned(), questions });
    }

    /// Shows the form of an MCP server as questions, or declines it with a notice.
    fn open_form(&mut self, id: &str, params: &Map<String, Value>, out: &mut Output) {
        if let Some((form, questions)) = Form::from_params(params) {
            let open = OpenRequest { tool_call: None, agent: None, input: Value::Null, details: Details::Form(form) };
            return match self.open.insert(id.to_owned(), open) {
                Ok(()) => out.emit(StreamEvent::Question { id: id.to_owned(), questions }),
                Err(rejected) => {
                    send_response(out, id, &json!({ "action": "decline" }));
                    rejected.reason.report(out);
                }
            };
        }
        send_response(out, id, &json!({ "action": "decline" }));
        let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
        let (server, message) = (text("mcp_server_name"), text("message"));
        let message = format!("{server} requested user input in a form that cannot be shown; it was declined: {message}");
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
    }

    /// Answers an open request. Ignored if the request is not open or of the other kind.
    pub(super) fn answer(&mut self, id: &str, answer: &Answer, out: &mut Output) {
        let matches_kind = |request: &OpenRequest| {
            matches!(
                (&request.details, answer),
                (Details::Permission { .. }, Answer::Permission { .. })
                    | (Details::Question(_) | Details::Form(_), Answer::Question { .. })
            )
        };
        if !self.open.get(id).is_some_and(matches_kind) {
            return;
        }
        let Some(OpenRequest { tool_call, mut input, details, .. }) = self.open.remove(id) else { return };
        let response = match (details, answer) {
            (_, Answer::Permission { decision: Decision::Deny, message, .. }) => {
                self.note_denied(tool_call, out);
                json!({ "behavior": "deny", "message": message.as_deref().unwrap_or(DENIED_MESSAGE) })
            }
            (Details::Permission { suggestions, scope }, Answer::Permission { decision: Decision::AllowAlways, .. }) => {
                self.allow(&scope, out);
                let permissions: Vec<Value> = suggestions.into_iter().map(limit_to_session).collect();
                json!({ "behavior": "allow", "updatedInput": input, "updatedPermissions": permissions })
            }
            (Details::Form(form), Answer::Question { answers }) => form.response(answers),
            (Details::Question(texts), Answer::Question { answers }) => {
                if let Some(answers) = answers_by_question(texts, answers) {
                    if let Some(fields) = input.as_object_mut() {
                        fields.insert("answers".to_owned(), answers);
                    }
                    json!({ "behavior": "allow", "updatedInput": input })
                } else {
                    self.note_denied(tool_call, out);
                    json!({ "behavior": "deny", "message": UNANSWERED_MESSAGE })
                }
            }
            _ => json!({ "behavior": "allow", "updatedInput": input }),
        };
        send_response(out, id, &response);
    }

    /// Closes a request that the program withdraws.
    pub(super) fn withdraw(&mut self, id: &str, out: &mut Output) {
        let Some(request) = self.open.remove(id) else { return };
        self.close(id, request, out);
    }

    fn close(&mut self, id: &str, request: OpenRequest, out: &mut Output) {
        self.note_denied(request.tool_call, out);
        let (id, by) = (id.to_owned(), DecidedBy::Policy);
        out.emit(match request.details {
            Details::Permission { .. } => {
                let reason = Some("the agent withdrew the request".to_owned());
                StreamEvent::PermissionResolved { id, decision: Decision::Deny, option_id: None, by, reason }
            }
            Details::Question(texts) => StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); texts.len()], by },
            Details::Form(form) => StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); form.len()], by },
        });
    }

    /// Closes the open requests for which `ends` holds, at the end of a turn.
    pub(super) fn close_where(&mut self, ends: impl Fn(&OpenRequest) -> bool, out: &mut Output) {
        while let Some((id, request)) = self.open.remove_where(|_, request| ends(request)) {
            self.close(&id, request, out);
        }
    }

    /// Records that a tool call was denied, here or by the program itself.
    pub(super) fn note_denied(&mut self, tool_call: Option<String>, out: &mut Output) {
        if let Some(tool_call) = tool_call {
            self.denied.insert(&tool_call, (), out);
        }
    }

    /// Remembers that a scope was allowed for the session.
    fn allow(&mut self, scope: &str, out: &mut Output) {
        if self.allowed.len() == self.allowed_limit.max() {
            self.allowed.pop_front();
            self.allowed_limit.report(out);
        }
        self.allowed.push_back(digest(scope));
    }

    /// Whether this tool call was denied. Called once, with the call's result.
    pub(super) fn take_denied(&mut self, tool_call: &str) -> bool {
        self.denied.remove(tool_call).is_some()
    }
}

/// What "always" covers within this process: all edits, all calls of a read-only tool or of an MCP tool, and otherwise only the same call.
/// If a rule of the adapter makes the program ask for everything, it suggests no rules to remember (tested with 2.1.330). The parser
/// therefore remembers the scope.
fn allow_scope(request: &CanUseTool) -> String {
    match tools::kind(&request.tool_name) {
        ToolKind::Edit => "edits".to_owned(),
        ToolKind::Read | ToolKind::Search | ToolKind::Think => request.tool_name.clone(),
        ToolKind::Other if request.tool_name.starts_with("mcp__") => request.tool_name.clone(),
        _ => {
            let mut input = request.input.clone();
            if let Some(fields) = input.as_object_mut() {
                // The model's description of the call.
                fields.remove("description");
            }
            format!("{} {input}", request.tool_name)
        }
    }
}

/// A scope may be as long as the input of a call. Its digest must not collide: the agent chooses the text, and it decides what runs without
/// another question.
fn digest(scope: &str) -> [u8; 32] {
    Sha256::digest(scope).into()
}

/// The questions in the input of `AskUserQuestion`.
fn questions(input: &Value) -> Vec<Question> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let some = |value: &Value, field: &str| text(value, field).filter(|text| !text.is_empty());
    let option = |option: Value| {
        let name = option.as_str().map(str::to_owned).or_else(|| text(&option, "label"))?;
        Some(QuestionOption { name, description: some(&option, "description"), preview: some(&option, "preview") })
    };
    let question = |question: Value| Question {
        text: text(&question, "question").unwrap_or_default(),
        header: some(&question, "header"),
        options: list(question.get("options")).into_iter().filter_map(option).collect(),
        multiple: question.get("multiSelect").and_then(Value::as_bool).unwrap_or(false),
    };
    list(input.get("questions")).into_iter().map(question).collect()
}

/// The answers by question, as the program expects them (recording `bidi_question`). `None` if there are no answers.
fn answers_by_question(questions: Vec<String>, answers: &[Vec<String>]) -> Option<Value> {
    let pairs = questions.into_iter().zip(answers).filter(|(_, answers)| !answers.is_empty());
    let answers: serde_json::Map<String, Value> = pairs.map(|(question, answers)| (question, json!(answers.join(", ")))).collect();
    (!answers.is_empty()).then_some(Value::Object(answers))
}

/// The suggested rule, limited to the session. Some suggestions would write to the project's settings.
fn limit_to_session(mut suggestion: Value) -> Value {
    if let Some(destination) = suggestion.get_mut("destination") {
        *destination = json!("session");
    }
    suggestion
}

/// Sends a success response.
fn send_response(out: &mut Output, id: &str, response: &Value) {
    let response = json!({ "subtype": "success", "request_id": id, "response": response });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

/// Sends an error response.
fn send_error(out: &mut Output, id: &str, error: &str) {
    let response = json!({ "subtype": "error", "request_id": id, "error": error });
    out.send_json(&json!({ "type": "control_response", "response": response }));
}

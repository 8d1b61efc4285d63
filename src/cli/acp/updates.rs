//! Converts events of a run into updates of a session. Pure, apart from what it remembers of the present message.

use serde_json::{Value, json};

use crate::types::{Decision, PermissionChoice, PlanStatus, Question, Role, StreamEvent, ToolKind, ToolStatus};

/// Converts the events of one run.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// Whether the text of the present message was sent as it was written.
    has_tokens: bool,
}

impl Updates {
    /// The update for an event; `None` if editors do not show it.
    pub(super) fn of(&mut self, event: &StreamEvent) -> Option<Value> {
        match event {
            StreamEvent::Token { content } if content.parent_tool_call_id.is_none() => {
                self.has_tokens = true;
                Some(chunk("agent_message_chunk", &content.text))
            }
            StreamEvent::Thinking { content } if content.parent_tool_call_id.is_none() => Some(chunk("agent_thought_chunk", &content.text)),
            // Its tokens precede it, if the agent sends them.
            StreamEvent::Message { role: Role::Assistant, content, parent_tool_call_id: None, .. } => {
                (!std::mem::take(&mut self.has_tokens)).then(|| chunk("agent_message_chunk", content))
            }
            StreamEvent::UserMessage { content, .. } => Some(chunk("user_message_chunk", content)),
            StreamEvent::ToolCall(call) => Some(json!({
                "sessionUpdate": "tool_call", "toolCallId": call.id, "title": call.title, "kind": kind(call.kind), "status": "in_progress",
                "rawInput": call.input,
            })),
            StreamEvent::ToolResult { id, status, content, .. } => {
                let status = if *status == ToolStatus::Ok { "completed" } else { "failed" };
                let content = json!([{ "type": "content", "content": { "type": "text", "text": content } }]);
                Some(json!({ "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status, "content": content }))
            }
            StreamEvent::Plan { entries } => {
                let entries = entries.iter().map(|entry| {
                    let status = match entry.status {
                        PlanStatus::Pending => "pending",
                        PlanStatus::InProgress => "in_progress",
                        PlanStatus::Completed => "completed",
                    };
                    json!({ "content": entry.content, "priority": "medium", "status": status })
                });
                Some(json!({ "sessionUpdate": "plan", "entries": entries.collect::<Vec<_>>() }))
            }
            _ => None,
        }
    }
}

/// A piece of text of the user or the agent.
pub(super) fn chunk(kind: &str, text: &str) -> Value {
    json!({ "sessionUpdate": kind, "content": { "type": "text", "text": text } })
}

fn kind(kind: ToolKind) -> &'static str {
    kind.as_str()
}

/// A request of an agent that the editor can put to the user: what to send, and the answer for each option.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// ID of the request.
    pub(super) id: String,
    /// The tool call, as the editor shows it.
    pub(super) tool_call: Value,
    /// The options, as the editor shows them.
    pub(super) options: Vec<Value>,
    /// The answers to the server, by option.
    answers: Vec<Value>,
}

impl Request {
    /// The request of an event; `None` if it is none, is decided by a rule, or cannot be put to the user in this protocol.
    pub(super) fn of(event: &StreamEvent) -> Option<Self> {
        match event {
            StreamEvent::PermissionRequest { id, tool_call_id, tool, kind: of, input, options, choices, expires_at: Some(_) } => {
                let (options, answers) = if choices.is_empty() { decisions(options) } else { named(choices, options) };
                let call_id = tool_call_id.as_ref().unwrap_or(id);
                let tool_call = json!({ "toolCallId": call_id, "title": title(tool, input), "kind": kind(*of), "status": "pending", "rawInput": input });
                Some(Self { id: id.clone(), tool_call, options, answers })
            }
            StreamEvent::Question { id, questions } => {
                let [Question { text, options, multiple: false, .. }] = questions.as_slice() else { return None };
                let shown = options.iter().zip(0..).map(|(option, index): (_, usize)| choice(index, &option.name, "allow_once"));
                let answers = options.iter().map(|option| json!({ "answers": [option.name] })).collect::<Vec<_>>();
                let tool_call = json!({ "toolCallId": id, "title": text, "kind": "other", "status": "pending" });
                (!answers.is_empty()).then(|| Self { id: id.clone(), tool_call, options: shown.collect(), answers })
            }
            _ => None,
        }
    }

    /// The answer to the server for the editor's result of `session/request_permission`; `None` if the user chose nothing.
    pub(super) fn answer(&self, result: &Value) -> Option<&Value> {
        let option = result.pointer("/outcome/optionId")?.as_str()?;
        self.answers.get(option.parse::<usize>().ok()?)
    }
}

/// What a permission is for: the command, path or address, if the input has one.
fn title(tool: &str, input: &Value) -> String {
    let known = ["command", "file_path", "path", "url"].into_iter().find_map(|name| input[name].as_str());
    known.map_or_else(|| tool.to_owned(), |subject| format!("{tool}: {subject}"))
}

fn decisions(options: &[Decision]) -> (Vec<Value>, Vec<Value>) {
    let shown = options.iter().zip(0..).map(|(decision, index)| match decision {
        Decision::AllowOnce => choice(index, "Allow", "allow_once"),
        Decision::AllowAlways => choice(index, "Always allow", "allow_always"),
        Decision::Deny => choice(index, "Deny", "reject_once"),
    });
    (shown.collect(), options.iter().map(|decision| json!({ "decision": decision })).collect())
}

/// The agent's own options, and those decisions that none of them stands for.
fn named(choices: &[PermissionChoice], options: &[Decision]) -> (Vec<Value>, Vec<Value>) {
    let kind = |decision| match decision {
        Decision::AllowOnce => "allow_once",
        Decision::AllowAlways => "allow_always",
        Decision::Deny => "reject_once",
    };
    let mut shown: Vec<Value> = choices.iter().zip(0..).map(|(option, index)| choice(index, &option.name, kind(option.decision))).collect();
    let mut answers: Vec<Value> = choices.iter().map(|option| json!({ "option_id": option.id })).collect();
    if options.contains(&Decision::Deny) && !choices.iter().any(|option| option.decision == Decision::Deny) {
        shown.push(choice(answers.len(), "Deny", "reject_once"));
        answers.push(json!({ "decision": Decision::Deny }));
    }
    (shown, answers)
}

fn choice(index: usize, name: &str, kind: &str) -> Value {
    json!({ "optionId": index.to_string(), "name": name, "kind": kind })
}

#[cfg(test)]
mod tests {
    use agent_client_protocol_schema::v1 as acp;

    use super::*;

    fn event(json: Value) -> StreamEvent {
        serde_json::from_value(json).unwrap()
    }

    /// The updates for these events, which the protocol's own types must accept.
    fn updates(events: &[Value]) -> Vec<Value> {
        let mut updates = Updates::default();
        let updates: Vec<_> = events.iter().filter_map(|one| updates.of(&event(one.clone()))).collect();
        for update in &updates {
            serde_json::from_value::<acp::SessionUpdate>(update.clone()).unwrap_or_else(|error| panic!("{update}: {error}"));
        }
        updates
    }

    #[test]
    fn text_is_sent_once_whether_the_agent_sends_tokens_or_not() {
        let events = [
            json!({"type": "thinking", "content": "hm"}),
            json!({"type": "token", "content": "on"}),
            json!({"type": "token", "content": "e"}),
            json!({"type": "token", "content": "sub", "parent_tool_call_id": "t"}),
            json!({"type": "message", "role": "assistant", "content": "one"}),
            json!({"type": "message", "role": "assistant", "content": "two"}),
            json!({"type": "user_message", "content": "go on", "mode": "queue"}),
        ];
        let texts: Vec<_> = updates(&events).iter().map(|one| (one["sessionUpdate"].clone(), one["content"]["text"].clone())).collect();
        let expected = [
            ("agent_thought_chunk", "hm"),
            ("agent_message_chunk", "on"),
            ("agent_message_chunk", "e"),
            ("agent_message_chunk", "two"),
            ("user_message_chunk", "go on"),
        ];
        assert_eq!(texts, expected.map(|(kind, text)| (json!(kind), json!(text))));
    }

    #[test]
    fn tools_and_plans_are_updates_of_the_protocol() {
        let call = json!({"type": "tool_call", "id": "t", "tool": "Bash", "kind": "execute", "title": "ls", "input": {"command": "ls"}});
        let result = json!({"type": "tool_result", "id": "t", "status": "denied", "content": "no"});
        let plan = json!({"type": "plan", "entries": [{"content": "a", "status": "in_progress"}]});
        let seen = updates(&[call, result, plan, json!({"type": "raw", "line": "x"})]);
        assert_eq!((seen.len(), &seen[0]["kind"], &seen[1]["status"]), (3, &json!("execute"), &json!("failed")));
    }

    #[test]
    fn a_request_has_an_answer_for_each_option() {
        let mut permission = json!({"type": "permission_request", "id": "p", "tool": "Bash", "kind": "execute", "input": {"command": "rm x"},
            "options": ["allow_once", "deny"], "expires_at": "2026-11-22T13:05:00.001Z"});
        let request = Request::of(&event(permission.clone())).unwrap();
        assert_eq!(request.tool_call["title"], "Bash: rm x");
        for option in &request.options {
            serde_json::from_value::<acp::PermissionOption>(option.clone()).unwrap();
        }
        let chosen = |index: &str| json!({ "outcome": { "outcome": "selected", "optionId": index } });
        assert_eq!(request.answer(&chosen("1")), Some(&json!({"decision": "deny"})));
        for none in [chosen("2"), chosen("x"), json!({ "outcome": { "outcome": "cancelled" } })] {
            assert_eq!(request.answer(&none), None);
        }
        permission["choices"] = json!([{"id": "a", "name": "Yes, and stop asking", "decision": "allow_always"}]);
        let request = Request::of(&event(permission.clone())).unwrap();
        assert_eq!(
            (request.answer(&chosen("0")), request.answer(&chosen("1"))),
            (Some(&json!({"option_id": "a"})), Some(&json!({"decision": "deny"})))
        );
        permission.as_object_mut().unwrap().remove("expires_at");
        assert_eq!(Request::of(&event(permission)), None, "a rule decides it");
    }

    #[test]
    fn a_question_with_one_answer_of_several_is_a_request() {
        let question = |options: Value, multiple: bool| {
            event(json!({"type": "question", "id": "q", "questions": [{"text": "Which?", "options": options, "multiple": multiple}]}))
        };
        let options = json!([{"name": "red"}, {"name": "blue"}]);
        let request = Request::of(&question(options.clone(), false)).unwrap();
        assert_eq!(request.answer(&json!({ "outcome": { "outcome": "selected", "optionId": "1" } })), Some(&json!({"answers": ["blue"]})));
        assert_eq!(Request::of(&question(options, true)), None);
        assert_eq!(Request::of(&question(json!([]), false)), None);
    }
}

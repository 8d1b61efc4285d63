//! Permission requests and questions of an agent, as requests for input in MCP's form, and the answers to them.

use std::fmt::Write as _;

use rmcp::model::{InputRequest, InputRequests};
use serde_json::{Map, Value, json};

use super::backend::{Backend, BackendError, Call};

/// Maximum length of what an agent asks, in characters. The log has all of it.
const MAX_TEXT: usize = 4_000;

/// The field of a form with the decision on a permission request.
const DECISION: &str = "decision";
/// The field with a message to the agent.
const MESSAGE: &str = "message";

/// The open requests of a run.
///
/// # Errors
/// As [`Backend::json`].
pub(super) async fn open(backend: &dyn Backend, run: &str) -> Result<Vec<Value>, BackendError> {
    let mut page = backend.json(Call::get(format!("/api/runs/{run}/requests"))).await?;
    match page["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

/// Open requests as forms, by their IDs.
pub(super) fn to_forms(requests: &[Value]) -> InputRequests {
    let forms = requests.iter().filter_map(|request| {
        let id = request["id"].as_str()?.to_owned();
        let (message, properties, required) = if request["type"] == "question" { question(request) } else { permission(request) };
        let schema = json!({ "type": "object", "properties": properties, "required": required });
        let form = json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } });
        Some((id, serde_json::from_value::<InputRequest>(form).ok()?))
    });
    forms.collect()
}

/// The text and the fields of a form, and those that must be filled in.
type Form = (String, Map<String, Value>, Vec<String>);

fn permission(request: &Value) -> Form {
    let tool = request["tool"].as_str().unwrap_or("a tool");
    let message = short(&format!("The agent asks for permission to use {tool}: {}", request["input"]));
    let mut fields = Map::new();
    fields.insert(DECISION.to_owned(), json!({ "type": "string", "title": "Decision", "enum": request["options"] }));
    fields.insert(MESSAGE.to_owned(), json!({ "type": "string", "title": "Message to the agent" }));
    (message, fields, vec![DECISION.to_owned()])
}

fn question(request: &Value) -> Form {
    let questions = request["questions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut message = String::from("The agent asks:");
    let mut fields = Map::new();
    for (index, question) in questions.iter().enumerate() {
        let text = question["text"].as_str().unwrap_or_default();
        let options: Vec<&str> =
            question["options"].as_array().into_iter().flatten().filter_map(|option| option["name"].as_str()).collect();
        // Writing to a string does not fail.
        let _ = write!(message, "\n{}. {text}", index + 1);
        if !options.is_empty() {
            let _ = write!(message, " ({})", options.join(", "));
        }
        let title = question["header"].as_str().map_or_else(|| format!("Answer {}", index + 1), ToOwned::to_owned);
        // Not an enumeration: agents accept other answers, too.
        fields.insert(answer_field(index), json!({ "type": "string", "title": title, "description": short(text) }));
    }
    let required = (0..questions.len()).map(answer_field).collect();
    (short(&message), fields, required)
}

/// The body that answers `request` with the client's `response`, which is the result of an elicitation. A form that was declined or closed
/// denies a permission, and leaves questions without an answer.
///
/// # Errors
/// What is wrong with the response.
pub(super) fn answer(request: &Value, response: &Value) -> Result<Value, String> {
    let content = &response["content"];
    let is_accepted = match response["action"].as_str() {
        Some("accept") => true,
        Some("decline" | "cancel") => false,
        _ => return Err(String::from("`action` must be accept, decline or cancel")),
    };
    if request["type"] == "question" {
        let count = request["questions"].as_array().map_or(0, Vec::len);
        let answers = (0..count).map(|index| match &content[answer_field(index)] {
            _ if !is_accepted => Ok(json!([])),
            Value::String(answer) => Ok(json!(answer)),
            _ => Err(format!("`{}` must be a string", answer_field(index))),
        });
        return Ok(json!({ "answers": answers.collect::<Result<Vec<Value>, String>>()? }));
    }
    if !is_accepted {
        return Ok(json!({ "decision": "deny" }));
    }
    let Some(decision) = content[DECISION].as_str() else { return Err(format!("`{DECISION}` must be one of the request's options")) };
    let mut body = json!({ "decision": decision });
    if let Some(message) = content[MESSAGE].as_str().filter(|message| !message.is_empty()) {
        body["message"] = message.into();
    }
    Ok(body)
}

fn answer_field(index: usize) -> String {
    format!("answer_{}", index + 1)
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((end, _next)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission_request() -> Value {
        json!({ "id": "perm_1", "type": "permission", "tool": "write_file", "input": {"path": "a"}, "options": ["allow_once", "deny"] })
    }

    fn question_request() -> Value {
        let first = json!({ "text": "Which color?", "header": "Color", "options": [{"name": "red"}, {"name": "blue"}], "multiple": false });
        json!({ "id": "req_2", "type": "question", "questions": [first, {"text": "Why?", "options": [], "multiple": false}] })
    }

    #[test]
    fn requests_become_forms_with_their_options_and_texts() {
        let forms = serde_json::to_value(to_forms(&[permission_request(), question_request()])).unwrap();
        let permission = &forms["perm_1"]["params"];
        assert_eq!(permission["message"], r#"The agent asks for permission to use write_file: {"path":"a"}"#);
        assert_eq!(permission["requestedSchema"]["properties"]["decision"]["enum"], json!(["allow_once", "deny"]));
        let question = &forms["req_2"]["params"];
        assert_eq!(question["message"], "The agent asks:\n1. Which color? (red, blue)\n2. Why?");
        assert_eq!(question["requestedSchema"]["required"], json!(["answer_1", "answer_2"]));
    }

    #[test]
    fn a_form_that_was_filled_in_becomes_the_answer() {
        let accept = |content: Value| json!({ "action": "accept", "content": content });
        assert_eq!(
            answer(&permission_request(), &accept(json!({ "decision": "deny", "message": "use /tmp" }))),
            Ok(json!({ "decision": "deny", "message": "use /tmp" }))
        );
        assert_eq!(answer(&permission_request(), &accept(json!({ "decision": "allow_once" }))), Ok(json!({ "decision": "allow_once" })));
        assert_eq!(
            answer(&question_request(), &accept(json!({ "answer_1": "red", "answer_2": "so" }))),
            Ok(json!({ "answers": ["red", "so"] }))
        );
    }

    #[test]
    fn a_form_that_was_declined_denies_and_gives_no_answer() {
        for action in ["decline", "cancel"] {
            assert_eq!(answer(&permission_request(), &json!({ "action": action })), Ok(json!({ "decision": "deny" })));
            assert_eq!(answer(&question_request(), &json!({ "action": action })), Ok(json!({ "answers": [[], []] })));
        }
    }

    #[test]
    fn a_response_that_allows_nothing_explicitly_allows_nothing() {
        for response in
            [json!({}), json!({ "action": "accept" }), json!({ "action": "accept", "content": { "decision": true } }), json!("accept")]
        {
            assert!(answer(&permission_request(), &response).is_err(), "{response}");
        }
        assert!(answer(&question_request(), &json!({ "action": "accept", "content": { "answer_1": "red" } })).is_err());
    }

    #[test]
    fn a_long_input_is_cut() {
        let request = json!({ "id": "perm_1", "tool": "write", "input": "é".repeat(10 * MAX_TEXT), "options": ["deny"] });
        let forms = serde_json::to_value(to_forms(&[request])).unwrap();
        assert_eq!(forms["perm_1"]["params"]["message"].as_str().unwrap().chars().count(), MAX_TEXT + 1);
    }
}

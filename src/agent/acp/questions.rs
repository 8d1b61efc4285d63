//! Questions of the agent to the user: forms of the protocol's `elicitation/create`, and those of agents that ask in ways of their own.

use agent_client_protocol_schema::v1::PermissionOptionKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::request_keys::RequestKeys;
use super::wire::{PermissionRequest, response};
use crate::agent::Output;
use crate::agent::common::{Form, OpenRequests, Rejected};
use crate::types::{DecidedBy, Question, QuestionOption, StreamEvent};

/// Maximum number of questions of one request.
const MAX_QUESTIONS: usize = 64;

/// The questions of one process.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: OpenRequests<OpenQuestions>,
}

#[derive(Debug)]
struct OpenQuestions {
    /// The agent's id of the request.
    id: Value,
    count: usize,
    format: ResponseFormat,
}

/// How the answers are sent.
#[derive(Debug)]
enum ResponseFormat {
    /// Qwen asks by a permission request (recording `acp/qwen_question`): the option that submits, and the answers by position.
    Permission { submit: String },
    /// Grok's request `_x.ai/ask_user_question`: the answers by the texts of the questions.
    ByText(Vec<String>),
    /// The protocol's form: the answers by the names of the fields.
    Form(Form),
}

/// A question as most agents write it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentQuestion {
    question: String,
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    options: Vec<AgentOption>,
    #[serde(default)]
    multi_select: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct AgentOption {
    label: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    preview: Option<String>,
}

impl From<AgentQuestion> for Question {
    fn from(question: AgentQuestion) -> Self {
        let option = |AgentOption { label, description, preview }| {
            // A description that only repeats the name says nothing.
            QuestionOption { description: description.filter(|text| *text != label), name: label, preview }
        };
        let options = question.options.into_iter().map(option).collect();
        Self { text: question.question, header: question.header, options, multiple: question.multi_select.unwrap_or_default() }
    }
}

fn agent_questions(questions: &Value) -> Option<Vec<AgentQuestion>> {
    let questions: Vec<AgentQuestion> = serde_json::from_value(questions.clone()).ok()?;
    (1..=MAX_QUESTIONS).contains(&questions.len()).then_some(questions)
}

impl Questions {
    /// Opens the questions that a permission request contains. Returns `false` if it contains none.
    pub(super) fn open_from_permission(
        &mut self,
        id: &Value,
        request: &PermissionRequest,
        keys: &mut RequestKeys,
        out: &mut Output,
    ) -> bool {
        let meta = request.tool_call.meta.as_ref();
        let Some(meta) = meta.filter(|meta| meta.get("qwenInteractionKind").and_then(Value::as_str) == Some("user_question")) else {
            return false;
        };
        let submit = request.options.iter().find(|option| option.kind == Some(PermissionOptionKind::AllowOnce));
        let (Some(questions), Some(submit)) = (meta.get("qwenQuestions").and_then(agent_questions), submit) else { return false };
        let format = ResponseFormat::Permission { submit: submit.option_id.clone() };
        self.open(id, questions.into_iter().map(Question::from).collect(), format, keys, out);
        true
    }

    /// Opens the questions of `_x.ai/ask_user_question`. Returns `false` if the parameters are malformed.
    pub(super) fn open_by_text(&mut self, id: &Value, params: &Value, keys: &mut RequestKeys, out: &mut Output) -> bool {
        let params = params.get("params").unwrap_or(params);
        let Some(questions) = params.get("questions").and_then(agent_questions) else { return false };
        let format = ResponseFormat::ByText(questions.iter().map(|question| question.question.clone()).collect());
        self.open(id, questions.into_iter().map(Question::from).collect(), format, keys, out);
        true
    }

    /// Opens the form of `elicitation/create`, or its request to open an address. Returns `false` if it cannot be shown as questions.
    pub(super) fn open_form(&mut self, id: &Value, params: &Value, keys: &mut RequestKeys, out: &mut Output) -> bool {
        let Some((form, questions)) = params.as_object().and_then(Form::from_params) else { return false };
        self.open(id, questions, ResponseFormat::Form(form), keys, out);
        true
    }

    fn open(&mut self, id: &Value, questions: Vec<Question>, format: ResponseFormat, keys: &mut RequestKeys, out: &mut Output) {
        let key = keys.next(id);
        let open = OpenQuestions { id: id.clone(), count: questions.len(), format };
        if let Err(Rejected { request, reason }) = self.open.insert(key.clone(), open) {
            reason.report(out);
            return request.send(None, out);
        }
        out.emit(StreamEvent::Question { id: key, questions });
    }

    /// Sends the answers to the agent. Returns `false` if no such question is open.
    pub(super) fn answer(&mut self, key: &str, answers: &[Vec<String>], out: &mut Output) -> bool {
        let Some(open) = self.open.remove(key) else { return false };
        open.send(Some(answers), out);
        true
    }

    /// Closes the question that the agent withdraws. Returns `false` if none with its id is open.
    pub(super) fn withdraw(&mut self, id: &Value, out: &mut Output) -> bool {
        let Some((key, open)) = self.open.remove_where(|_, open| open.id == *id) else { return false };
        open.close(key, out);
        true
    }

    /// Whether no question is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Closes every open question.
    pub(super) fn close_all(&mut self, out: &mut Output) {
        for (key, open) in self.open.drain() {
            open.close(key, out);
        }
    }
}

impl OpenQuestions {
    fn close(self, key: String, out: &mut Output) {
        self.send(None, out);
        let answers = vec![Vec::new(); self.count];
        out.emit(StreamEvent::QuestionResolved { id: key, answers, by: DecidedBy::Policy });
    }

    /// Sends the response: `answers`, or that the request was cancelled.
    fn send(&self, answers: Option<&[Vec<String>]>, out: &mut Output) {
        let answered = answers.filter(|answers| answers.iter().any(|answer| !answer.is_empty()));
        let result = match (&self.format, answered) {
            (ResponseFormat::Permission { .. }, None) => json!({ "outcome": { "outcome": "cancelled" } }),
            (ResponseFormat::Permission { submit }, Some(answers)) => {
                let answers: Map<String, Value> =
                    answers.iter().enumerate().map(|(index, answer)| (index.to_string(), json!(answer.join(", ")))).collect();
                json!({ "outcome": { "outcome": "selected", "optionId": submit }, "answers": answers })
            }
            (ResponseFormat::ByText(_), None) => json!({ "outcome": if answers.is_some() { "skip_interview" } else { "cancelled" } }),
            (ResponseFormat::ByText(texts), Some(answers)) => {
                let answers: Map<String, Value> = texts.iter().cloned().zip(answers.iter().map(|answer| json!(answer))).collect();
                json!({ "outcome": "accepted", "answers": answers })
            }
            (ResponseFormat::Form(_), None) => json!({ "action": if answers.is_some() { "decline" } else { "cancel" } }),
            (ResponseFormat::Form(form), Some(answers)) => form.response(answers),
        };
        out.send_json(&response(&self.id, &result));
    }
}

/// The response that declines `elicitation/create`.
pub(super) fn declined(id: &Value) -> Value {
    response(id, &json!({ "action": "decline" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(out: &Output) -> Value {
        serde_json::from_slice::<Value>(&out.send).unwrap()["result"].clone()
    }

    /// The questions of a form, and what the agent receives for `answers`.
    fn ask(schema: &Value, answers: &[&[&str]]) -> (Vec<(String, Vec<String>, bool)>, Value) {
        let (mut questions, mut keys, mut out) = (Questions::default(), RequestKeys::default(), Output::default());
        let params = json!({ "sessionId": "s", "mode": "form", "message": "About the project", "requestedSchema": schema });
        assert!(questions.open_form(&json!(7), &params, &mut keys, &mut out));
        let [crate::agent::Item::Event(StreamEvent::Question { id, questions: asked })] = &out.items[..] else { panic!("{out:?}") };
        let names = |each: &Question| each.options.iter().map(|option| option.name.clone()).collect();
        let asked = asked.iter().map(|each| (each.text.clone(), names(each), each.multiple)).collect();
        let answers: Vec<Vec<String>> = answers.iter().map(|answer| answer.iter().map(|text| (*text).to_owned()).collect()).collect();
        let mut response = Output::default();
        assert!(questions.answer(id, &answers, &mut response));
        assert!(!questions.answer(id, &answers, &mut Output::default()), "answered twice");
        (asked, sent(&response))
    }

    #[test]
    fn a_form_becomes_one_question_for_each_field_and_is_answered_in_the_types_of_its_fields() {
        let schema = json!({ "type": "object", "required": ["a", "c"], "properties": {
            "a": { "type": "string", "title": "Database", "oneOf": [{ "const": "pg", "title": "Postgres" }, { "const": "lite", "title": "SQLite" }] },
            "b": { "type": "integer", "description": "How many?" },
            "c": { "type": "array", "items": { "type": "string", "enum": ["x", "y"] } },
            "d": { "type": "boolean", "title": "Now?" },
        } });
        let (asked, answered) = ask(&schema, &[&["Postgres"], &["3"], &["x", "y"], &["no"]]);
        assert_eq!(asked[0], ("About the project\nDatabase".to_owned(), vec!["Postgres".to_owned(), "SQLite".to_owned()], false));
        assert_eq!(asked[2], ("c".to_owned(), vec!["x".to_owned(), "y".to_owned()], true));
        assert_eq!(answered, json!({ "action": "accept", "content": { "a": "pg", "b": 3, "c": ["x", "y"], "d": false } }));
        assert_eq!(ask(&schema, &[&["lite"], &[], &["x"], &[]]).1["content"], json!({ "a": "lite", "c": ["x"] }));
        assert_eq!(ask(&schema, &[&["pg"], &["many"], &["x"], &[]]).1, json!({ "action": "decline" }), "not a number");
        assert_eq!(ask(&schema, &[&["pg"], &[], &[], &[]]).1, json!({ "action": "decline" }), "a required field is missing");
        assert_eq!(ask(&schema, &[&[], &[], &[], &[]]).1, json!({ "action": "decline" }));
    }

    #[test]
    fn a_form_without_fields_is_a_confirmation() {
        assert_eq!(ask(&json!({ "type": "object", "properties": {} }), &[&["yes"]]).1, json!({ "action": "accept", "content": {} }));
        assert_eq!(ask(&json!({}), &[&["no"]]).1, json!({ "action": "decline" }));
    }

    #[test]
    fn what_cannot_be_shown_is_not_opened() {
        let (mut questions, mut keys, mut out) = (Questions::default(), RequestKeys::default(), Output::default());
        for params in [
            json!({ "mode": "url", "message": "Log in", "elicitationId": "e" }),
            json!({ "mode": "_other", "message": "Log in", "url": "https://a.example" }),
            json!({ "mode": "form", "message": "x", "requestedSchema": { "properties": { "a": { "type": "object" } } } }),
            json!({ "mode": "form", "message": "x", "requestedSchema": { "properties": 3 } }),
            json!({ "mode": "form", "requestedSchema": {} }),
        ] {
            assert!(!questions.open_form(&json!(1), &params, &mut keys, &mut out), "{params}");
        }
        assert!(out.is_empty());
    }
}

//! Questions with described options, and the forms of MCP servers.

use serde_json::{Value, json};

use super::ClaudeCode;
use crate::agent::replay;
use crate::agent::{Item, Mode, Output, Parser, Program};
use crate::types::{Answer, Question, QuestionOption, StreamEvent};

const AGENT: &str = "claude_code";

/// Sends the request `r`. Returns the parser and what it has emitted.
fn ask(request: &Value) -> (Box<dyn Parser>, Output) {
    let mut parser = ClaudeCode::new(Mode::TwoWay).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT));
    parser.open(&mut Output::default());
    let mut out = Output::default();
    parser.handle_line(&json!({ "type": "control_request", "request_id": "r", "request": request }).to_string(), &mut out);
    (parser, out)
}

fn questions(out: &Output) -> &[Question] {
    match &out.items[..] {
        [Item::Event(StreamEvent::Question { id, questions })] if id == "r" => questions,
        other => panic!("{other:?}"),
    }
}

/// The response to the program for these answers.
fn answered(request: &Value, answers: &[&[&str]]) -> Value {
    let (mut parser, out) = ask(request);
    assert_eq!((questions(&out).len(), out.send.len()), (answers.len(), 0));
    let answers = answers.iter().map(|answer| answer.iter().map(|text| (*text).to_owned()).collect()).collect();
    let mut response = Output::default();
    parser.answer("r", &Answer::Question { answers }, &mut response);
    serde_json::from_slice::<Value>(&response.send).unwrap()["response"]["response"].clone()
}

fn ask_user_question(questions: &Value) -> Value {
    json!({ "subtype": "can_use_tool", "tool_name": "AskUserQuestion", "tool_use_id": "t", "input": { "questions": questions } })
}

#[test]
fn headers_descriptions_and_previews_are_kept_and_odd_fields_lose_no_question() {
    let options =
        json!([{ "label": "red", "description": "seen from afar" }, { "label": "blue", "preview": "~~~" }, "green", { "label": 3 }]);
    let request = ask_user_question(&json!([
        { "question": "Which colour?", "header": "Colour", "options": options, "multiSelect": "yes" },
        { "question": "Why?", "header": "", "options": null },
        { "header": 7 },
    ]));
    let (_, out) = ask(&request);
    let option = |name: &str, description: Option<&str>, preview: Option<&str>| QuestionOption {
        name: name.into(),
        description: description.map(str::to_owned),
        preview: preview.map(str::to_owned),
    };
    let first = Question {
        text: "Which colour?".into(),
        header: Some("Colour".into()),
        options: vec![option("red", Some("seen from afar"), None), option("blue", None, Some("~~~")), option("green", None, None)],
        multiple: false,
    };
    assert_eq!(questions(&out), [first, Question { text: "Why?".into(), ..Question::default() }, Question::default()]);
}

#[test]
fn each_option_can_be_chosen() {
    let request =
        ask_user_question(&json!([{ "question": "Which?", "multiSelect": true, "options": [{ "label": "a, b" }, { "label": "c" }] }]));
    for (answer, expected) in [(&["a, b"][..], "a, b"), (&["c"], "c"), (&["a, b", "c"], "a, b, c"), (&["neither"], "neither")] {
        assert_eq!(answered(&request, &[answer])["updatedInput"]["answers"], json!({ "Which?": expected }));
    }
}

#[test]
fn the_form_of_an_mcp_server_is_asked_as_questions() {
    let form =
        |schema: Value| json!({ "subtype": "elicitation", "mcp_server_name": "db", "message": "Which one?", "requested_schema": schema });
    let choice = form(json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string", "enum": ["x", "y"] } } }));
    assert_eq!(questions(&ask(&choice).1)[0].options, ["x".into(), "y".into()]);
    assert_eq!(answered(&choice, &[&["y"]]), json!({ "action": "accept", "content": { "a": "y" } }));
    assert_eq!(answered(&choice, &[&[]]), json!({ "action": "decline" }));
    let number = form(json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "number" } } }));
    assert_eq!(answered(&number, &[&["2.5"]]), json!({ "action": "accept", "content": { "n": 2.5 } }));
    assert_eq!(answered(&number, &[&["many"]]), json!({ "action": "decline" }));
    let address =
        json!({ "subtype": "elicitation", "mode": "url", "mcp_server_name": "db", "message": "Log in", "url": "https://a.example" });
    assert!(questions(&ask(&address).1)[0].text.contains("https://a.example"));
    assert_eq!(answered(&address, &[&["yes"]])["action"], "accept");
}

#[test]
fn a_form_that_cannot_be_shown_is_declined_with_a_notice_and_a_withdrawn_one_is_closed() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "object" } } });
    let (_, out) = ask(&json!({ "subtype": "elicitation", "mcp_server_name": "db", "message": "Odd", "requested_schema": schema }));
    let sent: Value = serde_json::from_slice(&out.send).unwrap();
    assert_eq!(sent["response"]["response"], json!({ "action": "decline" }));
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::Notice { message, .. })] if message.starts_with("db requested")), "{out:?}");
    let (mut parser, _) = ask(&json!({ "subtype": "elicitation", "mcp_server_name": "db", "message": "Sure?" }));
    let mut out = Output::default();
    parser.handle_line(&json!({ "type": "control_cancel_request", "request_id": "r" }).to_string(), &mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::QuestionResolved { answers, .. })] if answers.len() == 1), "{out:?}");
}

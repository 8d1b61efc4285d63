//! What becomes of a result, and of the conversation that it belongs to.

use serde_json::{Value, json};

use super::ClaudeCode;
use crate::agent::replay;
use crate::agent::{Item, LineOutcome, Mode, Output, Program};
use crate::types::{Cause, Failure, NoticeCode, StreamEvent, ToolStatus};

const AGENT: &str = "claude_code";

/// The items of these lines. Every line must be known.
fn items(lines: &[Value]) -> Vec<Item> {
    let mut parser = ClaudeCode::new(Mode::TwoWay).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT));
    parser.open(&mut Output::default());
    let mut out = Output::default();
    for line in lines {
        assert_ne!(parser.handle_line(&line.to_string(), &mut out), LineOutcome::Raw, "{line}");
    }
    out.items
}

fn init(session: &str) -> Value {
    json!({ "type": "system", "subtype": "init", "session_id": session })
}

fn result(fields: &Value) -> Value {
    let mut line = json!({ "type": "result", "subtype": "success", "is_error": false });
    line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    line
}

/// The conversations that the agent changes to, and the number of notices about it.
fn sessions(lines: &[Value]) -> (Vec<String>, usize) {
    let (mut sessions, mut notices) = (Vec::new(), 0);
    for item in items(lines) {
        match item {
            Item::SessionChanged(session) => sessions.push(session),
            Item::Event(StreamEvent::Notice { code: NoticeCode::SessionChanged, .. }) => notices += 1,
            _ => {}
        }
    }
    (sessions, notices)
}

#[test]
fn the_newest_id_of_the_conversation_counts_and_a_notice_says_so() {
    let reset = json!({ "type": "conversation_reset", "new_conversation_id": "not this", "session_id": "a", "trigger": "clear" });
    assert_eq!(sessions(&[init("a"), reset, init("b"), result(&json!({ "session_id": "b" })), init("b")]), (vec!["b".to_owned()], 1));
    // Without a reset, and in the result only.
    assert_eq!(sessions(&[init("a"), init("b"), init("c")]), (vec!["b".to_owned(), "c".to_owned()], 2));
    assert_eq!(sessions(&[init("a"), result(&json!({ "session_id": "b" }))]), (vec!["b".to_owned()], 1));
    // A compaction keeps the id.
    let compaction = json!({ "type": "system", "subtype": "compact_boundary", "compact_metadata": { "trigger": "auto", "pre_tokens": 9 } });
    assert_eq!(sessions(&[init("a"), compaction, init("a"), result(&json!({ "session_id": "a" }))]), (vec![], 0));
    assert_eq!(sessions(&[init("a"), init(""), result(&json!({}))]), (vec![], 0));
}

#[test]
fn a_result_that_is_no_text_is_kept_as_json_and_never_an_empty_success() {
    let end = |fields: &Value| items(&[init("a"), result(fields)]).pop().unwrap();
    let ok = |text: &str| Item::TurnEnded(Ok(text.to_owned()));
    assert_eq!(end(&json!({ "result": { "answer": 42 } })), ok(r#"{"answer":42}"#));
    assert_eq!(end(&json!({ "result": ["a"] })), ok(r#"["a"]"#));
    assert_eq!(end(&json!({ "result": "", "structured_output": { "answer": 42 } })), ok(r#"{"answer":42}"#));
    assert_eq!(end(&json!({ "result": "text", "structured_output": { "answer": 42 } })), ok("text"));
    assert_eq!(end(&json!({ "result": null })), ok(""), "the turn of a command such as /clear");
    let refused = Failure::new(Cause::AgentError, "the model refused to answer");
    assert_eq!(end(&json!({ "result": "", "stop_reason": "refusal" })), Item::TurnEnded(Err(refused)));
    assert_eq!(end(&json!({ "result": "I cannot do that.", "stop_reason": "refusal" })), ok("I cannot do that."));
}

#[test]
fn a_tool_that_the_provider_runs_is_a_call_with_a_result() {
    let assistant = |block: Value| json!({ "type": "assistant", "message": { "id": "m", "content": [block] } });
    let found = json!([{ "type": "web_search_result", "title": "Docs", "url": "https://a.example" }, { "type": "web_search_result", "url": "https://b.example" }]);
    for (call, kind, content, expected) in [
        ("server_tool_use", "web_search_tool_result", found, "Docs: https://a.example\nhttps://b.example"),
        ("mcp_tool_use", "mcp_tool_result", json!([{ "type": "text", "text": "ok" }]), "ok"),
        ("server_tool_use", "code_execution_tool_result", json!([{ "type": "image", "source": {} }]), "[image]"),
    ] {
        let items = items(&[
            assistant(json!({ "type": call, "id": "s", "name": "web_search", "input": { "query": "x" } })),
            assistant(json!({ "type": kind, "tool_use_id": "s", "content": content })),
        ]);
        let [Item::Event(StreamEvent::ToolCall(call)), Item::Event(StreamEvent::ToolResult { id, status, content, .. })] = &items[..]
        else {
            panic!("{items:?}")
        };
        assert_eq!((call.id.as_str(), id.as_str(), *status, content.as_str()), ("s", "s", ToolStatus::Ok, expected));
    }
}

#[test]
fn a_result_of_images_only_is_not_empty() {
    let call = json!({ "type": "assistant", "message": { "content": [{ "type": "tool_use", "id": "t", "name": "Read", "input": {} }] } });
    let block = json!({ "type": "tool_result", "tool_use_id": "t", "content": [{ "type": "image", "source": { "data": "aGk=" } }] });
    let items = items(&[call, json!({ "type": "user", "message": { "content": [block] } })]);
    assert!(matches!(&items[1], Item::Event(StreamEvent::ToolResult { content, .. }) if content == "[image]"), "{items:?}");
}

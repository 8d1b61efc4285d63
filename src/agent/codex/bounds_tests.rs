//! The bounds of everything that Codex makes its parser remember.
//!
//! Rules: R7.

use serde_json::{Value, json};

use super::Codex;
use crate::agent::replay::{self, Decide as _};
use crate::agent::{Item, LineOutcome, Mode, Output, Parser, Program};
use crate::types::bounds::{MAX_DENIED_CALLS, MAX_KEPT_CALL_BYTES, MAX_KEPT_CALLS, MAX_QUEUED_MESSAGES, MAX_SUB_AGENTS};
use crate::types::{Answer, Decision, StreamEvent, ToolStatus};

/// A parser with a running turn in thread `t`.
fn parser() -> Box<dyn Parser> {
    let mut parser = Codex::new(Mode::TwoWay, None).parser(&replay::task("codex"), &replay::installed("codex", "0.169.0", "codex"));
    parser.open(&mut Output::default());
    for line in [
        json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }),
        json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } }),
        json!({ "id": 3, "result": {} }),
        json!({ "method": "turn/started", "params": { "threadId": "t", "turn": { "id": "u" } } }),
    ] {
        assert_ne!(parser.handle_line(&line.to_string(), &mut Output::default()), LineOutcome::Raw, "{line}");
    }
    parser
}

fn item(parser: &mut dyn Parser, method: &str, id: &str, command: &str, out: &mut Output) {
    let status = if method == "item/completed" { "completed" } else { "inProgress" };
    let item = json!({ "type": "commandExecution", "id": id, "command": command, "cwd": "/", "status": status, "commandActions": [] });
    let line = json!({ "method": method, "params": { "threadId": "t", "turnId": "u", "item": item } });
    assert_ne!(parser.handle_line(&line.to_string(), out), LineOutcome::Raw, "{line}");
}

/// The results in `out`, by the calls' ids in the log.
fn results(out: &Output) -> Vec<(&str, ToolStatus)> {
    let results = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::ToolResult { id, status, .. }) => Some((id.as_str(), *status)),
        _ => None,
    });
    results.collect()
}

#[test]
fn calls_without_a_result_are_bounded_and_the_oldest_get_one() {
    let (mut parser, mut out) = (parser(), Output::default());
    for number in 0..MAX_KEPT_CALLS + 2 {
        item(&mut *parser, "item/started", &number.to_string(), "ls", &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("open_calls", MAX_KEPT_CALLS)]);
    assert_eq!(results(&out), [("0", ToolStatus::Error), ("1", ToolStatus::Error)]);
    let mut late = Output::default();
    item(&mut *parser, "item/completed", "0", "ls", &mut late);
    assert!(late.is_empty(), "a second result: {late:?}");
    item(&mut *parser, "item/completed", "2", "ls", &mut late);
    assert_eq!(results(&late), [("2", ToolStatus::Ok)]);
}

#[test]
fn the_inputs_of_calls_without_a_result_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    let large = "x".repeat(MAX_KEPT_CALL_BYTES / 4);
    for number in 0..6 {
        item(&mut *parser, "item/started", &number.to_string(), &large, &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("open_call_bytes", MAX_KEPT_CALL_BYTES)]);
    assert!(results(&out).len() >= 2, "{:?}", results(&out));
}

#[test]
fn denied_calls_of_a_turn_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    for id in 0..=MAX_DENIED_CALLS {
        let params = json!({ "threadId": "t", "itemId": id.to_string(), "command": "ls" });
        let line = json!({ "id": id, "method": "item/commandExecution/requestApproval", "params": params });
        parser.handle_line(&line.to_string(), &mut out);
        parser.decide(&id.to_string(), Decision::Deny, &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("denied_calls", MAX_DENIED_CALLS)]);
}

#[test]
fn messages_that_codex_does_not_confirm_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    for id in 0..2 * MAX_QUEUED_MESSAGES {
        let params = json!({ "threadId": "t", "itemId": "i", "command": "ls" });
        let line = json!({ "id": id, "method": "item/commandExecution/requestApproval", "params": params });
        parser.handle_line(&line.to_string(), &mut out);
        let denial = Answer::Permission { decision: Decision::Deny, message: Some("use rg".to_owned()), option_id: None };
        parser.answer(&id.to_string(), &denial, &mut out);
    }
    let sent = String::from_utf8(std::mem::take(&mut out.send)).unwrap();
    let sent: Vec<Value> = sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| sent.iter().filter(|sent| sent["method"] == name || !sent[name].is_null()).count();
    assert_eq!((count("result"), count("turn/steer")), (2 * MAX_QUEUED_MESSAGES, MAX_QUEUED_MESSAGES), "each request is denied");
    assert_eq!(replay::limits_in(&out.items), [("queued_messages", MAX_QUEUED_MESSAGES)]);
    assert!(!parser.steer(&"one more".into(), &mut out), "the message is not accepted");
    parser.handle_line(&json!({ "id": 4, "result": {} }).to_string(), &mut out);
    assert!(parser.steer(&"one more".into(), &mut out));
}

#[test]
fn sub_agents_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    for number in 0..2 * MAX_SUB_AGENTS {
        let thread = json!({ "id": format!("sub-{number}"), "parentThreadId": "t" });
        parser.handle_line(&json!({ "method": "thread/started", "params": { "thread": thread } }).to_string(), &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("sub_agents", MAX_SUB_AGENTS)]);
}

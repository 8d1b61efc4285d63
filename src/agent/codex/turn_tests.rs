//! The end of a turn: steering messages that meet it, and commands that continue after it.

use serde_json::{Value, json};

use super::Codex;
use crate::agent::replay::{self, Decide as _};
use crate::agent::{Installed, Item, Mode, Output, Parser, Program};
use crate::types::{Answer, Cause, Decision, Failure, NoticeCode, StreamEvent, TaskStatus, ToolStatus};

const AGENT: &str = "codex";

fn installed() -> Installed {
    replay::installed("codex", "0.169.0", AGENT)
}

/// A parser with the running turn `u` in thread `t`. Its last request has the id 3.
fn parser_in_turn() -> Box<dyn Parser> {
    let mut parser = Codex::new(Mode::TwoWay, None).parser(&replay::task(AGENT), &installed());
    parser.open(&mut Output::default());
    for line in [
        json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }),
        json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } }),
        json!({ "id": 3, "result": {} }),
        started("u"),
    ] {
        feed(&mut *parser, &line);
    }
    parser
}

fn started(turn: &str) -> Value {
    json!({ "method": "turn/started", "params": { "threadId": "t", "turn": { "id": turn } } })
}

fn said(text: &str) -> Value {
    json!({ "method": "item/completed", "params": { "threadId": "t", "item": { "type": "agentMessage", "id": text, "text": text } } })
}

fn completed(turn: &str, status: &str) -> Value {
    json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": { "id": turn, "status": status } } })
}

fn no_active_turn(id: u64) -> Value {
    json!({ "id": id, "error": { "code": -32600, "message": "no active turn to steer" } })
}

fn command(method: &str, id: &str, status: &str) -> Value {
    let item = json!({ "type": "commandExecution", "id": id, "command": "make", "cwd": "/", "status": status, "commandActions": [] });
    json!({ "method": method, "params": { "threadId": "t", "turnId": "u", "item": item } })
}

fn feed(parser: &mut dyn Parser, line: &Value) -> Output {
    let mut out = Output::default();
    let line = line.to_string();
    let outcome = parser.handle_line(&line, &mut out);
    replay::assert_outcome(outcome, &line, &out);
    out
}

/// The methods and texts of the requests in `out`.
fn sent(out: &Output) -> Vec<(String, String)> {
    let lines = out.send.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| (text(&line["method"]), text(&line["params"]["input"][0]["text"]))).collect()
}

fn request(method: &str, text: &str) -> (String, String) {
    (method.to_owned(), text.to_owned())
}

/// The results of the turns that have ended in `out`.
fn turns(out: &Output) -> Vec<Result<String, Cause>> {
    let turns = out.items.iter().filter_map(|item| match item {
        Item::TurnEnded(end) => Some(end.clone().map_err(|Failure { cause, .. }| cause)),
        _ => None,
    });
    turns.collect()
}

/// The texts that `out` reports as undelivered.
fn undelivered(out: &Output) -> Vec<Value> {
    let notices = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Notice { code: NoticeCode::Undelivered, data: Some(data), .. }) => data["messages"].as_array().cloned(),
        _ => None,
    });
    notices.flatten().collect()
}

#[test]
fn a_steering_message_that_meets_the_end_of_the_turn_starts_the_next_one() {
    let mut parser = parser_in_turn();
    feed(&mut *parser, &said("one"));
    assert!(parser.steer(&"and this".into(), &mut Output::default()));
    assert!(parser.steer(&"and that".into(), &mut Output::default()));
    assert_eq!(turns(&feed(&mut *parser, &completed("u", "completed"))), [], "the responses are not there yet");
    assert!(sent(&feed(&mut *parser, &no_active_turn(4))).is_empty());
    assert_eq!(sent(&feed(&mut *parser, &no_active_turn(5))), [request("turn/start", "and this")]);
    assert_eq!(sent(&feed(&mut *parser, &started("v"))), [request("turn/steer", "and that")]);
    feed(&mut *parser, &json!({ "id": 7, "result": {} }));
    feed(&mut *parser, &said("two"));
    let out = feed(&mut *parser, &completed("v", "completed"));
    assert_eq!((turns(&out), undelivered(&out)), (vec![Ok("two".to_owned())], vec![]));
}

#[test]
fn a_steering_message_that_is_refused_during_the_turn_starts_the_next_one() {
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    assert!(feed(&mut *parser, &no_active_turn(4)).is_empty());
    assert_eq!(sent(&feed(&mut *parser, &completed("u", "completed"))), [request("turn/start", "and this")]);
}

#[test]
fn a_steering_message_after_the_end_of_the_turn_is_taken_as_long_as_the_turn_is_held_open() {
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    feed(&mut *parser, &completed("u", "completed"));
    assert!(parser.steer(&"and that".into(), &mut Output::default()));
    let out = feed(&mut *parser, &json!({ "id": 4, "result": {} }));
    assert_eq!(sent(&out), [request("turn/start", "and that")], "the first one was added to the turn");
}

#[test]
fn the_words_of_a_denial_take_the_same_path() {
    let mut parser = parser_in_turn();
    let params = json!({ "threadId": "t", "itemId": "i", "command": "ls" });
    feed(&mut *parser, &json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params }));
    let answer = Answer::Permission { decision: Decision::Deny, message: Some("use rg".into()), option_id: None };
    parser.answer("0", &answer, &mut Output::default());
    feed(&mut *parser, &completed("u", "completed"));
    assert_eq!(sent(&feed(&mut *parser, &no_active_turn(4))), [request("turn/start", "use rg")]);
}

#[test]
fn a_message_that_no_turn_can_follow_is_reported_as_undelivered() {
    // The turn failed.
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    feed(&mut *parser, &completed("u", "failed"));
    let out = feed(&mut *parser, &no_active_turn(4));
    assert_eq!((undelivered(&out), turns(&out)), (vec![json!("and this")], vec![Err(Cause::AgentError)]));
    // The run is being stopped.
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    feed(&mut *parser, &completed("u", "completed"));
    assert!(parser.interrupt(&mut Output::default()));
    assert_eq!(undelivered(&feed(&mut *parser, &no_active_turn(4))), [json!("and this")]);
    // The turn was interrupted, and the response arrives after its end.
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    parser.interrupt(&mut Output::default());
    assert_eq!(turns(&feed(&mut *parser, &completed("u", "interrupted"))), [Err(Cause::Cancelled)]);
    assert_eq!(undelivered(&feed(&mut *parser, &no_active_turn(4))), [json!("and this")]);
    // The program ended without a response.
    let mut parser = parser_in_turn();
    parser.steer(&"and this".into(), &mut Output::default());
    feed(&mut *parser, &completed("u", "completed"));
    let mut out = Output::default();
    parser.handle_end_of_output(&mut out);
    assert_eq!((undelivered(&out), turns(&out).len()), (vec![json!("and this")], 1));
    // The turn never started.
    let mut parser = Codex::new(Mode::TwoWay, None).parser(&replay::task(AGENT), &installed());
    parser.open(&mut Output::default());
    assert!(parser.steer(&"and this".into(), &mut Output::default()));
    let out = feed(&mut *parser, &json!({ "id": 1, "error": { "code": -32600, "message": "no" } }));
    assert_eq!(undelivered(&out), [json!("and this")]);
}

#[test]
fn a_command_that_continues_after_the_turn_holds_its_end_back() {
    let mut parser = parser_in_turn();
    feed(&mut *parser, &command("item/started", "c", "inProgress"));
    feed(&mut *parser, &said("It is building."));
    let out = feed(&mut *parser, &completed("u", "completed"));
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::TaskStarted { id, .. })] if id == "c"), "{out:?}");
    let out = feed(&mut *parser, &command("item/completed", "c", "completed"));
    let [Item::Event(StreamEvent::ToolResult { .. }), Item::Event(StreamEvent::TaskEnded { status, .. }), end] = &out.items[..] else {
        panic!("{out:?}")
    };
    assert_eq!((*status, end), (TaskStatus::Completed, &Item::TurnEnded(Ok("It is building.".into()))));
}

#[test]
fn a_message_starts_a_turn_while_a_command_continues_and_the_last_result_counts() {
    let mut parser = parser_in_turn();
    for line in [command("item/started", "c", "inProgress"), said("one"), completed("u", "completed")] {
        feed(&mut *parser, &line);
    }
    let mut out = Output::default();
    assert!(parser.steer(&"and now?".into(), &mut out));
    assert_eq!(sent(&out), [request("turn/start", "and now?")]);
    for line in [json!({ "id": 4, "result": {} }), started("v"), said("two")] {
        feed(&mut *parser, &line);
    }
    let out = feed(&mut *parser, &completed("v", "completed"));
    assert!(out.items.is_empty(), "the task was announced before: {out:?}");
    let out = feed(&mut *parser, &command("item/completed", "c", "failed"));
    assert!(matches!(&out.items[1], Item::Event(StreamEvent::TaskEnded { status: TaskStatus::Failed, .. })), "{out:?}");
    assert_eq!(turns(&out), [Ok("two".to_owned())]);
}

#[test]
fn an_interrupt_terminates_the_commands_that_continue() {
    let mut parser = parser_in_turn();
    for line in [command("item/started", "c", "inProgress"), said("one"), completed("u", "completed")] {
        feed(&mut *parser, &line);
    }
    let mut out = Output::default();
    assert!(parser.interrupt(&mut out));
    assert_eq!(sent(&out)[0].0, "thread/backgroundTerminals/clean");
    let out = feed(&mut *parser, &command("item/completed", "c", "failed"));
    assert!(matches!(&out.items[1], Item::Event(StreamEvent::TaskEnded { status: TaskStatus::Stopped, .. })), "{out:?}");
    assert_eq!(turns(&out), [Err(Cause::Cancelled)]);
}

#[test]
fn an_interrupt_that_meets_the_end_of_the_turn_terminates_its_commands() {
    let mut parser = parser_in_turn();
    feed(&mut *parser, &command("item/started", "c", "inProgress"));
    parser.interrupt(&mut Output::default());
    assert_eq!(sent(&feed(&mut *parser, &completed("u", "completed")))[0].0, "thread/backgroundTerminals/clean");
    assert_eq!(turns(&feed(&mut *parser, &command("item/completed", "c", "failed"))).len(), 1);
}

#[test]
fn a_program_that_ends_while_a_command_continues_has_its_result() {
    let mut parser = parser_in_turn();
    for line in [command("item/started", "c", "inProgress"), said("one"), completed("u", "completed")] {
        feed(&mut *parser, &line);
    }
    let mut out = Output::default();
    parser.handle_end_of_output(&mut out);
    assert!(matches!(&out.items[1], Item::Event(StreamEvent::TaskEnded { status: TaskStatus::Stopped, .. })), "{out:?}");
    assert_eq!(turns(&out), [Ok("one".to_owned())]);
}

#[test]
fn calls_with_a_reused_id_have_ids_of_their_own() {
    let mut parser = parser_in_turn();
    let id_of = |out: &Output| match &out.items[0] {
        Item::Event(StreamEvent::ToolCall(call)) => call.id.clone(),
        Item::Event(StreamEvent::ToolResult { id, .. } | StreamEvent::ToolOutput { id, .. }) => id.clone(),
        Item::Event(StreamEvent::PermissionRequest { tool_call_id, .. }) => tool_call_id.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    let (start, end) = (command("item/started", "call_0", "inProgress"), command("item/completed", "call_0", "completed"));
    assert_eq!([id_of(&feed(&mut *parser, &start)), id_of(&feed(&mut *parser, &end))], ["call_0", "call_0"]);
    assert_eq!(id_of(&feed(&mut *parser, &start)), "call_0#2");
    let params = json!({ "threadId": "t", "itemId": "call_0", "command": "make" });
    let ask = json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params });
    assert_eq!(id_of(&feed(&mut *parser, &ask)), "call_0#2");
    let delta = json!({ "method": "item/commandExecution/outputDelta", "params": { "threadId": "t", "itemId": "call_0", "delta": "x" } });
    assert_eq!(id_of(&feed(&mut *parser, &delta)), "call_0#2");
    // A call without a start, while another is open.
    parser.decide("0", Decision::AllowOnce, &mut Output::default());
    assert_eq!(id_of(&feed(&mut *parser, &end)), "call_0#2");
    let out = feed(&mut *parser, &end);
    let ids: Vec<&str> = out
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::ToolCall(call)) => Some(call.id.as_str()),
            Item::Event(StreamEvent::ToolResult { id, .. }) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["call_0#3", "call_0#3"]);
}

#[test]
fn a_reused_id_is_not_taken_for_a_call_that_ended_with_its_turn() {
    let mut parser = parser_in_turn();
    let patch = |method: &str, status: &str| {
        let item = json!({ "type": "fileChange", "id": "call_0", "changes": [], "status": status });
        json!({ "method": method, "params": { "threadId": "t", "turnId": "u", "item": item } })
    };
    feed(&mut *parser, &patch("item/started", "inProgress"));
    parser.interrupt(&mut Output::default());
    feed(&mut *parser, &completed("u", "interrupted"));
    assert!(parser.begin_turn(&"again".into(), &mut Output::default()));
    feed(&mut *parser, &started("v"));
    feed(&mut *parser, &patch("item/started", "inProgress"));
    let out = feed(&mut *parser, &patch("item/completed", "completed"));
    assert!(
        matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { id, status: ToolStatus::Ok, .. })] if id == "call_0#2"),
        "{out:?}"
    );
}

#[test]
fn the_one_shot_mode_tells_calls_with_a_reused_id_apart_as_well() {
    let mut parser = Codex::new(Mode::OneShot, None).parser(&replay::task(AGENT), &installed());
    let mut out = Output::default();
    for (kind, status) in [("started", "in_progress"), ("completed", "completed"), ("started", "in_progress"), ("completed", "failed")] {
        let item = json!({ "type": "command_execution", "id": "item_0", "command": "make", "status": status });
        parser.handle_line(&json!({ "type": format!("item.{kind}"), "item": item }).to_string(), &mut out);
    }
    let ids: Vec<&str> = out
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::ToolCall(call)) => Some(call.id.as_str()),
            Item::Event(StreamEvent::ToolResult { id, .. }) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["item_0", "item_0", "item_0#2", "item_0#2"]);
}

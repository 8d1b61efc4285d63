//! Work in the background that outlives a turn of the program.

use serde_json::{Value, json};

use super::ClaudeCode;
use crate::agent::replay::{self, Decide as _};
use crate::agent::{Item, LineOutcome, Mode, Output, Parser, Program};
use crate::types::{Cause, Decision, Failure, StreamEvent, TaskKind, TaskStatus};

const AGENT: &str = "claude_code";
const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s"}"#;
const RUNNING: &str = r#"{"type":"system","subtype":"session_state_changed","state":"running"}"#;
const IDLE: &str = r#"{"type":"system","subtype":"session_state_changed","state":"idle"}"#;

fn parser() -> Box<dyn Parser> {
    ClaudeCode::new(Mode::TwoWay).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT))
}

fn started(task: &str, kind: &str) -> String {
    let line = json!({
        "type": "system", "subtype": "task_started", "task_id": task, "tool_use_id": format!("call_{task}"), "description": "Build",
        "task_type": kind, "is_backgrounded": true,
    });
    line.to_string()
}

fn live(tasks: &[&str]) -> String {
    let tasks: Vec<Value> =
        tasks.iter().map(|task| json!({ "task_id": task, "task_type": "local_bash", "description": "Build" })).collect();
    json!({ "type": "system", "subtype": "background_tasks_changed", "tasks": tasks }).to_string()
}

fn ended(task: &str, status: &str) -> String {
    json!({ "type": "system", "subtype": "task_notification", "task_id": task, "status": status, "summary": "done" }).to_string()
}

fn result(text: &str) -> String {
    json!({ "type": "result", "subtype": "success", "is_error": false, "result": text }).to_string()
}

/// Feeds the lines, and returns the results of the turns that have ended.
fn turns(parser: &mut dyn Parser, lines: &[&str]) -> Vec<Result<String, Cause>> {
    let mut out = Output::default();
    for line in lines {
        assert_ne!(parser.handle_line(line, &mut out), LineOutcome::Raw, "{line}");
    }
    turns_in(&out)
}

fn turns_in(out: &Output) -> Vec<Result<String, Cause>> {
    let turns = out.items.iter().filter_map(|item| match item {
        Item::TurnEnded(end) => Some(end.clone().map_err(|Failure { cause, .. }| cause)),
        _ => None,
    });
    turns.collect()
}

fn opened() -> Box<dyn Parser> {
    let mut parser = parser();
    parser.open(&mut Output::default());
    parser
}

/// A parser whose program has a live task and has reported a result.
fn in_background(kind: &str) -> Box<dyn Parser> {
    let mut parser = opened();
    let lines = [RUNNING, INIT, &live(&["t"]), &started("t", kind), &result("I will report back.")];
    assert_eq!(turns(&mut *parser, &lines), []);
    parser
}

#[test]
fn the_turn_ends_with_the_report_of_the_work_in_the_background() {
    // A command: the program is idle meanwhile. A sub-agent: it is not.
    for while_it_runs in [&[IDLE][..], &[]] {
        let mut parser = in_background("local_bash");
        assert_eq!(turns(&mut *parser, while_it_runs), []);
        assert_eq!(turns(&mut *parser, &[&ended("t", "completed"), &live(&[]), RUNNING, INIT]), []);
        assert_eq!(turns(&mut *parser, &[&result("REPORT"), IDLE]), [Ok("REPORT".to_owned())]);
    }
}

#[test]
fn a_program_without_session_states_ends_the_turn_with_the_report() {
    let mut parser = opened();
    assert_eq!(turns(&mut *parser, &[INIT, &live(&["t"]), &started("t", "local_agent"), &result("later")]), []);
    assert_eq!(turns(&mut *parser, &[&ended("t", "failed"), &live(&[])]), [], "the report follows");
    assert_eq!(turns(&mut *parser, &[INIT, &result("REPORT")]), [Ok("REPORT".to_owned())]);
    assert_eq!(turns(&mut *parser, &[&ended("t", "failed"), &live(&[])]), []);
}

#[test]
fn an_older_program_that_does_not_list_its_tasks_is_waited_for_as_well() {
    let mut parser = opened();
    assert_eq!(turns(&mut *parser, &[INIT, &started("t", "local_agent"), &result("later")]), []);
    assert_eq!(turns(&mut *parser, &[&ended("t", "completed"), INIT, &result("REPORT")]), [Ok("REPORT".to_owned())]);
}

#[test]
fn a_task_that_was_stopped_is_not_reported_and_ends_the_turn() {
    let mut parser = in_background("local_bash");
    assert_eq!(turns(&mut *parser, &[IDLE, &ended("t", "stopped"), &live(&[])]), [Ok("I will report back.".to_owned())]);
}

#[test]
fn a_task_that_ends_during_the_turn_may_still_be_reported_in_another() {
    let mut parser = opened();
    let lines = [RUNNING, INIT, &live(&["t"]), &started("t", "local_agent"), &ended("t", "completed"), &live(&[]), &result("one")];
    assert_eq!(turns(&mut *parser, &lines), [], "the program is not idle");
    assert_eq!(turns(&mut *parser, &[INIT, &result("two"), IDLE]), [Ok("two".to_owned())]);
}

#[test]
fn a_turn_without_work_in_the_background_ends_with_its_result() {
    let mut parser = opened();
    assert_eq!(turns(&mut *parser, &[RUNNING, INIT, &result("one")]), [Ok("one".to_owned())]);
    assert!(parser.begin_turn(&"more".into(), &mut Output::default()));
    let foreground = started("t", "local_agent").replace(r#""is_backgrounded":true"#, r#""is_backgrounded":false"#);
    let lines = [IDLE, RUNNING, INIT, &foreground, &ended("t", "completed"), &result("two")];
    assert_eq!(turns(&mut *parser, &lines), [Ok("two".to_owned())]);
}

#[test]
fn watchers_and_tasks_on_other_machines_are_not_waited_for() {
    let mut parser = opened();
    let tasks = json!([{ "task_id": "w", "ambient": true }, { "task_id": "r", "off_host": true }]);
    let list = json!({ "type": "system", "subtype": "background_tasks_changed", "tasks": tasks }).to_string();
    let watcher = started("w", "monitor").replace(r#""is_backgrounded""#, r#""ambient":true,"is_backgrounded""#);
    assert_eq!(turns(&mut *parser, &[INIT, &list, &watcher, &result("one")]), [Ok("one".to_owned())]);
}

#[test]
fn a_message_during_the_work_starts_a_turn_of_the_program_and_the_work_continues() {
    let mut parser = in_background("local_bash");
    let mut out = Output::default();
    assert!(parser.steer(&"also this".into(), &mut out));
    assert!(String::from_utf8_lossy(&out.send).contains("also this") && out.items.is_empty(), "{out:?}");
    assert!(!parser.steer(&"and that".into(), &mut Output::default()), "the program has not reported a result since");
    assert_eq!(turns(&mut *parser, &[IDLE, RUNNING, INIT, &result("also done"), IDLE]), []);
    assert_eq!(turns(&mut *parser, &[&ended("t", "completed"), &live(&[]), INIT, &result("REPORT"), IDLE]), [Ok("REPORT".to_owned())]);
}

#[test]
fn a_message_that_the_program_has_queued_is_waited_for() {
    let mut parser = in_background("local_agent");
    assert!(parser.steer(&"also this".into(), &mut Output::default()));
    // The task ends first, and its report precedes the message.
    let report = result("REPORT").replace(r#""result":"#, r#""queued_turn_count":1,"result":"#);
    assert_eq!(turns(&mut *parser, &[&ended("t", "completed"), &live(&[]), INIT, &report]), []);
    assert_eq!(turns(&mut *parser, &[INIT, &result("also done"), IDLE]), [Ok("also done".to_owned())]);
}

#[test]
fn an_interrupt_stops_the_work_and_ends_the_turn_as_cancelled() {
    let mut parser = in_background("local_bash");
    let mut out = Output::default();
    assert!(parser.interrupt(&mut out));
    let sent: Vec<Value> = out.send.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let subtypes: Vec<&str> = sent.iter().filter_map(|line| line["request"]["subtype"].as_str()).collect();
    assert_eq!((subtypes, &sent[1]["request"]["task_id"]), (vec!["interrupt", "stop_task"], &json!("t")));
    assert_eq!(turns(&mut *parser, &[IDLE, &ended("t", "stopped"), &live(&[])]), [Err(Cause::Cancelled)]);
}

#[test]
fn a_sub_agent_in_the_background_keeps_its_requests_and_calls_after_the_result() {
    let mut parser = opened();
    let call = |id: &str, parent: &str| {
        let block = json!({ "type": "tool_use", "id": id, "name": "Bash", "input": {} });
        json!({ "type": "assistant", "parent_tool_use_id": parent, "message": { "content": [block] } }).to_string()
    };
    let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "c", "agent_id": "t", "input": {} });
    let request = json!({ "type": "control_request", "request_id": "r", "request": request }).to_string();
    let mut out = Output::default();
    let aborted = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}"#;
    for line in [INIT, &live(&["t"]), &started("t", "local_agent"), &call("c", "call_t"), &request, aborted] {
        parser.handle_line(line, &mut out);
    }
    let is_end = |item: &Item| {
        matches!(item, Item::Event(StreamEvent::PermissionResolved { .. } | StreamEvent::ToolResult { .. }) | Item::TurnEnded(_))
    };
    assert!(!out.items.iter().any(is_end), "{:?}", out.items);
    let mut answer = Output::default();
    parser.decide("r", Decision::AllowOnce, &mut answer);
    assert!(String::from_utf8_lossy(&answer.send).contains(r#""behavior":"allow""#), "{answer:?}");
    // The sub-agent is stopped within its call.
    let mut end = Output::default();
    for line in [&ended("t", "stopped"), &live(&[])] {
        parser.handle_line(line, &mut end);
    }
    assert!(matches!(&end.items[1], Item::Event(StreamEvent::ToolResult { id, .. }) if id == "c"), "{end:?}");
    assert_eq!(turns_in(&end).len(), 1);
}

#[test]
fn a_task_has_one_start_and_one_end_however_it_is_reported() {
    let moved = r#"{"type":"system","subtype":"task_updated","task_id":"t","patch":{"is_backgrounded":true}}"#;
    let failed = r#"{"type":"system","subtype":"task_updated","task_id":"t","patch":{"status":"failed","error":"no space"}}"#;
    let progress = r#"{"type":"system","subtype":"task_progress","task_id":"t","description":"Compiling"}"#;
    let foreground = started("t", "local_bash").replace(r#""is_backgrounded":true"#, r#""is_backgrounded":false"#);
    let (list, empty) = (live(&["t"]), live(&[]));
    let start = |call: Option<&str>| StreamEvent::TaskStarted {
        id: "t".into(),
        kind: TaskKind::Command,
        title: "Build".into(),
        tool_call_id: call.map(str::to_owned),
    };
    let end = |status, message: &str| StreamEvent::TaskEnded { id: "t".into(), status, message: Some(message.into()) };
    let update = || StreamEvent::TaskUpdated { id: "t".into(), message: "Compiling".into() };
    let (completed, later) = (ended("t", "completed"), ended("t", "stopped"));
    for (lines, expected) in [
        // Moved to the background while it runs.
        (
            vec![foreground.as_str(), moved, &list, progress, progress, &completed],
            vec![start(Some("call_t")), update(), end(TaskStatus::Completed, "done")],
        ),
        // Listed only.
        (vec![&list, progress, &completed, &empty], vec![start(None), update(), end(TaskStatus::Completed, "done")]),
        // Without a notification.
        (vec![&list, failed, &empty], vec![start(None), end(TaskStatus::Failed, "no space")]),
        // A second notification is about a task that has ended.
        (vec![&list, &completed, &later], vec![start(None), end(TaskStatus::Completed, "done")]),
        // In the foreground.
        (vec![&foreground, progress, &completed], vec![]),
    ] {
        let (mut parser, mut out) = (opened(), Output::default());
        for line in &lines {
            parser.handle_line(line, &mut out);
        }
        parser.handle_end_of_output(&mut out);
        let events: Vec<StreamEvent> =
            out.items.into_iter().filter_map(|item| if let Item::Event(event) = item { Some(event) } else { None }).collect();
        assert_eq!(events, expected, "{lines:?}");
    }
}

#[test]
fn a_program_that_ends_during_the_work_has_its_last_result_unless_another_turn_had_started() {
    let mut out = Output::default();
    in_background("local_agent").handle_end_of_output(&mut out);
    assert_eq!(turns_in(&out), [Ok("I will report back.".to_owned())]);
    let mut parser = in_background("local_agent");
    turns(&mut *parser, &[&ended("t", "completed"), &live(&[]), INIT]);
    let mut out = Output::default();
    parser.handle_end_of_output(&mut out);
    assert_eq!(turns_in(&out), []);
}

#[test]
fn any_number_of_tasks_is_waited_for_in_bounded_memory() {
    let names: Vec<String> = (0..5000).map(|number| format!("t{number}")).collect();
    let (mut parser, mut out) = (opened(), Output::default());
    parser.handle_line(INIT, &mut out);
    parser.handle_line(&live(&names.iter().map(String::as_str).collect::<Vec<_>>()), &mut out);
    for name in &names {
        parser.handle_line(&started(name, "local_bash"), &mut out);
    }
    parser.handle_line(&result("one"), &mut out);
    let starts = out.items.iter().filter(|item| matches!(item, Item::Event(StreamEvent::TaskStarted { .. })));
    assert_eq!((starts.count(), turns_in(&out)), (1024, vec![]));
    parser.handle_line(&live(&[]), &mut out);
    assert_eq!(turns_in(&out), [Ok("one".to_owned())]);
}

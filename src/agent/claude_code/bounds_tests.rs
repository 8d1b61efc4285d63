//! The bounds of everything that the program makes its parser remember.
//!
//! Rules: R7.

use serde_json::{Value, json};

use super::ClaudeCode;
use crate::agent::replay::{self, Decide as _};
use crate::agent::{Item, Mode, Output, Parser, Program};
use crate::types::bounds::{
    MAX_ALLOWED_SCOPES, MAX_DENIED_CALLS, MAX_KEPT_CALLS, MAX_OPEN_REQUESTS, MAX_PLAN_STEPS, MAX_STREAMED_MESSAGES, MAX_SUB_AGENTS,
    MAX_TASKS,
};
use crate::types::{Decision, StreamEvent, ToolStatus};

const AGENT: &str = "claude_code";

fn parser() -> Box<dyn Parser> {
    let mut parser = ClaudeCode::new(Mode::TwoWay).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT));
    parser.open(&mut Output::default());
    parser
}

fn read(parser: &mut dyn Parser, line: &Value, out: &mut Output) {
    parser.handle_line(&line.to_string(), out);
}

fn ask(parser: &mut dyn Parser, id: &str, input: &Value, out: &mut Output) {
    let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("call-{id}"), "input": input });
    read(parser, &json!({ "type": "control_request", "request_id": id, "request": request }), out);
}

/// The status of a call for which the program reports an error.
fn status_of(parser: &mut dyn Parser, call: &str) -> ToolStatus {
    let result = json!({ "type": "tool_result", "tool_use_id": call, "content": "no", "is_error": true });
    let mut out = Output::default();
    read(parser, &json!({ "type": "user", "message": { "content": [result] } }), &mut out);
    let [Item::Event(StreamEvent::ToolResult { status, .. })] = &out.items[..] else { panic!("{out:?}") };
    *status
}

#[test]
fn denied_calls_without_a_result_are_bounded() {
    for by_program in [false, true] {
        let (mut parser, mut out) = (parser(), Output::default());
        for number in 0..3 * MAX_DENIED_CALLS {
            let id = number.to_string();
            if by_program {
                let call = format!("call-{id}");
                read(&mut *parser, &json!({ "type": "system", "subtype": "permission_denied", "tool_use_id": call }), &mut out);
            } else {
                ask(&mut *parser, &id, &json!({ "command": "ls" }), &mut out);
                parser.decide(&id, Decision::Deny, &mut out);
            }
        }
        assert_eq!(replay::limits_in(&out.items), [("denied_calls", MAX_DENIED_CALLS)]);
        assert_eq!(status_of(&mut *parser, &format!("call-{}", 3 * MAX_DENIED_CALLS - 1)), ToolStatus::Denied);
        assert_eq!(status_of(&mut *parser, "call-0"), ToolStatus::Error, "forgotten");
    }
}

#[test]
fn requests_that_were_rejected_or_withdrawn_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    for number in 0..2 * MAX_DENIED_CALLS {
        ask(&mut *parser, &number.to_string(), &json!({ "command": "ls" }), &mut out);
    }
    let expected = [("open_requests", MAX_OPEN_REQUESTS), ("denied_calls", MAX_DENIED_CALLS)];
    assert_eq!(replay::limits_in(&out.items), expected);
    for number in 0..MAX_DENIED_CALLS {
        let id = format!("again-{number}");
        ask(&mut *parser, &id, &json!({ "command": "ls" }), &mut out);
        read(&mut *parser, &json!({ "type": "control_cancel_request", "request_id": id }), &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), expected, "each limit is reported once");
}

#[test]
fn permissions_that_were_granted_for_good_are_bounded_and_the_oldest_is_asked_about_again() {
    let (mut parser, mut out) = (parser(), Output::default());
    let command = |number: usize| json!({ "command": format!("make {number}") });
    for number in 0..=MAX_ALLOWED_SCOPES {
        let id = number.to_string();
        ask(&mut *parser, &id, &command(number), &mut out);
        parser.decide(&id, Decision::AllowAlways, &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("allowed_scopes", MAX_ALLOWED_SCOPES)]);
    for (number, is_asked) in [(0, true), (1, false), (MAX_ALLOWED_SCOPES, false)] {
        let mut out = Output::default();
        ask(&mut *parser, &format!("again-{number}"), &command(number), &mut out);
        assert_eq!(out.send.is_empty(), is_asked, "{number}");
    }
}

#[test]
fn tasks_in_the_background_are_bounded_and_the_turn_waits_for_those_that_are_not_reported() {
    let (mut parser, mut out) = (parser(), Output::default());
    read(&mut *parser, &json!({ "type": "system", "subtype": "init", "session_id": "s" }), &mut out);
    let tasks: Vec<Value> =
        (0..2 * MAX_TASKS).map(|task| json!({ "task_id": task.to_string(), "task_type": "local_bash", "description": "Build" })).collect();
    let list = |tasks: &[Value]| json!({ "type": "system", "subtype": "background_tasks_changed", "tasks": tasks });
    read(&mut *parser, &list(&tasks), &mut out);
    assert_eq!(replay::limits_in(&out.items), [("tasks", MAX_TASKS)]);
    let turns = |out: &Output| out.items.iter().filter(|item| matches!(item, Item::TurnEnded(_))).count();
    read(&mut *parser, &json!({ "type": "result", "subtype": "success", "is_error": false, "result": "ok" }), &mut out);
    read(&mut *parser, &list(&tasks[MAX_TASKS..]), &mut out);
    assert_eq!(turns(&out), 0);
    read(&mut *parser, &list(&[]), &mut out);
    read(&mut *parser, &json!({ "type": "system", "subtype": "session_state_changed", "state": "idle" }), &mut out);
    assert_eq!((turns(&out), replay::limits_in(&out.items).len()), (1, 1));
}

#[test]
fn streamed_messages_and_sub_agents_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    let event = |event: Value, parent: Option<String>| json!({ "type": "stream_event", "event": event, "parent_tool_use_id": parent });
    for number in 0..=MAX_SUB_AGENTS {
        let start = json!({ "type": "message_start", "message": { "id": format!("m{number}") } });
        read(&mut *parser, &event(start, Some(format!("task-{number}"))), &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("sub_agents", MAX_SUB_AGENTS)]);
    for number in 0..=MAX_STREAMED_MESSAGES {
        read(&mut *parser, &event(json!({ "type": "message_start", "message": { "id": format!("m{number}") } }), None), &mut out);
        let delta = json!({ "type": "content_block_delta", "delta": { "type": "thinking_delta", "thinking": "hm" } });
        read(&mut *parser, &event(delta, None), &mut out);
    }
    let expected = [("sub_agents", MAX_SUB_AGENTS), ("streamed_messages", MAX_STREAMED_MESSAGES)];
    assert_eq!(replay::limits_in(&out.items), expected);
}

#[test]
fn plan_changes_and_steps_are_bounded() {
    let (mut parser, mut out) = (parser(), Output::default());
    let call = |number: usize| {
        let call = json!({ "type": "tool_use", "id": number.to_string(), "name": "TaskCreate", "input": { "subject": "step" } });
        json!({ "type": "assistant", "message": { "id": "m", "content": [call] } })
    };
    for number in 0..=MAX_KEPT_CALLS {
        read(&mut *parser, &call(number), &mut out);
    }
    assert_eq!(replay::limits_in(&out.items), [("plan_changes", MAX_KEPT_CALLS)]);
    for number in 0..=MAX_KEPT_CALLS {
        let result = json!({ "type": "tool_result", "tool_use_id": number.to_string(), "content": "created" });
        read(&mut *parser, &json!({ "type": "user", "message": { "content": [result] } }), &mut out);
    }
    let steps = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Plan { entries }) => Some(entries.len()),
        _ => None,
    });
    assert_eq!(steps.max(), Some(MAX_PLAN_STEPS));
    assert_eq!(replay::limits_in(&out.items), [("plan_changes", MAX_KEPT_CALLS), ("plan_steps", MAX_PLAN_STEPS)]);
}

//! Ids of tool calls, and tools that were not asked about.
//!
//! Rules: P5.

use super::*;

/// The ids in the log of tool calls and their results.
fn call_ids(items: &[Item]) -> Vec<(&'static str, String)> {
    let ids = items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::ToolCall(call)) => Some(("call", call.id.clone())),
        Item::Event(StreamEvent::ToolResult { id, .. }) => Some(("result", id.clone())),
        _ => None,
    });
    ids.collect()
}

#[test]
fn concurrent_calls_with_one_id_get_ids_of_their_own() {
    let call = |command: &str| json!({ "sessionUpdate": "tool_call", "toolCallId": "call_0", "status": "in_progress", "rawInput": { "command": command } });
    let ended =
        |output: &str| json!({ "sessionUpdate": "tool_call_update", "toolCallId": "call_0", "status": "completed", "rawOutput": output });
    let mut parser = in_turn("x");
    let mut items = Vec::new();
    for each in [call("a"), call("b"), ended("a"), ended("b"), call("c"), ended("c"), ended("again")] {
        items.extend(update(&mut parser, &each).1.items);
    }
    let expected = ["call_0", "call_0#2"].map(|id| ("call", id.to_owned()));
    assert_eq!(call_ids(&items)[..2], expected);
    let expected = [("result", "call_0"), ("result", "call_0#2"), ("call", "call_0#3"), ("result", "call_0#3")];
    assert_eq!(call_ids(&items)[2..], expected.map(|(kind, id)| (kind, id.to_owned())));
}

#[test]
fn an_update_with_the_input_of_one_of_several_calls_is_about_that_call() {
    let mut parser = in_turn("x");
    let mut items = Vec::new();
    for each in [
        json!({ "sessionUpdate": "tool_call", "toolCallId": "0", "status": "in_progress", "rawInput": { "n": 1 } }),
        json!({ "sessionUpdate": "tool_call", "toolCallId": "0", "status": "in_progress", "rawInput": { "n": 2 } }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "0", "status": "completed", "rawInput": { "n": 2 }, "rawOutput": "two" }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "0", "status": "failed", "rawOutput": "one" }),
    ] {
        items.extend(update(&mut parser, &each).1.items);
    }
    let results: Vec<_> = call_ids(&items).into_iter().filter(|(kind, _)| *kind == "result").map(|(_, id)| id).collect();
    assert_eq!(results, ["0#2", "0"]);
}

#[test]
fn a_reused_id_is_another_call_however_the_call_is_reported() {
    let ended = ["call", "result"];
    let whole = |id: &str, title: &str, input: Value| json!({ "sessionUpdate": "tool_call", "toolCallId": id, "title": title, "status": "completed", "rawInput": input });
    let later =
        |status: &str, input: Value| json!({ "sessionUpdate": "tool_call_update", "toolCallId": "0", "status": status, "rawInput": input });
    let input = |command: &str| json!({ "command": command });
    let first = [later("in_progress", input("a")), later("completed", Value::Null)];
    for (updates, calls) in [
        (vec![whole("0", "a", input("a")), whole("0", "b", input("b")), whole("0", "c", input("c"))], 3),
        (vec![whole("0", "a", Value::Null), whole("0", "b", Value::Null)], 2),
        (vec![first[0].clone(), first[1].clone(), later("in_progress", input("b")), later("completed", Value::Null)], 2),
        // The same call, reported again.
        (vec![whole("0", "a", input("a")), whole("0", "a", input("a")), whole("0", "a", Value::Null)], 1),
        (vec![first[0].clone(), first[1].clone(), first[0].clone(), later("in_progress", Value::Null), first[1].clone()], 1),
        (vec![first[0].clone(), first[1].clone(), whole("0", "with a title", input("a"))], 1),
    ] {
        let mut parser = in_turn("x");
        let mut items: Vec<Item> = updates.iter().flat_map(|each| update(&mut parser, each).1.items).collect();
        items.extend(end_turn(&mut parser, 3).items);
        let seen: Vec<&str> = call_ids(&items).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(seen, ended.repeat(calls), "{updates:?}");
    }
}

#[test]
fn a_call_that_is_announced_again_unchanged_is_the_same_call() {
    let mut parser = in_turn("x");
    let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "0", "status": "in_progress", "rawInput": { "n": 1 } });
    let mut items = update(&mut parser, &call).1.items;
    items.extend(update(&mut parser, &call).1.items);
    items.extend(end_turn(&mut parser, 3).items);
    assert_eq!(call_ids(&items), [("call", "0".to_owned()), ("result", "0".to_owned())]);
}

/// The outcome of a tool call of `kind` without a permission request, in this mode.
fn unasked(kind: &str, mode: PermissionMode, allowed_always: bool) -> Vec<&'static str> {
    let mut task = task("acp");
    task.spec.permission_mode = mode;
    let options = SessionOptions { enforces_asking: true, ..SessionOptions::default() };
    let mut parser = Acp::new(&task, Dialect::default()).with_options(options);
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
    if allowed_always {
        let (id, _) = request_permission(&mut parser, &json!([{ "optionId": "y", "kind": "allow_always" }]));
        parser.decide(&id, Decision::AllowAlways, &mut Output::default());
    }
    let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "u", "kind": kind, "title": "touch a", "status": "completed" });
    let (_, out) = update(&mut parser, &call);
    let mut summary = summarize(&out).0;
    summary.extend(out.send.windows(14).any(|bytes| bytes == b"session/cancel").then_some("cancel"));
    summary
}

#[test]
fn an_agent_that_acts_without_asking_is_stopped_in_read_only_and_reported_in_ask() {
    let acted = ["tool_call", "tool_result"];
    for kind in ["edit", "delete", "move", "execute"] {
        assert_eq!(unasked(kind, PermissionMode::Auto, false), acted, "{kind}");
        assert_eq!(unasked(kind, PermissionMode::Ask, false), [&acted[..], &["notice"]].concat(), "{kind}");
        assert_eq!(unasked(kind, PermissionMode::ReadOnly, false), [&acted[..], &["notice", "agent_error", "cancel"]].concat(), "{kind}");
        assert_eq!(unasked(kind, PermissionMode::Ask, true), acted, "the agent may have been allowed to: {kind}");
    }
    for kind in ["read", "search", "think"] {
        assert_eq!(unasked(kind, PermissionMode::ReadOnly, false), acted, "{kind}");
    }
}
